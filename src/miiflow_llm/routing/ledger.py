"""What is written down of a routed call, and what follows from it. It waits for nothing.

The table is changed under the router's lock, for calls may run in several threads; hooks are told after it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ..choosing.course import Course, Move
from ..choosing.skipped import skipped
from ..core import clock
from ..core.exceptions import BudgetExceededError, ConfigurationError, MiiflowLLMError, UnsupportedParameterError
from ..core.price import Cost, total
from ..core.response import Attempt, ChatResponse, Embeddings, Why
from .asking import Asked
from .attempted import Attempted
from .continuing import Begun, going_on
from .failing import raised
from .shared import Shared
from .sources import Source
from .target import Aim
from .telling import Telling

T = TypeVar("T")


class Ledger:
    """The attempts of a call. `why` is what the next is for, `winner` the one that was decided for.

    `make` makes the answer of a target to this call, with a limit on its silence. `begun` is what was shown of an
    answer that broke, if others go on with it.
    """

    def __init__(
        self, router: Shared, asked: Asked, make: Callable[[Aim, Asked, float | None], Source] | None = None
    ) -> None:
        self.router = router
        self.asked = asked
        self._make = make or router.source_of
        self.course = Course(router.table, asked.ask, asked.until)
        self.attempted: list[Attempted] = []
        self.under_way: list[Attempted] = []
        self.winner: Attempted | None = None
        self._move: Move | None = None
        self.why: Why = "failover"
        self.unsayable: list[ConfigurationError] = []
        self.telling = Telling(router, asked, self.attempted)
        self.begun: Begun | None = None
        self._broke: Attempted | None = None
        self._first_output: float | None = None
        self._settled = False

    @property
    def attempts(self) -> list[Attempt]:
        """The requests made so far, in order."""
        return [record for one in self.attempted for record in one.records]

    def known_cost(self) -> Cost | None:
        """What is known of what all attempts cost."""
        return total(attempt.cost for attempt in self.attempts)

    def next_move(self) -> Move:
        """The move that is due."""
        move, self._move = self._move, None
        if move is not None:
            return move
        router, now = self.router, clock.monotonic()
        with router.lock:
            if router.state is not None:
                router.state.look(router.table, now)
            return self.course.start(now, router.draw())

    def resume(self) -> Move:
        """The move after a wait."""
        with self.router.lock:
            return self.course.resume(clock.monotonic(), self.router.draw(), self.why)

    def begin(self, move: Move) -> Attempted | None:
        """Begin the attempt of a move; `None` if its target cannot be asked this: another move is due."""
        try:
            return self._made(move)
        except UnsupportedParameterError as error:
            self.cannot(move, error)
            return None

    def cannot(self, move: Move, error: ConfigurationError) -> None:
        """The target of a move cannot be asked this: another move is due."""
        self.unsayable.append(error)
        with self.router.lock:
            self._move = self.course.cannot(move, error.message, clock.monotonic(), self.router.draw())

    def hedge(self, first: Attempted) -> Attempted | None:
        """The first is slow: a second attempt beside it, if there is to be one."""
        if first not in self.under_way:
            return None
        with self.router.lock:
            move = self.course.hedge(first.made, clock.monotonic(), self.router.draw())
        if move is None or self._too_dear(move):
            return None
        try:
            second = self._made(move)
        except UnsupportedParameterError as error:
            self.asked.ask.unsayable[move.target] = error.message
            return None
        self.telling.hedged(second)
        return second

    def _too_dear(self, move: Move) -> bool:
        """Whether a second attempt would cost too much, if it loses: its prompt is paid for then."""
        prompt = self.router.costs(self.asked.messages, self.asked.parameters, output=0)[move.target]
        return prompt is not None and prompt > self.router.table.settings.hedge_cost

    def _made(self, move: Move) -> Attempted:
        router, aim = self.router, self.router.aims[move.target]
        source = self._source_of(aim, move.cut_at)
        self.telling.begun(source)
        with router.lock:
            made = self.course.ask(move, clock.monotonic())
        attempted = Attempted(aim, made, source, move.seconds)
        self.under_way.append(attempted)
        self.attempted.append(attempted)
        self.telling.attempt(attempted)
        return attempted

    def _source_of(self, aim: Aim, cut: float | None) -> Source:
        """The target's answer, not begun; if an answer was begun, its rest."""
        if self.begun is None:
            return self._make(aim, self.asked, cut)
        parameters = self.router.parameters_of(aim, self.asked)
        return going_on(self.begun, aim, self.asked, parameters, lambda asked: self._make(aim, asked, cut))

    def broke(self, attempted: Attempted, error: MiiflowLLMError, why: Why, begun: Begun | None = None) -> None:
        """Its answer broke after output: another begins it anew, or goes on with what was `begun`, as `why` says."""
        self.why, self.begun, self._broke = why, begun, attempted if begun is not None else None
        self.failed(attempted, error)

    def won(self, attempted: Attempted, *, given: bool) -> list[Attempted]:
        """First output came: decide for it, unless it has ended; those that are to be closed."""
        if attempted.outcome is not None:
            return []
        now = clock.monotonic()
        self.winner = attempted
        losers = [one for one in self.under_way if one is not attempted]
        self.under_way.clear()
        self._step(attempted, self.course.output, attempted.made, now)
        for one in losers:
            one.end("lost", now)
            self._step(one, self.course.lost, one.made, now, self.router.draw())
            self.telling.ended(one)
        if self._first_output is None:
            self._first_output = now
        if given and self.begun is None and attempted.source.chunks:
            attempted.source.chunks[0].restarted = True
        self.telling.first_output(attempted)
        return losers

    def failed(self, attempted: Attempted, error: MiiflowLLMError, *, last: bool = False) -> None:
        """It failed: `move` is the next unless another is under way; `last` says that nothing is to follow."""
        if attempted.outcome is not None:
            return
        now, draw = clock.monotonic(), self.router.draw()
        if attempted in self.under_way:
            self.under_way.remove(attempted)
        attempted.end("failed", now, error)
        if self.under_way or last:
            self._step(attempted, self.course.ended, attempted.made, error, now, draw)
        else:
            self._move = self._step(attempted, self.course.failed, attempted.made, error, now, draw, self.why)
        self.telling.ended(attempted)
        if isinstance(error, BudgetExceededError):
            self.telling.over_budget(attempted)
        if self._move is not None:
            self.telling.moved(attempted, self._move)

    def served(self, winner: Attempted, response: ChatResponse) -> ChatResponse:
        """The answer is whole: it is completed with what is known of the whole call."""
        now = clock.monotonic()
        self._settled = True
        self._step(winner, self.course.served, winner.made, now)
        if response.rate_limit is not None:
            with self.router.lock:
                self.router.table.told(winner.aim.place, response.rate_limit, now)
        winner.end("served", now)
        response.attempts = self.attempts
        if response.cost is not None:
            response.cost = self.known_cost() or response.cost
        self.router.costing.learn(self.asked.messages, self.asked.parameters, winner.source)
        response.served_by = response.served_by or winner.aim.label
        response.skipped = self.skipped()
        response.latency_ms = self._since_start(now)
        if self._first_output is not None:
            response.time_to_first_token_ms = self._since_start(self._first_output)
        self.telling.ended(winner)
        self.telling.finished(winner, response)
        return response

    def answered(self, attempted: Attempted, embeddings: Embeddings | None) -> None:
        """A call beside the chat has its answer."""
        now = clock.monotonic()
        self._settled = True
        self._step(attempted, self.course.served, attempted.made, now)
        attempted.end("served", now)
        self.telling.ended(attempted)
        self.telling.answered(embeddings)

    def undone(self, attempted: Attempted) -> None:
        """It turned out that nothing was sent."""
        self.under_way.remove(attempted)
        self.attempted.remove(attempted)
        with self.router.lock:
            self.course.cancelled(attempted.made)

    def _since_start(self, moment: float) -> float:
        return round((moment - self.asked.started) * 1000, 3)

    def abandoned(self) -> None:
        """The caller left."""
        if self._settled:
            return
        self._settled = True
        now = clock.monotonic()
        self.under_way.clear()
        for one in self.attempted:
            if one.outcome is None:
                one.end("cancelled", now)
                with self.router.lock:
                    self.course.cancelled(one.made)
                self.telling.ended(one)
        self.telling.abandoned()

    def settled(self, error: MiiflowLLMError) -> MiiflowLLMError:
        """The error as it goes to the caller: with all attempts, and counted."""
        error.attempts = self.attempts
        if not self._settled:
            self._settled = True
            self.telling.failed(error)
        return error

    def nothing(self, back: float | None) -> MiiflowLLMError:
        """The error if no target gave an answer; one may be asked again in `back` seconds.

        If an answer had begun and no target could go on with it, it is that answer's own error.
        """
        since = self.attempted.index(self._broke) if self._broke is not None else 0
        failures = [one for one in self.attempted[since:] if one.error is not None]
        return raised(failures, self.unsayable, self.skipped(), back)

    def skipped(self) -> dict[str, str]:
        """The targets that this call did not ask, with the reason."""
        if not self.course.skips:
            return {}
        words = skipped(self.router.table, self.asked.ask, clock.monotonic())
        return {self.router.aims[place].label: why for place, why in words.items() if place not in self.course.tries}

    def _step(self, attempted: Attempted, step: Callable[..., T], *facts: Any) -> T:
        """Change the table, and tell if the target's state changed."""
        router = self.router
        health = router.table.health[attempted.aim.place]
        with router.lock:
            was_open, was_out, was_cool = health.open_until is None, health.out_until, health.cool_until
            result = step(*facts)
            is_open, is_out = health.open_until is None, health.out_until
        if router.state is not None:
            router.state.changed(attempted.aim.place, health, was_cool, was_out)
        if is_open is not was_open:
            self.telling.target("target_closed" if is_open else "target_opened", attempted)
        if is_out != was_out:
            self.telling.target("target_out", attempted)
        return result
