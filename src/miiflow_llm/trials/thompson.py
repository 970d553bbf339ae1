"""Thompson sampling: each arm's share follows what it has achieved, but never falls below a floor.

It earns more while it learns; a trial learns more surely. What a report says of its intervals does not hold for it.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

from .tallies import Arm, Metric

FLOOR = 0.05
"""The share that every arm keeps."""


def draw(arms: Mapping[str, Arm], goal: Metric, chance: random.Random, floor: float = FLOOR) -> str:
    """The arm of one call: a Beta draw for each arm by its successes or its scores from 0 to 1; the greatest wins."""
    names = list(arms)
    if chance.random() < floor * len(names):
        return names[int(chance.random() * len(names))]
    return max(names, key=lambda name: _drawn(arms[name], goal, chance))


def _drawn(arm: Arm, goal: Metric, chance: random.Random) -> float:
    values = arm.metrics[goal]
    won = min(max(values.total, 0.0), float(values.requests))
    return chance.betavariate(1 + won, 1 + values.requests - won)
