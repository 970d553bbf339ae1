"""What an arm has done, in bounded memory: one observation in, sums that any question can be answered from.

Requests of one unit are alike, so a mean's variance counts units, not requests (the cluster-robust variance of a
ratio). It needs the sums of each unit; they are kept for the latest `MAX_UNITS` units, and a unit that comes back after
that counts as another.
"""

from __future__ import annotations

import math
from collections import OrderedDict

from .sequences import quantile_reach

MAX_UNITS = 50_000
"""Units of an arm whose sums are kept apart."""

_STEP = math.log(1.02)
"""Sizes are counted in steps of two percent."""


class Units:
    """The sums of a value by unit, and from them the mean and its variance.

    `share=True` says that values are 0 or 1: then even an arm without a failure has a variance (two units, one of each
    kind, are added when it is estimated).
    """

    __slots__ = ("_known", "requests", "share", "squares", "total", "units", "weights", "with_weights")

    def __init__(self, *, share: bool = False) -> None:
        self.share = share
        self.requests = 0
        self.units = 0
        self.total = 0.0
        self.squares = 0.0
        self.with_weights = 0.0
        self.weights = 0.0
        self._known: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def add(self, unit: str, value: float) -> None:
        """One more value of a unit."""
        before, times = self._known.pop(unit, (0.0, 0))
        after = before + value
        self.units += not times
        self.requests += 1
        self.total += value
        self.squares += after * after - before * before
        self.with_weights += after * (times + 1) - before * times
        self.weights += 2 * times + 1
        self._known[unit] = (after, times + 1)
        if len(self._known) > MAX_UNITS:
            self._known.popitem(last=False)

    @property
    def mean(self) -> float | None:
        """The mean of all values; `None` before the first."""
        return self.total / self.requests if self.requests else None

    @property
    def variance(self) -> float:
        """The variance of the mean; infinite below two units."""
        if self.units < 2:
            return math.inf
        mean = self.total / self.requests
        sum_of_squares = self.squares - 2 * mean * self.with_weights + mean * mean * self.weights
        found = max(0.0, sum_of_squares) * self.units / (self.units - 1) / self.requests**2
        if not self.share:
            return found
        smoothed = (self.total + 1) / (self.requests + 2)
        return max(found, smoothed * (1 - smoothed) / self.units)


class Sizes:
    """Sizes counted in steps of two percent, for quantiles and the bounds of quantiles."""

    __slots__ = ("_counts", "count")

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self.count = 0

    def add(self, value: float) -> None:
        """One more size, of at least 0."""
        place = math.floor(math.log(max(value, 1e-6)) / _STEP)
        self._counts[place] = self._counts.get(place, 0) + 1
        self.count += 1

    def at(self, share: float) -> float | None:
        """The sample quantile, to within a percent; `None` before the first size."""
        place = self._place(share)
        return None if place is None else math.exp((place + 0.5) * _STEP)

    def bounds(self, share: float, alpha: float) -> tuple[float, float] | None:
        """Between what the true quantile lies, at all looks together; the upper bound may be infinite.

        Sizes of one unit are counted as if they were of several: requests of few units make these bounds too narrow.
        """
        if not self.count:
            return None
        low, high = quantile_reach(share, self.count, alpha)
        lower, upper = self._place(low) if low > 0 else None, self._place(high) if high < 1 else None
        return (
            0.0 if lower is None else math.exp(lower * _STEP),
            math.inf if upper is None else math.exp((upper + 1) * _STEP),
        )

    def _place(self, share: float) -> int | None:
        rank, seen = max(1, math.ceil(self.count * share)), 0
        for place in sorted(self._counts):
            seen += self._counts[place]
            if seen >= rank:
                return place
        return None
