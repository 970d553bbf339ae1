"""A unit's arm: always the same, by the weights, and moved only into what grows."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miiflow_llm.core.exceptions import ConfigurationError
from miiflow_llm.trials.assign import Assignment

UNITS = [f"user-{number}" for number in range(3000)]
WEIGHTS = st.dictionaries(st.sampled_from("abcde"), st.floats(0.05, 10), min_size=2)


def test_split_follows_the_weights() -> None:
    """At 100,000 units every arm has its share to within half a percent."""
    assignment = Assignment("split", {"a": 70, "b": 20, "c": 10})
    counts = Counter(assignment.arm(str(number)) for number in range(100_000))
    for arm, share in assignment.shares.items():
        assert abs(counts[arm] / 100_000 - share) < 0.005


@given(WEIGHTS, st.randoms(use_true_random=False))
def test_order_and_scale_do_not_matter(weights: dict[str, float], chance: object) -> None:
    """The same weights in another order, or all doubled, give every unit the same arm."""
    first = Assignment("order", weights)
    turned = Assignment("order", {arm: 2 * weights[arm] for arm in reversed(weights)})
    assert [first.arm(unit) for unit in UNITS[:200]] == [turned.arm(unit) for unit in UNITS[:200]]


@given(WEIGHTS, st.sampled_from("abcdef"), st.floats(0.01, 10))
def test_growing_an_arm_moves_units_only_into_it(weights: dict[str, float], arm: str, more: float) -> None:
    """An arm that grows, or a new one, takes units from others; no unit moves between two others."""
    before, after = Assignment("grow", weights), Assignment("grow", {**weights, arm: weights.get(arm, 0.0) + more})
    for unit in UNITS[:300]:
        assert after.arm(unit) in (before.arm(unit), arm)


def test_names_and_salts_draw_anew() -> None:
    """Trials are independent of each other: another name or salt is another draw."""
    weights = {"a": 1, "b": 1}
    plain = [Assignment("one", weights).arm(unit) for unit in UNITS]
    for other in (Assignment("two", weights), Assignment("one", weights, salt="x"), Assignment("onex", weights)):
        same = sum(other.arm(unit) == arm for unit, arm in zip(UNITS, plain, strict=True))
        assert abs(same / len(UNITS) - 0.5) < 0.05


def test_an_arm_of_weight_nothing_gets_nobody() -> None:
    """A weight of 0 keeps an arm in the trial and gives it no unit."""
    assignment = Assignment("closed", {"a": 1, "b": 0})
    assert {assignment.arm(unit) for unit in UNITS} == {"a"}
    assert assignment.shares == {"a": 1.0, "b": 0.0}


@pytest.mark.parametrize("unit", ["", "\x00", "\ud800", "名", "x" * 100_000])
def test_any_text_is_a_unit(unit: str) -> None:
    """Whatever the text, it has an arm, and the same one again."""
    assignment = Assignment("odd", {"a": 1, "b": 1})
    assert assignment.arm(unit) == assignment.arm(unit)


@pytest.mark.parametrize(
    "weights",
    [{}, {"a": 1}, {"a": 0, "b": 0}, {"a": -1, "b": 2}, {"a": float("nan"), "b": 1}, {"a": float("inf"), "b": 1},
     {"a": "1", "b": 1}, {"a": True, "b": 1}],
    ids=str,
)  # fmt: skip
def test_weights_that_are_none_are_refused(weights: dict[str, float]) -> None:
    """Too few arms, and weights that cannot be weights, are an error that names the trial."""
    with pytest.raises(ConfigurationError, match="trial 'bad'"):
        Assignment("bad", weights)
