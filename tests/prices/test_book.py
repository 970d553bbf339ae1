"""Where prices are from: tables of one's own, genai-prices, what the provider says; each of them in its place."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from miiflow_llm.core import Price, TokenCount
from miiflow_llm.core.exceptions import ConfigurationError
from miiflow_llm.prices import Prices
from miiflow_llm.prices.from_genai import next_quarter


def test_own_prices_by_name() -> None:
    """A price is found by provider and model, by the model only, or by a pattern; what is more exact comes first."""
    prices = Prices(
        {
            "openai/gpt-x": {"input": 1, "output": 2},
            "gpt-x": Price(3, 4),
            "local/*": {"input": 0},
            "groq": {"llama": {"input": 5, "output": 6}},
            "azure:deployed": Price(7, 8),
            "us.anthropic.claude-v1:0": Price(9, 9),
        }
    )
    assert prices.price("openai", "gpt-x") == Price(1, 2)
    assert prices.price("azure", "gpt-x") == Price(3, 4)
    assert prices.price("local", "anything") == Price(0)
    assert prices.price("groq", "llama") == Price(5, 6)
    assert prices.price("azure", "deployed") == Price(7, 8)
    assert prices.price("bedrock", "us.anthropic.claude-v1:0") == Price(9, 9)
    assert prices.price("azure", "mine", "gpt-x") == Price(3, 4)
    assert prices.price("openai", "other") is None


def test_a_file(tmp_path: Path) -> None:
    """A TOML file has the fields of `Price`, tiers and services included."""
    file = tmp_path / "prices.toml"
    file.write_text(
        """
["openai/gpt-x"]
input = 1.0
output = 4.0
cache_read = 0.1
tiers = [[200001, { input = 2.0, output = 6.0 }]]
[anthropic."claude-x"]
input = 3.0
output = 15.0
[anthropic."claude-x".services.batch]
input = 1.5
output = 7.5
""",
        encoding="utf-8",
    )
    prices = Prices(file)
    long = prices.price("openai", "gpt-x")
    assert long == Price(1.0, 4.0, cache_read=0.1, tiers=((200001, Price(2.0, 6.0)),))
    claude = prices.price("anthropic", "claude-x")
    assert claude is not None
    usage = TokenCount(1_000_000, 1_000_000)
    assert [cost.amount for service in (None, "batch", "flex") if (cost := claude.cost(usage, service=service))] == [
        18.0,
        9.0,
        18.0,
    ]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"m": {"input": -1.0}}, "0 or more"),
        ({"m": {"input": float("nan")}}, "0 or more"),
        ({"m": {"inptu": 1.0}}, "did you mean 'input'"),
        ({"m": {"output": 1.0}}, "input"),
        ({"m": "dear"}, "rates for a million tokens"),
        ({3: {"input": 1.0}}, "a model's name"),
        (7, "'genai-prices'"),
        ("/nowhere/prices.toml", "cannot be read"),
    ],
)
def test_what_is_not_a_price(table: Any, words: str) -> None:
    """A table that cannot be right is refused when it is given, with what to write."""
    with pytest.raises(ConfigurationError, match=words):
        Prices(table)


def test_own_stand_above_the_package() -> None:
    """Prices of one's own win; what they do not name is looked up in the package, once."""
    pytest.importorskip("genai_prices")
    prices = Prices({"openai/gpt-5": {"input": 1.0, "output": 1.0}}, "genai-prices")
    assert not prices.loaded
    assert prices.price("groq", "llama-3.3-70b-versatile") is None
    prices.load()
    assert prices.loaded
    own, theirs = prices.price("openai", "gpt-5"), prices.price("openai", "gpt-5-mini")
    assert (own and own.source, theirs and theirs.source) == ("own", "genai-prices")
    assert prices.price("openai", "gpt-5-mini") is theirs
    assert prices.price("openai", "no-such-model-at-all") is None
    assert prices.price("no-such-provider", "gpt-5") is None


def test_needs_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package the error says what to install, when it is loaded."""
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    monkeypatch.setitem(sys.modules, "genai_prices.data_snapshot", None)
    with pytest.raises(ConfigurationError, match=r"miiflow-llm\[cost\]"):
        Prices("genai-prices").load()


def test_refresh_takes_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refresh fetches by the package's own means, and what was looked up is looked up anew."""
    genai = pytest.importorskip("genai_prices")
    from genai_prices.data_snapshot import DataSnapshot, get_snapshot

    prices = Prices("genai-prices")
    prices.load()
    assert prices.price("openai", "gpt-5") is not None
    monkeypatch.setattr(genai.UpdatePrices, "fetch", lambda _: DataSnapshot([], from_auto_update=True))
    prices.refresh()
    assert prices.price("openai", "gpt-5") is None
    assert get_snapshot().providers


def test_quarters() -> None:
    """Prices by the time of day change at a quarter of an hour."""
    assert next_quarter(datetime(2026, 12, 1, 23, 59, 59, tzinfo=UTC)) == datetime(2026, 12, 2, tzinfo=UTC)
    assert next_quarter(datetime(2026, 12, 1, 16, 30, tzinfo=UTC)) == datetime(2026, 12, 1, 16, 45, tzinfo=UTC)


def test_by_the_time_of_day() -> None:
    """A price that holds for some hours is looked up anew after the quarter of an hour."""
    pytest.importorskip("genai_prices")
    from genai_prices.data_snapshot import get_snapshot
    from genai_prices.types import TimeOfDateConstraint

    from miiflow_llm.prices.from_genai import GenaiPrices

    table, seen = GenaiPrices(), 0
    for provider in get_snapshot().providers:
        for model in provider.models:
            if isinstance(model.prices, list) and any(
                isinstance(one.constraint, TimeOfDateConstraint) for one in model.prices
            ):
                hours = [datetime(2026, 12, 1, hour, tzinfo=UTC) for hour in range(24)]
                found = [table.price(provider.id, model.id, hour)[0] for hour in hours]
                seen += any(price != found[0] for price in found)
    assert seen
