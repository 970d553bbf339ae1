"""What affinity saves: conversations that grow, at targets whose providers keep prompts that they have seen."""

from __future__ import annotations

from heapq import heappop, heappush
from random import Random
from typing import NamedTuple

from ...choosing.course import Course
from ...choosing.table import Ask, Entry, Table

CACHED = 0.1
"""What a token costs that the provider has kept, as a share of one that it has not."""
KEPT = 300.0
"""Seconds that a provider keeps a prompt after its last use."""
_FIRST, _MORE, _PAUSE, _ANSWER = 1500, 600, 20.0, 4.0


class Bill(NamedTuple):
    """What the prompts cost, in tokens at full price; `full` is without any cache. `moved` turns went elsewhere."""

    paid: float
    full: float
    moved: int

    @property
    def share(self) -> float:
        """The part of the full price that was paid."""
        return self.paid / self.full


def bill(conversations: int = 4000, turns: int = 10, targets: int = 4, *, affinity: bool = True, seed: int = 1) -> Bill:
    """The bill of so many conversations of so many turns each, over equal targets, with affinity or without."""
    random = Random(seed)  # noqa: S311  a simulation is to be repeatable, not secret
    table = Table([Entry(f"target {place}") for place in range(targets)], "fastest")
    kept: list[dict[int, tuple[int, float]]] = [{} for _ in range(targets)]
    last: dict[int, int] = {}
    heap: list[tuple[float, int, int, object]] = []
    for one in range(conversations):
        heappush(heap, (random.uniform(0.0, conversations / 10), one, 0, None))
    paid, full, moved = 0.0, 0.0, 0
    while heap:
        now, one, turn, ends = heappop(heap)
        if isinstance(ends, tuple):
            course, made = ends
            course.served(made, now)
            continue
        course = Course(table, Ask(affinity=random_key(one) if affinity else None, hedge=False))
        move = course.start(now, random.random())
        made = course.ask(move, now)
        course.output(made, now + random.lognormvariate(-0.7, 0.45))
        prompt = _FIRST + _MORE * turn
        known, until = kept[move.target].get(one, (0, 0.0))
        cached = known if now < until else 0
        paid, full = paid + prompt - cached * (1.0 - CACHED), full + prompt
        kept[move.target][one] = (prompt, now + KEPT)
        moved += last.get(one, move.target) != move.target
        last[one] = move.target
        heappush(heap, (now + random.expovariate(1 / _ANSWER), one, turn, (course, made)))
        if turn + 1 < turns:
            heappush(heap, (now + _ANSWER + random.expovariate(1 / _PAUSE), one, turn + 1, None))
    return Bill(paid, full, moved)


def random_key(conversation: int) -> int:
    """A number that stands for a conversation, as a digest would."""
    return (conversation + 1) * 0x9E3779B97F4A7C15 & (1 << 64) - 1
