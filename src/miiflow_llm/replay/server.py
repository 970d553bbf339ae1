"""A provider that is none: captures served over a real loopback socket, each in its provider's own dialect.

A small HTTP/1.1 server on anyio (asyncio and trio): one HTTP chunk for each cut of the body, keep-alive, any number of
connections at once.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote

import anyio
import anyio.abc
import httptools
import msgspec

from .capture import Capture
from .cuts import Cut, boundaries
from .errors import NoMatchError
from .faults import CutAt, Fault, Reset, Stall, StatusFirst, Trickle
from .match import Received, match

MAX_REQUEST = 64 * 1024 * 1024
_HIDDEN = ("authorization", "x-api-key", "x-goog-api-key", "api-key", "cookie")
_TRANSFER = ("content-length", "transfer-encoding", "connection", "content-encoding")


class ReplayServer:
    """Serves captures; `async with` starts and stops it. `requests` are those received, their credentials hidden.

    `cut` says how bodies are cut, `seed` chooses the sizes of `random`. `pace` is the time between two pieces in
    seconds; with `cut="recorded"` it is a factor on the recorded times (1.0 as recorded, 0.0 at full speed). `fault` is
    laid over every answer. `port` 0 takes a free one.
    """

    def __init__(
        self,
        captures: Sequence[Capture],
        *,
        cut: Cut = "frames",
        pace: float = 0.0,
        seed: int = 0,
        fault: Fault | None = None,
        port: int = 0,
    ) -> None:
        self.captures = list(captures)
        self.cut = cut
        self.pace = pace
        self.seed = seed
        self.fault = fault
        self.requests: list[Received] = []
        self.connections = 0
        self._port = port
        self._group: anyio.abc.TaskGroup | None = None

    @property
    def url(self) -> str:
        """The server's address, without a path."""
        return f"http://127.0.0.1:{self._port}"

    def url_for(self, provider: str, name: str | None = None) -> str:
        """The base URL under which `provider` is found, or one capture of its by `name`."""
        return f"{self.url}/{provider}" + (f"/{name}" if name else "")

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
        await self._group.__aexit__(kind, error, trace)

    async def serve_forever(self) -> None:
        """Run until cancelled."""
        async with self:
            await anyio.sleep_forever()

    async def _serve(self, listener: Any) -> None:
        async with listener:
            await listener.serve(self._connection)

    async def _connection(self, stream: anyio.abc.SocketStream) -> None:
        self.connections += 1
        async with stream:
            try:
                while await self._exchange(stream):
                    pass
            except (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream, OSError):
                return  # the client left
            except httptools.HttpParserError:
                await stream.send(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")

    async def _exchange(self, stream: anyio.abc.SocketStream) -> bool:
        """One request and its answer; whether the connection serves another."""
        reading = _Reading()
        while not reading.done:
            reading.feed(await stream.receive(65536))
        request = reading.request(self.captures)
        self.requests.append(request)
        early = self.fault
        if isinstance(early, StatusFirst) and len(self.requests) <= early.times:
            await stream.send(_whole(early.status, {"content-type": "application/json", **early.headers}, early.body))
            return reading.keep_alive
        try:
            capture = match(self.captures, request)
        except NoMatchError as error:
            body = msgspec.json.encode({"error": {"message": str(error), "type": "no_capture", "code": "no_capture"}})
            await stream.send(_whole(404, {"content-type": "application/json"}, body))
            return reading.keep_alive
        return await self._answer(stream, capture) and reading.keep_alive

    async def _answer(self, stream: anyio.abc.SocketStream, capture: Capture) -> bool:
        head = _head(capture.status, {"content-type": capture.content_type, **_served(capture.headers)})
        await stream.send(head + b"transfer-encoding: chunked\r\n\r\n")
        sent = 0
        for delay, piece in self._pieces(capture):
            if delay:
                await anyio.sleep(delay)
            if isinstance(self.fault, Stall) and sent >= self.fault.after:
                await anyio.sleep(self.fault.seconds)
            if isinstance(self.fault, Reset) and sent >= self.fault.after:
                return False
            await stream.send(b"%x\r\n%b\r\n" % (len(piece), piece))
            sent += len(piece)
        await stream.send(b"0\r\n\r\n")
        return True

    def _pieces(self, capture: Capture) -> Iterator[tuple[float, bytes]]:
        """The pieces to send, each with the time to wait before it."""
        end = min(self.fault.offset, len(capture.body)) if isinstance(self.fault, CutAt) else len(capture.body)
        places = sorted({min(place, end) for place in [*boundaries(capture, self.cut, self.seed), *self._breaks(end)]})
        times = self._times(capture, len(places))
        for place, (start, stop) in enumerate(itertools.pairwise(places)):
            yield times[place] if place < len(times) else 0.0, capture.body[start:stop]

    def _breaks(self, end: int) -> list[int]:
        """Where a fault wants a piece to end."""
        return [min(self.fault.after, end)] if isinstance(self.fault, (Reset, Stall)) else []

    def _times(self, capture: Capture, number: int) -> list[float]:
        if isinstance(self.fault, Trickle):
            return [self.fault.delay] * number
        if self.cut == "recorded" and capture.reads is not None:
            moments = [0.0, *(ms / 1000 for ms, _ in capture.reads)]
            return [max(late - early, 0.0) * self.pace for early, late in itertools.pairwise(moments)]
        return [self.pace] * number


class _Reading:
    """One request being read, its bytes cut anywhere."""

    def __init__(self) -> None:
        self.done = False
        self.keep_alive = True
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > MAX_REQUEST:
            raise httptools.HttpParserError("the request is too large")
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        self.keep_alive = self._parser.should_keep_alive()
        self.done = True

    def request(self, captures: Sequence[Capture]) -> Received:
        """The request, with provider and capture name taken off its path where it begins with them."""
        path = unquote(self._url.decode("latin-1"))
        parts = path.partition("?")[0].lstrip("/").split("/")
        provider = parts[0] if any(one.provider == parts[0] for one in captures) else None
        parts = parts[1:] if provider else parts
        named = any(one.name == parts[0] and one.provider == provider for one in captures) if parts else False
        name = parts[0] if named else None
        return Received(
            method=self._parser.get_method().decode(),
            path="/" + "/".join(parts[1:] if named else parts),
            headers={key: "***" if key in _HIDDEN else value for key, value in self._headers.items()},
            body=_json(b"".join(self._body)),
            provider=provider,
            name=name,
        )


def _json(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body) if body else None
    except msgspec.DecodeError:
        return None


def _served(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _TRANSFER}


def _head(status: int, headers: dict[str, str]) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} {'OK' if status < 400 else 'Error'}\r\n{lines}".encode("latin-1")


def _whole(status: int, headers: dict[str, str], body: bytes) -> bytes:
    return _head(status, headers) + b"content-length: %d\r\n\r\n" % len(body) + body
