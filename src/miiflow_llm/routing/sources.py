"""Where a routed answer's chunks come from: a stream of ours as it is, or anyone's stream under the same names.

Their coroutines suspend if the stream is asynchronous, and block without ever suspending if it is synchronous, so that
one code reads both.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, Protocol

import anyio

from ..calls.streams import Stream
from ..core.request import ChatRequest, Plan
from ..core.response import Attempt, ChatResponse, StreamChunk

CLOSE_SECONDS = 1.0
"""How long closing an answer that is not wanted any more may take."""


class Source(Protocol):
    """An answer being read. `chunks` are those that have come and are not taken; the object stays the same."""

    @property
    def chunks(self) -> deque[StreamChunk]: ...

    @property
    def response(self) -> ChatResponse: ...

    async def more(self) -> bool:
        """Wait until there are chunks; false if the answer has ended, or was left."""

    async def leave(self) -> None:
        """Close it; whoever waits in `more`, in another task, gets false."""


class FromAsync:
    """Anyone's asynchronous stream."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._scope: anyio.CancelScope | None = None
        self._left = False
        self.chunks: deque[StreamChunk] = deque()

    @property
    def response(self) -> ChatResponse:
        """The answer so far."""
        response: ChatResponse = self._stream.response
        return response

    async def more(self) -> bool:
        """Take the next chunk."""
        if not self.chunks and not self._left:
            with anyio.CancelScope() as self._scope:
                try:
                    self.chunks.append(await anext(self._stream))
                except StopAsyncIteration:
                    return False
                finally:
                    self._scope = None
        return bool(self.chunks)

    async def leave(self) -> None:
        """Close it, in the reader's stead if one waits."""
        self._left = True
        if self._scope is not None:
            self._scope.cancel()
        with anyio.move_on_after(CLOSE_SECONDS, shield=True):
            await self._stream.aclose()


class FromSync:
    """Anyone's synchronous stream."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.chunks: deque[StreamChunk] = deque()

    @property
    def response(self) -> ChatResponse:
        """The answer so far."""
        response: ChatResponse = self._stream.response
        return response

    async def more(self) -> bool:
        """Take the next chunk."""
        if not self.chunks:
            chunk = next(self._stream, None)
            if chunk is not None:
                self.chunks.append(chunk)
        return bool(self.chunks)

    async def leave(self) -> None:
        """Close it."""
        self._stream.close()


def source_of(stream: Any) -> Source:
    """The stream as a source."""
    if isinstance(stream, Stream) or hasattr(stream, "more"):
        found: Source = stream
        return found
    return FromAsync(stream) if hasattr(stream, "__anext__") else FromSync(stream)


def attempts_of(source: Source | None) -> Sequence[Attempt]:
    """The requests that were made for it, as far as it tells."""
    if source is None:
        return ()
    if isinstance(source, Stream):
        return source.call.attempts
    known: Sequence[Attempt] | None = getattr(source, "attempts", None)
    return known or ()


def said(source: Source) -> tuple[Plan | None, ChatRequest | None]:
    """Its request on the wire and as it was asked for, as far as it tells."""
    if isinstance(source, Stream):
        return source.call.plan, source.call.request
    return getattr(source, "plan", None), getattr(source, "request", None)


def shows(chunk: StreamChunk) -> bool:
    """Whether it is output: text, reasoning, a call, a refusal, or the end. Pings and bare frames are not."""
    return bool(
        chunk.delta or chunk.reasoning_delta or chunk.tool_call_deltas or chunk.refusal_delta or chunk.finish_reason
    )
