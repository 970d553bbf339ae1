"""A fake provider: captures served over a real loopback socket, each in its provider's own dialect.

`ReplayServer` says what is served and how; what happens on one connection is in `connection`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, unquote

import anyio
import anyio.abc
from anyio.from_thread import start_blocking_portal

from ..core.secrets import hide, hide_query, hide_values
from .batch_apis import BatchCall, answer
from .batch_desk import Answer, BatchDesk
from .capture import Capture
from .connection import Connection
from .cuts import Cut
from .errors import CaptureError
from .faults import Fault, FaultPlan
from .http_reader import HttpRequest, json_of
from .match import ASPECTS, Aspect, CaptureIndex, Received
from .playback import Playback, plan
from .store import captures_of


class ReplayServer:
    """Serves captures, or those of a folder, on 127.0.0.1, on asyncio and trio; `async with` starts and stops it.

    `cut` says how bodies are cut (one HTTP chunk each), `seed` chooses the sizes of `random`. `pace` is the time
    between two pieces in seconds; with `cut="recorded"` it is a factor on the recorded times (1.0 as recorded, 0.0 at
    full speed). `fault`, one or several, is laid over every answer and may be set anew while the server runs.
    The batch APIs of the providers are served too, their lines answered from the captures: `batches.plan` says how
    they go. `port` 0 takes a free one. `match` and `repeat` are those of `CaptureIndex`.

    `requests` are those received, in order; `connections` counts all that were made, `open_connections` those that are
    open now.

    Raises:
        CaptureError: two captures have the same name.
    """

    def __init__(
        self,
        captures: Iterable[Capture] | Path | str,
        *,
        cut: Cut = "frames",
        pace: float = 0.0,
        seed: int = 0,
        fault: Fault | Sequence[Fault] | None = None,
        match: Sequence[Aspect] = ASPECTS,
        repeat: bool = True,
        port: int = 0,
    ) -> None:
        self.index = CaptureIndex(captures_of(captures), match, repeat=repeat)
        self.cut = cut
        self.pace = pace
        self.seed = seed
        self.requests: list[Received] = []
        self.connections = 0
        self.open_connections = 0
        self.faults = FaultPlan(fault)
        self.batches = BatchDesk(self._line)
        self._asking = Received(method="", path="")
        self._port = port
        self._group: anyio.abc.TaskGroup | None = None

    @property
    def fault(self) -> Sequence[Fault]:
        """What goes wrong with every answer."""
        return self.faults.faults

    @fault.setter
    def fault(self, fault: Fault | Sequence[Fault] | None) -> None:
        self.faults = FaultPlan(fault)

    @property
    def url(self) -> str:
        """The server's address, without a path: requests are matched among all captures."""
        return f"http://127.0.0.1:{self._port}"

    def url_for(self, provider: str, name: str | None = None) -> str:
        """The base URL to which a client joins its dialect's path: for `provider`, or for one capture of its.

        Raises:
            CaptureError: there is no such provider or capture; the message shows the nearest.
        """
        if name is not None:
            self.index.get(provider, name)
            return f"{self.url}/{quote(provider)}/{quote(name)}"
        if provider not in self.index.providers:
            known = ", ".join(sorted(self.index.providers))
            raise CaptureError(f"there are no captures of {provider!r}; providers are {known}")
        return f"{self.url}/{quote(provider)}"

    async def __aenter__(self) -> Self:
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=self._port)
        self._port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610  anyio's, not Django's
        self._group = anyio.create_task_group()
        await self._group.__aenter__()
        self._group.start_soon(self._serve, listener)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._group is not None  # noqa: S101  entered before it is left
        self._group.cancel_scope.cancel()
        # Not told of the caller's exception, the group does not wrap it: it goes on as it is.
        await self._group.__aexit__(None, None, None)

    async def serve_forever(self) -> None:
        """Run until cancelled."""
        async with self:
            await anyio.sleep_forever()

    async def _serve(self, listener: Any) -> None:
        async with listener:
            await listener.serve(self._connected)

    async def _connected(self, stream: anyio.abc.SocketStream) -> None:
        self.connections += 1
        self.open_connections += 1
        try:
            await Connection(self, stream, self.connections).run()
        finally:
            self.open_connections -= 1

    def received(self, request: HttpRequest, connection: int) -> Received:
        """Note a request; provider and capture name are taken off its path where it begins with them."""
        path, _, query = request.target.partition("?")
        parts = path.lstrip("/").split("/")
        provider = unquote(parts.pop(0)) if unquote(parts[0]) in self.index.providers else None
        name = unquote(parts.pop(0)) if provider and parts and self.index.knows(provider, unquote(parts[0])) else None
        noted = Received(
            method=request.method,
            path="/" + "/".join(parts),
            query=hide_query(query),
            headers=hide(request.headers),
            body=hide_values(json_of(request.body)),
            provider=provider,
            name=name,
            connection=connection,
        )
        self.requests.append(noted)
        return noted

    def batch_answer(self, request: HttpRequest, received: Received) -> Answer | None:
        """What the provider's batch API answers; `None` if the request is for another API."""
        owners = sorted(self.index.providers)
        provider = received.provider or (owners[0] if len(owners) == 1 else None)
        _, _, query = request.target.partition("?")
        host = request.headers.get("host", "127.0.0.1")
        call = BatchCall(request.method, received.path, query, request.headers, request.body, host)
        self._asking = received
        return answer(self.batches, provider, call)

    def _line(self, path: str, body: Any) -> Capture:
        """The capture that answers a line of a batch."""
        asked = Received(method="POST", path=path, body=body, provider=self._asking.provider, name=self._asking.name)
        return self.index.find(asked)

    def playback(self, capture: Capture) -> Playback:
        """How the capture is answered now."""
        return plan(capture, cut=self.cut, seed=self.seed, pace=self.pace, faults=self.faults.faults)


@contextmanager
def serving(captures: Iterable[Capture] | Path | str, **options: Any) -> Iterator[ReplayServer]:
    """A running `ReplayServer` for code that is not asynchronous; it runs in a thread of its own.

    `options` are the server's.
    """
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(ReplayServer(captures, **options)) as server,
    ):
        yield server
