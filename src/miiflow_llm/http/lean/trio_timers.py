"""What asyncio's `call_later` is, for trio: callbacks at a time, run by one system task that sleeps until the next.

A cancel scope around each read costs half as much as the read itself; this costs nothing while data flows.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

from anyio.lowlevel import RunVar

from ...core import clock

if TYPE_CHECKING:
    import trio

_MIN_CANCELLED = 64  # from here on, a heap that is mostly cancelled timers is swept


class Timer:
    """A callback and its time, on clock.monotonic()'s clock."""

    __slots__ = ("_owner", "at", "callback", "number")

    def __init__(self, owner: TrioTimers, at: float, number: int, callback: Callable[[], object]) -> None:
        self._owner = owner
        self.at = at
        self.number = number
        self.callback: Callable[[], object] | None = callback

    def __lt__(self, other: Timer) -> bool:
        return (self.at, self.number) < (other.at, other.number)

    def cancel(self) -> None:
        if self.callback is not None:
            self.callback = None
            self._owner.count_cancelled()


class TrioTimers:
    """The timers of one trio run; `current` finds them. To be used in that run's thread only."""

    def __init__(self) -> None:
        self._heap: list[Timer] = []
        self._numbers = itertools.count()
        self._cancelled = 0
        self._sleep: trio.CancelScope | None = None

    @classmethod
    def current(cls) -> TrioTimers:
        """The timers of the trio run that is under way."""
        timers = _current.get(None)
        if timers is None:
            timers = cls()
            _current.set(timers)
        return timers

    def call_later(self, delay: float, callback: Callable[[], object]) -> Timer:
        """Run `callback`, which must not raise, in `delay` seconds."""
        import trio

        timer = Timer(self, clock.monotonic() + delay, next(self._numbers), callback)
        heappush(self._heap, timer)
        if self._sleep is None:
            self._sleep = trio.CancelScope()
            trio.lowlevel.spawn_system_task(self._run)
        elif self._heap[0] is timer:
            self._sleep.deadline = trio.current_time() + delay
        return timer

    def count_cancelled(self) -> None:
        self._cancelled += 1
        if self._cancelled > _MIN_CANCELLED and self._cancelled > len(self._heap) // 2:
            self._heap = [timer for timer in self._heap if timer.callback is not None]
            heapify(self._heap)
            self._cancelled = 0

    async def _run(self) -> None:
        import trio

        try:
            while self._run_due():
                delay = self._heap[0].at - clock.monotonic()
                with trio.CancelScope(deadline=trio.current_time() + delay) as self._sleep:
                    await trio.sleep_forever()
        finally:
            self._sleep = None

    def _run_due(self) -> bool:
        """Run what is due; whether timers are left."""
        now = clock.monotonic()
        while self._heap and (self._heap[0].callback is None or self._heap[0].at <= now):
            callback = heappop(self._heap).callback
            if callback is None:
                self._cancelled -= 1
            else:
                callback()
        return bool(self._heap)


_current: RunVar[TrioTimers] = RunVar("_current")
