"""Play a world's calls by a way of choosing: a heap of events in virtual time, some microseconds an event."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from math import inf
from random import Random
from typing import Any, Protocol

import msgspec

from ...choosing.course import Made, Move
from ...core.exceptions import MiiflowLLMError, TimeoutError
from .world import Answer, Weather, World

SILENCE = TimeoutError("no output", phase="first_output")


class Way(Protocol):
    """The course of one call as a way of choosing sees it: `choosing.course.Course`, or a model of a rival's."""

    def start(self, now: float, draw: float) -> Move: ...
    def resume(self, now: float, draw: float) -> Move: ...
    def ask(self, move: Move, now: float) -> Made: ...
    def output(self, made: Made, now: float) -> None: ...
    def served(self, made: Made, now: float) -> None: ...
    def ended(self, made: Made, error: MiiflowLLMError, now: float, draw: float) -> Any: ...
    def failed(self, made: Made, error: MiiflowLLMError, now: float, draw: float) -> Move: ...
    def hedge(self, made: Made, now: float, draw: float) -> Move | None: ...
    def lost(self, made: Made, now: float, draw: float) -> None: ...


class Figures(msgspec.Struct):
    """What came of the calls that were made while the world was measured.

    `first` are the seconds from each served call to its first output. `attempts` are all attempts, `hedges` those that
    ran beside another, `lost` those that another was faster than. `by_target` counts attempts.
    """

    calls: int = 0
    served: int = 0
    attempts: int = 0
    hedges: int = 0
    lost: int = 0
    first: array[float] = msgspec.field(default_factory=lambda: array("d"))
    by_target: dict[int, int] = {}

    def quantile(self, share: float) -> float:
        """Of the seconds to first output; `inf` if no call was served."""
        found = sorted(self.first)
        return found[min(int(share * len(found)), len(found) - 1)] if found else inf

    @property
    def availability(self) -> float:
        """The percentage of calls that were served."""
        return 100.0 * self.served / self.calls if self.calls else 100.0

    @property
    def attempts_each(self) -> float:
        """Attempts per call."""
        return self.attempts / self.calls if self.calls else 0.0


class _Attempt:
    __slots__ = ("answer", "began", "call", "made", "over")

    def __init__(self, call: _Call, made: Made, answer: Answer, began: float) -> None:
        self.call = call
        self.made = made
        self.answer = answer
        self.began = began
        self.over = False


class _Call:
    __slots__ = ("began", "measured", "shown", "under_way", "until", "way")

    def __init__(self, way: Way, began: float, until: float, measured: bool) -> None:
        self.way = way
        self.began = began
        self.until = until
        self.measured = measured
        self.shown = False
        self.under_way: list[_Attempt] = []


class Play:
    """One world, played once. `way` makes the course of a call that may last until a time."""

    def __init__(self, world: World, way: Callable[[float], Way], seed: int = 0) -> None:
        self.world = world
        self.random = Random(seed)  # noqa: S311  a simulation is to be repeatable, not secret
        self.weather = Weather(world, self.random)
        self.figures = Figures()
        self._way = way
        self._heap: list[tuple[float, int, Callable[[Any, float], None], Any]] = []
        self._numbers = count()

    def run(self) -> Figures:
        """Play all calls to their ends."""
        world, random, heap = self.world, self.random, self._heap
        arrival = random.expovariate(world.rate)
        while heap or arrival < world.seconds:
            if arrival < world.seconds and (not heap or arrival <= heap[0][0]):
                self._arrive(arrival)
                arrival += random.expovariate(world.rate)
            else:
                now, _, event, subject = heappop(heap)
                event(subject, now)
        return self.figures

    def _at(self, when: float, event: Callable[[Any, float], None], subject: Any) -> None:
        heappush(self._heap, (when, next(self._numbers), event, subject))

    def _arrive(self, now: float) -> None:
        world = self.world
        until = now + world.call_limit
        measured = world.measured_from <= now < world.measured_to
        call = _Call(self._way(until), now, until, measured)
        if measured:
            self.figures.calls += 1
        self._follow(call, call.way.start(now, self.random.random()), now)

    def _follow(self, call: _Call, move: Move, now: float) -> None:
        """Do what the move says."""
        if move.kind == "stop" or now + move.seconds >= call.until:
            return
        if move.kind == "wait":
            self._at(now + move.seconds, self._rested, call)
        elif move.seconds:
            self._at(now + move.seconds, self._paused, (call, move))
        else:
            self._ask(call, move, now)

    def _rested(self, call: _Call, now: float) -> None:
        self._follow(call, call.way.resume(now, self.random.random()), now)

    def _paused(self, subject: tuple[_Call, Move], now: float) -> None:
        call, move = subject
        self._ask(call, move, now)

    def _ask(self, call: _Call, move: Move, now: float) -> None:
        """Begin an attempt, and schedule what will come first."""
        made = call.way.ask(move, now)
        weather = self.weather
        answer = weather.attempt(move.target, now)
        weather.in_flight[move.target] += 1
        attempt = _Attempt(call, made, answer, now)
        call.under_way.append(attempt)
        if call.measured:
            self._count(move)
        cut = self.world.attempt_limit if made.cut_at is None else min(made.cut_at, self.world.attempt_limit)
        cut = min(cut, call.until - now)
        soonest = min(answer.end if answer.error is not None else answer.first, cut)
        if made.hedge_at is not None and made.hedge_at < soonest:
            self._at(now + made.hedge_at, self._hedge, attempt)
        if answer.error is not None:
            self._at(now + answer.end, self._fail, attempt)
        elif answer.first <= cut:
            self._at(now + answer.first, self._output, attempt)
        else:
            self._at(now + cut, self._cut, attempt)

    def _count(self, move: Move) -> None:
        figures = self.figures
        figures.attempts += 1
        figures.hedges += move.why == "hedge"
        figures.by_target[move.target] = figures.by_target.get(move.target, 0) + 1

    def _hedge(self, attempt: _Attempt, now: float) -> None:
        call = attempt.call
        if attempt.over or call.shown:
            return
        move = call.way.hedge(attempt.made, now, self.random.random())
        if move is not None:
            self._ask(call, move, now)

    def _output(self, attempt: _Attempt, now: float) -> None:
        call = attempt.call
        if attempt.over:
            return
        call.shown = True
        call.way.output(attempt.made, now)
        for other in call.under_way:
            if other is not attempt:
                self._let_go(other)
                call.way.lost(other.made, now, self.random.random())
                self.figures.lost += call.measured
        call.under_way = [attempt]
        if call.measured:
            self.figures.served += 1
            self.figures.first.append(now - call.began)
        self._at(attempt.began + attempt.answer.end, self._end, attempt)

    def _end(self, attempt: _Attempt, now: float) -> None:
        self._let_go(attempt)
        attempt.call.way.served(attempt.made, now)

    def _cut(self, attempt: _Attempt, now: float) -> None:
        if not attempt.over:
            self._failed(attempt, SILENCE, now)

    def _fail(self, attempt: _Attempt, now: float) -> None:
        error = attempt.answer.error
        if not attempt.over and error is not None:
            self._failed(attempt, error, now)

    def _failed(self, attempt: _Attempt, error: MiiflowLLMError, now: float) -> None:
        call = attempt.call
        self._let_go(attempt)
        call.under_way.remove(attempt)
        if call.under_way:
            call.way.ended(attempt.made, error, now, self.random.random())
        else:
            self._follow(call, call.way.failed(attempt.made, error, now, self.random.random()), now)

    def _let_go(self, attempt: _Attempt) -> None:
        attempt.over = True
        self.weather.in_flight[attempt.made.target] -= 1
