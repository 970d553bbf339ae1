"""What docs/bulk.md shows works as it stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from .pages import run_page


@pytest.mark.anyio
async def test_the_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its job asks every prompt once, and counts them."""
    monkeypatch.chdir(tmp_path)
    server = await run_page("bulk.md", {}, monkeypatch)
    assert len(server.requests) == 200
    assert capsys.readouterr().out.startswith("200 ")
