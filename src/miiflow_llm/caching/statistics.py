"""What a cache has done: counts, and what it saved."""

from __future__ import annotations

import msgspec

from ..core import forks
from ..core.price import Cost
from .answer import Kept


class CacheMetrics(msgspec.Struct, frozen=True):
    """What a cache has done.

    `hits` were answered by what was kept, `stale` of them by something older than its life, `joined` by an equal call
    that was on its way; `misses` made a call, `renewed` were made beside a hit. `stored` answers were kept, `refused`
    were not fit to be. `store_failures` are questions that the store did not answer. `saved_tokens` and `saved`
    (amounts by currency) are what hits and joined calls would have cost.
    """

    hits: int = 0
    stale: int = 0
    joined: int = 0
    misses: int = 0
    renewed: int = 0
    stored: int = 0
    refused: int = 0
    store_failures: int = 0
    saved_tokens: int = 0
    saved: dict[str, float] = {}


class Statistics:
    """Counts, from several threads."""

    def __init__(self) -> None:
        self._lock = forks.lock()
        self._counts = dict.fromkeys(("hits", "stale", "joined", "misses", "renewed", "stored", "refused"), 0)
        self._tokens = 0
        self._saved: dict[str, float] = {}

    def count(self, *names: str) -> None:
        """One more of each."""
        with self._lock:
            for name in names:
                self._counts[name] += 1

    def saved(self, tokens: int | None, cost: Cost | None) -> None:
        """What a call did not cost."""
        with self._lock:
            self._tokens += tokens or 0
            if cost is not None:
                self._saved[cost.currency] = self._saved.get(cost.currency, 0.0) + cost.amount

    def hit(self, answer: Kept, *, stale: bool) -> None:
        """What was kept was given."""
        self.count("hits", *(["stale"] if stale else []))
        self.saved(answer.usage.total_tokens, answer.cost)

    def summary(self, store_failures: int) -> CacheMetrics:
        """The numbers now."""
        with self._lock:
            return CacheMetrics(
                **self._counts, store_failures=store_failures, saved_tokens=self._tokens, saved=dict(self._saved)
            )
