"""Put the targets that may be asked in their order, by a table, a request, the time and a draw.

Policies order the healthy targets of one tier; what makes a target healthy is the same for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from math import exp, sqrt

from .affinity import preferred
from .health import Health
from .table import Ask, Choice, Table

_LEAST_OK = 0.05
_SURE = 0.999
_PROMISING = 0.9
"""A target that was never asked, or not for long, is taken to be so much of the best's time: it is asked, and known."""
_NONE: frozenset[int] = frozenset()


def order(table: Table, ask: Ask, now: float, draw: float, tried: Collection[int] = _NONE) -> tuple[Choice, ...]:
    """The targets that may be asked now, the best first; those in `tried` are left out.

    If none is well, those that were put out for their failures follow ("panic"); cooling ones are never asked.
    """
    choices: list[Choice] = []
    poor: list[int] = []
    for tier in table.tiers:
        well, probes = _sorted_out(table, ask, tier, now, tried, poor)
        if well or probes:
            choices += _ranked(table, ask, well, probes, now, draw)
    if not choices and poor:
        scores = scored(table, poor, now)
        choices = [Choice(target, "panic", scores[target]) for target in sorted(poor, key=scores.__getitem__)]
    return tuple(choices)


def _sorted_out(
    table: Table, ask: Ask, tier: Sequence[int], now: float, tried: Collection[int], poor: list[int]
) -> tuple[list[int], list[int]]:
    """Those of a tier that are well, and those that may be probed; the others that time may heal join `poor`."""
    well: list[int] = []
    probes: list[int] = []
    looked_at = bool(ask.unsayable) or ask.tokens is not None or table.counted
    for target in tier:
        health = table.health[target]
        if now < health.away_until or health.in_flight >= health.limit or target in tried:
            continue
        if looked_at and _barred(table, ask, target, health, now):
            continue
        if health.open_until is None:
            well.append(target)
        elif now >= health.open_until and not health.probing:
            probes.append(target)
        else:
            poor.append(target)
    return well, probes


def _barred(table: Table, ask: Ask, target: int, health: Health, now: float) -> bool:
    """Whether this call cannot go to the target: `skipped` says why."""
    if ask.unsayable and target in ask.unsayable:
        return True
    if ask.tokens is not None and _too_long(table.entries[target].context, ask.tokens):
        return True
    return (health.tokens is not None or health.requests is not None) and free_at(health, ask, now) > now


def _too_long(context: int | None, tokens: float) -> bool:
    return context is not None and tokens > context


def free_at(health: Health, ask: Ask, now: float) -> float:
    """When the provider's own counters allow the call."""
    free = now
    if health.requests is not None:
        free = max(free, health.requests.free_at(1.0, now))
    if health.tokens is not None and ask.tokens is not None:
        free = max(free, health.tokens.free_at(ask.tokens, now))
    return free


def scored(table: Table, targets: Sequence[int], now: float) -> dict[int, float]:
    """The expected time to first output of each, worse for load and for failures.

    It is first output x sqrt(calls + 1) / ok². The square sends a target that fails now and then less than its speed
    would: at 30 % errors of one in four that saves a third of the further attempts, and costs nothing elsewhere.

    What is not known is taken to be a little better than the best that is; what was measured long ago comes nearer to
    that, and failures of long ago count less, so that a target that was slow or failed is tried again.
    """
    healths = [table.health[target] for target in targets]
    best = min([health.first_output for health in healths if health.first_output is not None], default=1.0)
    memory, promising = 2.0 * table.settings.memory, best * _PROMISING
    scores = {}
    for target, health in zip(targets, healths, strict=True):
        first = promising if health.first_output is None else health.first_output
        if first > best and now > health.seen:
            first = promising + (first - promising) * exp((health.seen - now) / memory)
        if health.in_flight:
            first *= sqrt(health.in_flight + 1.0)
        ok = health.ok
        if ok < _SURE:
            ok = max(_LEAST_OK, 1.0 - (1.0 - ok) * exp(min(health.ok_at - now, 0.0) / memory))
        scores[target] = first / (ok * ok)
    return scores


def _ranked(
    table: Table, ask: Ask, well: Sequence[int], probes: Sequence[int], now: float, draw: float
) -> list[Choice]:
    """The choices of one tier."""
    targets = [*probes, *well]
    if table.policy == "order":
        listed = sorted(targets) if probes else targets
        return [Choice(target, "probe" if target in probes else "order", float(target)) for target in listed]
    scores = scored(table, targets, now)
    ranked = [Choice(target, "order", scores[target]) for target in _by_policy(table, ask, well, scores, draw)]
    if ask.affinity is not None and len(ranked) > 1:
        ranked = preferred(table, ask.affinity, ranked)
    return [*(Choice(target, "probe", scores[target]) for target in probes), *ranked]


def _by_policy(table: Table, ask: Ask, well: Sequence[int], scores: dict[int, float], draw: float) -> Sequence[int]:
    policy = table.policy
    if not isinstance(policy, str):
        choices = [Choice(target, "order", scores[target]) for target in well]
        return [choice.target for choice in policy(choices, ask, table)]
    return _POLICIES[policy](table, ask, well, scores, draw)


def _fastest(table: Table, ask: Ask, well: Sequence[int], scores: dict[int, float], draw: float) -> Sequence[int]:
    """By score; of many targets a few are drawn first, so that they are not all compared."""
    settings = table.settings
    if len(well) > settings.compared:
        first = _drawn(well, settings.drawn, draw)
        rest = [target for target in well if target not in first]
        return [*sorted(first, key=scores.__getitem__), *sorted(rest, key=scores.__getitem__)]
    return sorted(well, key=scores.__getitem__)


def _drawn(well: Sequence[int], number: int, draw: float) -> list[int]:
    """So many different ones, by a draw."""
    left, found = list(well), []
    for _ in range(number):
        draw *= len(left)
        found.append(left.pop(min(int(draw), len(left) - 1)))
        draw -= int(draw)
    return found


def _cheapest(table: Table, ask: Ask, well: Sequence[int], scores: dict[int, float], draw: float) -> Sequence[int]:
    """By estimated cost; equal ones by score, and those of unknown cost last."""
    costs = ask.costs
    known = {target: cost for target in well if target < len(costs) and (cost := costs[target]) is not None}
    ranked: list[int] = []
    left = sorted(known, key=known.__getitem__)
    while left:
        most = known[left[0]] * (1.0 + table.settings.cost_tie)
        equal = [target for target in left if known[target] <= most]
        ranked += sorted(equal, key=scores.__getitem__)
        left = left[len(equal) :]
    return [*ranked, *sorted((target for target in well if target not in known), key=scores.__getitem__)]


def _spread(table: Table, ask: Ask, well: Sequence[int], scores: dict[int, float], draw: float) -> Sequence[int]:
    """By shares: whoever is furthest behind its own; one that was away has nothing to catch up with."""
    return sorted(well, key=lambda target: (max(table.health[target].turn, table.turn), target))


_POLICIES: dict[str, Callable[[Table, Ask, Sequence[int], dict[int, float], float], Sequence[int]]] = {
    "fastest": _fastest,
    "cheapest": _cheapest,
    "spread": _spread,
}
