"""What docs/command-line.md shows works as it stands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from miiflow_llm.replay.fake import fake_pair
from miiflow_llm.replay.server import serving

pytest.importorskip("typer")
from typer.testing import CliRunner

PAGE = (Path(__file__).parents[2] / "docs" / "command-line.md").read_text(encoding="utf-8")
TOOL = 'def get_tide(port: str) -> str:\n    """The time of high water."""\n    return "06:10"\n'


def test_the_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each of its commands does what it says, one after the other, with its configuration."""
    from miiflow_llm.cli.app import app

    monkeypatch.chdir(tmp_path)
    for name in ("MIIFLOW_LLM_HOME", "MIIFLOW_LLM_NO_KEYRING"):
        monkeypatch.setenv(name, str(tmp_path))
    for name in ("MIIFLOW_LLM_CONFIG", "MIIFLOW_LLM_MODEL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "k" * 12)
    monkeypatch.setenv("GROQ_API_KEY", "set already")
    for name, text in {"notes.txt": "Rivers.", "key.txt": "k" * 12, "tides.py": TOOL}.items():
        (tmp_path / name).write_text(text)
    config = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)[0]
    (tmp_path / "config.toml").write_text(config)
    commands = re.findall(r"^\$ miiflow-llm (.*)$", PAGE, re.MULTILINE)
    assert len(commands) > 15
    value = '{"name": "Isle of Mull", "cars": 70, "port": "Oban", "ports": [], "times": ["06:10"]}'
    outputs = dict[str, str]()
    with serving(fake_pair("openai_chat", text=value), match=("streaming",)) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        for command in commands:
            line, _, given = command.partition(" < ")
            ran = CliRunner().invoke(app, shlex.split(line), input=(tmp_path / given).read_text() if given else "")
            assert ran.exit_code == 0, (command, ran.output, ran.exception)
            outputs[command] = ran.stdout
    (goes_on,) = [one.body["messages"] for one in server.requests if "Dead Sea" in str(one.body["messages"][-1])]
    assert len(goes_on) == 3
    assert outputs["keys list"].startswith("groq\t")
    assert outputs["logs -r"].strip() == value
    assert "# " in outputs["logs"]
    assert len(outputs['logs "dead sea" --short'].splitlines()) == 1
