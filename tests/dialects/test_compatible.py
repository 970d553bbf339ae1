"""A server at an address of the caller's, in each format that it may speak: llama.cpp, vLLM and their like."""

from __future__ import annotations

from typing import Any

import pytest

from miiflow_llm import LLMClient
from miiflow_llm.schema.tools import Tool

URL = "http://127.0.0.1:8080/v1"
FORM = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 8, "pattern": "^[A-Z]"},
        "tags": {"type": "array", "items": {}},
    },
    "required": ["name"],
}


def planned(dialect: str, **asked: Any) -> Any:
    """The plan of a call in the dialect."""
    return LLMClient.create("openai-compatible", "local", dialect=dialect, base_url=URL).plan("Hi", **asked)


@pytest.mark.parametrize(
    ("dialect", "path"),
    [
        ("openai_chat", "/v1/chat/completions"),
        ("openai_responses", "/v1/responses"),
        ("anthropic_messages", "/v1/messages"),
    ],
)
def test_formats(dialect: str, path: str) -> None:
    """Each format has its path below one base URL, and the key of the caller, if any, as a bearer's."""
    assert planned(dialect).url == f"http://127.0.0.1:8080{path}"
    client = LLMClient.create("openai-compatible", "local", "k", dialect=dialect, base_url=URL)
    assert client.plan("Hi").headers["authorization"] == "Bearer ***"


def test_schemas_as_they_are() -> None:
    """A schema and a function's parameters go as they are: a grammar holds what a strict mode would not take."""
    strict = Tool("put", parameters=FORM, strict=True)
    chat = planned("openai_chat", schema=FORM, tools=[strict]).body
    assert chat["response_format"]["json_schema"]["schema"] == FORM
    assert chat["tools"][0]["function"]["parameters"] == FORM
    assert chat["tools"][0]["function"]["strict"] is True
    responses = planned("openai_responses", schema=FORM, tools=[strict]).body
    assert responses["text"]["format"]["schema"] == FORM
    assert responses["tools"][0]["parameters"] == FORM


@pytest.mark.parametrize(
    ("dialect", "reasoning", "fields"),
    [
        (
            "openai_chat",
            24,
            {"reasoning_effort": "minimal", "thinking_budget_tokens": 24, "thinking_token_budget": 24},
        ),
        ("openai_chat", "low", {"reasoning_effort": "low"}),
        ("openai_chat", 0, {"reasoning_effort": "none"}),
        ("openai_responses", 24, {"thinking_budget_tokens": 24}),
        ("anthropic_messages", 24, {"thinking": {"type": "enabled", "budget_tokens": 24}, "max_tokens": 4096}),
        ("anthropic_messages", 5000, {"thinking": {"type": "enabled", "budget_tokens": 5000}, "max_tokens": 7048}),
    ],
)
def test_a_budget_of_reasoning(dialect: str, reasoning: Any, fields: dict[str, Any]) -> None:
    """A number of tokens reaches the server as it is, and leaves room for an answer; a level stays a level."""
    body = planned(dialect, reasoning=reasoning).body
    found = {key: body.get(key) for key in fields}
    assert found == fields
    assert ("thinking_budget_tokens" in body) == ("thinking_budget_tokens" in fields)


def test_claude_keeps_its_least_budget() -> None:
    """Claude's own least of 1024 tokens stays."""
    body = LLMClient.create("anthropic", "claude-haiku-4-5", "k").plan("Hi", reasoning=24).body
    assert body is not None
    assert body["thinking"]["budget_tokens"] == 1024
