"""The configuration in the user's own folder holds for every command that asks, not only for `chat`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

pytest.importorskip("typer")

from miiflow_llm.replay.fake import fake_pair
from miiflow_llm.replay.server import ReplayServer, serving

from .running import run


@pytest.fixture
def provider() -> Iterator[ReplayServer]:
    """A provider that answers everything alike."""
    with serving(fake_pair("openai_chat", text="It is salty."), match=()) as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path, provider: ReplayServer) -> Path:
    """A home whose configuration says where requests go, and a file of prompts."""
    (tmp_path / "config.toml").write_text(
        f'[providers.openai]\nbase_url = "{provider.url_for("openai")}"\ndialect = "openai_chat"\n'
        '[routes.mine]\ntargets = ["openai:m"]\n[trials.ours.arms]\na = "openai:m"\nb = "openai:n"\n'
    )
    (tmp_path / "in.jsonl").write_text('{"prompt": "Why?", "user": "u1"}\n')
    return tmp_path


@pytest.mark.parametrize(
    "chosen", [("-m", "openai:m"), ("-r", "mine"), ("-r", "ours")], ids=["model", "route", "trial"]
)
def test_bulk(folder: Path, chosen: tuple[str, str]) -> None:
    """Prompts of a file go where the configuration says, to a model, a route or a trial."""
    ran = run("bulk", "in.jsonl", "out.jsonl", *chosen, folder=folder, MIIFLOW_LLM_HOME=str(folder))
    assert ran.code == 0, ran.err
    [line] = map(msgspec.json.decode, (folder / "out.jsonl").read_text().splitlines())
    assert line["text"] == "It is salty."


def test_batch(folder: Path) -> None:
    """So do batches."""
    ran = run("batch", "create", "in.jsonl", "-m", "openai:m", folder=folder, MIIFLOW_LLM_HOME=str(folder))
    assert ran.code == 0, ran.err
    shown = run("batch", "status", ran.out.strip(), "-m", "openai:m", folder=folder, MIIFLOW_LLM_HOME=str(folder))
    assert shown.code == 0, shown.err


def test_route_explain(folder: Path) -> None:
    """So does the look at a route."""
    ran = run("route", "explain", "mine", folder=folder, MIIFLOW_LLM_HOME=str(folder))
    assert ran.code == 0, ran.err
    assert "openai" in ran.out
