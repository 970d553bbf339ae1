"""One call on its way, for all who ask the same at the same time: a log that grows, and readers that each have a place.

No I/O and no waiting: whoever puts something in is told how to wake those who wait.
"""

from __future__ import annotations

from collections.abc import Callable

from ..core import forks
from ..core.exceptions import (
    ConfigurationError,
    ContentFilterError,
    InvalidRequestError,
    MiiflowLLMError,
    ParsingError,
    StreamInterruptedError,
)
from ..core.response import ChatResponse, Embeddings, StreamChunk

MAX_BYTES = 8 * 1024 * 1024
"""What a log may hold; beyond it the oldest chunks go, and readers who still needed them fall off."""

_OF_A_CHUNK = 400
"""About what Python needs for a chunk, in bytes, beside its text."""

SHARED_ERRORS = (ConfigurationError, InvalidRequestError, ContentFilterError, ParsingError)
"""Errors that every equal call would meet too; after any other one a follower asks for itself."""


LEFT = StreamInterruptedError("the call that this one had joined was left before its answer was complete")


class FellOffError(StreamInterruptedError):
    """A reader of a shared answer was so slow that what it had not read yet had to go; `partial` is what it has."""


class Flight:
    """A call being made for several readers.

    `streams` says whether chunks come or only the whole answer. `keep_going` lets it end though nobody reads: to renew
    what is kept, or because the caller wants what was begun to be kept. `wake` is called after each change, `stop` when
    nobody reads any more.
    """

    __slots__ = (
        "_base",
        "_bytes",
        "_lock",
        "_sizes",
        "chunks",
        "error",
        "keep_going",
        "max_bytes",
        "over",
        "readers",
        "response",
        "settling",
        "stop",
        "streamed",
        "streams",
        "wake",
    )  # fmt: skip

    def __init__(self, *, streams: bool, keep_going: bool, max_bytes: int = MAX_BYTES) -> None:
        self.wake: Callable[[], None] = _nobody
        self.stop: Callable[[], None] = _nobody
        self.streams = streams
        self.keep_going = keep_going
        self.max_bytes = max_bytes
        self.chunks: list[StreamChunk] = []
        self.response: ChatResponse | Embeddings | None = None
        self.error: BaseException | None = None
        self.over = False
        self.settling = False
        self.streamed = False
        self.readers = 0
        self._lock = forks.lock()
        self._base = 0
        self._bytes = 0
        self._sizes: list[int] = []

    @property
    def came(self) -> int:
        """How many chunks have come, those that had to go included."""
        return self._base + len(self.chunks)

    @property
    def is_wanted(self) -> bool:
        """Whether there is a reason to go on."""
        return self.readers > 0 or self.keep_going

    def join(self, *, streams: bool) -> bool:
        """One more reader, of chunks or of the whole answer; `False` if the call is over."""
        with self._lock:
            self.readers += not self.over
            self.streamed = self.streamed or streams
            return not self.over

    def leave(self) -> None:
        """A reader goes; with the last one the call itself is left, unless it is to go on."""
        with self._lock:
            self.readers -= 1
            left = not self.is_wanted and not self.over
            if left:
                self.error, self.over = LEFT, True  # at once: who asks from now on begins anew
        if left:
            self.wake()
            self.stop()

    def put(self, chunk: StreamChunk) -> None:
        """One more chunk."""
        size = len(chunk.delta) + len(chunk.reasoning_delta) + len(chunk.raw) + _OF_A_CHUNK
        size += sum(len(call.arguments) for call in chunk.tool_call_deltas)
        self.chunks.append(chunk)
        self._sizes.append(size)
        self._bytes += size
        if self._bytes > self.max_bytes:
            self._drop()
        self.wake()

    def _drop(self) -> None:
        """Let the older half go, in one go, so that a long answer costs the same a chunk."""
        gone, kept = 0, self._bytes
        while kept > self.max_bytes / 2 and gone < len(self._sizes) - 1:
            kept -= self._sizes[gone]
            gone += 1
        del self.chunks[:gone], self._sizes[:gone]
        self._base += gone
        self._bytes = kept

    def at(self, place: int) -> StreamChunk | None:
        """The chunk at a place; `None` if it has not come yet.

        Raises:
            FellOffError: it had to go.
        """
        if place < self._base:
            raise FellOffError(
                f"this reader was more than {self.max_bytes:,} bytes behind the others of one shared answer; read "
                "faster, or raise max_flight_bytes"
            )
        inside = place - self._base
        return self.chunks[inside] if inside < len(self.chunks) else None

    def finish(self, response: ChatResponse | Embeddings) -> None:
        """The answer is whole."""
        self.response, self.over = response, True
        self.wake()

    def fail(self, error: BaseException) -> None:
        """It will not be whole."""
        if not self.over:
            self.error, self.over = error, True
            self.wake()


def _nobody() -> None:
    """Nobody is told."""


def is_shared(error: BaseException | None) -> bool:
    """Whether the error of one call is that of every equal one."""
    return isinstance(error, SHARED_ERRORS)


def copied(error: BaseException) -> MiiflowLLMError:
    """An error for one more reader: an exception that several raise must not be one object."""
    if not isinstance(error, MiiflowLLMError):
        error = LEFT
    kind, arguments = error.__reduce__()[:2]
    return kind(*arguments)  # type: ignore[no-any-return]
