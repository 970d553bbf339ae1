"""The course of one call: say the next move, by its attempts and their ends. It asks nobody and waits for nothing.

Laws: no target is asked twice while another may be asked; attempts are at most twice the targets and two; waits end
before the call's deadline; further attempts are taken out of the table's allowances.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import msgspec

from ..core.exceptions import MiiflowLLMError
from ..core.response import Why
from . import health as healths
from .hedge import cut_at, hedge_at
from .moves import Row, row_of
from .order import order
from .skipped import earliest_return
from .table import Ask, Choice, Table

_SPREAD = 0.25
"""Callers that wait for one target return over a quarter of the time that they waited, not all at once."""


class Made(msgspec.Struct):
    """An attempt: which target, why, since when; `probe` if it sees whether the target is back.

    `hedge_at` is after how many seconds of silence a second attempt may run beside it, `None` for never. `cut_at` is
    after how many it is given up, `None` for the caller's own limit.
    """

    target: int
    why: Why
    began: float
    probe: bool
    hedge_at: float | None = None
    cut_at: float | None = None
    shown: bool = False


class Move(msgspec.Struct, frozen=True):
    """What to do next: `ask` the target after a pause, `wait` and then see, or `stop`. `seconds` is how long to pause.

    `another` says that there is a target to go to if this one is silent, `cut_at` after how many seconds of silence it
    is given up, `None` for the caller's own limit. Of a stop, `back` says in how many seconds a target may be asked
    again, `None` if that is not known.
    """

    kind: Literal["ask", "wait", "stop"]
    target: int = -1
    why: Why = "first"
    seconds: float = 0.0
    probe: bool = False
    another: bool = False
    cut_at: float | None = None
    back: float | None = None


class Course:
    """One call. `until` is its deadline on the clock of `now`, `None` for none; `skips` says that it had not all
    targets to choose from.

    The order of calls: `start`, then `ask` for each attempt that is made, `output` at its first output, and one of
    `served`, `failed`, `lost` and `cancelled` at its end. `failed` gives the next move.
    """

    __slots__ = (
        "_again_allowed",
        "_context",
        "_rested",
        "ask_of",
        "hedged",
        "made",
        "skips",
        "table",
        "tries",
        "until",
        "waited",
    )

    def __init__(self, table: Table, ask: Ask, until: float | None = None) -> None:
        self.table = table
        self.ask_of = ask
        self.until = until
        self.made = 0
        self.waited = 0.0
        self.hedged = False
        self.skips = False
        self.tries: dict[int, int] = {}
        self._again_allowed = True
        self._rested = False
        self._context: float | None = None

    def start(self, now: float, draw: float) -> Move:
        """The first move of the call."""
        self.table.called()
        return self.resume(now, draw)

    def resume(self, now: float, draw: float, why: Why = "failover") -> Move:
        """The move after a wait is over, or if the answer begins again as `why` says."""
        fresh = self._fresh(now, draw)
        self.skips = self.skips or len(fresh) + len(self.tries) < len(self.table.entries)
        if not fresh:
            return self._again(now, draw, why)
        if self.made and not self.table.failovers.take():
            return self._stop(now)
        return self._asked(fresh[0], why if self.made else "first", another=len(fresh) > 1)

    def ask(self, move: Move, now: float) -> Made:
        """The attempt that the move asks for begins."""
        table, target = self.table, move.target
        health = table.health[target]
        healths.began(health, now, probe=move.probe, tokens=self.ask_of.tokens or 0.0)
        if not self.made and table.policy == "spread":
            table.took_turn(target)
        self.made += 1
        self._rested = False
        self.tries[target] = self.tries.get(target, 0) + 1
        made = Made(target, move.why, now, move.probe, cut_at=move.cut_at)
        if move.another and self._may_hedge(move.probe):
            made.hedge_at = hedge_at(table, target)
        return made

    def output(self, made: Made, now: float) -> None:
        """The attempt's first output came."""
        made.shown = True
        healths.first_output(self.table.health[made.target], self.table.settings, now - made.began, now)

    def cannot(self, move: Move, why: str, now: float, draw: float) -> Move:
        """The target cannot be asked this, as turned out before anything was sent: the next move."""
        self.ask_of.unsayable[move.target] = why
        if self.made:
            self.table.failovers.left += 1.0  # what the move took
        return self.resume(now, draw, move.why if move.why in ("restart", "continue") else "failover")

    def served(self, made: Made, now: float) -> None:
        """The attempt gave the whole answer."""
        healths.served(self.table.health[made.target], self.table.settings, now, probe=made.probe)

    def lost(self, made: Made, now: float, draw: float) -> None:
        """Another attempt was faster."""
        waited = None if made.shown else now - made.began
        health = self.table.health[made.target]
        healths.lost(health, self.table.settings, now, draw, waited=waited, probe=made.probe)

    def cancelled(self, made: Made) -> None:
        """The caller left."""
        healths.cancelled(self.table.health[made.target], probe=made.probe)

    def ended(self, made: Made, error: MiiflowLLMError, now: float, draw: float) -> Row:
        """The attempt failed, and another is still under way or nothing follows; the row of its error."""
        row = row_of(error)
        healths.failed(
            self.table.health[made.target],
            self.table.settings,
            row,
            now,
            draw,
            waited=0.0 if made.shown else now - made.began,
            retry_after=error.retry_after,
            probe=made.probe,
        )
        self._again_allowed = row.again != "no"
        if row.other == "larger":
            entry = self.table.entries[made.target]
            self._context = max(self._context or 0.0, entry.context or self.ask_of.tokens or 0.0)
        return row

    def failed(self, made: Made, error: MiiflowLLMError, now: float, draw: float, why: Why = "failover") -> Move:
        """The attempt failed, and nothing else is under way: the next move.

        `why` names further attempts at other targets, `restart` or `continue` if the answer had begun.
        """
        row = self.ended(made, error, now, draw)
        if not self._moves(row) or self.made >= self._most():
            return self._stop(now)
        pause = self._first_again(made, row, error, now, draw)
        if pause is not None:
            another = bool(self._fresh(now, draw))
            return self._once_more(made.target, why, pause, another=another)
        return self.resume(now, draw, why)

    def hedge(self, made: Made, now: float, draw: float) -> Move | None:
        """The attempt has been silent for `made.hedge_at`: a second one beside it, if one may run."""
        if not self._may_hedge(made.probe):
            return None
        for choice in self._fresh(now, draw):
            if choice.why in ("order", "affinity"):
                if not made.probe:
                    self.table.hedges.take()
                self.hedged = True
                return Move("ask", choice.target, "hedge", cut_at=self._cut(choice.target, another=False))
            if choice.why == "panic":
                break
        return None

    def _asked(self, choice: Choice, why: Why, *, another: bool) -> Move:
        probe = choice.why == "probe"
        if choice.why in ("probe", "panic") and why in ("first", "failover"):
            why = "probe" if probe else "panic"
        target = choice.target
        return Move("ask", target, why, 0.0, probe, another, self._cut(target, another=another))

    def _once_more(self, target: int, why: Why, pause: float, *, another: bool = False) -> Move:
        why = "retry" if why == "failover" else why
        return Move("ask", target, why, pause, another=another, cut_at=self._cut(target, another=another))

    def _cut(self, target: int, *, another: bool) -> float | None:
        table = self.table
        return cut_at(table.entries[target], table.health[target], table.settings, another=another)

    def _may_hedge(self, probe: bool) -> bool:
        return self.ask_of.hedge and not self.hedged and (probe or self.table.hedges.left >= 1.0)

    def _fresh(self, now: float, draw: float) -> tuple[Choice, ...]:
        """Targets that may be asked and were not yet."""
        return self._found(now, draw, self.tries)

    def _found(self, now: float, draw: float, but: Collection[int]) -> tuple[Choice, ...]:
        """Targets that may be asked, without those in `but`; after a context error those with a larger one."""
        found = order(self.table, self.ask_of, now, draw, but)
        if self._context is None:
            return found
        entries, least = self.table.entries, self._context
        return tuple(choice for choice in found if (entries[choice.target].context or 0) > least)

    def _moves(self, row: Row) -> bool:
        if row.other in ("yes", "larger"):
            return True
        return row.other != "no" and getattr(self.table.settings, row.other) == "move"

    def _most(self) -> int:
        return max(3, 2 * len(self.table.entries))

    def _first_again(self, made: Made, row: Row, error: MiiflowLLMError, now: float, draw: float) -> float | None:
        """How long to pause before the first target is asked once more; `None` if it is not."""
        table, settings = self.table, self.table.settings
        if table.policy != "order" or self.made != 1 or table.entries[made.target].once:
            return None
        if table.health[made.target].open_until is not None:
            return None
        pause = _pause(row, error, settings.retry_pause * (0.75 + 0.5 * draw), settings.retry_after_most)
        if pause is None or not self._fits(pause, now) or not table.retries.take():
            return None
        return pause

    def _again(self, now: float, draw: float, why: Why) -> Move:
        """No other target can be asked: one of those that were, the first that returns, or none."""
        if self.made >= self._most():
            return self._stop(now)
        target = self._least_bad(now, draw) if self.tries and self._again_allowed else None
        if target is None:
            return self._wait(now, draw)
        rest = 0.0 if self._rested else self.table.settings.retry_pause * 2.0 ** (self.tries[target] - 1)
        pause = rest * (0.5 + draw)
        if self._fits(pause, now) and self.table.retries.take():
            return self._once_more(target, why, pause)
        return self._stop(now)

    def _wait(self, now: float, draw: float) -> Move:
        """Wait for the first target that returns, if that is soon enough."""
        gone = self._spent() if self._again_allowed else self.tries
        back = earliest_return(self.table, self.ask_of, now, gone)
        most = self.table.settings.wait_most - self.waited
        if not back or back > most or not self._fits(back, now) or self._context is not None:
            return self._stop(now)
        spread = back * (1.0 + _SPREAD * draw)
        self._rested = True
        self.waited += spread
        return Move("wait", seconds=spread if self._fits(spread, now) else back)

    def _least_bad(self, now: float, draw: float) -> int | None:
        """The target to ask once more."""
        return next((choice.target for choice in self._found(now, draw, self._spent())), None)

    def _spent(self) -> list[int]:
        """The targets that were asked as often as they may be: twice, a single one three times."""
        entries = self.table.entries
        most = 2 if len(entries) > 1 else 3
        return [target for target, number in self.tries.items() if number >= most or entries[target].once]

    def _fits(self, seconds: float, now: float) -> bool:
        return self.until is None or now + seconds < self.until

    def _stop(self, now: float) -> Move:
        return Move("stop", back=earliest_return(self.table, self.ask_of, now))


def _pause(row: Row, error: MiiflowLLMError, pause: float, hint_most: float) -> float | None:
    if row.again == "at_once":
        return 0.0
    if row.again == "pause":
        return pause if error.retry_after is None else max(pause, _short(error.retry_after, hint_most) or pause)
    if row.again == "hint" and error.retry_after is not None:
        return _short(error.retry_after, hint_most)
    return None


def _short(seconds: float, most: float) -> float | None:
    return seconds if seconds <= most else None
