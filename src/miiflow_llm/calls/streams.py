"""A streamed chat answer as the caller holds it: an iterator of chunks, and a context manager around it.

`Stream` is what both clients have of it; `ChatStream` is its face for event loops, `sync_streams` has that for threads.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self

from ..core.response import ChatResponse, StreamChunk
from .call import Call
from .misuse import NotPlainStream
from .players import Player
from .reading import Reading
from .stream_state import StreamState

CHECKPOINT_EVERY = 128
"""Chunks given from one read before other tasks get their turn."""


class Stream(Reading[StreamChunk]):
    """A streamed chat answer being read, by whichever player."""

    _state: StreamState

    def __init__(self, player: Player, call: Call, *, raw: bool = False) -> None:
        super().__init__(player, StreamState(call, raw=raw))

    @property
    def response(self) -> ChatResponse:
        """The answer so far; whole once the iteration has ended.

        Raises:
            ConfigurationError: nothing has come yet.
        """
        return self._state.response

    @property
    def call(self) -> Call:
        """The call behind it: its request, plan and attempts."""
        return self._state.call

    @property
    def chunks(self) -> deque[StreamChunk]:
        """Those that have come and are not taken yet, for whoever hands them out in this stream's stead."""
        return self._ready


class ChatStream(Stream, NotPlainStream, AsyncIterator[StreamChunk]):
    """The chunks of one answer. The request is sent when the first chunk is asked for, or on entering.

    `response` is the answer as far as it has come; once the iteration has ended it is what `chat()` would have given.
    Leaving by `async with`, `aclose()`, an error or cancellation closes the connection; a stream that is dropped
    without any of these closes it too, with a ResourceWarning.
    """

    _call, _instead = "stream_chat()", "SyncLLMClient"

    def __init__(self, player: Player, call: Call, *, raw: bool = False) -> None:
        super().__init__(player, call, raw=raw)
        self._burst = 0
        self._most = 0 if self._timed else CHECKPOINT_EVERY

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> StreamChunk:
        ready = self._ready
        if ready and self._burst < self._most:
            self._burst += 1
            return ready.popleft()
        if ready and self._burst >= CHECKPOINT_EVERY:
            await self._player.checkpoint()
            self._burst = 0
        if not ready:
            await self._fill()
            if not ready:
                raise StopAsyncIteration
        self._burst += 1
        self._state.given = True
        if self._timed:
            self._check_total()
        return ready.popleft()

    async def __aenter__(self) -> Self:
        await self._enter()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def aclose(self) -> None:
        """Leave: close the connection, or give it back where the answer was whole. Harmless when done twice."""
        await self._close()
