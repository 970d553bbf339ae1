"""Names of tools that a provider would refuse: it is sent others, and the caller sees those it gave."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from miiflow_llm import LLMClient, Message
from miiflow_llm.core.messages import ToolCall
from miiflow_llm.replay.fake import fake_pair
from miiflow_llm.replay.server import ReplayServer
from miiflow_llm.schema.tools import Tool, tool

DIALECTS = {
    "openai_chat": ("openai", "gpt-4.1", "[A-Za-z0-9_-]{1,64}"),
    "openai_responses": ("openai", "gpt-6-luna", "[A-Za-z0-9_-]{1,64}"),
    "anthropic_messages": ("anthropic", "claude-haiku-4-5", "[A-Za-z0-9_-]{1,128}"),
    "gemini_generate": ("gemini", "gemini-3.8-flash", "[A-Za-z_][A-Za-z0-9_.:-]{0,127}"),
    "mistral_chat": ("mistral", "mistral-small-latest", "[A-Za-z0-9_-]{1,64}"),
    "ollama_chat": ("ollama", "qwen3", "[A-Za-z0-9_-]{1,64}"),
    "cohere_v2": ("cohere", "command-a-03-2025", "[A-Za-z_][A-Za-z0-9_]{0,63}"),
    "bedrock_converse": ("bedrock", "us.amazon.nova-2-lite-v1:0", "[A-Za-z0-9_-]{1,64}"),
}
NOWHERE = "http://127.0.0.1:9"
NAMES = ["now", "get-tide", "sea.tide/now", "3d_view", "x" * 100, "-", "a:b"]


def names_in(value: Any) -> list[str]:
    """Every tool's name in a body: of a declaration, a call, a result or a choice."""
    if isinstance(value, list):
        return [name for one in value for name in names_in(one)]
    if not isinstance(value, dict):
        return []
    own = [value[key] for key in ("name", "tool_name") if isinstance(value.get(key), str)]
    return own + [name for one in value.values() for name in names_in(one)]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", NAMES, ids=lambda name: name[:12])
def test_names_fit(dialect: str, name: str) -> None:
    """A tool, its calls, their results and the choice of it have one name that the wire takes, its own where it can."""
    provider, model, pattern = DIALECTS[dialect]
    client = LLMClient.create(provider, model, "k", dialect=dialect, base_url=NOWHERE, unsupported="drop")
    call = ToolCall("c", name, "{}")
    messages = [Message.user("x"), Message.assistant(tool_calls=[call]), Message.tool("y", "c", name=name)]
    plan = client.plan(messages, tools=[Tool(name), Tool("other")], tool_choice=name)
    body = msgspec.json.decode(msgspec.json.encode(plan.body))
    found = set(names_in(body)) - {"other"}
    assert len(found) == 1
    sent = found.pop()
    assert re.fullmatch(pattern, sent)
    assert sent == name or not re.fullmatch(pattern, name)
    assert (f"renamed: tool {name} -> {sent}" in plan.notes) == (sent != name)
    if dialect == "gemini_generate":
        assert body["toolConfig"]["functionCallingConfig"]["allowedFunctionNames"] == [sent]


def test_names_stay_apart() -> None:
    """Names that would fall together do not, and each is the same in every request."""
    client = LLMClient.create("openai", "gpt-4.1", "k")
    sent = [names_in((client.plan("x", tools=[Tool(name)]).body or {})["tools"])[0] for name in ("a.b", "a/b", "a:b")]
    assert len(set(sent)) == 3
    assert names_in(client.plan("x", tools=[Tool(one) for one in ("a:b", "a/b", "a.b")]).body or {}) == sent[::-1]


@tool("sea.tide/now")
def tide(port: str) -> str:
    """The tide."""
    return f"high in {port}"


@pytest.mark.anyio
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_the_caller_sees_its_own(dialect: str) -> None:
    """A call comes back under the caller's name, streamed and whole, and `run_tools` finds the function."""
    provider, model, _ = DIALECTS[dialect]
    client = LLMClient.create(provider, model, "k", dialect=dialect, base_url=NOWHERE)
    (sent,) = names_in(client.plan("x", tools=[tide]).body)
    assert sent != tide.name
    captures = fake_pair(dialect, provider=provider, tool_calls=[(sent, {"port": "Oban"})])
    async with ReplayServer(captures, match=("streaming",)) as server:
        url = server.url_for(provider)
        async with LLMClient.create(provider, model, "k", dialect=dialect, base_url=url) as client:
            chunks = [chunk async for chunk in client.stream_chat("x", tools=[tide])]
            run = await client.run_tools("x", [tide], max_rounds=2)
    deltas = [delta.name for chunk in chunks for delta in chunk.tool_call_deltas if delta.name]
    assert deltas == [tide.name]
    assert [call.name for call in chunks[-1].tool_calls] == [tide.name]
    assert [message.text for message in run.messages if message.role == "tool"] == ["high in Oban"]
