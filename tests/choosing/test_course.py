"""The course of one call: what follows each error at each place, when a second attempt runs beside, when it stops."""

from __future__ import annotations

import statistics
from typing import Any

import pytest

from miiflow_llm.choosing import health as healths
from miiflow_llm.choosing.course import Course, Made, Move
from miiflow_llm.choosing.settings import Settings
from miiflow_llm.choosing.table import Ask, Entry, Table
from miiflow_llm.core.exceptions import (
    AuthenticationError,
    ContentFilterError,
    ContextLengthError,
    InvalidRequestError,
    MiiflowLLMError,
    NetworkError,
    ParsingError,
    QuotaExceededError,
    RateLimitError,
    ServiceUnavailableError,
    StreamInterruptedError,
    TimeoutError,
)

DOWN = ServiceUnavailableError("503", retryable=True)
SILENT = TimeoutError("silent", phase="first_output")


def table(number: int = 3, policy: Any = "order", **settings: Any) -> Table:
    """A table of so many targets."""
    return Table([Entry(f"t{place}") for place in range(number)], policy, Settings(**settings))


def limited(retry_after: float | None = None) -> RateLimitError:
    """A 429, with a hint or none."""
    return RateLimitError("429", retryable=True, retry_after=retry_after)


def after(course: Course, *errors: MiiflowLLMError, now: float = 0.0) -> list[Move]:
    """The moves of a call whose attempts end with these errors, each 0.1 s after its beginning."""
    moves = [course.start(now, 0.5)]
    for error in errors:
        while moves[-1].kind == "wait":
            now += moves[-1].seconds
            moves.append(course.resume(now, 0.5))
        assert moves[-1].kind == "ask"
        now += moves[-1].seconds
        made = course.ask(moves[-1], now)
        now += 0.1
        moves.append(course.failed(made, error, now, 0.5))
    return moves


def told(move: Move) -> tuple[Any, ...]:
    """What matters of a move."""
    return (move.kind, move.target, move.why, round(move.seconds, 3)) if move.kind == "ask" else (move.kind,)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (DOWN, ("ask", 0, "retry", 0.4)),
        (NetworkError("reset"), ("ask", 0, "retry", 0.0)),
        (limited(2.0), ("ask", 0, "retry", 2.0)),
        (limited(3.5), ("ask", 1, "failover", 0.0)),
        (limited(), ("ask", 1, "failover", 0.0)),
        (SILENT, ("ask", 1, "failover", 0.0)),
        (StreamInterruptedError("cut"), ("ask", 1, "failover", 0.0)),
        (QuotaExceededError("no credit"), ("ask", 1, "failover", 0.0)),
        (AuthenticationError("401"), ("ask", 1, "failover", 0.0)),
        (ContentFilterError("refused"), ("stop",)),
        (InvalidRequestError("400"), ("stop",)),
        (ParsingError("not the type"), ("stop",)),
        (TimeoutError("total", phase="total"), ("stop",)),
    ],
    ids=str,
)
def test_after_the_first_of_an_ordered_list(error: MiiflowLLMError, expected: tuple[Any, ...]) -> None:
    """Whoever orders targets wants the first: it has one more try where that is cheap; else the next is asked."""
    assert told(after(Course(table(), Ask()), error)[-1]) == expected


@pytest.mark.parametrize("error", [DOWN, NetworkError("reset"), limited(2.0)], ids=str)
def test_other_policies_move_on_at_once(error: MiiflowLLMError) -> None:
    """Where any target will do, the next is asked at once."""
    assert told(after(Course(table(policy="fastest"), Ask()), error)[-1]) == ("ask", 1, "failover", 0.0)


def test_the_second_try_of_the_first_is_its_last() -> None:
    """After a second failure the next target is asked, which itself has one try while others are fresh."""
    moves = after(Course(table(), Ask()), DOWN, DOWN, DOWN, DOWN)
    assert [told(move)[1:3] for move in moves] == [
        (0, "first"),
        (0, "retry"),
        (1, "failover"),
        (2, "failover"),
        (1, "retry"),
    ]


def test_everything_failing_ends() -> None:
    """With three targets that fail for ever there are six attempts, the second round after growing pauses."""
    moves = after(Course(table(), Ask()), *[DOWN] * 6)
    assert [move.kind for move in moves] == ["ask"] * 6 + ["stop"]


def test_a_silent_target_is_not_asked_again() -> None:
    """If all are silent each is asked once."""
    moves = after(Course(table(), Ask()), SILENT, SILENT, SILENT)
    assert [told(move)[:3] for move in moves] == [
        ("ask", 0, "first"),
        ("ask", 1, "failover"),
        ("ask", 2, "failover"),
        ("stop",),
    ]


def test_a_single_target_is_retried() -> None:
    """A router of one target is as persistent as a client with two retries."""
    moves = after(Course(table(1), Ask()), DOWN, DOWN, DOWN)
    assert [told(move) for move in moves] == [
        ("ask", 0, "first", 0.0),
        ("ask", 0, "retry", 0.4),
        ("ask", 0, "retry", 0.8),
        ("stop",),
    ]


def test_context_errors_go_to_a_larger_context_alone() -> None:
    """Too long for the first, unknown for the second, enough for the third: one request to the first, one to the third;
    what follows stays with larger contexts too.
    """
    entries = [
        Entry("small", context=8_000),
        Entry("unknown"),
        Entry("large", context=200_000),
        Entry("less", context=9),
    ]
    moves = after(Course(Table(entries), Ask()), ContextLengthError("too long"), DOWN)
    assert [told(move)[:2] for move in moves] == [("ask", 0), ("ask", 2), ("ask", 2)]
    moves = after(Course(Table(entries[:2]), Ask()), ContextLengthError("too long"))
    assert told(moves[-1]) == ("stop",)


@pytest.mark.parametrize(
    ("setting", "error"),
    [
        ("on_refusal", ContentFilterError("refused")),
        ("on_invalid", InvalidRequestError("400")),
        ("on_mismatch", ParsingError("not the type")),
    ],
)
def test_opting_in(setting: str, error: MiiflowLLMError) -> None:
    """What stops a call by default moves on if the caller says so."""
    made = table(**{setting: "move"})
    assert told(after(Course(made, Ask()), error)[-1]) == ("ask", 1, "failover", 0.0)


def test_an_hour_is_not_waited_for() -> None:
    """`Retry-After: 3600` on the only target: no wait, and the stop says when it is back."""
    move = after(Course(table(1), Ask(), until=5.0), limited(3600.0))[-1]
    assert move == Move("stop", back=3600.0)


def test_a_rate_limit_that_fits_is_waited_for() -> None:
    """If the only target asks for ten seconds and there are twenty, it is asked again after them, with no more
    pause."""
    course = Course(table(1), Ask(), until=20.0)
    move = after(course, limited(10.0))[-1]
    assert move.kind == "wait"
    assert 10.0 <= move.seconds <= 12.5
    assert told(course.resume(0.1 + move.seconds, 0.5)) == ("ask", 0, "retry", 0.0)


def test_those_who_wait_return_one_by_one() -> None:
    """A thousand callers who wait for one target return spread over time, none too early."""
    made = table(2)
    for health in made.health:
        healths.cool(health, made.settings, 0.0, 20.0)
    waits = [Course(made, Ask()).start(0.0, draw / 1000).seconds for draw in range(1000)]
    assert min(waits) == 20.0
    assert statistics.stdev(waits) > 1.0
    assert len({round(wait, 2) for wait in waits}) > 300


def test_one_that_cools_is_waited_for_if_the_others_are_gone() -> None:
    """The second cools for a second, the first rejects the key: the second is asked once it is back."""
    made = table(2)
    healths.cool(made.health[1], made.settings, 0.0, 1.0)
    course = Course(made, Ask())
    move = after(course, AuthenticationError("401"))[-1]
    assert move.kind == "wait"
    assert told(course.resume(0.1 + move.seconds, 0.5)) == ("ask", 1, "failover", 0.0)


def test_waits_end_before_the_deadline() -> None:
    """A pause that would end after the deadline is not made: the error is raised at once."""
    assert told(after(Course(table(1), Ask(), until=0.3), DOWN)[-1]) == ("stop",)
    assert told(after(Course(table(), Ask(), until=1.0), limited(2.0))[-1]) == ("ask", 1, "failover", 0.0)


def test_the_allowance_of_further_attempts_is_shared() -> None:
    """If every call fails over, there is one further attempt per call once the savings are spent."""
    made = table(4, policy="fastest", failover_most=10.0)
    attempts = 0
    for _ in range(200):
        course = Course(made, Ask())
        move = course.start(0.0, 0.5)
        while move.kind == "ask":
            attempts += 1
            move = course.failed(course.ask(move, 0.0), DOWN, 0.0, 0.5)
    assert 2 * 200 <= attempts <= 2 * 200 + 10 + 20 + 0.2 * 200


def hedged(made_table: Table, ask: Ask | None = None) -> tuple[Course, Made]:
    """A call whose first attempt has begun."""
    course = Course(made_table, ask or Ask())
    return course, course.ask(course.start(0.0, 0.5), 0.0)


def test_a_second_attempt_starts_at_the_firsts_p95() -> None:
    """Before there are samples after two seconds; then at its own p95; once a call; to another target."""
    made = table()
    course, first = hedged(made)
    assert first.hedge_at == 2.0
    for number in range(100):
        healths.first_output(made.health[0], made.settings, 1.0 + number / 100, 0.0)
    course, first = hedged(made)
    assert first.hedge_at == 1.95
    move = course.hedge(first, 2.0, 0.5)
    assert move is not None
    assert told(move) == ("ask", 1, "hedge", 0.0)
    second = course.ask(move, 2.0)
    assert second.hedge_at is None
    assert course.hedge(first, 3.0, 0.5) is None


def test_a_slow_target_is_not_waited_for_unless_it_is_the_first() -> None:
    """A target that is known to be slow is waited for three times as long as the best takes; under `order` its own p95
    holds, since whoever orders targets wants the first, slow as it is.
    """
    for policy, expected in (("fastest", 1.5), ("order", 10.0)):
        made = table(2, policy=policy)
        for _ in range(30):
            healths.first_output(made.health[0], made.settings, 10.0, 0.0)
            healths.first_output(made.health[1], made.settings, 0.5, 0.0)
        course = Course(made, Ask())
        assert course.ask(Move("ask", 0, another=True), 0.0).hedge_at == expected


def test_second_attempts_have_an_allowance() -> None:
    """Five to begin with and then one for twenty calls; the callers who get none wait on."""
    made = table()
    granted = 0
    for _ in range(400):
        course, first = hedged(made)
        granted += first.hedge_at is not None and course.hedge(first, 2.0, 0.5) is not None
        course.served(first, 3.0)
    assert 20 <= granted <= 25


@pytest.mark.parametrize("why", ["alone", "not wanted", "others open", "others cooling"])
def test_no_second_attempt(why: str) -> None:
    """Never if there is no other healthy target, or if the request must not be sent twice."""
    made = table(1 if why == "alone" else 2)
    if why == "others open":
        made.health[1].open_until = 100.0
    if why == "others cooling":
        healths.cool(made.health[1], made.settings, 0.0, 100.0)
    course, first = hedged(made, Ask(hedge=why != "not wanted"))
    assert first.hedge_at is None or course.hedge(first, 2.0, 0.5) is None


def test_a_probe_is_always_covered() -> None:
    """The call that probes a target has its second attempt even if the allowance is spent."""
    made = table(2)
    made.hedges.left = 0.0
    made.health[0].open_until = -1.0
    course, first = hedged(made)
    assert (first.why, first.probe, first.hedge_at) == ("probe", True, 2.0)
    move = course.hedge(first, 2.0, 0.5)
    assert move is not None
    assert move.target == 1


def test_silence_is_cut_if_there_is_another() -> None:
    """Ten seconds while little is known, then three times the p99 and at least five; never without another target."""
    made = table(2)
    assert hedged(made)[1].cut_at == 10.0
    for _ in range(30):
        healths.first_output(made.health[0], made.settings, 0.5, 0.0)
    assert hedged(made)[1].cut_at == 5.0
    for _ in range(300):
        healths.first_output(made.health[0], made.settings, 60.0, 0.0)
    assert hedged(made)[1].cut_at == 180.0
    assert hedged(table(1))[1].cut_at is None
    assert hedged(Table([Entry("a", cut=None), Entry("b")]))[1].cut_at is None
    assert hedged(Table([Entry("a", cut=7.0)]))[1].cut_at == 7.0


def test_restarting_is_told() -> None:
    """The attempts after an answer that had begun say so."""
    course = Course(table(), Ask())
    made = course.ask(course.start(0.0, 0.5), 0.0)
    course.output(made, 0.5)
    move = course.failed(made, StreamInterruptedError("cut"), 1.0, 0.5, "restart")
    assert told(move) == ("ask", 1, "restart", 0.0)
