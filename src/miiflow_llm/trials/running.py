"""A trial as it runs, without the calls themselves: which arm a unit has, what is noted of a call, when it stops.

`Trial` and `SyncTrial` put their calls between `begin` and what follows it; nothing here waits.
"""

from __future__ import annotations

import hashlib
import logging
import random
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar, get_args

from ..calls.metrics import MetricsRecorder
from ..core import forks
from ..core.exceptions import ConfigurationError, MiiflowLLMError
from ..core.response import ChatResponse
from .assign import Assignment, is_number
from .logs import Log, open_log
from .records import Design, Exposure, Record, Result, Score, digest
from .report import ALPHA, Report, report, report_of
from .tallies import BROKEN, METRICS, Metric, Tallies
from .tally import MAX_UNITS
from .thompson import draw

log = logging.getLogger("miiflow_llm.trials")

Policy = Literal["fixed", "thompson"]
Client = TypeVar("Client")

_UNIT: ContextVar[str | None] = ContextVar("miiflow_llm_unit", default=None)
_LOOK_EVERY = 64
"""Exposures between two looks at the ratio of units."""


@contextmanager
def as_unit(unit: str) -> Iterator[None]:
    """Calls inside are of this unit, however deep the trial stands in routers, caches and tool loops."""
    token = _UNIT.set(unit)
    try:
        yield
    finally:
        _UNIT.reset(token)


def current_unit() -> str | None:
    """The unit that `as_unit` has named around this call."""
    return _UNIT.get()


class RunningTrial(Generic[Client]):
    """The arms of a trial, its assignment, its sums and its log.

    Args:
        name: the trial's name; it draws the units, so that two trials are independent of each other.
        arms: what serves each arm, by the arm's label.
        weights: the share of each arm, as numbers of any sum; equal if `None`.
        goal: the metric that decides: `success`, `score`, `cost`, `first_output_ms` or `latency_ms`.
        policy: `fixed` for shares that stay; `thompson` for shares that follow success (or scores from 0 to 1) and
            never fall below 5 %: it is not a trial any more, and its report names no winner.
        salt: another one draws all units anew.
        log: a file (`.jsonl` or `.sqlite`) that survives the process and may be shared with others, or a `Log`.
        on_exposure: told once for each unit, at its first output; what it raises is logged and goes no further.

    Raises:
        ConfigurationError: fewer than two arms, weights of other arms, a goal or policy that is not one.
    """

    def __init__(
        self,
        name: str,
        arms: Mapping[str, Client],
        weights: Mapping[str, float] | None = None,
        *,
        goal: Metric = "success",
        policy: Policy = "fixed",
        salt: str = "",
        log: Log | str | Path | None = None,
        on_exposure: Callable[[Exposure], Any] | None = None,
    ) -> None:
        _check(name, arms, weights, goal, policy)
        self.name = name
        self.goal: Metric = goal
        self.policy: Policy = policy
        self.arms = dict(arms)
        self._assignment = Assignment(name, weights or dict.fromkeys(arms, 1.0), salt)
        self._log = open_log(log) if isinstance(log, (str, Path)) else log
        self._on_exposure = on_exposure
        self._exposed: OrderedDict[str, None] = OrderedDict()
        self._tallies = Tallies()
        self._chance = random.Random(secrets.randbits(64))  # noqa: S311  no secret hangs on it
        self._lock = forks.lock()
        self.metrics = MetricsRecorder()
        self._since_look = 0
        self.stopped = False
        self._design = Design(
            name, _key(self._assignment, salt), self._assignment.shares, goal, policy == "thompson", time.time()
        )
        for record in self._log.read(name) if self._log is not None else ():
            self._tallies.add(record)
        self._keep(self._design)

    @property
    def shares(self) -> dict[str, float]:
        """The share of each arm, from 0 to 1."""
        return self._assignment.shares

    @staticmethod
    def identity_of(identities: list[str]) -> str:
        """One identity for several."""
        return hashlib.blake2b("\0".join(identities).encode(), digest_size=16).hexdigest()

    def arm_of(self, unit: str) -> str:
        """The arm that a unit has; a trial that was stopped gives everybody the first one."""
        if self.stopped:
            return next(iter(self.arms))
        if self.policy == "thompson":
            with self._lock:
                return draw({arm: self._tallies.arms[arm] for arm in self.arms}, self.goal, self._chance)
        return self._assignment.arm(unit)

    def begin(self, unit: str | None, user: str | None) -> Entry[Client]:
        """A call begins: `unit`, or that of `as_unit`, or the request's `user`, or the call itself is assigned."""
        chosen = unit if unit is not None else current_unit()
        call_id = secrets.token_hex(8)
        chosen = chosen if chosen is not None else user if user is not None else call_id
        return Entry(self, str(chosen), self.arm_of(str(chosen)), call_id)

    def expose(self, unit: str, arm: str) -> None:
        """A unit has met its arm; told once."""
        hidden = digest(unit)
        with self._lock:
            if hidden in self._exposed or self.stopped:
                return
            self._exposed[hidden] = None
            if len(self._exposed) > MAX_UNITS:
                self._exposed.popitem(last=False)
        exposure = Exposure(self.name, hidden, arm, self._design.key, time.time())
        self._keep(exposure)
        self._tell(exposure)
        self._look()

    def note(self, result: Result) -> None:
        """A call has ended."""
        if not self.stopped:
            self._keep(result)

    def score(self, call: ChatResponse | str, value: float) -> None:
        """What the caller thinks of an answer: a judge's mark, 1 for a thumb up, 0 for one down.

        `call` is the answer, or its `call_id`.

        Raises:
            ConfigurationError: the answer is not of a trial, or the value is not a finite number.
        """
        call_id = call.call_id if isinstance(call, ChatResponse) else call
        if not call_id:
            raise ConfigurationError(f"trial {self.name!r}: this answer has no call_id, so it is not of a trial")
        if not is_number(value):
            raise ConfigurationError(f"trial {self.name!r}: a score is a finite number, not {value!r}")
        self._keep(Score(self.name, call_id, float(value), time.time()))

    def report(self, *, alpha: float = ALPHA) -> Report:
        """What the trial has shown so far, in all processes if it has a log; it may be asked at any time.

        `alpha` is the chance of ever naming a winner if no arm is better.
        """
        if self._log is not None:
            return report_of(self.name, self._log.read(self.name), alpha=alpha)
        with self._lock:
            return report(self.name, self._tallies, alpha=alpha)

    def close_log(self) -> None:
        """Write what waits. Harmless when done twice."""
        if self._log is not None:
            self._log.close()

    def _keep(self, record: Record) -> None:
        with self._lock:
            self._tallies.add(record)
        if self._log is not None:
            self._log.append(record)

    def _tell(self, exposure: Exposure) -> None:
        if self._on_exposure is None:
            return
        try:
            self._on_exposure(exposure)
        except Exception:
            log.exception("on_exposure of trial %r failed; the call goes on", self.name)

    def _look(self) -> None:
        """Stop if the ratio of units cannot be chance."""
        self._since_look += 1
        if self._since_look < _LOOK_EVERY:
            return
        self._since_look = 0
        with self._lock:
            broken = self._tallies.ratio_evidence >= BROKEN
        if broken:
            self.stopped = True
            log.error(
                "trial %r is stopped: units did not come to the arms by their shares, which is not chance; every call "
                "goes to %r from now on. Look for an arm that loses calls, and begin anew with another salt",
                self.name,
                next(iter(self.arms)),
            )


class Entry(Generic[Client]):
    """One call of a trial, from its assignment to its end."""

    __slots__ = ("_ended", "_trial", "arm", "call_id", "client", "unit")

    def __init__(self, trial: RunningTrial[Client], unit: str, arm: str, call_id: str) -> None:
        self._trial = trial
        self._ended = False
        self.unit = unit
        self.arm = arm
        self.call_id = call_id
        self.client = trial.arms[arm]

    @property
    def _label(self) -> str:
        return f"{self._trial.name}/{self.arm}"

    def first_output(self) -> None:
        """The unit sees its arm."""
        self._trial.expose(self.unit, self.arm)

    def finished(self, response: ChatResponse) -> ChatResponse:
        """The call gave its answer, which is told its `call_id`."""
        response.call_id = self.call_id
        self.first_output()
        if not self._ended:
            self._trial.metrics.finished(
                self._label,
                response.usage,
                response.latency_ms or 0.0,
                response.time_to_first_token_ms,
                max(0, len(response.attempts) - 1),
            )
        served = response.served_by or f"{response.provider}/{response.model}"
        self._end(
            Result(
                self._trial.name,
                digest(self.unit),
                self.arm,
                self.call_id,
                ok=True,
                finish_reason=response.finish_reason,
                served_by=served,
                crossed=_crossed(response),
                first_output_ms=response.time_to_first_token_ms,
                latency_ms=response.latency_ms,
                prompt_tokens=response.usage.prompt_tokens,
                completion_tokens=response.usage.completion_tokens,
                cost=response.cost.amount if response.cost is not None else None,
                currency=response.cost.currency if response.cost is not None else "USD",
                at=time.time(),
            )
        )
        return response

    def failed(self, error: MiiflowLLMError) -> None:
        """The call raised; a call that was never sent is not the arm's failure."""
        if isinstance(error, ConfigurationError):
            self._ended = True
            return
        self.first_output()
        if not self._ended:
            self._trial.metrics.failed(self._label, max(0, len(error.attempts) - 1))
        self._end(
            Result(
                self._trial.name,
                digest(self.unit),
                self.arm,
                self.call_id,
                ok=False,
                error=type(error).__name__,
                at=time.time(),
            )
        )

    def abandoned(self) -> None:
        """The caller left: neither success nor failure."""
        if not self._ended:
            self._ended = True
            self._trial.metrics.abandoned(self._label, 0)

    def _end(self, result: Result) -> None:
        if not self._ended:
            self._ended = True
            self._trial.note(result)


def _crossed(response: ChatResponse) -> bool:
    """Whether another target than the arm's first answered."""
    first = response.attempts[0].target if response.attempts else None
    return response.served_by is not None and first is not None and response.served_by != first


def _key(assignment: Assignment, salt: str) -> str:
    said = repr((assignment.name, salt, sorted(assignment.shares.items())))
    return hashlib.blake2b(said.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()


def _check(name: str, arms: Mapping[str, Any], weights: Mapping[str, float] | None, goal: str, policy: str) -> None:
    if weights is not None and set(weights) != set(arms):
        odd = sorted(set(weights) ^ set(arms))
        raise ConfigurationError(f"trial {name!r}: arms and weights differ in {', '.join(map(repr, odd))}")
    if goal not in METRICS:
        raise ConfigurationError(f"trial {name!r}: goal={goal!r}: one of {', '.join(METRICS)}")
    if policy not in get_args(Policy):
        raise ConfigurationError(f"trial {name!r}: policy={policy!r}: 'fixed' or 'thompson'")
    if policy == "thompson" and goal not in ("success", "score"):
        raise ConfigurationError(f"trial {name!r}: policy='thompson' follows success or scores, not {goal}")
