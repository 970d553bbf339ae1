"""Rates and costs: what tokens cost, what is unknown, how sums are made."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miiflow_llm.core import Cost, Price, TokenCount

counts = st.integers(0, 10**7)
rates = st.floats(0, 1000, allow_nan=False)


def test_nothing_reported_has_no_cost() -> None:
    """A call without reported usage has no cost: `None`, not 0."""
    assert Price(3, 15).cost(TokenCount()) is None
    assert Price(3, 15).cost(TokenCount(prompt_tokens=0)) == Cost(0.0, source="own")


def test_kinds_of_tokens_have_their_rates() -> None:
    """Cached parts of the prompt are charged once, at their own rates, and named."""
    usage = TokenCount(prompt_tokens=1_000, completion_tokens=100, cache_read_tokens=600, cache_write_tokens=300)
    cost = Price(3, 15, cache_read=0.3, cache_write=3.75, request=0.01).cost(usage)
    assert cost is not None
    assert cost.parts == pytest.approx(
        {"cache_read": 0.00018, "cache_write": 0.001125, "input": 0.0003, "output": 0.0015, "request": 0.01}
    )
    assert cost.amount == pytest.approx(sum(cost.parts.values()))


def test_without_a_rate_cached_tokens_are_input() -> None:
    """If a price names no rate for cached tokens, they cost as much as other input."""
    usage = TokenCount(prompt_tokens=1_000, completion_tokens=0, cache_read_tokens=600)
    cost = Price(3, 15).cost(usage)
    assert cost is not None
    assert cost.parts == pytest.approx({"input": 0.003})


@given(counts)
def test_a_tier_holds_for_the_whole_call(prompt: int) -> None:
    """From its start on, a tier's rates hold for all tokens of the call; the greatest reached counts, in any order."""
    price = Price(1, 5, tiers=((400_000, Price(4, 20)), (200_000, Price(2, 10))))
    rates = (4, 20) if prompt >= 400_000 else (2, 10) if prompt >= 200_000 else (1, 5)
    cost = price.cost(TokenCount(prompt_tokens=prompt, completion_tokens=1_000))
    assert cost is not None
    assert cost.amount == pytest.approx(prompt * rates[0] / 1e6 + rates[1] / 1e3)


@given(rates, rates, counts, counts, counts)
def test_costs_add_up(input_rate: float, output_rate: float, a: int, b: int, completion: int) -> None:
    """Without tiers the cost of a sum of calls is the sum of their costs."""
    price = Price(input_rate, output_rate)
    first = price.cost(TokenCount(prompt_tokens=a, completion_tokens=completion))
    second = price.cost(TokenCount(prompt_tokens=b, completion_tokens=completion))
    both = price.cost(TokenCount(prompt_tokens=a + b, completion_tokens=2 * completion))
    assert first is not None
    assert second is not None
    assert both is not None
    assert (first + second).amount == pytest.approx(both.amount)


def test_sums_say_what_they_are_made_of() -> None:
    """A sum is estimated if one of its terms is, names its source if it is one, and never mixes currencies."""
    told, guessed = Cost(1.0), Cost(2.0, source="own", estimated=True)
    assert told + guessed == Cost(3.0, source="mixed", estimated=True)
    assert (told + told).source == "provider"
    with pytest.raises(ValueError, match="EUR"):
        told + Cost(1.0, "EUR")
