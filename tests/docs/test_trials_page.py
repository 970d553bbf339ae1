"""What docs/trials.md shows works as it stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from miiflow_llm.trials import Compared

from .pages import run_page


@pytest.mark.anyio
async def test_the_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its blocks run one after the other: an answer is scored, a report is given, a log is kept."""
    monkeypatch.chdir(tmp_path)
    pairs: list[Compared] = []
    await run_page("trials.md", {"compare": pairs.append}, monkeypatch)
    assert "not yet" in capsys.readouterr().out
    assert len((tmp_path / "trial.jsonl").read_text().splitlines()) >= 4
