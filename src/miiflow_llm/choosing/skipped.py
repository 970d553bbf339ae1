"""Why targets are not asked, in words, and when the first of them returns."""

from __future__ import annotations

from collections.abc import Collection
from math import inf

from .order import free_at
from .table import Ask, Table


def skipped(table: Table, ask: Ask, now: float) -> dict[int, str]:
    """The targets that a call does not go to now, each with the reason."""
    found = ((target, why(table, ask, target, now)) for target in range(len(table.entries)))
    return {target: words for target, words in found if words is not None}


def why(table: Table, ask: Ask, target: int, now: float) -> str | None:
    """Why the target is not asked; `None` if it may be."""
    health, entry = table.health[target], table.entries[target]
    if target in ask.unsayable:
        return ask.unsayable[target]
    if entry.context is not None and ask.tokens is not None and ask.tokens > entry.context:
        return f"its context of {entry.context} tokens is too small for about {ask.tokens:.0f}"
    if now < health.out_until:
        return f"out for another {health.out_until - now:.0f} s: {health.out}"
    if now < health.cool_until:
        return f"cooling for another {health.cool_until - now:.1f} s: rate limit"
    if health.in_flight >= health.limit:
        return f"all {health.limit:.0f} calls that it may have at once are under way"
    free = free_at(health, ask, now)
    if free > now:
        return f"its provider's own counters allow this call in {free - now:.1f} s"
    return _failed_words(table, target, now)


def _failed_words(table: Table, target: int, now: float) -> str | None:
    health = table.health[target]
    if health.open_until is None:
        return None
    if health.probing:
        return "failed before, and one call is seeing whether it is back"
    if now < health.open_until:
        return f"failed {health.fails} times in a row, or too often; tried again in {health.open_until - now:.1f} s"
    return None


def earliest_return(table: Table, ask: Ask, now: float, but: Collection[int] = ()) -> float | None:
    """In how many seconds the first target that only time keeps away may be asked; `None` if there is none.

    Those in `but` are not looked at.
    """
    back = [_back_at(table, ask, target, now) for target in range(len(table.entries)) if target not in but]
    first = min(back, default=inf)
    return None if first == inf else max(first - now, 0.0)


def _back_at(table: Table, ask: Ask, target: int, now: float) -> float:
    health, entry = table.health[target], table.entries[target]
    if target in ask.unsayable or health.in_flight >= health.limit:
        return inf
    if entry.context is not None and ask.tokens is not None and ask.tokens > entry.context:
        return inf
    return max(now, health.out_until, health.cool_until, free_at(health, ask, now))
