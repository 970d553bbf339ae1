"""A world of targets: how fast each answers, what goes wrong with it and when. No network, no real time.

A world can be written down in TOML; `of_toml` reads it.
"""

from __future__ import annotations

import tomllib
from math import exp, inf
from pathlib import Path
from random import Random
from typing import Any, Literal, NamedTuple

import msgspec

from ...core.exceptions import ConfigurationError, MiiflowLLMError, RateLimitError, ServiceUnavailableError

FaultKind = Literal["errors", "silent", "slow", "flaps", "limited", "overloaded"]
ERROR_SECONDS = 0.05
"""How soon an error is answered."""
_OVERLOAD_POWER = 1.5


class Server(msgspec.Struct, forbid_unknown_fields=True):
    """A target: its first output comes after `median` seconds (log-normal, `sigma`), `slow_factor` times later for
    `slow_share` of the calls, and then `speed` tokens a second.
    """

    name: str
    median: float = 0.6
    sigma: float = 0.45
    slow_share: float = 0.01
    slow_factor: float = 8.0
    speed: float = 60.0


class Fault(msgspec.Struct, forbid_unknown_fields=True):
    """What goes wrong with `targets` from `begins` to `ends`, in seconds of the world's time.

    `errors`: a share of `share` answers 503. `silent`: nothing comes. `slow`: first output takes `factor` times as
    long. `flaps`: `every` seconds of errors, as long none. `limited`: more than `limit` calls a minute answer 429.
    `overloaded`: beyond `limit` calls at once, first output takes longer with the power 1.5 of the excess.
    """

    kind: FaultKind
    targets: list[str]
    begins: float = 0.0
    ends: float = inf
    share: float = 1.0
    factor: float = 10.0
    every: float = 5.0
    limit: float = 300.0


class World(msgspec.Struct, forbid_unknown_fields=True):
    """`rate` calls a second for `seconds`, at random (Poisson). An answer has `tokens` tokens on average.

    `call_limit` and `attempt_limit` are the callers' own, in seconds. `costs` are the servers' costs of a call, if they
    are known. Figures are taken from `measured_from` on until
    `measured_to`.
    """

    name: str
    servers: list[Server]
    faults: list[Fault] = []
    rate: float = 100.0
    seconds: float = 1000.0
    tokens: float = 250.0
    call_limit: float = 60.0
    attempt_limit: float = 30.0
    measured_from: float = 0.0
    measured_to: float = inf
    costs: list[float] = []


class Answer(NamedTuple):
    """What an attempt meets: an error after so many seconds, or first output (`inf`: never) and then the end."""

    first: float
    end: float
    error: MiiflowLLMError | None = None


UNAVAILABLE = ServiceUnavailableError("overloaded", status_code=503, retryable=True)
LIMITED = RateLimitError("too many requests", status_code=429, retryable=True)


class Weather:
    """The world at work: `attempt` says what an attempt at a target meets now."""

    def __init__(self, world: World, random: Random) -> None:
        self.world = world
        self.random = random
        places = {server.name: place for place, server in enumerate(world.servers)}
        self.in_flight = [0] * len(world.servers)
        self._faults: list[list[Fault]] = [[] for _ in world.servers]
        self._minutes: dict[tuple[int, int], int] = {}
        for fault in world.faults:
            for name in fault.targets:
                self._faults[places[name]].append(fault)

    def attempt(self, place: int, now: float) -> Answer:
        """What an attempt meets that begins now."""
        server, random = self.world.servers[place], self.random
        first = server.median * exp(server.sigma * random.gauss(0.0, 1.0))
        if random.random() < server.slow_share:
            first *= server.slow_factor
        for fault in self._faults[place]:
            if fault.begins <= now < fault.ends:
                first, error = self._faulty(fault, place, now, first)
                if error is not None:
                    return Answer(inf, ERROR_SECONDS, error)
        return Answer(first, first + random.expovariate(server.speed / self.world.tokens))

    def _faulty(self, fault: Fault, place: int, now: float, first: float) -> tuple[float, MiiflowLLMError | None]:
        if fault.kind == "silent":
            return inf, None
        if fault.kind == "slow":
            return first * fault.factor, None
        if fault.kind == "overloaded":
            return first * max(1.0, self.in_flight[place] / fault.limit) ** _OVERLOAD_POWER, None
        if fault.kind == "limited":
            return first, LIMITED if self._over(place, now, fault.limit) else None
        down = fault.kind == "errors" or int((now - fault.begins) / fault.every) % 2 == 0
        return first, UNAVAILABLE if down and self.random.random() < fault.share else None

    def _over(self, place: int, now: float, limit: float) -> bool:
        minute = (place, int(now // 60))
        self._minutes[minute] = self._minutes.get(minute, 0) + 1
        return self._minutes[minute] > limit


FOUR = [Server("A", 0.5), Server("B", 0.6), Server("C", 0.7), Server("D", 0.9)]
"""The targets of the ten faults."""


def the_ten(rate: float = 100.0, seconds: float = 1000.0) -> list[World]:
    """A calm world and the ten faults that scripts/simulate shows."""
    begins, ends = seconds * 0.3, seconds * 0.66
    every = [server.name for server in FOUR]

    def world(name: str, *faults: Fault, **settings: Any) -> World:
        for fault in faults:
            fault.begins, fault.ends = max(begins, fault.begins), ends
        return World(name, FOUR, list(faults), rate, seconds, measured_from=begins, measured_to=ends, **settings)

    return [
        world("calm"),
        world("A answers 503", Fault("errors", ["A"])),
        world("A answers 503 from mid-minute on", Fault("errors", ["A"], begins=_mid_minute(begins))),
        world("A silent", Fault("silent", ["A"])),
        world("A and B silent", Fault("silent", ["A", "B"])),
        world("A 10 times as slow", Fault("slow", ["A"])),
        world("A flaps, 5 s each", Fault("flaps", ["A"])),
        world("A errs for 30 %", Fault("errors", ["A"], share=0.3)),
        world("A allows 300 a minute", Fault("limited", ["A"], limit=300.0)),
        world("all overloaded by half", Fault("overloaded", every, limit=rate * 0.65)),
        world("all err for 60 %", Fault("errors", every, share=0.6)),
    ]


def _mid_minute(begins: float) -> float:
    return (begins // 60) * 60 + 30 if begins % 60 <= 30 else (begins // 60) * 60 + 90


def of_toml(path: Path) -> list[World]:
    """The worlds of a file: one at the top level, or several under `[[worlds]]`.

    Raises:
        ConfigurationError: it cannot be read, or a name or value in it is not known.
    """
    try:
        data = tomllib.loads(path.read_text())
        worlds = [msgspec.convert(one, World) for one in data.get("worlds", [data])]
    except (OSError, tomllib.TOMLDecodeError, msgspec.ValidationError) as reason:
        raise ConfigurationError(f"{path}: {reason}") from None
    for world in worlds:
        known = {server.name for server in world.servers}
        missing = sorted({name for fault in world.faults for name in fault.targets} - known)
        if missing:
            raise ConfigurationError(f"{path}: world {world.name!r} has no server {', '.join(missing)}")
    return worlds
