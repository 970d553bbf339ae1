"""Ways of choosing that are played in a world: the router's own, and models of what others do.

The models are readings of others' rules, to see which rule does what; only `scripts/simulate --against` runs the others
themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...choosing.course import Course, Made, Move
from ...choosing.settings import Settings
from ...choosing.table import Ask, Entry, Policy, Table
from ...core.exceptions import MiiflowLLMError, RateLimitError
from .play import Way
from .world import World

Maker = Callable[[World], Callable[[float], Way]]
"""Makes, for a world, what makes the course of a call that may last until a time."""
_STOP = Move("stop")


def router(policy: Policy = "fastest", *, hedge: bool = True, settings: Settings | None = None) -> Maker:
    """The router's own way, by a policy."""

    def of(world: World) -> Callable[[float], Way]:
        table = Table([Entry(server.name) for server in world.servers], policy, settings)
        if world.costs:
            return lambda until: Course(table, Ask(hedge=hedge, costs=world.costs), until)
        return lambda until: Course(table, Ask(hedge=hedge), until)

    return of


class Plain:
    """What the models have in common: one attempt after another, nothing beside it."""

    def __init__(self, targets: int) -> None:
        self.targets = targets

    def ask(self, move: Move, now: float) -> Made:
        """The attempt begins."""
        return Made(move.target, move.why, now, False)

    def resume(self, now: float, draw: float) -> Move:
        """There is nothing to wait for."""
        return _STOP

    def output(self, made: Made, now: float) -> None:
        """Nothing is learned."""

    def served(self, made: Made, now: float) -> None:
        """Nothing is learned."""

    def ended(self, made: Made, error: MiiflowLLMError, now: float, draw: float) -> None:
        """Nothing is learned."""

    def lost(self, made: Made, now: float, draw: float) -> None:
        """There is no other attempt."""

    def hedge(self, made: Made, now: float, draw: float) -> Move | None:
        """There is no second attempt beside a first."""


class Ordered(Plain):
    """An ordered list of clients with two retries each, and no memory: a loop around SDKs."""

    _RETRIES = 2

    def __init__(self, targets: int) -> None:
        super().__init__(targets)
        self._tries = 0

    def start(self, now: float, draw: float) -> Move:
        """The first target."""
        return Move("ask", 0)

    def failed(self, made: Made, error: MiiflowLLMError, now: float, draw: float) -> Move:
        """The same target, twice more; then the next one."""
        if self._tries < self._RETRIES:
            self._tries += 1
            return Move("ask", made.target, "retry", 0.5 * 2.0 ** (self._tries - 1) * (0.75 + 0.25 * draw))
        self._tries = 0
        return Move("ask", made.target + 1, "failover") if made.target + 1 < self.targets else _STOP


class Shuffle(Plain):
    """A target at random, two retries at others; one rests for 5 s after a 429, or if over half of its calls of the
    calendar minute failed.
    """

    _REST, _RETRIES, _LEAST = 5.0, 2, 5

    def __init__(self, targets: int, memory: dict[int, Any]) -> None:
        super().__init__(targets)
        self._memory = memory
        self._tries = 0

    def start(self, now: float, draw: float) -> Move:
        """One at random."""
        open_ = [target for target in range(self.targets) if self._memory.get(target, 0.0) <= now]
        return Move("ask", open_[int(draw * len(open_))]) if open_ else _STOP

    def served(self, made: Made, now: float) -> None:
        """It is counted."""
        self._count(made.target, now, failed=0)

    def failed(self, made: Made, error: MiiflowLLMError, now: float, draw: float) -> Move:
        """It is counted, and may rest; another at random."""
        calls, failures = self._count(made.target, now, failed=1)
        if isinstance(error, RateLimitError) or (calls >= self._LEAST and failures * 2 > calls):
            self._memory[made.target] = now + self._REST
        if self._tries == self._RETRIES:
            return _STOP
        self._tries += 1
        return self.start(now, draw)

    def _count(self, target: int, now: float, *, failed: int) -> tuple[int, int]:
        minute = (target, int(now // 60))
        calls, failures = self._memory.get(minute, (0, 0))  # type: ignore[call-overload]  # two kinds of keys
        self._memory[minute] = (calls + 1, failures + failed)  # type: ignore[index]  # as above
        return calls + 1, failures + failed


def ordered(world: World) -> Callable[[float], Way]:
    """The model of a loop around SDKs."""
    return lambda until: Ordered(len(world.servers))


def shuffle(world: World) -> Callable[[float], Way]:
    """The model of a shuffle with rests."""
    memory: dict[int, Any] = {}
    return lambda until: Shuffle(len(world.servers), memory)


WAYS: dict[str, Maker] = {
    "router": router(),
    "router without hedging": router(hedge=False),
    "router in order": router("order"),
    "model: loop over SDKs": ordered,
    "model: shuffle with rests": shuffle,
}
"""The ways that `scripts/simulate` shows."""
