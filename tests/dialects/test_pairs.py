"""What a model refuses beside something else: told before it is sent, and each of the two alone is sent."""

from __future__ import annotations

from typing import Any

import pytest

from miiflow_llm import LLMClient
from miiflow_llm.core.exceptions import ConfigurationError, UnsupportedParameterError
from miiflow_llm.core.messages import DocumentBlock, ImageBlock, Message, OpaqueBlock, TextBlock
from miiflow_llm.schema.tools import Tool

from .asking import PNG

TOOL = Tool("now")
SEARCHES: dict[str, dict[str, Any]] = {"gemini": {"google_search": {}}}
FORM = {"type": "object", "properties": {"high": {"type": "string"}}, "required": ["high"]}
CITED = [Message.user([DocumentBlock("data:text/plain;base64,SGlnaC4=", "text", citations=True), TextBlock("When?")])]
SEEN = [Message.user([ImageBlock(PNG), TextBlock("What?")])]
BEGUN = [Message.user("When?"), Message.assistant("At")]
SEARCH = OpaqueBlock.of(
    {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}}, "anthropic/anthropic_messages"
)
PAUSED = [Message.user("When?"), Message("assistant", parts=[TextBlock("Let me see."), SEARCH])]
BEDROCK = "us.anthropic."

REFUSED: list[tuple[str, str, dict[str, Any], str]] = [
    ("gemini", "gemini-2.5-flash", {"tools": [TOOL], "json_mode": True}, "json_mode is not taken: before Gemini 3"),
    ("openai", "gpt-4.1", {"stop": list("abcde")}, "four stop words"),
    ("azure", "gpt-4.1", {"stop": list("abcde")}, "four stop words"),
    ("groq", "llama-3.3-70b-versatile", {"stop": list("abcde")}, "four stop words"),
    ("gemini", "gemini-3-pro", {"stop": list("abcdef")}, "five stop words"),
    ("cohere", "command-a-03-2025", {"stop": list("abcdef")}, "five stop words"),
    ("anthropic", "claude-haiku-4-5", {"stop": ["END", " \n"]}, "white space"),
    (
        "deepseek",
        "deepseek-chat",
        {"reasoning": "high", "tools": [TOOL], "tool_choice": "required"},
        "refused while the model thinks",
    ),
    ("gemini", "gemini-2.0-flash", {"tools": [SEARCHES["gemini"]], "json_mode": True}, "json_mode is not taken"),
    ("gemini", "models/gemini-2.5-pro", {"tools": [TOOL, SEARCHES["gemini"]]}, "tools is not taken: before Gemini 3"),
    ("ollama", "qwen3:4b", {"tools": [TOOL], "json_mode": True}, "never calls a tool"),
    ("ollama/openai_chat", "qwen3:4b", {"tools": [TOOL], "json_mode": True}, "never calls a tool"),
    ("ollama", "gpt-oss:120b-cloud", {"json_mode": True}, "cloud"),
    ("anthropic", "claude-opus-4-1-20250805", {"temperature": 0.5, "top_p": 0.9}, "temperature or top_p"),
    ("anthropic", "claude-sonnet-4-5", {"temperature": 1, "top_p": 0.9}, "temperature or top_p"),
    ("anthropic", "claude-haiku-4-5", {"temperature": 0.5, "top_p": 0.9}, "temperature or top_p"),
    ("anthropic", "claude-opus-4-6", {"temperature": 0.5, "top_p": 0.9}, "temperature or top_p"),
    ("bedrock", f"{BEDROCK}claude-sonnet-4-6", {"temperature": 0.5, "top_p": 0.9}, "temperature or top_p"),
    ("anthropic", "claude-sonnet-4-6", {"reasoning": "low", "top_p": 0.9}, "below 0.95"),
    ("anthropic", "claude-opus-4-7", {"messages": BEGUN}, "end with a user message"),
    ("gemini", "gemini-3.8-flash", {"messages": BEGUN}, "ends with a user message"),
    ("anthropic", "claude-opus-5", {"top_p": 0.98}, "refuses sampling"),
    ("bedrock", f"{BEDROCK}claude-opus-5", {"messages": BEGUN}, "end with a user message"),
    ("openai", "o3", {"tools": [TOOL], "parallel_tool_calls": False}, "one call at a time"),
    ("openai", "o4-mini-2025-04-16", {"tools": [TOOL], "parallel_tool_calls": True}, "one call at a time"),
    ("openai/openai_responses", "o3", {"tools": [TOOL], "parallel_tool_calls": False}, "one call at a time"),
    ("azure", "o3-mini", {"tools": [TOOL], "parallel_tool_calls": False}, "one call at a time"),
    ("openai", "gpt-4.1", {"metadata": {"a": "b"}}, "store"),
    ("azure", "gpt-4.1", {"metadata": {"a": "b"}, "extra_body": {"store": False}}, "store"),
    ("xai", "grok-4.3", {"tools": [TOOL], "tool_choice": "required", "json_mode": True}, "drops the call"),
    ("xai", "grok-4.3", {"tools": [TOOL], "tool_choice": "now", "schema": FORM}, "drops the call"),
    ("groq", "openai/gpt-oss-120b", {"tools": [TOOL], "json_mode": True}, "beside tools"),
    ("cohere", "command-a-03-2025", {"tools": [TOOL], "json_mode": True}, "beside tools"),
    ("mistral", "mistral-small-latest", {"temperature": 0, "top_p": 0.9}, "can only be 1"),
    ("deepseek", "deepseek-v4-pro", {"messages": SEEN}, "sees no images"),
    ("bedrock", "us.amazon.nova-2-lite-v1:0", {"reasoning": "max", "temperature": 0.5}, "low and medium"),
]
"""Provider (and dialect), model, what is asked, and words of the error."""

SENT: list[tuple[str, str, dict[str, Any]]] = [
    ("openai", "gpt-4.1", {"stop": list("abcd")}),
    ("gemini", "gemini-3-pro", {"stop": list("abcde")}),
    ("cohere", "command-a-03-2025", {"stop": list("abcde")}),
    ("anthropic", "claude-haiku-4-5", {"stop": ["\n\nHuman:"]}),
    ("deepseek", "deepseek-chat", {"tools": [TOOL], "tool_choice": "required"}),
    ("deepseek", "deepseek-chat", {"reasoning": "off", "tools": [TOOL], "tool_choice": "required"}),
    ("gemini", "gemini-3.8-flash", {"tools": [TOOL, SEARCHES["gemini"]], "json_mode": True}),
    ("gemini", "gemini-2.5-flash", {"tools": [TOOL]}),
    ("gemini", "gemini-2.5-flash", {"tools": [SEARCHES["gemini"]]}),
    ("ollama", "qwen3:4b", {"json_mode": True}),
    ("anthropic", "claude-opus-4-0", {"temperature": 0.5, "top_p": 0.9}),
    ("anthropic", "claude-3-7-sonnet-latest", {"temperature": 0.5, "top_p": 0.9}),
    ("anthropic", "claude-opus-4-1", {"top_p": 0.9}),
    ("anthropic", "claude-opus-5", {"top_p": 0.99}),
    ("anthropic", "claude-sonnet-4-5", {"reasoning": "low", "top_p": 0.95}),
    ("anthropic", "claude-sonnet-4-6", {"reasoning": "off", "top_p": 0.5}),
    ("anthropic", "claude-opus-4-5", {"messages": BEGUN}),
    ("anthropic", "claude-opus-4-7", {"messages": PAUSED}),
    ("openai", "gpt-4.1", {"tools": [TOOL], "parallel_tool_calls": False}),
    ("openai", "gpt-4.1", {"metadata": {"a": "b"}, "extra_body": {"store": True}}),
    ("openai/openai_responses", "gpt-4.1", {"metadata": {"a": "b"}}),
    ("xai", "grok-4.3", {"tools": [TOOL], "tool_choice": "auto", "json_mode": True}),
    ("mistral", "mistral-small-latest", {"temperature": 0, "top_p": 1}),
    ("mistral", "mistral-small-latest", {"temperature": 0.2, "top_p": 0.9}),
    ("mistral", "mistral-small-latest", {"top_p": 0.9}),
    ("deepseek", "deepseek-flash", {"messages": SEEN}),
    ("bedrock", "us.amazon.nova-2-lite-v1:0", {"reasoning": "medium", "temperature": 0.5}),
]
"""Neighbours of those above that are sent."""


def planned(provider: str, model: str, asked: dict[str, Any], *, unsupported: Any = "raise") -> Any:
    """The plan of the call; `provider` may name a dialect after a slash."""
    name, _, dialect = provider.partition("/")
    client = LLMClient.create(
        name, model, "k", dialect=dialect or None, base_url="http://127.0.0.1:9", unsupported=unsupported
    )
    asked = dict(asked)
    return client.plan(asked.pop("messages", "Hi"), **asked)


@pytest.mark.parametrize(("provider", "model", "asked", "words"), REFUSED)
def test_refused(provider: str, model: str, asked: dict[str, Any], words: str) -> None:
    """A pair that the model refuses is an error before anything is sent, which says what would work."""
    with pytest.raises(UnsupportedParameterError, match=words):
        planned(provider, model, asked)


@pytest.mark.parametrize(("provider", "model", "asked"), SENT)
def test_sent(provider: str, model: str, asked: dict[str, Any]) -> None:
    """What only looks like such a pair is sent, and nothing of it is dropped."""
    plan = planned(provider, model, asked)
    assert not [note for note in plan.notes if note.startswith("dropped")]


@pytest.mark.parametrize(("provider", "model", "asked", "words"), [row for row in REFUSED if "messages" not in row[2]])
def test_dropped(provider: str, model: str, asked: dict[str, Any], words: str) -> None:
    """With `unsupported="drop"` one of the pair is left out, and the plan says which and why."""
    plan = planned(provider, model, asked, unsupported="drop")
    assert [note for note in plan.notes if note.startswith("dropped: ")]


@pytest.mark.parametrize(
    ("provider", "model", "more"),
    [
        ("gemini", "gemini-2.5-flash", {"tools": [TOOL]}),
        ("gemini", "gemini-2.5-flash", {"tools": [SEARCHES["gemini"]]}),
        ("ollama", "qwen3:4b", {"tools": [TOOL]}),
        ("ollama/openai_chat", "qwen3:4b", {"tools": [TOOL]}),
        ("groq", "openai/gpt-oss-120b", {"tools": [TOOL]}),
        ("cohere", "command-a-03-2025", {"tools": [TOOL]}),
        ("anthropic", "claude-haiku-4-5", {"messages": CITED}),
        ("bedrock", f"{BEDROCK}claude-haiku-4-5-20251001-v1:0", {"messages": CITED}),
    ],
)
def test_a_schema_goes_into_the_prompt(provider: str, model: str, more: dict[str, Any]) -> None:
    """A schema that is refused beside something is asked for in the prompt; the tools stay as they are."""
    plan = planned(provider, model, {"schema": FORM, **more})
    assert "schema: in words of the prompt" in plan.notes
    assert not {"response_format", "format", "output_config", "outputConfig"} & plan.body.keys()
    assert "responseMimeType" not in str(plan.body)
    assert "tools" not in more or "tools" in plan.body


@pytest.mark.parametrize("provider", ["openai", "openai-compatible", "openrouter", "deepseek", "azure"])
def test_alternatives_ask_for_logprobs(provider: str) -> None:
    """`top_logprobs` alone asks for logprobs too, without which servers refuse it."""
    assert planned(provider, "gpt-4.1", {"top_logprobs": 2}).body["logprobs"] is True


def test_alternatives_ask_for_logprobs_elsewhere() -> None:
    """So it does at Gemini and Ollama, in the words of their wires."""
    assert planned("gemini", "gemini-2.5-flash", {"top_logprobs": 2}).body["generationConfig"]["responseLogprobs"]
    assert planned("ollama", "m", {"top_logprobs": 2}).body["logprobs"] is True


JSON_WORD = [
    ("openai", "gpt-4.1"),
    ("openai/openai_responses", "gpt-6-luna"),
    ("azure", "gpt-4.1"),
    ("deepseek", "deepseek-flash"),
    ("groq", "openai/gpt-oss-120b"),
    ("alibaba", "qwen-plus"),
]


@pytest.mark.parametrize(("provider", "model"), JSON_WORD)
def test_the_word_json(provider: str, model: str) -> None:
    """Servers that want the word in a prompt get it, with a note; a prompt that has it stays as it is."""
    plan = planned(provider, model, {"json_mode": True})
    turns = plan.body.get("messages") or plan.body["input"]
    assert [turn["role"] for turn in turns] == ["system", "user"]
    assert "JSON" in str(turns[0])
    assert [note for note in plan.notes if note.startswith("added: a system message that asks for JSON")]
    asked = planned(provider, model, {"json_mode": True, "messages": "Give me json, please."})
    assert len(asked.body.get("messages") or asked.body["input"]) == 1
    assert not [note for note in asked.notes if note.startswith("added")]
    assert not [note for note in planned(provider, model, {}).notes if note.startswith("added")]


def test_greedy_sampling() -> None:
    """Mistral refuses greedy sampling from less than all: without `top_p` it is said to be 1."""
    assert planned("mistral", "mistral-small-latest", {"temperature": 0}).body["top_p"] == 1
    assert "top_p" not in planned("mistral", "mistral-small-latest", {"temperature": 0.2}).body


def test_alternatives_without_logprobs() -> None:
    """To ask for alternatives and for no logprobs is an error on every wire."""
    with pytest.raises(ConfigurationError, match="leave one of them out"):
        planned("openai", "gpt-4.1", {"top_logprobs": 2, "logprobs": False})


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini", "ollama"])
def test_no_stop_words(provider: str) -> None:
    """An empty list of stop words is none: providers refuse an empty list."""
    plan = planned(provider, "m", {"stop": []})
    assert "stop" not in str(plan.body)
