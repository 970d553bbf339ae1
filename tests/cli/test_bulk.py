"""The command `bulk`: a file of prompts, a file of answers, a journal beside it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

pytest.importorskip("typer")

from miiflow_llm.replay.fake import fake_pair
from miiflow_llm.replay.server import serving

from .running import run


@pytest.mark.slow
def test_a_file_of_prompts(tmp_path: Path) -> None:
    """Every prompt has its line, in order; the same command again asks nobody; another input is refused."""
    prompts, answers = tmp_path / "in.csv", tmp_path / "out.jsonl"
    prompts.write_text("id,prompt\n" + "".join(f"k{number},question {number}\n" for number in range(30)))
    with serving(fake_pair("openai_chat", text="It is salty.", provider="openai-compatible"), match=()) as server:
        asked = ("bulk", str(prompts), str(answers), "-m", "openai-compatible:m", "--base-url", f"{server.url}/v1")
        for _ in range(2):
            done = run(*asked)
            assert done.code == 0, done.err
        assert len(server.requests) == 30
        lines = [msgspec.json.decode(line) for line in answers.read_text().splitlines()]
        assert [(line["number"], line["key"], line["text"]) for line in lines] == [
            (number, f"k{number}", "It is salty.") for number in range(30)
        ]
        prompts.write_text("id,prompt\nk0,another\n")
        refused = run(*asked)
        assert refused.code == 2
        assert "prompt 0 is another" in refused.err
    report = msgspec.json.decode(run("bulk-report", str(answers.with_suffix(".sqlite")), "--json").out)
    assert (report["done"], report["failed"]) == (30, 0)
