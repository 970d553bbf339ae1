"""One request to a provider, attempt by attempt: sent, tried again while nothing was handed out, and written down.

A planned request in, an answer with a status of 2xx out; what the body means is its caller's to know.
"""

from __future__ import annotations

import logging
import time
from typing import Any

import anyio
import httpx
import msgspec

from .core.exceptions import MiiflowLLMError
from .core.response import Attempt
from .core.timeout import Timeout
from .metrics import MetricsRecorder
from .target import Target
from .wire import hints
from .wire.encode import Unsupported
from .wire.engine import Engine
from .wire.faults import MAX_BODY
from .wire.retry import Retries, RetryBudget
from .wire.transport import Answer, Body, Transport, timed_out, translated

log = logging.getLogger("miiflow_llm")

_ERROR_BODY_SECONDS = 10.0
_CLOSE_SECONDS = 1.0


class Plan(msgspec.Struct):
    """The exact request that is sent, and what was done to say it in the provider's words.

    The key's header shows as `***`. `notes` name what was renamed, dropped or left out, and why.
    """

    method: str
    url: str
    headers: dict[str, str]
    body: dict[str, Any] | None
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


class Exchange:
    """A planned request being made. `attempts` grow; `started` is on the monotonic clock, in seconds."""

    def __init__(self, setup: Setup, engine: Engine, model: str, plan: Plan, timeout: Timeout | None) -> None:
        self.setup = setup
        self.engine = engine
        self.model = model
        self.plan = plan
        self.timeout = timeout or setup.timeout
        self.attempts: list[Attempt] = []
        self.started = self.began = time.monotonic()
        self._retries = Retries(setup.max_retries, setup.budget)
        self._waited = 0.0
        self._settled = False

    @property
    def name(self) -> str:
        """`provider/model`."""
        return f"{self.setup.target.name}/{self.model}"

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

    async def _attempt(self) -> Answer:
        left = self.left()
        if left is not None and left <= 0:
            raise timed_out("total", self.timeout.total)
        self.began = time.monotonic()
        self.attempts.append(Attempt(self.name, waited_ms=self._waited))
        answer = await self.setup.transport.send(
            self.plan.method,
            self.plan.url,
            headers=self.plan.headers,
            body=None if self.plan.body is None else msgspec.json.encode(self.plan.body),
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
        attempt.connect_ms = self._since(self.began)

    async def _error_in(self, answer: Answer) -> MiiflowLLMError:
        body = await self._start_of(answer.body)
        return self.engine.error(answer.status, answer.headers, body, self.model)

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
        body.deadline = self.deadline(self.timeout.first_output, self.began)
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
        error.model = error.model or self.model
        if not self.attempts:
            return
        attempt = self.attempts[-1]
        attempt.reason = type(error).__name__
        attempt.total_ms = self._since(self.began)
        log.debug("%s attempt %d: %s", self.name, len(self.attempts), line(attempt))

    def note_first_output(self) -> None:
        """The first output of the answer came."""
        self.attempts[-1].first_output_ms = self._since(self.began)

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

    def _since(self, moment: float) -> float:
        return round((time.monotonic() - moment) * 1000, 3)


def line(attempt: Attempt) -> str:
    """The attempt as a log line: no content, no key."""
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
