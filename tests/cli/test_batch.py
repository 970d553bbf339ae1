"""The commands `batch ...` from a file of prompts to a file of answers."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

pytest.importorskip("typer")

from miiflow_llm.replay.batch_desk import BatchPlan
from miiflow_llm.replay.fake import fake_pair
from miiflow_llm.replay.server import serving

from .running import KEY, run


def test_from_prompts_to_answers(tmp_path: Path) -> None:
    """Created, looked at, waited for, fetched and cancelled; an unknown format of file and a route are refused."""
    prompts, answers = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    prompts.write_text('{"key": "a", "prompt": "Why?"}\n{"key": "b", "prompt": "How?", "max_tokens": 5}\n')
    with serving(fake_pair("openai_chat", text="It is salty."), match=("path", "streaming")) as server:
        said = ("-m", "openai:m", "--base-url", server.url_for("openai"), "--dialect", "openai_chat")
        server.batches.plan = BatchPlan(looks=3)
        created = run("batch", "create", str(prompts), *said)
        assert created.code == 0, created.err
        id_ = created.out.strip()
        early = run("batch", "results", id_, str(answers), *said)
        assert (early.code, answers.exists()) == (2, False)
        assert "wait" in early.err
        status = msgspec.json.decode(run("batch", "status", id_, "--json", *said).out)
        assert status["status"] in ("queued", "running")
        waited = run("batch", "status", id_, "--wait", *said)
        assert waited.out == f"{id_}: ended, 2 of 2 done\n"
        fetched = run("batch", "results", id_, str(answers), *said)
        assert fetched.code == 0, fetched.err
        lines = [msgspec.json.decode(line) for line in answers.read_text().splitlines()]
        assert {line["key"]: line["text"] for line in lines} == {"a": "It is salty.", "b": "It is salty."}
        cancelled = run("batch", "cancel", id_, *said)
        assert cancelled.code == 0, cancelled.err
        assert KEY not in created.out + fetched.err + waited.out
    assert run("batch", "create", str(tmp_path / "none.jsonl"), "-m", "openai:m").code == 2
    assert "Bulk" in run("batch", "status", "b", "-m", "deepseek:m", DEEPSEEK_API_KEY=KEY).err
