"""The laws of choosing, each of any table in any state."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from miiflow_llm.choosing import health as healths
from miiflow_llm.choosing.course import Course
from miiflow_llm.choosing.moves import row_of
from miiflow_llm.choosing.order import order
from miiflow_llm.choosing.skipped import earliest_return, skipped, why
from miiflow_llm.choosing.table import Ask, Table
from miiflow_llm.core.exceptions import ServiceUnavailableError

from .worlds import asks, draws, live, tables, walk

FAILURE = row_of(ServiceUnavailableError("503", retryable=True))


@given(tables(), asks(), st.data(), draws)
def test_a_target_is_asked_or_skipped_with_a_reason(table: Table, ask: Ask, data: Any, draw: float) -> None:
    """Every target is either among the choices or has a reason, unless only poor ones are left; none is named twice."""
    now = live(table, data, data.draw(st.integers(0, 6)))
    chosen = order(table, ask, now, draw)
    targets = [choice.target for choice in chosen]
    reasons = skipped(table, ask, now)
    assert len(set(targets)) == len(targets)
    if any(choice.why == "panic" for choice in chosen):
        assert {choice.why for choice in chosen} == {"panic"}
        assert set(targets) <= set(reasons)
        assert set(reasons) == set(range(len(table.entries)))
    else:
        assert set(targets) ^ set(reasons) == set(range(len(table.entries)))


@given(tables(), asks(), st.data(), draws)
def test_no_poor_target_while_a_well_one_can_be_asked(table: Table, ask: Ask, data: Any, draw: float) -> None:
    """An open target is asked only if no other can be; a cooling, full or unable one never."""
    now = live(table, data, data.draw(st.integers(0, 8)))
    for choice in order(table, ask, now, draw):
        health = table.health[choice.target]
        assert health.away_until <= now
        assert health.in_flight < health.limit
        assert choice.target not in ask.unsayable
        if choice.why == "panic":
            assert not [place for place in range(len(table.entries)) if why(table, ask, place, now) is None]
        elif choice.why != "probe":
            assert health.open_until is None


@given(tables(), asks(), st.data(), draws)
def test_tiers_come_in_order(table: Table, ask: Ask, data: Any, draw: float) -> None:
    """A target of a later tier never stands before one of an earlier tier."""
    now = live(table, data, data.draw(st.integers(0, 4)))
    chosen = order(table, ask, now, draw)
    if all(choice.why != "panic" for choice in chosen):
        tiers = [table.entries[choice.target].tier for choice in chosen]
        assert tiers == sorted(tiers)


@given(tables(), asks(), st.data(), draws)
def test_order_is_a_function(table: Table, ask: Ask, data: Any, draw: float) -> None:
    """The same table, request, time and draw give the same order, and asking changes nothing."""
    now = live(table, data, 3)
    before = [msgspec.structs.asdict(health) for health in table.health]
    assert order(table, ask, now, draw) == order(table, ask, now, draw)
    assert [msgspec.structs.asdict(health) for health in table.health] == before


@given(tables(), st.data(), draws, st.integers(0, 9))
def test_a_failure_never_improves_a_rank(table: Table, data: Any, draw: float, target: int) -> None:
    """A target that fails once more does not stand further to the front."""
    table.policy = "fastest"
    table.settings = msgspec.structs.replace(table.settings, compared=10)
    now = live(table, data, data.draw(st.integers(0, 6)))
    target %= len(table.entries)
    table.health[target].in_flight += 1
    ask = Ask()

    def rank(of: Table) -> int:
        found = [choice.target for choice in order(of, ask, now, draw)]
        return found.index(target) if target in found else len(found)

    worse = copy.deepcopy(table)
    healths.failed(worse.health[target], table.settings, FAILURE, now, draw)
    worse.health[target].in_flight += 1  # both are compared under the same load
    if not all(choice.why == "panic" for choice in order(worse, ask, now, draw)):
        assert rank(worse) >= rank(table)


@settings(max_examples=300)
@given(tables(), asks(), st.data())
def test_a_call_is_bounded(table: Table, ask: Ask, data: Any) -> None:
    """Attempts are at most twice the targets and two; waits end before the deadline; allowances are never negative."""
    now = live(table, data, data.draw(st.integers(0, 5)))
    total = data.draw(st.floats(0.1, 300))
    asked, waited = walk(Course(table, ask, now + total), data, now)
    assert len(asked) <= 2 * len(table.entries) + 2
    assert waited <= min(total, 150.0 + 10.0 * len(asked))
    assert min(table.failovers.left, table.retries.left, table.hedges.left) >= 0


@settings(max_examples=300)
@given(tables(), asks(), st.data())
def test_no_target_twice_while_another_is_fresh(table: Table, ask: Ask, data: Any) -> None:
    """But for the one more try that the first target of an ordered list has, a target is asked twice only if no other
    may be.
    """
    now = live(table, data, data.draw(st.integers(0, 3)))
    course = Course(table, ask)
    move = course.start(now, 0.5)
    for _ in range(20):
        if move.kind != "ask":
            break
        fresh = order(table, ask, now, 0.5, course.tries)
        if move.target in course.tries and not (table.policy == "order" and course.made == 1):
            assert not fresh
        made = course.ask(move, now + move.seconds)
        now += move.seconds + 0.1
        move = course.failed(made, ServiceUnavailableError("503", retryable=True), now, 0.5)


@given(tables(), st.data())
def test_nothing_is_left_in_flight(table: Table, data: Any) -> None:
    """When all calls have ended no target has one under way, and none is being probed."""
    live(table, data, 6)
    assert [(health.in_flight, health.probing) for health in table.health] == [(0, False)] * len(table.entries)


@given(tables(), st.data())
def test_leaving_changes_nothing(table: Table, data: Any) -> None:
    """A call that its caller left leaves the health of its target as it was."""
    now = live(table, data, 3)
    before = copy.deepcopy(table.health)
    for health in table.health:
        healths.began(health, now)
        healths.cancelled(health)
    assert [_facts(health) for health in table.health] == [_facts(health) for health in before]


def _facts(health: healths.Health) -> dict[str, Any]:
    facts = msgspec.structs.asdict(health)
    return {name: value for name, value in facts.items() if name not in ("window", "gradient", "tokens", "requests")}


@given(tables(), asks(), st.data())
def test_a_target_that_returns_may_be_asked(table: Table, ask: Ask, data: Any) -> None:
    """After the time that `earliest_return` names, some target may be asked that time alone kept away."""
    now = live(table, data, 5)
    back = earliest_return(table, ask, now)
    if back is not None:
        assert order(table, ask, now + back + 1e-6, 0.5)
    else:
        assert not order(table, ask, now, 0.5)
