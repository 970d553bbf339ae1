"""Keep a conversation with one target, whose provider has its prompt cached, while that target is not overloaded.

Rendezvous hashing: each conversation has an order of targets of its own, so that a target that goes moves its own
conversations only, evenly to all others.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from math import sqrt

from .table import Choice, Table

_MASK = (1 << 64) - 1


def key_of(*parts: str | bytes) -> int:
    """A number that stands for a conversation."""
    digest = blake2b(digest_size=8)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8))
        digest.update(data)
    return int.from_bytes(digest.digest())


def preferred(table: Table, key: int, ranked: Sequence[Choice]) -> list[Choice]:
    """The choices with the conversation's own target first, if it is neither overloaded nor much slower than the best.

    Bounded load: at most so many times the mean of calls in flight, and one more.
    """
    settings, seeds = table.settings, table.seeds
    calls = [table.health[choice.target].in_flight for choice in ranked]
    most = settings.affinity_load * sum(calls) / len(calls) + 1.0
    alone = [choice.score / sqrt(number + 1.0) for choice, number in zip(ranked, calls, strict=True)]
    slowest = settings.affinity_score * min(alone)
    own, greatest = -1, -1
    for place, choice in enumerate(ranked):
        if calls[place] <= most and alone[place] <= slowest:
            rank = mixed(key ^ seeds[choice.target])
            if rank > greatest:
                own, greatest = place, rank
    if own < 0:
        return list(ranked)
    chosen = ranked[own]
    return [Choice(chosen.target, "affinity", chosen.score), *ranked[:own], *ranked[own + 1 :]]


def mixed(value: int) -> int:
    """The value's bits mixed : one step is enough, for what is mixed are digests."""
    return value * 0x9E3779B97F4A7C15 & _MASK
