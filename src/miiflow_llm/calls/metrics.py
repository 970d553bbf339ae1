"""What a client has done, in bounded memory: finished, failed and abandoned calls, tokens and latencies."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

import msgspec

from ..core import forks
from ..core.price import Cost
from ..core.usage import TokenCount

MAX_TARGETS = 256
"""How many provider/model pairs are told apart; further ones are counted together as `other`."""

_STEP = 1.05
_BUCKETS = 400


class Latency(msgspec.Struct, frozen=True):
    """Percentiles in milliseconds, right to within five percent; `None` if nothing was measured."""

    p50: float | None = None
    p90: float | None = None
    p99: float | None = None


class TargetMetrics(msgspec.Struct, frozen=True):
    """One provider and model.

    `requests` are calls, `retries` the further attempts they took. `abandoned` calls were left or cancelled by the
    caller: neither successes nor failures. `tokens` are those reported. `cost` is what is known of what the calls
    cost, by currency; `unpriced` are finished calls whose cost is not known.
    """

    requests: int = 0
    finished: int = 0
    failed: int = 0
    abandoned: int = 0
    retries: int = 0
    tokens: TokenCount = TokenCount()
    latency_ms: Latency = Latency()
    first_token_ms: Latency = Latency()
    cost: dict[str, float] = {}
    unpriced: int = 0


class Metrics(msgspec.Struct, frozen=True):
    """All of a client. `success_rate` is the percentage of finished among finished and failed calls; 100 before any.

    `cost` and `unpriced` are the sums of the targets'. `cache` is what a cache before the client has saved
    (`CacheMetrics`), `None` without a cache.
    """

    total_tokens: int
    avg_latency_ms: float
    success_rate: float
    total_requests: int
    finished: int
    failed: int
    abandoned: int
    retries: int
    targets: dict[str, TargetMetrics]
    cache: Any = None
    cost: dict[str, float] = {}
    unpriced: int = 0


class _Histogram:
    """Counts by size, in steps of five percent from a tenth of a millisecond."""

    def __init__(self) -> None:
        self.counts = [0] * _BUCKETS
        self.total = 0

    def add(self, value: float) -> None:
        place = int(math.log(max(value, 0.1) * 10, _STEP))
        self.counts[min(place, _BUCKETS - 1)] += 1
        self.total += 1

    def at(self, share: float) -> float | None:
        if not self.total:
            return None
        rank, seen = math.ceil(self.total * share), 0
        for place, number in enumerate(self.counts):
            seen += number
            if seen >= rank:
                return round(float(_STEP ** (place + 0.5)) / 10, 3)
        return None

    def summary(self) -> Latency:
        return Latency(self.at(0.5), self.at(0.9), self.at(0.99))


class _Note(NamedTuple):
    target: str
    how: Literal["finished", "failed", "abandoned"]
    retries: int
    usage: TokenCount | None
    latency_ms: float | None = None
    first_token_ms: float | None = None
    cost: Cost | None = None


class _Target:
    def __init__(self) -> None:
        self.ended: Counter[str] = Counter()
        self.retries = 0
        self.tokens = TokenCount()
        self.latency = _Histogram()
        self.first_token = _Histogram()
        self.cost: dict[str, float] = {}
        self.unpriced = 0

    def summary(self) -> TargetMetrics:
        return TargetMetrics(
            self.ended.total(),
            self.ended["finished"],
            self.ended["failed"],
            self.ended["abandoned"],
            self.retries,
            self.tokens,
            self.latency.summary(),
            self.first_token.summary(),
            dict(self.cost),
            self.unpriced,
        )


class MetricsRecorder:
    """Takes one note at the end of each call; safe to use from several threads, and from the collector in any of them.

    A note is written down without waiting for the lock, and taken into account by whoever has it.
    """

    def __init__(self) -> None:
        self._targets: dict[str, _Target] = {}
        self._notes: deque[_Note] = deque()
        self._lock = forks.lock()
        self._latency_sum = 0.0

    def finished(
        self,
        target: str,
        usage: TokenCount,
        latency_ms: float,
        first_token_ms: float | None,
        retries: int,
        cost: Cost | None = None,
    ) -> None:
        """A call gave its whole answer."""
        self._note(_Note(target, "finished", retries, usage, latency_ms, first_token_ms, cost))

    def failed(self, target: str, retries: int, usage: TokenCount | None = None, cost: Cost | None = None) -> None:
        """A call raised; `usage` is what had been reported until then, `cost` what is known of its attempts'."""
        self._note(_Note(target, "failed", retries, usage, cost=cost))

    def abandoned(self, target: str, retries: int, usage: TokenCount | None = None, cost: Cost | None = None) -> None:
        """The caller left, or was cancelled."""
        self._note(_Note(target, "abandoned", retries, usage, cost=cost))

    def _note(self, note: _Note) -> None:
        self._notes.append(note)
        if self._lock.acquire(blocking=False):
            try:
                self._take_notes()
            finally:
                self._lock.release()

    def _take_notes(self) -> None:
        while self._notes:
            self._take(self._notes.popleft())

    def _take(self, note: _Note) -> None:
        known = note.target in self._targets or len(self._targets) < MAX_TARGETS
        entry = self._targets.setdefault(note.target if known else "other", _Target())
        entry.ended[note.how] += 1
        entry.retries += note.retries
        if note.usage:
            entry.tokens += note.usage
        if note.cost is not None:
            entry.cost[note.cost.currency] = entry.cost.get(note.cost.currency, 0.0) + note.cost.amount
        elif note.how == "finished":
            entry.unpriced += 1
        if note.latency_ms is not None:
            entry.latency.add(note.latency_ms)
            self._latency_sum += note.latency_ms
        if note.first_token_ms is not None:
            entry.first_token.add(note.first_token_ms)

    def summary(self) -> Metrics:
        """The numbers now."""
        with self._lock:
            self._take_notes()
            targets = {name: entry.summary() for name, entry in self._targets.items()}
            latency_sum = self._latency_sum
        finished = sum(target.finished for target in targets.values())
        failed = sum(target.failed for target in targets.values())
        abandoned = sum(target.abandoned for target in targets.values())
        return Metrics(
            total_tokens=sum(target.tokens.total_tokens or 0 for target in targets.values()),
            avg_latency_ms=round(latency_sum / finished, 3) if finished else 0.0,
            success_rate=round(100 * finished / (finished + failed), 2) if finished + failed else 100.0,
            total_requests=finished + failed + abandoned,
            finished=finished,
            failed=failed,
            abandoned=abandoned,
            retries=sum(target.retries for target in targets.values()),
            targets=targets,
            cost=_summed(target.cost for target in targets.values()),
            unpriced=sum(target.unpriced for target in targets.values()),
        )


def _summed(costs: Iterable[dict[str, float]]) -> dict[str, float]:
    out: dict[str, float] = {}
    for cost in costs:
        for currency, amount in cost.items():
            out[currency] = out.get(currency, 0.0) + amount
    return out


class NoMetrics(MetricsRecorder):
    """Takes no notes: for `enable_metrics = false`."""

    def _note(self, note: _Note) -> None:
        """Nothing is kept."""
