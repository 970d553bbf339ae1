"""Trials by the ten thousand: how often equal arms have a winner, how soon a true difference is found, who gets what.

Run by `scripts/soak trials`; every line is a goal, what was found, and whether it holds.
"""

from __future__ import annotations

import random
import statistics
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat

from miiflow_llm.trials.assign import Assignment

from .test_shadow_time import CANDIDATES, measured
from .test_statistics import first_decided

TRIALS = 10_000
UNITS = 1500


def decided(seed: int, shares: tuple[float, float], most: int, trials: int) -> list[int | None]:
    """When each of some trials decides."""
    chance = random.Random(seed)
    return [first_decided(chance, shares, most) for _ in range(trials)]


def many(shares: tuple[float, float], most: int, trials: int) -> list[int | None]:
    """When each of many trials decides, by several processes."""
    parts = 20
    with ProcessPoolExecutor(2) as pool:
        found = pool.map(decided, range(parts), repeat(shares), repeat(most), repeat(trials // parts))
        return [one for part in found for one in part]


def changed_by_shadows(backend: str, calls: int = 10_000) -> int:
    """How many of so many calls take longer, or answer otherwise, beside candidates of every kind."""
    plain = measured(backend, None, calls)
    return sum(
        one != other for how in CANDIDATES for one, other in zip(measured(backend, how, calls), plain, strict=True)
    )


def main() -> int:
    """Check every goal; the exit code says whether all hold."""
    fixed = 2 * (1.96 + 0.8416) ** 2 * (0.8 * 0.2 + 0.85 * 0.15) / 0.05**2
    stopped = [at or 20_000 for at in many((0.80, 0.85), 20_000, 1000)]
    false = {share: sum(at is not None for at in many((share, share), UNITS, TRIALS)) / TRIALS for share in (0.5, 0.9)}
    assignment = Assignment("soak", {"a": 0.9, "b": 0.1})
    counts = Counter(assignment.arm(str(unit)) for unit in range(100_000))
    began = time.perf_counter()
    for _ in range(100_000):
        assignment.arm("user-7")
    each = (time.perf_counter() - began) * 10
    rows = [
        *((f"false winners at success {share:.0%}", found, 0.05) for share, found in false.items()),
        ("units for 5 points, over a test of fixed size", statistics.mean(stopped) / fixed, 1.6),
        ("the split's distance from its weights", abs(counts["b"] / 100_000 - 0.1), 0.005),
        ("microseconds for an assignment", each, 3.0),
        *((f"calls that a shadow changes, {name}", changed_by_shadows(name), 0) for name in ("asyncio", "trio")),
    ]
    for name, found, goal in rows:
        sys.stdout.write(f"{name:48} <= {goal:<6} {found:8.4f}  {'met' if found <= goal else 'MISSED'}\n")
    return int(any(found > goal for _, found, goal in rows))


if __name__ == "__main__":
    raise SystemExit(main())
