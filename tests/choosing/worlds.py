"""Tables in every state, and courses of calls through them, for hypothesis."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from miiflow_llm.choosing.course import Course
from miiflow_llm.choosing.table import Ask, Entry, Table
from miiflow_llm.core.exceptions import (
    AuthenticationError,
    ContentFilterError,
    ContextLengthError,
    InvalidRequestError,
    MiiflowLLMError,
    NetworkError,
    QuotaExceededError,
    RateLimitError,
    ServiceUnavailableError,
    StreamInterruptedError,
    TimeoutError,
)

ERRORS: list[MiiflowLLMError] = [
    NetworkError("reset"),
    TimeoutError("silent", phase="first_output"),
    TimeoutError("stalled", phase="idle"),
    StreamInterruptedError("cut"),
    ServiceUnavailableError("503", status_code=503, retryable=True),
    RateLimitError("429", status_code=429, retryable=True),
    RateLimitError("429", status_code=429, retryable=True, retry_after=2.0),
    RateLimitError("429", status_code=429, retryable=True, retry_after=3600.0),
    QuotaExceededError("no credit"),
    AuthenticationError("wrong key"),
    ContextLengthError("too long"),
    ContentFilterError("refused"),
    InvalidRequestError("bad"),
]
draws = st.floats(0, 0.999)
policies = st.sampled_from(["order", "fastest", "cheapest", "spread"])


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """A table of one to ten targets in one to three tiers, of any policy."""
    number = draw(st.integers(1, 10))
    entries = [
        Entry(
            f"t{place}",
            tier=draw(st.integers(0, 2)),
            weight=draw(st.sampled_from([0.01, 1.0, 3.0])),
            context=draw(st.sampled_from([None, 1_000, 100_000])),
            limit=draw(st.sampled_from([None, 1, 5, "auto"])),
        )
        for place in range(number)
    ]
    return Table(entries, draw(policies))


@st.composite
def asks(draw: st.DrawFn, targets: int = 10) -> Ask:
    """A request with any of the things that matter."""
    return Ask(
        affinity=draw(st.none() | st.integers(0, 2**64 - 1)),
        tokens=draw(st.none() | st.sampled_from([10.0, 5_000.0])),
        unsayable=draw(st.dictionaries(st.integers(0, targets - 1), st.just("no vision"), max_size=2)),
        costs=draw(st.sampled_from([(), tuple(range(targets)), (None, 0.5) * targets])),
        hedge=draw(st.booleans()),
    )


def live(table: Table, data: Any, calls: int, now: float = 0.0) -> float:
    """Let so many calls happen to the table, of any kind and end; the time when the last has ended."""
    for _ in range(calls):
        now += data.draw(st.floats(0, 30))
        walk(Course(table, data.draw(asks(len(table.entries))), now + 100.0), data, now)
    return now


def walk(course: Course, data: Any, now: float) -> tuple[list[int], float]:
    """One call from start to end: the targets asked, and how long was waited."""
    asked, waited, moves = list[int](), 0.0, 0
    move = course.start(now, data.draw(draws))
    while move.kind != "stop":
        moves += 1
        assert moves < 100
        waited += move.seconds
        now += move.seconds
        if move.kind == "wait":
            move = course.resume(now, data.draw(draws))
            continue
        made = course.ask(move, now)
        asked.append(made.target)
        error = data.draw(st.none() | st.sampled_from(ERRORS))
        now += data.draw(st.floats(0, 10))
        if error is None:
            course.output(made, now)
            course.served(made, now)
            break
        move = course.failed(made, error, now, data.draw(draws))
    return asked, waited
