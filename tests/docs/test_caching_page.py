"""What docs/caching.md shows works as it stands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from miiflow_llm import LLMClient

from .pages import run_page


@pytest.mark.anyio
async def test_the_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its blocks run one after the other, and the second question asks nobody."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "k" * 12)
    client = LLMClient.create("openai", model="gpt-4o-mini", dialect="openai_chat")
    names: dict[str, Any] = {"client": client, "lowered": lambda message: message}
    server = await run_page("caching.md", names, monkeypatch)
    assert len(server.requests) == 1
    assert "None hit 0.0" in capsys.readouterr().out
    assert (tmp_path / "answers.db").exists()
    await client.aclose()
