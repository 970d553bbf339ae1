"""Turn what was read of a stream into events that are ready to hand out, and move its deadlines. No I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from ..core import clock
from ..core.exceptions import MiiflowLLMError, StreamInterruptedError, StreamProtocolError
from ..core.response import RawResponse
from ..http.answer_body import DeadlineError, ReadError
from ..http.transport import Answer
from .raw_request import RawExchange
from .sse_events import EventDecoder

if TYPE_CHECKING:
    from httpx_sse import ServerSentEvent

_NO_EVENTS = ("json", "eventstream", "html", "image/", "audio/", "video/")
"""Content types that cannot be an event stream; a wrong plain one can."""


class EventState:
    """One stream of events; its attributes are as `StreamState` has them."""

    def __init__(self, call: RawExchange) -> None:
        self.call = call
        self.ready: deque[ServerSentEvent] = deque()
        self.behind = b""
        self.over = self.given = self.ended = False
        self.error: MiiflowLLMError | None = None
        self.head: RawResponse | None = None
        self._decoder = EventDecoder(call.setup.max_frame)
        self._phase: Literal["first_output", "idle"] = "first_output"
        self._since = 0.0
        self._came = False

    def opened(self, answer: Answer) -> None:
        """An answer has begun."""
        attempts = self.call.attempts
        self.head = RawResponse(answer.status, answer.headers, b"", attempts[-1].request_id, attempts)
        self._decoder = EventDecoder(self.call.setup.max_frame)
        self._phase, self._since, self._came = "first_output", self.call.began, False
        if any(word in answer.content_type for word in _NO_EVENTS):
            self.error = StreamProtocolError(
                f"the answer is {answer.content_type}, not a stream of events; ask for it with request()"
            )

    def dropped(self) -> None:
        """The answer failed and another attempt follows."""
        self.error = None

    def deadline(self) -> float | None:
        """The time until which the next read may wait. Comments and other bytes without an event do not move it.

        Raises:
            DeadlineError: it has passed.
        """
        if self._came:
            self._came, self._since = False, clock.monotonic()
        limit = self.call.timeout.idle if self._phase == "idle" else self.call.timeout.first_output
        deadline = self.call.deadline(limit, self._since)
        if deadline is not None and clock.monotonic() >= deadline:
            raise DeadlineError
        return deadline

    def broke(self, reason: ReadError) -> None:
        """A read failed.

        Raises:
            MiiflowLLMError: always; of a stream that nobody knows the end of none can be the right one.
        """
        if isinstance(reason, DeadlineError):
            raise self.call.timed_out(self._phase)
        raise StreamInterruptedError(f"the stream of events broke off: {reason.error.message}")

    def took(self, data: bytes) -> None:
        """What a read brought; `b""` is the end of the bytes."""
        if self.over:  # closed by another task meanwhile
            return
        try:
            events = self._decoder.feed(data) if data else self._decoder.finish()
        except StreamProtocolError as error:
            self.error = error
            return
        self.ended = not data
        if events:
            if self._phase != "idle":
                self.call.note_first_output()
                self._phase = "idle"
            self._came = True
            self.ready.extend(events)

    def catch_up(self) -> None:
        """Nothing is ever behind: cutting events costs little."""

    def settle(self, headers: Mapping[str, str]) -> None:
        """The stream is at its end."""
        self.over = True
        self.call.answered(None)

    def exhausted(self) -> bool:
        """Whether the iteration is over."""
        return self.over

    def check_total(self) -> None:
        """An event goes to the caller.

        Raises:
            TimeoutError: the whole call took longer than `Timeout.total`.
        """
        left = self.call.left()
        if left is not None and left <= 0 and not self.over:
            self.over = True
            error = self.call.timed_out("total")
            self.call.note_failure(error)
            raise self.call.settled(error)

    def abandoned(self) -> None:
        """The caller leaves."""
        if not self.over:
            self.over = True
            self.call.abandoned()
