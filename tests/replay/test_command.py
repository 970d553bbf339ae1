"""The commands: serve and capture."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from miiflow_llm import SyncLLMClient
from miiflow_llm.replay.__main__ import main
from miiflow_llm.replay.fake import DIALECTS
from miiflow_llm.replay.server import serving
from miiflow_llm.replay.store import load, load_folder, save

from .made import ASKED, PATH, stream, whole

ANSWER = b'data: {"choices":[{"delta":{"content":"Twice a day."},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


def test_serve_prints_its_url_first(tmp_path: Path) -> None:
    """`serve` prints its address on the first line and answers there."""
    save(stream(), tmp_path)
    command = [sys.executable, "-m", "miiflow_llm.replay", "serve", str(tmp_path), "--cut", "3"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            answer = httpx.post(f"{url}/openai/text{PATH}", json=ASKED)
        finally:
            process.terminate()
    assert answer.content == stream().body


def test_fake_serves_every_dialect(capsys: pytest.CaptureFixture[str]) -> None:
    """`fake` prints its address, then for each dialect the base URL at which a client gets what was said."""
    said = ["--text", "Ebb.", "--tool-call", 'tide={"port": "Oban"}']
    command = [sys.executable, "-m", "miiflow_llm.replay", "fake", *said]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("http://127.0.0.1:")
            bases = dict(process.stdout.readline().split() for _ in DIALECTS)
            for dialect, base in bases.items():
                provider = base.split("/")[3]
                with SyncLLMClient.create(provider, "m", api_key="k", base_url=base, dialect=dialect) as client:
                    answer = client.chat("Hi").message
                assert (answer.text, [call.parsed() for call in answer.tool_calls]) == ("Ebb.", [{"port": "Oban"}])
        finally:
            process.terminate()
    assert set(bases) == set(DIALECTS)
    with pytest.raises(SystemExit):
        main(["fake", "--tool-call", "tide=1"])
    assert "its arguments a JSON object" in capsys.readouterr().err


def test_serve_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that is not there is told in a line, with a failing status."""
    assert main(["serve", str(tmp_path / "nowhere")]) == 1
    assert "nowhere" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["serve", str(tmp_path), "--cut", "0"])


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    """A key in the environment, as a user has it."""
    monkeypatch.setitem(os.environ, "OPENAI_API_KEY", "key-5e4d3c2b1a")
    return "key-5e4d3c2b1a"


@pytest.mark.parametrize("more", [[], ["--whole"]])
def test_capture_records(more: list[str], key: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`capture` shows the answer, writes it under its name, and never the key."""
    body = b'{"choices":[{"message":{"role":"assistant","content":"Twice a day."},"finish_reason":"stop"}]}'
    with serving([stream(body=ANSWER), whole(body=body)]) as server:
        url = server.url_for("openai", "text")
        command = ["capture", "openai", "tides", "--model", "m-1", "--base-url", url, "--folder", str(tmp_path)]
        assert main([*command, "--parameters", '{"max_tokens": 9}', *more]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("Twice a day.")
    [path] = [path for path in tmp_path.rglob("*") if path.name.startswith("tides.") and "meta" not in path.name]
    assert str(path) in shown
    capture = load(path)
    assert (capture.body, capture.streaming) == ((body, False) if more else (ANSWER, True))
    assert (capture.provider, capture.dialect, capture.model) == ("openai", "openai_chat", "m-1")
    assert 9 in (capture.request or {}).values()
    assert all(key.encode() not in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())


def test_capture_keeps_an_error(key: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An error that the provider answers is shown and kept; a host that does not answer fails."""
    with serving([whole("text", status=429, body=b'{"error":{"message":"slow down"}}')]) as server:
        url = server.url_for("openai", "text")
        command = ["capture", "openai", "limit", "--model", "m-1", "--base-url", url, "--folder", str(tmp_path)]
        assert main(command) == 0
    assert "slow down" in capsys.readouterr().out
    assert load(tmp_path / "openai" / "limit").status == 429
    assert main(command) == 1
    assert main([*command, "--parameters", "[]"]) == 1
    assert "not a JSON object" in capsys.readouterr().err


def test_import_takes_what_a_cassette_does_not_say(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`import` names the provider of a cassette that was recorded from a local address."""
    pytest.importorskip("yaml")
    cassette = Path(__file__).parent / "cassettes" / "httpx_gzip.yaml"
    assert main(["import", str(cassette), "--provider", "groq", "--folder", str(tmp_path)]) == 0
    assert load(tmp_path / "groq" / "httpx_gzip").dialect == "openai_chat"
    assert main(["import", str(cassette.parent), "--provider", "xai", "--folder", str(tmp_path)]) == 0
    assert len(load_folder(tmp_path / "xai")) == len(list(cassette.parent.glob("*.yaml"))) > 1
    assert main(["import", str(tmp_path)]) == 1
    assert "has no cassette" in capsys.readouterr().err
    assert main(["import", str(cassette), "--provider", "groq", "--folder", str(tmp_path / "other")]) == 0
    assert str(tmp_path / "other" / "groq") in capsys.readouterr().out
