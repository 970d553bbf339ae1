"""The last samples of a quantity, and their quantiles: a sample in in a microsecond, a quantile out at once."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque

SIZE = 256


class Window:
    """The last 256 samples."""

    __slots__ = ("_in_order", "_sorted")

    def __init__(self) -> None:
        self._in_order: deque[float] = deque()
        self._sorted: list[float] = []

    def __len__(self) -> int:
        return len(self._sorted)

    def add(self, value: float) -> None:
        """Take a sample; the oldest goes if there are too many."""
        if len(self._sorted) == SIZE:
            del self._sorted[bisect_left(self._sorted, self._in_order.popleft())]
        self._in_order.append(value)
        insort(self._sorted, value)

    def at(self, share: float) -> float:
        """The quantile, of one sample at least; `share` is from 0 to 1."""
        found = self._sorted
        return found[min(int(share * len(found)), len(found) - 1)]
