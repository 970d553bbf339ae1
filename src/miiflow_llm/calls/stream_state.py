"""Turn what was read of an answer into chunks that are ready to hand out, move its deadlines, settle its end.

No I/O: `ChatStream` and `SyncChatStream` read, and ask here what it means.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from ..core import clock
from ..core.exceptions import ConfigurationError, MiiflowLLMError, ParsingError
from ..core.response import ChatResponse, StreamChunk
from ..http.answer_body import DeadlineError, ReadError
from ..http.transport import Answer
from ..wire.engine import StreamReader
from .call import Call

if TYPE_CHECKING:
    from .structured import ShapeReader

_NOTHING = memoryview(b"")

SLICE_BYTES = 32 * 1024
"""How much of what a read brought is made into chunks in one go: a fraction of a millisecond's work."""


class StreamState:
    """One streamed answer. `ready` are the chunks to hand out, `over` says that no more will be read.

    `behind` are bytes that have come and are still to be read by `catch_up`, before any others. `error` is to be raised
    once the ready chunks are handed out, `ended` says that the answer is whole. `given` says that something was handed
    to the caller, after which nothing is tried again.
    """

    __slots__ = (
        "_broke",
        "_deadline",
        "_idle",
        "_mismatch",
        "_output",
        "_phase",
        "_reader",
        "_response",
        "_restarts",
        "_resumed",
        "_shape",
        "_shown",
        "_since",
        "behind",
        "call",
        "ended",
        "error",
        "given",
        "over",
        "raw",
        "ready",
    )

    def __init__(self, call: Call, *, raw: bool) -> None:
        self.call = call
        self.raw = raw
        self.ready: deque[StreamChunk] = deque()
        self.behind = _NOTHING
        self.over = False
        self.given = False
        self.error: MiiflowLLMError | None = None
        self.ended = False
        self._reader: StreamReader | None = None
        self._shape: ShapeReader | None = None
        self._response: ChatResponse | None = None
        self._mismatch: ParsingError | None = None
        self._phase: Literal["first_output", "idle"] = "first_output"
        self._idle = call.timeout.idle
        self._deadline: float | None = None
        self._resumed = False
        self._restarts = False
        self._since = 0.0
        self._shown: float | None = None
        self._output = 0
        self._broke = ""

    @property
    def response(self) -> ChatResponse:
        """The answer so far; whole once it has ended."""
        if self._response is not None:
            return self._response
        if self._reader is None:
            raise ConfigurationError("the stream has not begun: iterate it first")
        return self._reader.response(finished=False)

    def opened(self, answer: Answer) -> None:
        """An answer has begun."""
        self._reader = self.call.reader(raw=self.raw)
        self._shape = self.call.shape_reader()
        self._output, self._broke, self._resumed = 0, "", False
        self._phase = "first_output"
        self._deadline = self.call.deadline(self.call.timeout.first_output, self.call.began)

    def dropped(self) -> None:
        """The answer failed and another attempt follows."""
        self._reader = self.error = None
        self.behind = _NOTHING

    def deadline(self) -> float | None:
        """The time until which the next read may wait.

        Raises:
            DeadlineError: it has passed while nothing but comments, pings and empty deltas came.
        """
        if self._resumed:
            self._resumed, self._shown = False, None
            self._count_from(clock.monotonic())
            return self._deadline
        if self._shown is not None and self._phase == "idle":
            shown, self._shown = self._shown, None
            self._count_from(self._since + clock.monotonic() - shown)
        if self._deadline is not None and clock.monotonic() >= self._deadline:
            raise DeadlineError
        return self._deadline

    def _count_from(self, when: float) -> None:
        """Let the silence begin at `when`, which has moved on: the consumer's own time is not the provider's."""
        self._since = when
        self._deadline = self.call.deadline(self._idle, when)

    def broke(self, reason: ReadError) -> None:
        """Reading on failed: for the reader the bytes end here.

        Silence after an answer that is complete ends it as its last byte would. That byte may never come: some servers
        keep the connection open and send no mark of the end.

        Raises:
            TimeoutError: the answer was not complete, or `Timeout.total` has passed.
        """
        if not isinstance(reason, DeadlineError):
            self._broke = reason.error.message
        elif not self._may_end_silent():
            raise self.with_partial(self.call.timed_out(self._phase))
        if not self.over:
            self.took(b"")

    def _may_end_silent(self) -> bool:
        left = self.call.left()
        return self._reader is not None and self._reader.complete and (left is None or left > 0)

    def took(self, data: bytes) -> None:
        """What a read brought; `b""` is the end of the bytes."""
        if self.over:  # closed by another task meanwhile
            return
        if len(data) > SLICE_BYTES:
            self.behind = memoryview(data)
            self.catch_up()
            return
        reader = self._reader
        assert reader is not None  # noqa: S101  nothing is read before an answer has begun
        chunks = reader.feed(data) if data else reader.finish(self._broke)
        if self._shape is not None:
            for chunk in chunks:
                self._shape.read(chunk)
        if self._restarts and chunks:
            chunks[0].restarted, self._restarts = True, False
        self.ready.extend(chunks)
        self.error, self.ended = reader.error, reader.ended
        if reader.fold.output != self._output:
            self._progressed(reader.fold.output)
        elif chunks and self._shown is None:
            self._shown = clock.monotonic()

    def catch_up(self) -> None:
        """Read on in what has come."""
        data, self.behind = self.behind[:SLICE_BYTES], self.behind[SLICE_BYTES:]
        self.took(bytes(data))

    def _progressed(self, output: int) -> None:
        if self._phase != "idle":
            self.call.note_first_output()
            self._phase = "idle"
        self._output = output
        self._resumed = True

    def settle(self, headers: Mapping[str, str]) -> None:
        """The answer is whole: make the response of it, of the caller's type if one was asked for.

        If it is not of that type and may be asked for again, the next attempt begins anew.
        """
        assert self._reader is not None  # noqa: S101  an answer that ended had begun
        response = self._reader.response()
        if self._shape is not None and self.call.asks_again(response, self._shape):
            self.ready.clear()
            self._restarts, self.given, self.ended = self._restarts or self.given, False, False
            self.dropped()
            return
        self.over = True
        self._response = self.call.finished(response, headers)
        self.ready[-1].cost = response.cost
        if self._shape is not None:
            self._give_shape(self._shape, self._response)

    def _give_shape(self, reader: ShapeReader, response: ChatResponse) -> None:
        """Put the value of the caller's type on the last chunk; if there is none, raise in its stead."""
        try:
            value = response.structured_output
            value = reader.finish(response) if value is None else value
        except ParsingError as error:
            self.ready.pop()
            self._mismatch = error
        else:
            last = self.ready[-1]
            last.structured_output, last.usage = value, response.usage

    def exhausted(self) -> bool:
        """Whether the iteration is over.

        Raises:
            ParsingError: the whole answer is not of the caller's type.
        """
        if self._mismatch is not None:
            mismatch, self._mismatch = self._mismatch, None
            raise mismatch
        return self.over

    def check_total(self) -> None:
        """A chunk goes to the caller.

        Raises:
            TimeoutError: the whole call took longer than `Timeout.total`.
        """
        left = self.call.left()
        if left is not None and left <= 0 and not self.over:
            self.over = True
            error = self.with_partial(self.call.timed_out("total"))
            self.call.note_failure(error)
            raise self.call.settled(error)

    def abandoned(self) -> None:
        """The caller leaves."""
        if not self.over:
            self.over = True
            fold = self._reader.fold if self._reader is not None else None
            self.call.abandoned(fold.usage if fold is not None else None, fold.output if fold is not None else 0)

    def with_partial(self, error: MiiflowLLMError) -> MiiflowLLMError:
        """The error with what came."""
        if self._reader is not None:
            error.partial = self._reader.response(finished=False)
        return error
