"""The table that decides: what each target is, how it is, and what further attempts are still allowed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Literal, TypeAlias

import msgspec

from ..core.response import RateLimit
from .bucket import Bucket
from .health import Health, told
from .limits import Gradient
from .settings import Settings

PolicyName = Literal["order", "fastest", "cheapest", "spread"]
ChoiceWhy = Literal["order", "affinity", "probe", "panic"]


class Entry(msgspec.Struct, frozen=True):
    """A target as choosing knows it.

    Targets of a lower `tier` come first. `weight` is its share where shares count. `context` is the largest prompt in
    tokens that it takes, `None` if that is not known. `cut` is a limit on its silence of its own in seconds, `None` for
    none, `auto` for the learned one. `limit` is how many calls it may have at once: a number, `auto` to learn it, or
    `None` for any number. `once` says that it makes further attempts by itself, so that a call asks it once.
    """

    label: str
    tier: int = 0
    weight: float = 1.0
    context: int | None = None
    cut: float | Literal["auto"] | None = "auto"
    limit: int | Literal["auto"] | None = None
    once: bool = False


class Choice(msgspec.Struct, frozen=True):
    """A target that may be asked: its place in the table, why it stands where it does, and its score (less is better).

    `why` is `order` (the policy's), `affinity` (the conversation's), `probe` (to see whether it is back) or `panic`
    (nothing better is left).
    """

    target: int
    why: ChoiceWhy
    score: float


class Ask(msgspec.Struct, frozen=True):
    """What of a request matters when a target is chosen.

    `affinity` is a number that stands for its conversation, `None` for none. `tokens` is the estimated length of its
    prompt. `unsayable` says of targets that cannot be asked this why. `costs` are the estimated costs by target, in one
    currency, `None` if it is not known; empty if nobody asked for them. `hedge` says whether a second attempt may
    run beside the first.
    """

    affinity: int | None = None
    tokens: float | None = None
    unsayable: dict[int, str] = {}
    costs: Sequence[float | None] = ()
    hedge: bool = True


Policy: TypeAlias = PolicyName | Callable[[Sequence[Choice], Ask, "Table"], Sequence[Choice]]
"""How healthy targets are ordered: a name, or a function of the choices in the order of the list."""


class Table:
    """The targets, their health, and the allowances that all calls share."""

    def __init__(self, entries: Sequence[Entry], policy: Policy = "order", settings: Settings | None = None) -> None:
        self.entries = tuple(entries)
        self.policy = policy
        self.settings = found = settings or Settings()
        self.health = [_fresh(entry) for entry in self.entries]
        self.seeds = [_seed(entry.label) for entry in self.entries]
        self.tiers = _tiers(self.entries)
        self.failovers = Bucket(found.failover_most, found.failover_budget)
        self.retries = Bucket(found.retry_most, found.retry_budget)
        self.hedges = Bucket(found.hedge_most, found.hedge_budget, found.hedge_start)
        self.turn = 0.0
        self.counted = False

    def called(self) -> None:
        """A call began."""
        self.failovers.called()
        self.retries.called()
        self.hedges.called()

    def begin_anew(self) -> None:
        """In a forked child: the calls under way are the parent's, and do not end here. What is known stays known."""
        for health in self.health:
            health.in_flight, health.probing = 0, False

    def told(self, target: int, limit: RateLimit, now: float) -> None:
        """The target's provider said what is left of its limits."""
        told(self.health[target], limit, now)
        self.counted = True

    def took_turn(self, target: int) -> None:
        """The target was chosen first: where shares count, others are due before it is again."""
        health = self.health[target]
        self.turn = max(health.turn, self.turn)
        health.turn = self.turn + 1.0 / self.entries[target].weight


def _fresh(entry: Entry) -> Health:
    if entry.limit is None:
        return Health()
    if entry.limit == "auto":
        gradient = Gradient()
        return Health(limit=gradient.limit, gradient=gradient)
    return Health(limit=float(entry.limit))


def _seed(label: str) -> int:
    return int.from_bytes(blake2b(label.encode(), digest_size=8).digest())


def _tiers(entries: Sequence[Entry]) -> tuple[tuple[int, ...], ...]:
    levels = sorted({entry.tier for entry in entries})
    return tuple(tuple(place for place, entry in enumerate(entries) if entry.tier == level) for level in levels)
