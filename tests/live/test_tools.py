"""Tools with a real model that calls them: `scripts/live --large` gets it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from miiflow_llm import SyncLLMClient

from .server import CALLS, LiveServer, large_model
from .test_live import client, dialects, laws, made

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(large_model() is None, reason="no larger model: scripts/live --large gets one"),
]


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with the larger model, whose calls are bare JSON."""
    folder = tmp_path_factory.mktemp("caller")
    template = folder / "calls.jinja"
    template.write_text(CALLS)
    server = LiveServer(
        "--jinja", "--chat-template-file", str(template), log=folder / "server.log", weights=large_model(), slots=1
    )
    yield server
    server.stop()


CALLED = [("add", {"a": 17, "b": 25})]


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def weather(city: str) -> str:
    """The weather of a city."""
    return f"{city}: rain"


@dialects
async def test_a_call_streamed_and_whole(caller: LiveServer, dialect: str) -> None:
    """One call with its arguments, the same streamed and whole."""
    async with client(caller, dialect) as ours:
        said = {"tools": [add], "tool_choice": "required", "max_tokens": 80, "temperature": 0}
        whole = await ours.chat("What is 17 plus 25?", **said)
        async with ours.stream_chat("What is 17 plus 25?", **said) as stream:
            chunks = [chunk async for chunk in stream]
        laws(chunks, stream.response)
        for response in (whole, stream.response):
            assert response.finish_reason == "tool_calls"
            assert [(call.name, json.loads(call.arguments)) for call in response.tool_calls] == CALLED
            assert response.tool_calls[0].id


@dialects
async def test_a_loop(caller: LiveServer, dialect: str) -> None:
    """The tool is run, and what it returned is said."""
    async with client(caller, dialect) as ours:
        run = await ours.run_tools("What is 17 plus 25?", [add], max_rounds=2, max_tokens=80, temperature=0)
        assert [message.role for message in run.messages][:3] == ["user", "assistant", "tool"]
        assert run.messages[2].content == "42"
        assert run.usage.completion_tokens


@dialects
def test_in_threads(caller: LiveServer, dialect: str) -> None:
    """The same without an event loop, with a choice among two tools."""
    with SyncLLMClient.create(**made(caller, dialect)) as ours:
        run = ours.run_tools("How is the weather in Oslo?", [add, weather], max_rounds=2, max_tokens=80, temperature=0)
        assert any("Oslo: rain" in str(message.content) for message in run.messages if message.role == "tool")
