"""Report what a trial has shown so far: intervals, comparisons and a verdict. It may be asked at any time."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable

import msgspec

from .records import Record
from .sequences import MIN_UNITS, multiplier, units_needed
from .tallies import BROKEN, LESS_IS_BETTER, METRICS, Arm, Metric, Tallies

ALPHA = 0.05


class Interval(msgspec.Struct, frozen=True):
    """A value and between what the truth lies, at all looks together. `high` is infinite while too little is known."""

    value: float
    low: float
    high: float


class ArmReport(msgspec.Struct, frozen=True):
    """One arm.

    `share` is its part of the units, from 0 to 1; `units` met it, `requests` were made. `metrics` are means by name,
    `p50` and `p95` quantiles of times in milliseconds. `crossed` is the share of calls that another target answered;
    they count for the arm that was assigned.
    """

    arm: str
    share: float
    units: int
    requests: int
    metrics: dict[str, Interval]
    p50: dict[str, Interval]
    p95: dict[str, Interval]
    prompt_tokens: int
    completion_tokens: int
    finish_reasons: dict[str, int]
    errors: dict[str, int]
    crossed: float


class Comparison(msgspec.Struct, frozen=True):
    """Two arms by one metric: `difference` is the mean of `arm` less that of `against`.

    `decided` says that the interval does not hold 0. If it is not, `more_units` are about as many units as would decide
    a difference that stays as it is, `None` if that is out of sight.
    """

    metric: Metric
    arm: str
    against: str
    difference: Interval
    decided: bool
    more_units: int | None = None


class Report(msgspec.Struct, frozen=True):
    """What a trial has shown.

    `goal` is the metric that decides, `winner` the arm that is better by it than every other one, `None` if that is
    open. `broken` says that the ratio of units cannot be chance: then there is no winner. `adaptive` says that shares
    followed the results (Thompson sampling): the intervals are not those of a trial, and there is no winner either.
    """

    trial: str
    goal: Metric
    arms: list[ArmReport]
    comparisons: list[Comparison]
    winner: str | None
    broken: bool
    adaptive: bool
    verdict: str


def report_of(trial: str, records: Iterable[Record], *, alpha: float = ALPHA) -> Report:
    """The report of a trial's records, as a log gives them."""
    tallies = Tallies(most=10_000_000)
    for record in records:
        if record.trial == trial:
            tallies.add(record)
    return report(trial, tallies, alpha=alpha)


def report(trial: str, tallies: Tallies, *, alpha: float = ALPHA) -> Report:
    """The report of what was added up. `alpha` is the chance of ever naming a winner if no arm is better."""
    design = tallies.latest
    goal: Metric = design.goal if design is not None and design.goal in METRICS else "success"
    shares = design.shares if design is not None else {}
    arms = [_arm(name, arm, shares.get(name, 0.0), tallies, alpha) for name, arm in tallies.arms.items()]
    comparisons = list(_comparisons(tallies, alpha))
    broken = tallies.ratio_evidence >= BROKEN
    adaptive = any(design.adaptive for design in tallies.designs.values())
    winner = None if broken or adaptive else _winner(tallies, goal, comparisons)
    verdict = _verdict(goal, comparisons, winner, broken=broken, adaptive=adaptive)
    return Report(trial, goal, arms, comparisons, winner, broken, adaptive, verdict)


def _arm(name: str, arm: Arm, share: float, tallies: Tallies, alpha: float) -> ArmReport:
    success = arm.metrics["success"]
    return ArmReport(
        name,
        share,
        tallies.exposed(name),
        success.requests,
        {metric: _mean(arm, metric, alpha) for metric in METRICS if arm.metrics[metric].requests},
        {metric: _quantile(arm, metric, 0.5, alpha) for metric in arm.sizes if arm.sizes[metric].count},
        {metric: _quantile(arm, metric, 0.95, alpha) for metric in arm.sizes if arm.sizes[metric].count},
        arm.prompt_tokens,
        arm.completion_tokens,
        dict(arm.finish_reasons),
        dict(arm.errors),
        arm.crossed / success.requests if success.requests else 0.0,
    )


def _mean(arm: Arm, metric: Metric, alpha: float) -> Interval:
    values = arm.metrics[metric]
    mean = values.mean or 0.0
    if values.units < MIN_UNITS:
        return Interval(mean, -math.inf if metric == "score" else 0.0, 1.0 if metric == "success" else math.inf)
    reach = multiplier(values.units, alpha) * math.sqrt(values.variance)
    low, high = mean - reach, mean + reach
    if metric != "score":
        low = max(0.0, low)
    return Interval(mean, low, min(1.0, high) if metric == "success" else high)


def _quantile(arm: Arm, metric: str, share: float, alpha: float) -> Interval:
    sizes = arm.sizes[metric]
    low, high = sizes.bounds(share, alpha) or (0.0, math.inf)
    return Interval(sizes.at(share) or 0.0, low, high)


def _comparisons(tallies: Tallies, alpha: float) -> Iterable[Comparison]:
    """Every two arms by every metric; `alpha` is shared by the pairs, so that it holds for all of them together."""
    pairs = list(itertools.combinations(tallies.arms.items(), 2))
    for metric in METRICS:
        for (name, arm), (other, against) in pairs:
            found = _compared(metric, name, arm, other, against, alpha / len(pairs))
            if found is not None:
                yield found


def _compared(metric: Metric, name: str, arm: Arm, other: str, against: Arm, alpha: float) -> Comparison | None:
    first, second = arm.metrics[metric], against.metrics[metric]
    if first.mean is None or second.mean is None:
        return None
    difference, units = first.mean - second.mean, first.units + second.units
    variance = first.variance + second.variance
    if min(first.units, second.units) < MIN_UNITS:
        return Comparison(metric, name, other, Interval(difference, -math.inf, math.inf), False)
    reach = multiplier(units, alpha) * math.sqrt(variance)
    interval = Interval(difference, difference - reach, difference + reach)
    decided = abs(difference) > reach
    more = None if decided or not difference else units_needed(difference, variance, units, alpha)
    return Comparison(metric, name, other, interval, decided, more)


def _winner(tallies: Tallies, goal: Metric, comparisons: list[Comparison]) -> str | None:
    """The arm that is better than each other one by the goal."""
    beaten: dict[str, set[str]] = {name: set() for name in tallies.arms}
    for one in comparisons:
        if one.metric == goal and one.decided:
            is_better = (one.difference.value > 0) != (goal in LESS_IS_BETTER)
            better, worse = (one.arm, one.against) if is_better else (one.against, one.arm)
            beaten[better].add(worse)
    return next((name for name, worse in beaten.items() if len(worse) == len(beaten) - 1 and worse), None)


def _verdict(goal: Metric, comparisons: list[Comparison], winner: str | None, *, broken: bool, adaptive: bool) -> str:
    if broken:
        return (
            "broken: units did not come to the arms by their shares, which is not chance; look for an arm that loses "
            "calls before they are counted, and begin anew with another salt"
        )
    if adaptive:
        return "shares followed the results: these intervals are not a trial's, and no winner is named"
    if winner is not None:
        return f"{winner} is better by {goal}"
    needed = [one.more_units for one in comparisons if one.metric == goal]
    if needed and None not in needed:
        return f"not yet: about {max(number for number in needed if number is not None):,} more units"
    return "not yet: no difference is in sight"
