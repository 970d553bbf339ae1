"""The requests of a batch API: upload, create, look, cancel, and read the lines of results as they come."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec

from ..core import clock
from ..core.batches import BatchState
from ..core.exceptions import ConfigurationError, MiiflowLLMError, NetworkError, RateLimitError, TimeoutError
from ..core.request import Plan
from ..core.secrets import Sealed, is_credential_header
from ..core.timeout import Timeout
from ..http.answer_body import READ_ERRORS
from ..tables import Batch, Outcome, Upload
from ..wire import batches
from ..wire.decode.frames import too_large
from ..wire.plain_answers import at
from .exchange import Exchange, Setup
from .players import Player
from .sending import again, let_go, send, whole
from .target import Route


class BatchExchange(Exchange):
    """One request of a batch API.

    `also` are statuses beside 2xx that are answers. `once` is for a request that must not be made twice: it is only
    tried again if the first was surely not taken, or was refused in the words `not_yet`.
    """

    operation = "batch"

    def __init__(
        self,
        setup: Setup,
        route: Route,
        method: str,
        url: str,
        body: bytes | None = None,
        *,
        kind: str | None = "application/json",
        model: str = "",
        timeout: Timeout | None = None,
        also: tuple[int, ...] = (),
        once: bool = False,
        not_yet: str = "",
    ) -> None:
        headers = setup.target.request_headers(route.engine.dialect, stream=False, extra={})
        if kind is None or body is None:
            headers = Sealed({name: value for name, value in headers.items() if name != "content-type"})
        else:
            headers = Sealed({**headers, "content-type": kind})
        plan = Plan(method, url, headers, None, [], route.engine.dialect.name)
        super().__init__(setup, route.engine, model, plan, timeout)
        self._body = body
        self._also = also
        self._once = once
        self._not_yet = not_yet
        self.after_stale = once  # a fresh connection: one that died in between could have taken the request

    def content(self) -> bytes | None:
        """The body to send."""
        return self._body

    def note_head(self, status: int, headers: Mapping[str, str]) -> bool:
        """The head of an answer came; whether it is one of success."""
        return super().note_head(status, headers) or status in self._also

    def retry_wait(self, error: MiiflowLLMError) -> float:
        """As of every exchange; but what may have been taken is not sent again.

        Raises:
            MiiflowLLMError: `error` itself, if no further attempt is due.
        """
        if not self._once:
            return super().retry_wait(error)
        if self._not_yet and re.search(self._not_yet, error.message, re.IGNORECASE):
            error.retryable = True  # type: ignore[attr-defined]
        elif not _surely_not_taken(error):
            self.note_failure(error)
            raise self.settled(error)
        wait = super().retry_wait(error)
        self.after_stale = True
        return wait


def _surely_not_taken(error: MiiflowLLMError) -> bool:
    if isinstance(error, TimeoutError):
        return error.phase in ("connect", "pool")
    if isinstance(error, NetworkError):
        return error.retryable and error.message.startswith("could not connect")
    return isinstance(error, RateLimitError)


class BatchApi:
    """A provider's batch API at its address, as one client uses it."""

    def __init__(self, player: Player, setup: Setup, route: Route, timeout: Timeout | None = None) -> None:
        self.player = player
        self.setup = setup
        self.route = route
        self.timeout = timeout

    @property
    def row(self) -> Batch:
        """The row of the table.

        Raises:
            ConfigurationError: the provider has no batches, or none that are spoken; the message says what would do.
        """
        row = self.route.engine.dialect.batch
        if row.absent:
            raise ConfigurationError(row.absent, provider=self.setup.target.name)
        return row

    async def create(self, part: batches.Part, path: str, model: str, endpoint: str) -> str:
        """Upload the lines and make a batch of them; its id.

        Raises:
            MiiflowLLMError: it was refused, or nothing is known of what became of it (`NetworkError`, `TimeoutError`).
        """
        file = await self._uploaded(part) if self.row.upload else None
        where, body = batches.creating(self.row, path, model, endpoint, file, part)
        not_yet = self.row.not_yet if file else ""
        exchange = self._exchange("POST", where, body, model=model, once=True, not_yet=not_yet)
        return batches.id_of(self.row, await self._asked(exchange))

    async def _uploaded(self, part: batches.Part) -> str:
        values = {"name": part.name, "sha256": batches.digest(part.lines)}
        for step in self.row.upload:
            body, kind = batches.upload_body(step, part.lines, values)
            exchange = self._step(step, body, kind, values)
            answer, said = await whole(self.player, exchange)
            exchange.answered(None)
            if answer.status in step.known:
                return str(at(batches.decoded(said), step.known[answer.status]))
            values.update(batches.taken(step, said, answer.headers))
        return values["file"]

    def _step(self, step: Upload, body: bytes | None, kind: str | None, values: Mapping[str, str]) -> BatchExchange:
        url = batches.filled(step.path, values)
        if "://" not in url:
            url = self.route.base_url + batches.with_ids(step.path, **values)
        elif urlsplit(url).scheme != "https" and self.route.base_url.startswith("https"):
            raise ConfigurationError(f"the provider wants the upload at {urlsplit(url).netloc} over plain http")
        setup = _without_key(self.setup) if step.keyless else self.setup
        return BatchExchange(
            setup, self.route, step.method, url, body, kind=kind, timeout=self.timeout, also=(*step.also, *step.known)
        )

    async def state(self, id_: str) -> tuple[BatchState, Any]:
        """How far a batch is, and the whole answer that said so."""
        body = await self._asked(self._exchange("GET", batches.with_ids(self.row.get, id=id_)))
        return batches.state_of(self.row, id_, body)

    async def cancel(self, id_: str) -> None:
        """Ask for an end; what is done stays."""
        path = batches.with_ids(self.row.cancel, id=id_)
        await self._asked(self._exchange(self.row.cancel_by, path))

    async def results(self, id_: str, answer: Any) -> AsyncGenerator[Any, None]:
        """Every result of a batch, as it stands on the wire; `answer` is what `state` gave beside the state."""
        for outcome in self.row.outcomes:
            found = batches.results_in(outcome, answer)
            if outcome.at and found is None:
                continue
            if isinstance(found, list):
                for one in found:
                    yield one
                continue
            path = batches.with_ids(outcome.get, id=id_, at=str(found))
            async with aclosing(self._pages(outcome, path) if outcome.items else self._lines(path)) as lines:
                async for one in lines:
                    yield one

    async def _pages(self, outcome: Outcome, path: str) -> AsyncGenerator[Any, None]:
        token: str | None = ""
        while token is not None:
            more = f"&{outcome.page}={quote(token, safe='')}" if token else ""
            items, token = batches.page_in(outcome, await self._asked(self._exchange("GET", path + more)))
            for one in items:
                yield one

    async def _lines(self, path: str) -> AsyncGenerator[Any, None]:
        """The lines of a file; if the connection breaks, it is asked for again, and what was read is passed over."""
        exchange = self._exchange("GET", path)
        given = 0
        while True:
            seen = 0
            try:
                async with aclosing(self._lines_once(exchange)) as lines:
                    async for one in lines:
                        seen += 1
                        if seen > given:
                            given = seen
                            yield batches.decoded(one)
            except NetworkError as error:
                await again(self.player, exchange, error)
                continue
            exchange.answered(None)
            return

    async def _lines_once(self, exchange: Exchange) -> AsyncGenerator[bytes, None]:
        answer = await send(self.player, exchange)
        body, rest = answer.body, list[bytes]()
        size = 0
        try:
            while True:
                body.deadline = exchange.deadline(exchange.timeout.idle, clock.monotonic())
                try:
                    data = await body.read()
                except READ_ERRORS as reason:
                    raise exchange.read_error(reason, "idle") from None
                if not data:
                    break
                *ended, left = data.split(b"\n")
                for one in ended:
                    joined = b"".join([*rest, one]).strip()
                    rest, size = [], 0
                    if joined:
                        yield joined
                rest.append(left)
                size += len(left)
                if size > exchange.setup.max_frame:
                    raise too_large(exchange.setup.max_frame)
        finally:
            await let_go(self.player, body)
        last = b"".join(rest).strip()
        if last:
            yield last

    def _exchange(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        model: str = "",
        once: bool = False,
        not_yet: str = "",
    ) -> BatchExchange:
        url = self.route.base_url + path
        return BatchExchange(
            self.setup, self.route, method, url, body, model=model, timeout=self.timeout, once=once, not_yet=not_yet
        )

    async def _asked(self, exchange: BatchExchange) -> bytes:
        try:
            _, body = await whole(self.player, exchange)
        except MiiflowLLMError:
            raise
        except BaseException:
            exchange.abandoned()
            raise
        exchange.answered(None)
        return body


def _without_key(setup: Setup) -> Setup:
    """The same without anything that proves who asks."""
    headers = {name: value for name, value in setup.target.headers.items() if not is_credential_header(name)}
    target = msgspec.structs.replace(setup.target, credential=None, headers=headers)
    return msgspec.structs.replace(setup, target=target)
