"""What docs/cost.md shows works as it stands."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from miiflow_llm import Prices, Router

from .pages import run_page

PAGE = Path(__file__).parents[2] / "docs" / "cost.md"


@pytest.mark.anyio
async def test_the_page(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Its calls have costs, of the package and of one's own, within its budget."""
    pytest.importorskip("genai_prices")
    names: dict[str, object] = {}
    server = await run_page("cost.md", names, monkeypatch)
    printed = capsys.readouterr().out.splitlines()
    assert len(server.requests) == 4
    assert "USD genai-prices" in printed[0]
    assert printed[1] == "own"
    spent, left, _ = map(float, printed[2].split())
    assert spent > 0
    assert spent + left == pytest.approx(5.0)
    assert printed[3].startswith("openai/gpt-")
    assert isinstance(names["router"], Router)


def test_the_file() -> None:
    """Its TOML is a table of prices."""
    (block,) = re.findall(r"^```toml\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    price = Prices(tomllib.loads(block)).price("openai", "gpt-5")
    assert price is not None
    assert price.services["batch"].output == 5.0
    assert price.tiers[0][0] == 272001
