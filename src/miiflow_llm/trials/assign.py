"""Assign a unit to its arm: the same unit always has the same arm, and nothing is remembered for it.

Each arm draws a number for the unit from a keyed hash, and the arm whose number is best for its weight has it (weighted
rendezvous hashing: `-ln(u) / weight`, the smallest wins). So growing an arm's weight, or adding an arm, moves units
only into that arm, and the order in which arms are written does not matter.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Any

from ..core.exceptions import ConfigurationError

_SCALE = 2.0**-64


class Assignment:
    """The arms of a trial and what share of the units each of them gets.

    `weights` are positive numbers of any sum; an arm of weight 0 gets nobody. `salt` draws all units anew.

    Raises:
        ConfigurationError: fewer than two arms, or weights that are not numbers of at least 0 with a positive sum.
    """

    def __init__(self, name: str, weights: Mapping[str, float], salt: str = "") -> None:
        _check(name, weights)
        whole = sum(weights.values())
        self.name = name
        self.shares = {arm: weight / whole for arm, weight in weights.items()}
        self._draws = [
            (arm, 1.0 / weight, hashlib.blake2b(_key(name, salt, arm), digest_size=8))
            for arm, weight in weights.items()
            if weight
        ]

    def arm(self, unit: str) -> str:
        """The arm of a unit."""
        encoded = unit.encode("utf-8", "surrogatepass")
        best, chosen = math.inf, ""
        for arm, stretch, drawn in self._draws:
            hashed = drawn.copy()
            hashed.update(encoded)
            number = (int.from_bytes(hashed.digest(), "little") + 0.5) * _SCALE
            race = -math.log(number) * stretch
            if race < best:
                best, chosen = race, arm
        return chosen


def _key(name: str, salt: str, arm: str) -> bytes:
    """What is hashed before the unit: lengths stand before the words, so that no two trials share a key."""
    words = [word.encode("utf-8", "surrogatepass") for word in (name, salt, arm)]
    return b"".join(len(word).to_bytes(4, "little") + word for word in words)


def is_number(value: Any) -> bool:
    """Whether a value is a finite number, and not a truth value."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _check(name: str, weights: Mapping[str, float]) -> None:
    if len(weights) < 2:
        raise ConfigurationError(f"trial {name!r} has {len(weights)} arm(s): give at least two")
    for arm, weight in weights.items():
        if not is_number(weight) or weight < 0:
            raise ConfigurationError(f"trial {name!r}: weight {weight!r} of {arm!r}: give a number of at least 0")
    if sum(1 for weight in weights.values() if weight) < 1:
        raise ConfigurationError(f"trial {name!r}: every weight is 0: give at least one arm a positive weight")
