"""What docs/service.md shows works as it stands: the configuration, the service, the reader, the commands."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import msgspec
import pytest

from miiflow_llm import LLMClient
from miiflow_llm.replay.server import ReplayServer, serving
from miiflow_llm.web import demo

from ..web.servers import uvicorn_serving

pytest.importorskip("fastapi", reason="fastapi is not installed")
pytest.importorskip("opentelemetry", reason="opentelemetry is not installed")
PAGE = (Path(__file__).parents[2] / "docs" / "service.md").read_text(encoding="utf-8")
BODY = {"messages": [{"role": "user", "content": "Why are there tides?"}]}
SIGNED_IN = {"authorization": "Bearer let-me-in"}


def blocks(language: str) -> list[str]:
    """The page's blocks in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def provider() -> Iterator[ReplayServer]:
    """A provider with one answer, streamed and whole."""
    answers = [next(scene for scene in demo.scenes() if scene.name == "text"), demo._wholes()["text"]]
    with serving(answers, match=("streaming",)) as server:
        yield server


@pytest.fixture
def shown(provider: ReplayServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The page's configuration and Python, run in a folder of its own, and the names it leaves."""
    provider.requests.clear()
    (tmp_path / "llm.toml").write_text(blocks("toml")[0], encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.setenv("OPENAI_BASE_URL", f"{provider.url}/v1")
    names: dict[str, Any] = {}
    for block in blocks("python"):
        exec(block, names)
    yield SimpleNamespace(**names)
    names["take_back"]()


def test_the_configuration(shown: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gives the provider known by name, and the one of its own."""
    monkeypatch.setenv("HARBOUR_KEY", "k")
    plan = LLMClient.from_config("llm.toml").plan("x")
    assert plan.body is not None
    assert (plan.body["model"], plan.body["max_completion_tokens"]) == ("gpt-5", 1500)
    own = LLMClient.from_config("llm.toml", "harbour").plan("x")
    assert own.url == "http://localhost:8080/v1/chat/completions"
    assert own.headers["x-team"] == "tides"


def test_the_service(shown: Any, provider: ReplayServer) -> None:
    """Its twenty lines answer both kinds of body in both framings, and turn away who has not signed in."""
    assert len([line for line in blocks("python")[0].splitlines() if line]) <= 20
    with uvicorn_serving(shown.app, lifespan="on") as url, httpx.Client(base_url=f"{url}/api") as browser:
        assert browser.post("/chat", json=BODY).status_code == 401
        assert browser.post("/chat/stream", json=BODY).status_code == 401
        assert len(provider.requests) == 1  # of the synchronous lines
        browser.headers.update(SIGNED_IN)
        whole = browser.post("/chat", json=BODY).json()
        events = browser.post("/chat/stream", json=BODY).text.split("\n\n")
        lines = browser.post("/chat/stream", json=BODY, headers={"accept": "application/x-ndjson"}).text.splitlines()
        models = browser.get("/models").json()["providers"]
        assert browser.post("/chat", json={**BODY, "max_tokens": 2001}).status_code == 422
    frames = [msgspec.json.decode(line) for line in lines]
    assert "".join(frame.get("delta", "") for frame in frames) == whole["content"] == frames[-1]["message"]["content"]
    assert [event for event in events if event][-1].startswith('data: {"type":"finished"')
    assert models[0] == {"name": "openai", "models": ["gpt-5", "gpt-4.1"]}
    assert provider.requests[-1].body["model"] == "gpt-5"


def test_the_reader(shown: Any) -> None:
    """The browser's lines read the service's stream, and keep the message."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    module = Path(demo.__file__).parent / "static" / "miiflow-llm.js"
    code = blocks("js")[0].replace("/api/miiflow-llm.js", module.as_uri())
    before = (
        f"const messages = {msgspec.json.encode(BODY['messages']).decode()}, signal = undefined;\n"
        f"const headers = {msgspec.json.encode(SIGNED_IN).decode()};\n"
        'let text = "";\nfunction show(more) { text += more; }\n'
    )
    with uvicorn_serving(shown.app, lifespan="on") as url:
        code = code.replace('"/api/chat/stream"', f'"{url}/api/chat/stream"')
        after = "console.log(JSON.stringify([text === messages[1].content, messages[1].role]));"
        command = [node, "--no-warnings", "--input-type=module", "-e", f"{before}{code}{after}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout == '[true,"assistant"]\n', done.stderr


def test_the_synchronous_lines(shown: Any) -> None:
    """They end with the whole text."""
    assert shown.text.startswith("Tides come about")


@pytest.mark.slow
def test_the_commands(shown: Any) -> None:
    """Each command that ends by itself does so without a complaint; the others know their options."""
    pytest.importorskip("typer")
    for line in blocks("sh")[0].splitlines():
        name, *arguments = shlex.split(line, comments=True)
        assert name == "miiflow-llm"
        if arguments[0] in ("serve", "check"):
            arguments = [*(each for each in arguments if not each.startswith("http")), "--help"]
            arguments = [each for each in arguments if each != "--base-url"]
        command = [sys.executable, "-m", "miiflow_llm.cli", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ, input="", check=False)
        assert done.returncode == 0, done.stderr
