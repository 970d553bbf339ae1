"""A routed answer as the caller holds it: for event loops, and for threads."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Self

from ..calls.players import played
from ..calls.streams import CHECKPOINT_EVERY
from ..core.response import StreamChunk
from .asking import Asked
from .routed import AfterOutput, Routed
from .shared import Shared
from .waits import LoopWaits, ThreadWaits, Waits


class _Handed(Routed):
    """What both faces have in common."""

    def __init__(self, router: Shared, waits: Waits, asked: Asked, after_output: AfterOutput) -> None:
        super().__init__(router, waits, asked, after_output)
        self._ready: deque[StreamChunk] = deque()
        self._timed = asked.until is not None  # then the whole call's limit is looked at for every chunk

    @property
    def ready(self) -> int:
        """Chunks that have come and are not taken yet: so many steps need not wait for the network."""
        return len(self._ready or self.chunks)

    def __del__(self) -> None:
        if getattr(self, "over", True) or not self.ledger.attempted:
            return
        for one in self.ledger.attempted:
            if one.outcome is None and hasattr(one.source, "drop"):
                one.source.drop()  # first: a warning may be an error
        self.ledger.abandoned()
        warnings.warn(
            "a routed stream was dropped before its end without being closed; use `with` or `async with`",
            ResourceWarning,
            source=self,
            stacklevel=1,
        )


class RoutedStream(_Handed, AsyncIterator[StreamChunk]):
    """The chunks of one answer, whichever target gives it; as `ChatStream`.

    A chunk with `restarted` set begins the answer anew: what was shown of it is to be dropped.
    """

    def __init__(self, router: Shared, waits: LoopWaits, asked: Asked, after_output: AfterOutput) -> None:
        super().__init__(router, waits, asked, after_output)
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
            await self._waits.checkpoint()
            self._burst = 0
        if not ready:
            if not await self.more():
                raise StopAsyncIteration
            ready = self._ready = self.chunks
        self._burst += 1
        self.given = True
        if self._timed and self.late:
            await self.stop_late()
        return ready.popleft()

    async def __aenter__(self) -> Self:
        """Ask until a target shows output."""
        if not self.over and self.ledger.winner is None:
            await self.more()  # none of it counts as handed out before it is taken
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Leave: close whatever is under way. Harmless when done twice."""
        self._ready = deque()
        await self.leave()


class SyncRoutedStream(_Handed, Iterator[StreamChunk]):
    """The chunks of one answer, whichever target gives it; as `SyncChatStream` and `RoutedStream`."""

    def __init__(self, router: Shared, waits: ThreadWaits, asked: Asked, after_output: AfterOutput) -> None:
        super().__init__(router, waits, asked, after_output)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> StreamChunk:
        ready = self._ready
        if not ready:
            if not played(self.more()):
                raise StopIteration
            ready = self._ready = self.chunks
            self.given = True
        if self._timed and self.late:
            played(self.stop_late())
        return ready.popleft()

    def __enter__(self) -> Self:
        """Ask until a target shows output."""
        if not self.over and self.ledger.winner is None:
            played(self.more())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave: close whatever is under way. Harmless when done twice."""
        self._ready = deque()
        played(self.leave())
