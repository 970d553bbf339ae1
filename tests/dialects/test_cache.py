"""Marks of the cache, on blocks, messages and tools: where they stand, how long they ask for, how losses are told."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from miiflow_llm import LLMClient
from miiflow_llm.core.messages import Cache, DocumentBlock, ImageBlock, Message, TextBlock, ToolCall
from miiflow_llm.core.request import Plan
from miiflow_llm.schema.tools import Tool

from .asking import PDF, PNG

MODELS = {
    "anthropic": "claude-haiku-4-5",
    "openai": "gpt-6-luna",
    "openrouter": "anthropic/claude-opus-5",
    "gemini": "gemini-3.8-flash",
    "mistral": "mistral-small-latest",
}


def plan(provider: str, *messages: Message, tools: list[Tool] | None = None) -> Plan:
    """What the provider would be sent."""
    return LLMClient.create(provider, MODELS[provider], "k").plan(list(messages), tools=tools)


def body(provider: str, *messages: Message, tools: list[Tool] | None = None) -> dict[str, Any]:
    """The body alone, as JSON has it."""
    found = msgspec.json.decode(msgspec.json.encode(plan(provider, *messages, tools=tools).body))
    assert isinstance(found, dict)
    return found


def marks(value: Any) -> list[Any]:
    """Every mark in a body, in order."""
    if isinstance(value, list):
        return [mark for one in value for mark in marks(one)]
    if not isinstance(value, dict):
        return []
    own = [value[key] for key in ("cache_control", "prompt_cache_breakpoint") if key in value]
    return own + [mark for one in value.values() for mark in marks(one)]


TIMES: list[tuple[str, Cache, dict[str, str]]] = [
    ("anthropic", True, {"type": "ephemeral"}),
    ("anthropic", "5m", {"type": "ephemeral", "ttl": "5m"}),
    ("anthropic", "30m", {"type": "ephemeral", "ttl": "1h"}),
    ("anthropic", "1h", {"type": "ephemeral", "ttl": "1h"}),
    ("anthropic", "12h", {"type": "ephemeral", "ttl": "1h"}),
    ("openrouter", "1h", {"type": "ephemeral", "ttl": "1h"}),
    ("openai", True, {"mode": "explicit"}),
    ("openai", "5m", {"mode": "explicit", "ttl": "30m"}),
    ("openai", "1h", {"mode": "explicit", "ttl": "12h"}),
]


@pytest.mark.parametrize(("provider", "cache", "mark"), TIMES)
def test_times(provider: str, cache: Cache, mark: dict[str, str]) -> None:
    """A time is the provider's shortest that is as long, or its longest; `True` is its own."""
    assert marks(body(provider, Message.user([TextBlock("x", cache=cache)]))) == [mark]


CALL = ToolCall("c", "f", "{}")
ENDS: list[tuple[Message, str]] = [
    (Message.user("u", cache=True), "text"),
    (Message.user([TextBlock("u"), ImageBlock(PNG)], cache=True), "image"),
    (Message.user([TextBlock("u"), DocumentBlock(PDF)], cache=True), "document"),
    (Message.assistant("a", tool_calls=[CALL], cache=True), "tool_use"),
    (Message.tool("r", "c", cache=True), "tool_result"),
]


@pytest.mark.parametrize(("message", "kind"), ENDS, ids=[kind for _, kind in ENDS])
def test_a_message_is_marked_at_its_end(message: Message, kind: str) -> None:
    """A mark on a message stands on its last block, also after it was stored and read again."""
    for one in (message, Message.from_dict(message.to_dict())):
        begun = [Message.user("x"), *([Message.assistant(tool_calls=[CALL])] if kind == "tool_result" else [])]
        sent = body("anthropic", *begun, one)["messages"]
        content = sent[len(begun) if kind.startswith("tool") else -1]["content"]
        assert content[-1]["type"] == kind
        assert content[-1]["cache_control"] == {"type": "ephemeral"}
        assert marks(content[:-1]) == []


def test_a_system_message_is_marked() -> None:
    """The system prompt, which is no message on this wire, keeps its mark."""
    found = body("anthropic", Message.system("S", cache="1h"), Message.user("x"))
    assert found["system"] == [{"type": "text", "text": "S", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]


def test_four_marks_at_most() -> None:
    """Of more than four the first, a tool's before the system's before the messages', and the last three stay."""
    tool = Tool("now", cache=True)
    conversation = [Message.system("S", cache="1h"), *(Message.user(str(n), cache=True) for n in range(4))]
    found = body("anthropic", *conversation, tools=[tool])
    assert found["tools"][0]["cache_control"] == {"type": "ephemeral"}
    assert found["system"] == "S"
    assert [part.get("cache_control") for part in found["messages"][0]["content"]] == [
        None,
        *3 * [{"type": "ephemeral"}],
    ]
    assert len(marks(found)) == 4


@pytest.mark.parametrize("provider", ["gemini", "mistral"])
def test_no_place_for_a_mark(provider: str) -> None:
    """Where there are no marks the request is as without them, and the plan's notes say so."""
    marked = [Message.system("S", cache=True), Message.user("x", cache="1h")]
    found = plan(provider, *marked, tools=[Tool("now", cache=True)])
    assert marks(found.body) == []
    bare = [Message.system("S"), Message.user("x")]
    assert found.body == plan(provider, *bare, tools=[Tool("now")]).body
    assert sum("cache mark" in note for note in found.notes) == (3 if provider == "gemini" else 2)
    assert plan("anthropic", *marked, tools=[Tool("now", cache=True)]).notes == []


def test_cache_control_of_a_dict() -> None:
    """Dicts may have the mark as the providers that take it do."""
    part = {"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    tool = {"name": "now", "input_schema": {"type": "object", "properties": {}}, "cache_control": {"type": "ephemeral"}}
    plan = LLMClient.create("anthropic", MODELS["anthropic"], "k").plan("x", tools=[tool])
    assert (plan.body or {})["tools"] == [tool]
    message = Message.from_dict({"role": "user", "content": [part]})
    assert body("anthropic", message)["messages"][0]["content"] == [part]
