"""Add up a trial's records, one after the other, to a tally of every arm.

The running trial and the report of a log use the same sums, so that they agree.
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from typing import Literal, get_args

from .records import Design, Exposure, Record, Result, Score
from .sequences import ratio_evidence
from .tally import MAX_UNITS, Sizes, Units

Metric = Literal["success", "score", "cost", "first_output_ms", "latency_ms"]
"""What arms are compared by: more is better for `success` and `score`, less for the others."""
METRICS: tuple[Metric, ...] = get_args(Metric)
LESS_IS_BETTER: frozenset[Metric] = frozenset({"cost", "first_output_ms", "latency_ms"})
BROKEN = math.log(1000)
"""Evidence above which the ratio of units is not chance: reached with a chance of 0.001 if all is well."""


class Arm:
    """One arm's sums. `crossed` are calls that another target than the arm's own answered."""

    def __init__(self) -> None:
        self.metrics: dict[Metric, Units] = {metric: Units(share=metric == "success") for metric in METRICS}
        self.sizes = {"first_output_ms": Sizes(), "latency_ms": Sizes()}
        self.finish_reasons: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.crossed = 0
        self.prompt_tokens = 0
        self.completion_tokens = 0

    def add(self, result: Result) -> None:
        """One more call."""
        self.metrics["success"].add(result.unit, float(result.ok))
        for metric in ("cost", "first_output_ms", "latency_ms"):
            value = getattr(result, metric)
            if value is not None:
                self.metrics[metric].add(result.unit, value)
                if metric in self.sizes:
                    self.sizes[metric].add(value)
        self.crossed += result.crossed
        self.prompt_tokens += result.prompt_tokens or 0
        self.completion_tokens += result.completion_tokens or 0
        if result.finish_reason:
            self.finish_reasons[result.finish_reason] += 1
        if result.error:
            self.errors[result.error] += 1


class _Recent(OrderedDict[str, tuple[str, str]]):
    """The latest keys with what belongs to them."""

    def put(self, key: str, value: tuple[str, str], most: int) -> None:
        self[key] = value
        if len(self) > most:
            self.popitem(last=False)


class Tallies:
    """Every arm of one trial. `most` bounds the units and calls that are remembered one by one."""

    def __init__(self, most: int = MAX_UNITS) -> None:
        self.arms: dict[str, Arm] = {}
        self.designs: dict[str, Design] = {}
        self._exposed: dict[str, Counter[str]] = {}
        self._most = most
        self._units = _Recent()
        self._calls = _Recent()

    def add(self, record: Record) -> None:
        """One more record; what is of no arm (a score of an unknown call, a shadow's pair) changes nothing."""
        match record:
            case Design():
                self.designs[record.key] = record
                self._exposed.setdefault(record.key, Counter())
                for arm in record.shares:
                    self.arms.setdefault(arm, Arm())
            case Exposure():
                self._expose(record)
            case Result():
                self.arms.setdefault(record.arm, Arm()).add(record)
                self._calls.put(record.call_id, (record.unit, record.arm), self._most)
            case Score():
                self._score(record)
            case _:
                pass

    def _expose(self, exposure: Exposure) -> None:
        if exposure.unit not in self._units:
            self._exposed.setdefault(exposure.design, Counter())[exposure.arm] += 1
        self._units.put(exposure.unit, (exposure.arm, exposure.design), self._most)

    def _score(self, score: Score) -> None:
        if score.call_id in self._calls:
            unit, arm = self._calls[score.call_id]
            self.arms[arm].metrics["score"].add(unit, score.value)

    @property
    def latest(self) -> Design | None:
        """The design that was written last."""
        return next(reversed(self.designs.values())) if self.designs else None

    @property
    def ratio_evidence(self) -> float:
        """The evidence, over all designs, that units did not come by their shares; see `BROKEN`."""
        return sum(
            ratio_evidence([self._exposed[key][arm] for arm in design.shares], list(design.shares.values()))
            for key, design in self.designs.items()
            if not design.adaptive
        )

    def exposed(self, arm: str) -> int:
        """The units that met an arm."""
        return sum(counts[arm] for counts in self._exposed.values())
