"""A streamed answer in plain synchronous code: `Stream`, played by a thread."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Self

from ..core.response import StreamChunk
from .misuse import NotInLoops
from .players import played
from .streams import Stream


class SyncChatStream(Stream, NotInLoops, Iterator[StreamChunk]):
    """The chunks of one answer. The request is sent when the first chunk is asked for, or on entering.

    `response` is the answer as far as it has come; once the iteration has ended it is what `chat()` would have given.
    Leaving by `with`, `close()` or an error closes the connection; a stream that is dropped without any of these closes
    it too, with a ResourceWarning.
    """

    _instead = "LLMClient"

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> StreamChunk:
        ready = self._ready
        if not ready:
            played(self._fill())
            if not ready:
                raise StopIteration
            self._state.given = True
        if self._timed:
            self._check_total()
        return ready.popleft()

    def __enter__(self) -> Self:
        played(self._enter())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave: close the connection, or give it back if the answer was whole. Harmless when done twice."""
        played(self._close())
