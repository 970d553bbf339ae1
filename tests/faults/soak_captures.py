"""The exhaustive readings: our own captures cut and ended at every offset, with 2 000 changes of bytes and of values.

The shared captures, where they are, as far as the time allows, in a seeded order.
"""

from __future__ import annotations

import random
import sys
import time

from ..captured import own, shared
from ..test_anywhere import check_corruption, check_cuts, check_odd_values, check_truncations, name

CHANGES = 2000


def exhaust(seconds: float, seed: int = 7) -> list[str]:
    """Read them all; what went wrong, in words. `seconds` bound the shared ones."""
    wrong: list[str] = []
    streams = [capture for capture in own() if capture.streaming and capture.status < 400]
    for capture in streams:
        places = list(range(1, len(capture.body)))
        for check in (
            lambda capture=capture, places=places: check_cuts(capture, places),
            lambda capture=capture, places=places: check_truncations(capture, places),
            lambda capture=capture: check_corruption(capture, seed, CHANGES),
            lambda capture=capture: check_odd_values(capture, seed, CHANGES),
        ):
            try:
                check()
            except Exception as raised:
                wrong.append(f"{name(capture)}: {type(raised).__name__}: {str(raised)[:200]}")
    others = [capture for capture in shared() if capture.streaming and capture.status < 400]
    dice, until, read = random.Random(seed), time.monotonic() + seconds, 0
    dice.shuffle(others)
    for capture in others:
        if time.monotonic() > until:
            break
        places = sorted(dice.sample(range(1, len(capture.body)), min(40, len(capture.body) - 1)))
        try:
            check_cuts(capture, places)
            check_truncations(capture, places)
            check_corruption(capture, seed, 100)
            check_odd_values(capture, seed, 100)
        except Exception as raised:
            wrong.append(f"{name(capture)}: {type(raised).__name__}: {str(raised)[:200]}")
        read += 1
    sys.stdout.write(
        f"captures: {len(streams)} own in full, {read} of {len(others)} shared in part, {len(wrong)} wrong\n"
    )
    for words in wrong:
        sys.stdout.write(f"WRONG {words}\n")
    return wrong
