"""A stream of one arm, watched: what comes passes through, and the trial is told how it ended."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Any, Self

from ..core.exceptions import MiiflowLLMError
from ..core.response import ChatResponse, StreamChunk
from .running import Entry


class _Watched:
    """What is noted of a stream, whoever waits."""

    def __init__(self, stream: Any, entry: Entry[Any]) -> None:
        self._stream = stream
        self._entry = entry
        self._shown = False

    @property
    def response(self) -> ChatResponse:
        """The answer so far; whole once the iteration has ended."""
        response: ChatResponse = self._stream.response
        response.call_id = self._entry.call_id
        return response

    @property
    def ready(self) -> int:
        """Chunks that have come and are not taken yet."""
        ready: int = self._stream.ready
        return ready

    def _saw(self, chunk: StreamChunk) -> StreamChunk:
        if not self._shown:
            self._shown = True
            self._entry.first_output()
        if chunk.finish_reason is not None:
            self._entry.finished(self._stream.response)
        return chunk

    def _broke(self, reason: BaseException) -> None:
        if isinstance(reason, MiiflowLLMError):
            self._entry.failed(reason)
        elif not isinstance(reason, (StopIteration, StopAsyncIteration)):
            self._entry.abandoned()


class WatchedStream(_Watched, AsyncIterator[StreamChunk]):
    """The chunks of one arm's answer; as `ChatStream`."""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> StreamChunk:
        try:
            chunk: StreamChunk = await self._stream.__anext__()
        except BaseException as reason:
            self._broke(reason)
            raise
        return self._saw(chunk)

    async def __aenter__(self) -> Self:
        try:
            await self._stream.__aenter__()
        except BaseException as reason:
            self._broke(reason)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Leave. Harmless when done twice."""
        self._entry.abandoned()
        await self._stream.aclose()


class SyncWatchedStream(_Watched, Iterator[StreamChunk]):
    """The chunks of one arm's answer; as `SyncChatStream`."""

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> StreamChunk:
        try:
            chunk: StreamChunk = next(self._stream)
        except BaseException as reason:
            self._broke(reason)
            raise
        return self._saw(chunk)

    def __enter__(self) -> Self:
        try:
            self._stream.__enter__()
        except BaseException as reason:
            self._broke(reason)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave. Harmless when done twice."""
        self._entry.abandoned()
        self._stream.close()
