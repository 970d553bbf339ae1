"""The exhaustive readings: our own captures cut and ended at every offset, with 2 000 changes of bytes and of values.

The shared captures, if they are there, as far as the time allows, in a seeded order; each frame by both readings.
Every processor takes its part.
"""

from __future__ import annotations

import functools
import multiprocessing
import random
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

from miiflow_llm.replay.capture import Capture

from ..captured import own, shared
from ..client.test_anywhere import check_corruption, check_cuts, check_odd_values, check_truncations, name
from ..wire.test_two_readings import check_odd_readings, check_readings

CHANGES = 2000
SEED = 7
Report = tuple[bool, list[str]]
"""Whether a capture was read, and what went wrong, in words."""


def exhaust(seconds: float) -> list[str]:
    """Read them all; what went wrong, in words. `seconds` bound the shared ones."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(mp_context=context) as pool:
        ours = list(pool.map(_read_own, range(len(_streams(own)))))
        until = time.time() + seconds
        theirs = list(pool.map(functools.partial(_read_shared, until), _shuffled(len(_streams(shared)))))
    wrong = [words for _, found in (*ours, *theirs) for words in found]
    read = sum(one for one, _ in theirs)
    sys.stdout.write(f"captures: {len(ours)} own in full, {read} of {len(theirs)} shared in part, {len(wrong)} wrong\n")
    for words in wrong:
        sys.stdout.write(f"WRONG {words}\n")
    return wrong


@functools.cache
def _streams(folder: Callable[[], list[Capture]]) -> list[Capture]:
    return [capture for capture in folder() if capture.streaming and capture.status < 400]


def _shuffled(number: int) -> list[int]:
    return random.Random(SEED).sample(range(number), number)


def _read_own(place: int) -> Report:
    """Every offset of one of our captures."""
    capture = _streams(own)[place]
    return True, _wrong(capture, list(range(1, len(capture.body))), CHANGES)


def _read_shared(until: float, place: int) -> Report:
    """Some offsets of a shared one, while there is time."""
    if time.time() > until:
        return False, []
    capture, dice = _streams(shared)[place], random.Random(place)
    places = sorted(dice.sample(range(1, len(capture.body)), min(40, len(capture.body) - 1)))
    return True, _wrong(capture, places, 100)


def _wrong(capture: Capture, places: list[int], changes: int) -> list[str]:
    """All the checks, each told of apart."""
    found: list[str] = []
    for check in (
        lambda: check_cuts(capture, places),
        lambda: check_truncations(capture, places),
        lambda: check_corruption(capture, SEED, changes),
        lambda: check_odd_values(capture, SEED, changes),
        lambda: check_readings(capture),
        lambda: check_odd_readings(capture, changes // 10),
    ):
        try:
            check()
        except Exception as raised:
            found.append(f"{name(capture)}: {type(raised).__name__}: {str(raised)[:200]}")
    return found
