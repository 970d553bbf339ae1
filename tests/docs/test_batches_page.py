"""What docs/batches.md shows works as it stands."""

from __future__ import annotations

from typing import Any

import pytest

from .pages import run_page


@pytest.mark.anyio
async def test_the_page(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Its blocks run one after the other: made, opened again, waited for and read."""
    monkeypatch.setenv("OPENAI_API_KEY", "k" * 12)
    names: dict[str, Any] = {}
    await run_page("batches.md", names, monkeypatch)
    assert names["stored_id"]
    printed = capsys.readouterr().out
    assert "ended 2 0" in printed
    assert "a-sea" in printed
