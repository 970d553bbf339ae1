"""Which of two answers to one question a person prefers, written to the log of a trial.

Every two models are a trial of their own, named `provider:model | provider:model`, with the score as its goal. The two
marks of one comparison say the same thing twice (one won, so the other lost), so only one of them may count: that of
the model to which the trial assigns the person. Its share of wins is an honest estimate with the usual intervals, and
`miiflow-llm trial report` shows it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from ..core.exceptions import ConfigurationError
from ..core.messages import Message
from ..core.response import ChatResponse
from ..core.usage import TokenCount
from ..trials.logs import Log, open_log
from ..trials.running import RunningTrial
from .body import wrong

Sent = TypeVar("Sent")


class Side(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One of the two answers, as the browser was told of it. Times in milliseconds."""

    provider: str
    model: str
    finish_reason: Literal["stop", "length", "tool_calls", "content_filter", "unknown"] | None = None
    usage: TokenCount | None = None
    latency_ms: float | None = None
    time_to_first_token_ms: float | None = None


class Preference(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A comparison: its name (of the browser's making), both answers, and which is better; `None` for neither."""

    comparison: str
    answers: list[Side]
    preferred: Literal[0, 1] | None = None


class Mark(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What a person thinks of one answer of a trial: `value` from 0 (bad) to 1 (good)."""

    call_id: str
    value: float
    provider: str | None = None
    model: str | None = None


def read_mark(data: bytes) -> Mark:
    """A checked mark.

    Raises:
        Rejected: 422 if it is not one.
    """
    mark = _read(data, Mark)
    if not 0 <= mark.value <= 1:
        raise wrong("value is between 0 and 1.", "$.value")
    return mark


def read_preference(data: bytes) -> Preference:
    """A checked comparison.

    Raises:
        Rejected: 422 if it is not one.
    """
    found = _read(data, Preference)
    if len(found.answers) != 2 or _label(found.answers[0]) == _label(found.answers[1]):
        raise wrong("A comparison has two answers, of two models.", "$.answers")
    return found


def _read(data: bytes, kind: type[Sent]) -> Sent:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as reason:
        raise wrong(f"{reason}.", "$") from None


class Preferences:
    """The log, and a trial for every two models that were compared."""

    def __init__(self, log: Log | str | Path) -> None:
        self._log = open_log(log) if isinstance(log, (str, Path)) else log
        self._trials: dict[tuple[str, str], RunningTrial[str]] = {}

    def write(self, found: Preference, user: str | None) -> None:
        """Keep a comparison; `user` is the person who made it, if known."""
        first, second = sorted(found.answers, key=_label)
        entry = self._trial(_label(first), _label(second)).begin(user or found.comparison, None)
        side = first if entry.arm == _label(first) else second
        answer = entry.finished(
            ChatResponse(
                message=Message.assistant(""),
                provider=side.provider,
                model=side.model,
                finish_reason=side.finish_reason,
                usage=side.usage or TokenCount(),
                latency_ms=side.latency_ms,
                time_to_first_token_ms=side.time_to_first_token_ms,
            )
        )
        won = None if found.preferred is None else found.answers[found.preferred] is side
        self._trial(_label(first), _label(second)).score(answer, 0.5 if won is None else float(won))

    def _trial(self, first: str, second: str) -> RunningTrial[str]:
        if (first, second) not in self._trials:
            arms = {first: first, second: second}
            self._trials[first, second] = RunningTrial(f"{first} | {second}", arms, goal="score", log=self._log)
        return self._trials[first, second]


def _label(side: Side) -> str:
    return f"{side.provider}:{side.model}"


def mark_answer(client: object, mark: Mark) -> bool:
    """Tell a trial what a person thinks of its answer; whether the client is one."""
    score: Callable[[str, float], None] | None = getattr(client, "score", None)
    if score is None:
        return False
    try:
        score(mark.call_id, mark.value)
    except ConfigurationError as reason:
        raise wrong(f"{reason.message}.", "$.call_id") from None
    return True
