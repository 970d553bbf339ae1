"""One call, attempt by attempt: sends a planned request, retries while nothing was handed out, keeps the log of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import msgspec

from .core.exceptions import MiiflowLLMError
from .core.request import ChatRequest
from .core.response import Attempt, ChatResponse
from .core.timeout import Timeout
from .metrics import MetricsRecorder
from .target import Target
from .wire import hints
from .wire.encode import Unsupported
from .wire.engine import Engine, StreamReader
from .wire.faults import MAX_BODY
from .wire.retry import Retries, RetryBudget
from .wire.table import Structured
from .wire.transport import Answer, Body, Transport, timed_out, translated

if TYPE_CHECKING:
    from .structured import Shape, ShapeReader

log = logging.getLogger("miiflow_llm")

_ERROR_BODY_SECONDS = 10.0
_CLOSE_SECONDS = 1.0


class Plan(msgspec.Struct):
    """The exact request that a call sends, and what was done to say it in the provider's words.

    The key's header shows as `***`. `notes` name what was renamed, dropped or left out, and why.
    """

    method: str
    url: str
    headers: dict[str, str]
    body: dict[str, Any]
    notes: list[str]
    dialect: str


class Setup(msgspec.Struct):
    """What a client lends to its calls."""

    target: Target
    transport: Transport
    timeout: Timeout
    max_retries: int
    unsupported: Unsupported
    budget: RetryBudget
    metrics: MetricsRecorder
    max_frame: int


class Call:
    """One call being made. `attempts` grow; `started` is on the monotonic clock, in seconds."""

    def __init__(self, setup: Setup, request: ChatRequest, timeout: Timeout | None, shape: Shape | None = None) -> None:
        self.setup = setup
        self.request = request
        self.shape = shape
        self.mode: Structured | None = None
        self.timeout = timeout or setup.timeout
        self.engine: Engine
        self.attempts: list[Attempt] = []
        self.started = time.monotonic()
        self.plan = self._planned()
        self._retries = Retries(setup.max_retries, setup.budget)
        self._began = self.started
        self._settled = False

    def _planned(self) -> Plan:
        target = self.setup.target
        route = target.route(self.request.model)
        self.engine = route.engine
        if self.shape is not None:
            self._ask_for(self.shape)
        request = self.request
        encoded = route.engine.encode(request, unsupported=self.setup.unsupported)
        headers = target.request_headers(route.engine.dialect, stream=request.stream, extra=request.extra_headers)
        for note in encoded.notes:
            if note.startswith("dropped"):
                log.warning("%s: %s", self.name, note)
        return Plan(
            "POST", route.base_url + encoded.path, headers, encoded.body, encoded.notes, route.engine.dialect.name
        )

    def _ask_for(self, shape: Shape) -> None:
        from .structured import asked

        self.request, self.mode = asked(self.request, shape, self.engine.dialect)

    def reader(self, content_type: str, *, raw: bool) -> StreamReader:
        """A reader for the streamed answer of one attempt."""
        return self.engine.stream(
            self.request.model,
            self.request.messages,
            content_type=content_type,
            keep_raw=raw,
            answer_in_call=self.mode == "tool",
            max_frame=self.setup.max_frame,
        )

    def read_whole(self, body: bytes) -> ChatResponse:
        """The response in a whole body."""
        request = self.request
        return self.engine.read_whole(body, request.model, request.messages, answer_in_call=self.mode == "tool")

    def shape_reader(self) -> ShapeReader | None:
        """What reads the caller's type out of the answer; `None` where none was asked for."""
        if self.shape is None or self.mode is None:
            return None
        from .structured import ShapeReader

        return ShapeReader(self.shape, self.mode)

    @property
    def name(self) -> str:
        """`provider/model`."""
        return f"{self.setup.target.name}/{self.request.model}"

    @property
    def retries_made(self) -> int:
        """Attempts beyond the first."""
        return max(len(self.attempts) - 1, 0)

    def left(self) -> float | None:
        """What remains of the whole call, in seconds; `None` for no limit."""
        if self.timeout.total is None:
            return None
        return self.timeout.total - (time.monotonic() - self.started)

    async def send(self) -> Answer:
        """Send until an answer with a status of 2xx begins.

        Raises:
            MiiflowLLMError: an attempt failed and no retry is due.
        """
        if not self.attempts:
            self.setup.budget.called()
        while True:
            try:
                return await self._attempt()
            except MiiflowLLMError as error:
                await self.again(error)

    async def again(self, error: MiiflowLLMError) -> None:
        """Note the failed attempt, then wait for the next one, or raise `error` where none is due."""
        self.note_failure(error)
        wait = self._retries.wait(error, self.left())
        if wait is None:
            raise self.settled(error)
        await anyio.sleep(wait)
        self._waited = wait * 1000

    _waited = 0.0

    async def _attempt(self) -> Answer:
        left = self.left()
        if left is not None and left <= 0:
            raise timed_out("total", self.timeout.total)
        self._began = time.monotonic()
        self.attempts.append(Attempt(self.name, waited_ms=self._waited))
        answer = await self.setup.transport.send(
            self.plan.method,
            self.plan.url,
            headers=self.plan.headers,
            body=msgspec.json.encode(self.plan.body),
            credential=self.setup.target.credential,
            timeout=self.timeout,
            total=left,
        )
        self._note_head(answer)
        if not 200 <= answer.status < 300:
            raise await self._error_in(answer)
        return answer

    def _note_head(self, answer: Answer) -> None:
        attempt = self.attempts[-1]
        attempt.status = answer.status
        attempt.request_id = hints.request_id(answer.headers, self.engine.dialect.hints)
        attempt.connect_ms = self._since(self._began)

    async def _error_in(self, answer: Answer) -> MiiflowLLMError:
        body = await self._start_of(answer.body)
        return self.engine.error(answer.status, answer.headers, body, self.request.model)

    async def _start_of(self, body: Body) -> bytes:
        """As much of an error's body as is kept, whatever becomes of the rest."""
        parts: list[bytes] = []
        left = self.left()
        body.deadline = time.monotonic() + min(_ERROR_BODY_SECONDS, _ERROR_BODY_SECONDS if left is None else left)
        try:
            while sum(map(len, parts)) < MAX_BODY and (data := await body.read()):
                parts.append(data)
        except (httpx.HTTPError, OSError):
            pass  # the status alone says enough
        finally:
            await let_go(body)
        return b"".join(parts)

    async def whole_body(self, answer: Answer) -> bytes:
        """The body of a non-streamed answer.

        Raises:
            TimeoutError: it did not come within `first_output` of the request, or `total` of the call.
            NetworkError: the connection broke.
        """
        body, parts = answer.body, list[bytes]()
        body.deadline = self.deadline(self.timeout.first_output, self._began)
        try:
            while data := await body.read():
                parts.append(data)
        except (httpx.HTTPError, OSError) as reason:
            raise self.read_error(reason, "first_output") from None
        finally:
            await let_go(body)
        return b"".join(parts)

    def deadline(self, seconds: float | None, since: float) -> float | None:
        """The time at which a wait of `seconds` since `since` is over, or the whole call is."""
        ends = [since + seconds] if seconds is not None else []
        if self.timeout.total is not None:
            ends.append(self.started + self.timeout.total)
        return min(ends, default=None)

    def read_error(self, reason: BaseException, phase: Any) -> MiiflowLLMError:
        """Our error for a read that failed while `phase` was running."""
        if not isinstance(reason, httpx.TimeoutException):
            return translated(reason, self.timeout)
        left = self.left()
        if left is not None and left <= 0:
            phase = "total"
        return timed_out(phase, getattr(self.timeout, phase))

    def note_failure(self, error: MiiflowLLMError) -> None:
        """Write down why the attempt did not serve."""
        error.provider = error.provider or self.setup.target.name
        error.model = error.model or self.request.model
        if not self.attempts:
            return
        attempt = self.attempts[-1]
        attempt.reason = type(error).__name__
        attempt.total_ms = self._since(self._began)
        log.debug("%s attempt %d: %s", self.name, len(self.attempts), _line(attempt))

    def note_first_output(self) -> None:
        """The first output of the answer came."""
        self.attempts[-1].first_output_ms = self._since(self._began)

    def settled(self, error: MiiflowLLMError) -> MiiflowLLMError:
        """The error as it goes to the caller: with its attempts, and counted."""
        error.attempts = self.attempts
        if not self._settled:
            self._settled = True
            usage = error.partial.usage if error.partial is not None else None
            self.setup.metrics.failed(self.name, self.retries_made, usage)
        return error

    def abandoned(self) -> None:
        """The caller left before the end."""
        if not self._settled:
            self._settled = True
            self.setup.metrics.abandoned(self.name, self.retries_made)

    def finished(self, response: ChatResponse, headers: Mapping[str, str]) -> ChatResponse:
        """The response, completed with what is known beside the body, and counted."""
        dialect_hints = self.engine.dialect.hints
        attempt = self.attempts[-1]
        attempt.total_ms = self._since(self._began)
        response.attempts = self.attempts
        response.request_id = hints.request_id(headers, dialect_hints) or response.request_id
        response.rate_limit = hints.rate_limit(headers, dialect_hints)
        response.latency_ms = self._since(self.started)
        if attempt.first_output_ms is not None:
            response.time_to_first_token_ms = attempt.first_output_ms + (self._began - self.started) * 1000
        if not self._settled:
            self._settled = True
            self.setup.metrics.finished(
                self.name,
                response.usage,
                response.latency_ms,
                response.time_to_first_token_ms,
                self.retries_made,
            )
            log.debug("%s attempt %d: %s", self.name, len(self.attempts), _line(attempt))
        return response

    def _since(self, moment: float) -> float:
        return round((time.monotonic() - moment) * 1000, 3)


def _line(attempt: Attempt) -> str:
    return (
        f"status={attempt.status} request_id={attempt.request_id} reason={attempt.reason} "
        f"head_ms={attempt.connect_ms} first_output_ms={attempt.first_output_ms} total_ms={attempt.total_ms}"
    )


async def let_go(body: Body) -> None:
    """Close the body even while being cancelled, but not for long."""
    with anyio.move_on_after(_CLOSE_SECONDS, shield=True) as scope:
        try:
            await body.aclose()
        except (httpx.HTTPError, OSError):
            pass  # a connection that broke is closed
    if scope.cancelled_caught:
        body.abort()
