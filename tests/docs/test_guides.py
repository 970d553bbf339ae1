"""What the guides and the pages for people who move here show works as it stands.

docs/start.md, docs/messages.md, docs/tools.md, docs/structured.md, docs/errors.md, docs/timeouts.md, docs/network.md,
docs/logging.md, docs/telemetry.md, docs/browsers.md, docs/replay.md, docs/inside/new-provider.md,
docs/inside/new-dialect.md, and docs/moving/: litellm.md, openai.md, anthropic.md, pydantic-ai.md, langchain.md.
"""

from __future__ import annotations

import ast
import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from miiflow_llm import LLMClient, Timeout, providers
from miiflow_llm.core.exceptions import TimeoutError
from miiflow_llm.replay import ReplayServer, ReplayTransport, Stall, VirtualTimeLoop, fake_pair, record, serving

from ..web.test_asgi import browser
from .pages import blocks

TEXT = "Rivers bring the salt."


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ReplayServer]:
    """OpenAI on loopback, with one answer; a key and a folder of one's own."""
    with serving(fake_pair("openai_chat", text=TEXT), match=("streaming",)) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", "k" * 12)
        monkeypatch.setenv("ANTHROPIC_API_KEY", "k" * 12)
        monkeypatch.chdir(tmp_path)
        yield server


def run(page: str, after: Callable[[dict[str, Any]], Awaitable[None]] | None = None) -> dict[str, Any]:
    """Run a page's blocks, those that wait in one event loop, and `after` in the same one; the names they leave."""
    names: dict[str, Any] = {}
    with asyncio.Runner() as runner:
        for block in blocks(page):
            code = compile(block, f"docs/{page}", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            if code.co_flags & 0x80:  # a coroutine
                runner.run(eval(code, names))
            else:
                exec(code, names)
        if after is not None:
            runner.run(after(names))
        client = names.get("client")
        if isinstance(client, LLMClient):
            runner.run(client.aclose())
    if client is not None and not isinstance(client, LLMClient):
        client.close()
    return names


def test_start(provider: ReplayServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Its first block needs no key and no network; then threads, asyncio and trio say the same."""
    first, *_ = blocks("start.md")
    monkeypatch.setattr("socket.socket.connect", None)
    exec(compile(first, "docs/start.md", "exec"), {})
    monkeypatch.undo()
    assert capsys.readouterr().out == f"{TEXT}\n{TEXT}"


def test_start_with_a_key(provider: ReplayServer) -> None:
    """The blocks that ask a provider get its answer."""
    names = run("start.md")
    assert names["second"].content == TEXT
    assert [message["role"] for message in provider.requests[-1].body["messages"]] == ["user", "assistant", "user"]


def test_messages(provider: ReplayServer, capsys: pytest.CaptureFixture[str]) -> None:
    """What is sent is what the page says, and what is mended is told."""
    names = run("messages.md")
    sent = [[message["role"] for message in request.body["messages"]] for request in provider.requests]
    assert sent == [["system", "user", "assistant", "user"], ["user", "assistant", "user"]]
    assert [part["type"] for part in names["plan"].body["messages"][0]["content"]] == ["text", "image_url", "text"]
    assert "which are one message now" in capsys.readouterr().out


def test_tools(provider: ReplayServer) -> None:
    """The schema that the model sees has the words of the function."""
    names = run("tools.md")
    (tool,) = provider.requests[0].body["tools"]
    properties = tool["function"]["parameters"]["properties"]
    assert (properties["port"]["description"], properties["day"]["description"]) == (
        "The port's name",
        "Today, if not given.",
    )
    assert names["run"].finished


def test_structured(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The answer is a value of the type, and grows as it comes."""
    with serving(fake_pair("openai_chat", text='{"port":"Oban","high":["06:10"]}'), match=("streaming",)) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", "k" * 12)
        names = run("structured.md")
    assert names["tide"] == names["Tide"]("Oban", ["06:10"])
    assert "{'port': 'Oban', 'high': ['06:10']}" in capsys.readouterr().out


@pytest.mark.parametrize(("page", "said"), [("new-provider", "'top_n': 5"), ("new-dialect", "{'who': 'm', 'said': [")])
def test_inside(page: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A provider and a dialect of one's own write the request that the page means."""
    monkeypatch.setattr(providers, "_registered", {})
    run(f"inside/{page}.md")
    assert said in capsys.readouterr().out


def test_errors(provider: ReplayServer, capsys: pytest.CaptureFixture[str]) -> None:
    """Every type of error that there is stands in its table, each with its attempts shown."""
    from miiflow_llm.core import exceptions

    run("errors.md")
    assert "openai/gpt-5 200 None" in capsys.readouterr().out
    page = (Path(__file__).parents[2] / "docs" / "errors.md").read_text()
    bases = {"MiiflowLLMError", "ProviderError"}
    ours = {name for name in exceptions.__all__ if name.endswith("Error")} - bases
    told = {name for name in ours if f"`{name}`" in page}
    assert {name for name in ours - told if name != "BudgetExceededError"} == set()


def test_timeouts(provider: ReplayServer) -> None:
    """The values it shows are the defaults."""
    names = run("timeouts.md")
    assert names["Timeout"]() == Timeout(connect=10, pool=30, write=60, first_output=600, idle=120, total=None)
    assert names["response"].content == TEXT


def test_network(provider: ReplayServer) -> None:
    """Clients over one's own httpx client, and of one's own server, plan what they would send."""
    names = run("network.md")
    assert names["plan"].url.endswith("/v1/chat/completions")
    assert names["local"].plan("x").url == "http://localhost:8080/v1/chat/completions"


def test_logging(provider: ReplayServer, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    """The attempt is logged without the key, and the hook has its tokens."""
    import logging

    try:
        run("logging.md")
    finally:
        logging.getLogger("miiflow_llm").setLevel(logging.NOTSET)
    assert "attempt 1: status=200" in caplog.text
    assert "kkkk" not in caplog.text
    assert "finished openai gpt-5" in capsys.readouterr().out


def test_telemetry(provider: ReplayServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The histograms that it names are written, and the span has the words of the conversation."""
    export = pytest.importorskip("opentelemetry.sdk.trace.export", reason="opentelemetry is not installed")
    # the exporter keeps the standard output that there was when its module was loaded, maybe by another test
    written_to = [
        sys.stdout if hasattr(one, "write") else one for one in export.ConsoleSpanExporter.__init__.__defaults__
    ]
    monkeypatch.setattr(export.ConsoleSpanExporter.__init__, "__defaults__", tuple(written_to))
    names = run("telemetry.md")
    data = names["reader"].get_metrics_data()
    written = {metric.name for scope in data.resource_metrics[0].scope_metrics for metric in scope.metrics}
    assert {"gen_ai.client.operation.duration", "gen_ai.client.token.usage"} <= written
    span = msgspec.json.decode(capsys.readouterr().out)
    assert TEXT in span["attributes"]["gen_ai.output.messages"]


def test_browsers(provider: ReplayServer) -> None:
    """The service answers as the page says, stores the turn, and its route for `useChat` gives the stream."""
    pytest.importorskip("fastapi", reason="fastapi is not installed")

    async def ask(names: dict[str, Any]) -> None:
        async with browser(names["app"]) as client:
            body = {"messages": [{"role": "user", "content": "When?"}], "conversation": "c-1"}
            signed_in = {"authorization": "Bearer let-me-in"}
            assert (await client.post("/chat", json=body)).status_code == 401
            assert (await client.post("/chat", json=body, headers=signed_in)).json()["content"] == TEXT
        headers, frames = await names["answer"](
            {"messages": [{"role": "user", "parts": [{"type": "text", "text": "?"}]}]}
        )
        pieces = b"".join([piece async for piece in frames])
        assert headers["x-vercel-ai-ui-message-stream"] == "v1"
        assert pieces.endswith(b"data: [DONE]\n\n")
        await names["pool"].aclose()

    names = run("browsers.md", after=ask)
    assert names["frames"][-1].startswith(b'data: {"type":"finished"')
    (stored,) = names["stored"]
    assert stored[:3] == ("c-1", "skipper", "finished")
    assert provider.requests[-2].body["messages"][0]["content"] == "You answer questions about tides."


@pytest.mark.parametrize("page", ["litellm", "openai", "pydantic-ai", "langchain"])
def test_moving(provider: ReplayServer, page: str) -> None:
    """What stands there for what one had gives the answer."""
    names = run(f"moving/{page}.md")
    assert names["response"].content == TEXT


def test_moving_from_anthropic(provider: ReplayServer) -> None:
    """The request is Anthropic's own."""
    body = run("moving/anthropic.md")["plan"].body
    assert (body["system"], body["max_tokens"]) in [("Be brief.", 200), ([{"type": "text", "text": "Be brief."}], 200)]


@pytest.mark.parametrize("page", ["litellm", "openai", "anthropic", "pydantic-ai", "langchain", "from-0.5"])
def test_names_of_ours_are_there(page: str) -> None:
    """Attributes and arguments in the right column of a table of names exist."""
    from miiflow_llm import ChatResponse, StreamChunk
    from miiflow_llm.calls.parameters import NAMES

    text = (Path(__file__).parents[2] / "docs" / "moving" / f"{page}.md").read_text()
    ours = [line.split(" | ", 1)[1] for line in text.splitlines() if line.startswith("| `") and " | " in line]
    import re

    for kind, name in ((ChatResponse, "response"), (StreamChunk, "chunk"), (LLMClient, "client")):
        used = {found for row in ours for found in re.findall(rf"\b{name}\.(\w+)", row)}
        assert {one for one in used if not hasattr(kind, one)} == set(), name
    used = {found for row in ours for found in re.findall(r"`(\w+)=(?!=)", row)}
    made = {"base_url", "http_client", "timeout", "event_hooks", "headers", "cache"}
    assert used - made - set(NAMES) == set()


def test_replay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests that it shows pass against replayed answers, and what it records is a folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "k" * 12)

    async def asked(replay: Any, timeout: Timeout) -> None:
        client = LLMClient.create("openai", "m", "any", http_client=httpx.AsyncClient(transport=replay), max_retries=0)
        async with client:
            await client.chat("When?", timeout=timeout)

    import anyio

    names: dict[str, Any] = {
        "pytest": pytest, "httpx": httpx, "asyncio": asyncio, "anyio": anyio, "LLMClient": LLMClient, "ask": asked,
        "Timeout": Timeout, "TimeoutError": TimeoutError, "Stall": Stall, "record": record, "fake_pair": fake_pair,
        "ReplayTransport": ReplayTransport, "VirtualTimeLoop": VirtualTimeLoop,
    }  # fmt: skip
    for block in blocks("replay.md"):
        exec(compile(block, "docs/replay.md", "exec"), names)
    moon = ReplayTransport(fake_pair("openai_chat", text="Ask the moon."), match=("streaming",))
    asyncio.run(names["test_tides"](moon))
    stalled = ReplayTransport(
        fake_pair("openai_chat", text="x" * 300), match=("streaming",), fault=Stall(100, seconds=600)
    )
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(names["test_we_give_up"](stalled))
