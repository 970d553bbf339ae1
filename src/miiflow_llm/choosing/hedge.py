"""How long a silent attempt is waited for: when a second one starts beside it, and when it is given up."""

from __future__ import annotations

from math import inf

from .health import Health
from .settings import Settings
from .table import Entry, Table


def hedge_at(table: Table, target: int) -> float:
    """After how many seconds of silence a second attempt starts: the target's own p95.

    Unless the caller wants the targets in order, no longer than a few times the best average: a target that is known to
    be slow, and is asked to see whether it still is, makes nobody wait for it.
    """
    settings, window = table.settings, table.health[target].window
    at = window.at(0.95) if len(window) >= settings.known_samples else settings.hedge_unknown
    if table.policy != "order":
        best = inf
        for health in table.health:
            if health.first_output is not None and health.first_output < best and health.open_until is None:
                best = health.first_output
        at = min(at, settings.hedge_factor * best)
    return max(at, settings.hedge_least)


def cut_at(entry: Entry, health: Health, settings: Settings, *, another: bool) -> float | None:
    """After how many seconds of silence an attempt is given up, `None` for the caller's own limit.

    Only if `another` target can be asked: without one, waiting is all that can be done.
    """
    if entry.cut != "auto":
        return entry.cut
    if not another:
        return None
    window = health.window
    if len(window) < settings.known_samples:
        return settings.cut_unknown
    return max(settings.cut_least, settings.cut_factor * window.at(0.99))
