"""How much a target may be asked: the provider's counters fill evenly, the learned limit follows the answers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from miiflow_llm.choosing.limits import LEAST, MOST, Counter, Gradient


def test_counters_fill_evenly() -> None:
    """A tenth of the limit is missing: it is there after a tenth of the time in which all of it returns."""
    counter = Counter(left=0.0, limit=100.0, at=10.0, full_at=70.0)
    assert counter.free_at(10.0, 10.0) == 16.0
    assert counter.free_at(10.0, 20.0) == 20.0
    assert counter.free_at(1_000.0, 10.0) == 70.0
    assert counter.free_at(1_000.0, 70.0) == 70.0


@given(st.floats(0, 100), st.floats(0, 100), st.floats(0, 1000), st.floats(0, 100))
def test_what_is_enough_is_free_now(left: float, limit: float, now: float, needed: float) -> None:
    """A call that fits is free now, any other not before; never later than when all is there."""
    counter = Counter(left, max(left, limit), now, now + 60.0)
    free = counter.free_at(needed, now)
    assert now <= free <= now + 60.0
    if needed <= left:
        assert free == now


def test_a_slowing_target_is_asked_less() -> None:
    """While answers come as usual the limit grows; when they take thrice as long, it shrinks."""
    gradient = Gradient()
    for _ in range(100):
        gradient.sample(0.5, in_flight=200)
    grown = gradient.limit
    assert grown > 100
    for _ in range(60):
        gradient.sample(3.0, in_flight=500)
    assert gradient.limit < grown / 2


def test_an_idle_target_keeps_its_limit() -> None:
    """A target with few calls under way says nothing about its limit."""
    gradient = Gradient()
    for _ in range(100):
        gradient.sample(0.5, in_flight=2)
    assert gradient.limit == 20.0


@given(st.lists(st.tuples(st.floats(0.001, 100), st.integers(0, 1000)), max_size=200))
def test_the_limit_has_bounds(samples: list[tuple[float, int]]) -> None:
    """However answers come, the limit is from 4 to 500."""
    gradient = Gradient()
    for seconds, in_flight in samples:
        gradient.sample(seconds, in_flight)
        assert LEAST <= gradient.limit <= MOST
