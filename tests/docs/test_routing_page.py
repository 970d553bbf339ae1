"""What docs/routing.md shows works as it stands."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from miiflow_llm.choosing.settings import Settings
from miiflow_llm.core.events import ROUTE_EVENTS
from miiflow_llm.routing import SyncRouter
from miiflow_llm.routing.base import POLICIES
from miiflow_llm.routing.simulation.world import the_ten

from .pages import run_page

PAGE = (Path(__file__).parents[2] / "docs" / "routing.md").read_text(encoding="utf-8")


@pytest.mark.anyio
async def test_the_page(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Its blocks run one after the other: who served is said, and what would decide is shown."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k" * 12)
    names: dict[str, Any] = {}
    server = await run_page("routing.md", names, monkeypatch)
    out = capsys.readouterr().out
    assert "Rivers bring the salt. openai/gpt-5-mini" in out
    assert "openai/gpt-5-mini first served" in out
    assert "goes on with another's answer" in out
    assert names["shown"] == "Rivers bring the salt."
    assert len(server.requests) == 5
    await names["mini"].aclose()
    await names["router"].aclose()


def test_its_configuration_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The TOML makes a router."""
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(name, "k" * 12)
    (text,) = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    config = tomllib.loads(text)
    if config["routes"]["main"].pop("state"):
        pytest.importorskip("coredis")
    with SyncRouter.from_config(config, "main") as router:
        assert [one.id for one in router.models()] == ["openai/gpt-5-mini", "second"]


def test_its_names_and_numbers_are_the_codes() -> None:
    """Policies, hooks, faults and defaults are those that there are."""
    for name in (*POLICIES, *(event for event in ROUTE_EVENTS if event != "over_budget")):
        assert name in PAGE, name
    assert [world.name for world in the_ten() if f"| {world.name} |" not in PAGE] == []
    found = Settings()
    assert (found.most_failures, found.open_first, found.open_most, found.out_seconds) == (5, 2.0, 12.0, 600.0)
    assert (found.cut_factor, found.cut_least, found.retry_pause, found.retry_after_most) == (3.0, 5.0, 0.4, 3.0)
    assert (found.hedge_budget, found.failover_budget) == (0.05, 1.0)
