"""How much a target may be asked at once: from the provider's own counters, or learned from how its answers slow down.

The learned limit is Netflix's Gradient2 (netflix/concurrency-limits): while first outputs take no longer than they used
to, the limit grows by the root of itself; when they take longer, it shrinks in proportion.
"""

from __future__ import annotations

from math import exp, sqrt

import msgspec

LEAST = 4.0
MOST = 500.0
TOLERANCE = 1.5
"""How much longer than usual first outputs may take before the limit shrinks."""
_SMOOTHING = 0.2
_LONG = 600.0


class Counter(msgspec.Struct):
    """What a provider said is left of a limit: `left` at `at`, `limit` again at `full_at` (seconds on one clock).

    It is taken to fill evenly in between, as the token buckets of the large providers do.
    """

    left: float
    limit: float
    at: float
    full_at: float

    def free_at(self, needed: float, now: float) -> float:
        """When `needed` will be there: `now` if it is; if it is more than all, when all is there."""
        if now >= self.full_at or self.left >= needed:
            return now
        missing = min(needed, self.limit) - self.left
        whole = max(self.limit - self.left, 1.0)
        return max(now, self.at + (self.full_at - self.at) * min(missing / whole, 1.0))


class Gradient:
    """A limit on concurrent calls that follows the time to first output."""

    __slots__ = ("_usual", "limit")

    def __init__(self, limit: float = 20.0) -> None:
        self.limit = limit
        self._usual: float | None = None

    def sample(self, first_output: float, in_flight: int) -> None:
        """A first output came after so many seconds, with so many calls in flight."""
        if self._usual is None:
            self._usual = first_output
        self._usual += (first_output - self._usual) * (1 - exp(-1 / _LONG))
        if in_flight * 2 < self.limit:
            return  # the callers, not the limit, decide how many there are
        gradient = max(0.5, min(1.0, TOLERANCE * self._usual / max(first_output, 1e-9)))
        wanted = self.limit * gradient + sqrt(self.limit)
        self.limit = max(LEAST, min(MOST, self.limit + (wanted - self.limit) * _SMOOTHING))
