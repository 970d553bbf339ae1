"""Tools that the provider runs itself: sent as they are, beside functions; no function is looked for behind them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from miiflow_llm import LLMClient
from miiflow_llm.core.exceptions import ConfigurationError, UnsupportedParameterError
from miiflow_llm.replay.fake import fake_pair
from miiflow_llm.replay.server import ReplayServer
from miiflow_llm.schema.tools import hosted_tool

SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
WAYS: list[tuple[str, str, str | None, dict[str, Any]]] = [
    ("anthropic", "claude-haiku-4-5", None, SEARCH),
    ("openai", "gpt-6-luna", "openai_responses", {"type": "web_search", "search_context_size": "low"}),
    ("openai", "gpt-4.1", None, {"type": "custom", "custom": {"name": "say"}}),
    ("gemini", "gemini-3.8-flash", None, {"googleSearch": {}}),
    ("groq", "openai/gpt-oss-120b", None, {"type": "browser_search"}),
    ("openrouter", "x/y", None, {"type": "openrouter:web_search", "parameters": {"max_results": 2}}),
    ("mistral", "mistral-small-latest", None, {"type": "web_search"}),
]
IDS = [f"{provider}-{dialect or 'first'}" for provider, _, dialect, _ in WAYS]


def now() -> str:
    """The time."""
    return "six"


@pytest.mark.parametrize(("provider", "model", "dialect", "tool"), WAYS, ids=IDS)
def test_sent_as_it_is(provider: str, model: str, dialect: str | None, tool: dict[str, Any]) -> None:
    """The provider's own tool is in the body verbatim, alone and beside a function."""
    client = LLMClient.create(provider, model, "k", dialect=dialect)
    for tools in ([tool], [now, tool]):
        plan = client.plan("x", tools=tools)
        assert plan.body is not None
        written = msgspec.json.decode(msgspec.json.encode(plan.body))["tools"]
        assert tool in written
        assert len(written) == len(tools)


def test_gemini_says_that_both_are_there() -> None:
    """Since Gemini 3 functions beside the server's own tools have to be announced."""
    tools = [now, {"googleSearch": {}}]
    client = LLMClient.create("gemini", "gemini-3.8-flash", "k")
    both = {"includeServerSideToolInvocations": True}
    assert (client.plan("x", tools=tools).body or {}).get("toolConfig") == both
    for model in ("gemini-3.8-flash", "gemini-2.5-flash"):
        for alone in (tools[1:], tools[:1]):
            assert "toolConfig" not in (client.plan("x", tools=alone, model=model).body or {})


NONE = [
    ("ollama", "ollama_chat"),
    ("ollama", "openai_chat"),
    ("cohere", "cohere_v2"),
    ("deepseek", "openai_chat"),
    ("togetherai", "openai_chat"),
    ("xai", "openai_chat"),
]


@pytest.mark.parametrize(("provider", "dialect"), NONE)
def test_refused(provider: str, dialect: str) -> None:
    """A provider that runs no tools refuses them, and does not drop the functions with them."""
    for unsupported in ("raise", "drop"):
        client = LLMClient.create(provider, "m", "k", dialect=dialect, unsupported=unsupported)  # type: ignore[arg-type]
        with pytest.raises(UnsupportedParameterError, match="runs no tools itself"):
            client.plan("x", tools=[now, {"type": "web_search"}])


FUNCTIONS: list[dict[str, Any]] = [
    {"name": "f", "description": "d"},
    {"type": "function", "name": "f", "parameters": {"type": "object"}},
    {"type": "function", "function": {"name": "f"}},
    {"name": "f", "input_schema": {"type": "object"}},
    {"type": "custom", "name": "f", "input_schema": {"type": "object"}},
]


@pytest.mark.parametrize("tool", FUNCTIONS, ids=str)
def test_functions_are_none(tool: dict[str, Any]) -> None:
    """Functions as OpenAI and Anthropic write them are read as functions."""
    assert hosted_tool(tool) is None
    body = LLMClient.create("mistral", "mistral-small-latest", "k").plan("x", tools=[tool]).body or {}
    assert body["tools"][0]["function"]["name"] == "f"


@pytest.mark.parametrize("tool", [{}, {"description": {}}, {"colour": "red"}], ids=str)
def test_neither(tool: dict[str, Any]) -> None:
    """What is neither a function nor a provider's tool is an error."""
    with pytest.raises(ConfigurationError, match="a tool"):
        LLMClient.create("mistral", "mistral-small-latest", "k").plan("x", tools=[tool])


@pytest.mark.anyio
async def test_run_tools_beside_them() -> None:
    """`run_tools` runs the functions and leaves the provider's own tools to it."""
    async with ReplayServer(fake_pair("anthropic_messages", text="It is six."), match=("streaming",)) as server:
        async with LLMClient.create("anthropic", "m", "k", base_url=server.url_for("anthropic")) as client:
            run = await client.run_tools("x", [now, SEARCH])
        assert run.response.content == "It is six."
        assert server.requests[0].body["tools"][1] == SEARCH
