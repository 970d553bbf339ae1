"""What the providers of the OpenAI Chat family write differently: literal bodies, provider by provider."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from miiflow_llm.core.exceptions import ConfigurationError, UnsupportedParameterError
from miiflow_llm.core.messages import (
    AudioBlock,
    DocumentBlock,
    ImageBlock,
    Message,
    OpaqueBlock,
    ReasoningBlock,
    TextBlock,
    ToolCall,
)

from .asking import PDF, PNG, SCHEMA, TIDE, body, engine, part

CAPTURES = Path(__file__).parents[2] / "fixtures" / "sse_captures"
CALL = ToolCall("c1", "tide", '{"port":"Oban"}')
CALLS = [{"id": "c1", "type": "function", "function": {"name": "tide", "arguments": '{"port":"Oban"}'}}]


@pytest.mark.parametrize(
    ("provider", "model", "reasoning", "written"),
    [
        ("groq", "openai/gpt-oss-20b", "minimal", {"reasoning_effort": "low"}),
        ("groq", "openai/gpt-oss-20b", "max", {"reasoning_effort": "high"}),
        ("groq", "qwen/qwen3-32b", "off", {"reasoning_effort": "none", "reasoning_format": "parsed"}),
        ("groq", "qwen/qwen3-32b", "high", {"reasoning_effort": "default", "reasoning_format": "parsed"}),
        ("groq", "qwen/qwen3.8-27b", "high", {"reasoning_effort": "high", "reasoning_format": "parsed"}),
        ("xai", "grok-3-mini", "medium", {"reasoning_effort": "high"}),
        ("xai", "grok-4.3", "off", {"reasoning_effort": "none"}),
        ("xai", "grok-4.5", "max", {"reasoning_effort": "high"}),
        ("xai", "grok-4.6", "max", {"reasoning_effort": "xhigh"}),
        ("xai", "grok-4.20-multi-agent", "low", {"reasoning_effort": "low"}),
        ("togetherai", "openai/gpt-oss-20b", "xhigh", {"reasoning_effort": "high"}),
        (
            "togetherai",
            "deepseek-ai/DeepSeek-V4-Pro",
            "low",
            {"reasoning_effort": "high", "reasoning": {"enabled": True}},
        ),
        ("togetherai", "deepseek-ai/DeepSeek-V4-Pro", "off", {"reasoning": {"enabled": False}}),
        ("togetherai", "zai-org/GLM-5.3", "low", {"reasoning": {"enabled": True}}),
        ("togetherai", "Qwen/Qwen3.6-Plus", 0, {"reasoning": {"enabled": False}}),
        ("openrouter", "openrouter/auto", "off", {"reasoning": {"enabled": False}}),
        ("openrouter", "openrouter/auto", "max", {"reasoning": {"effort": "max"}}),
        ("openrouter", "openrouter/auto", 2000, {"reasoning": {"max_tokens": 2000}}),
        ("deepseek", "deepseek-flash", "off", {"thinking": {"type": "disabled"}}),
        ("deepseek", "deepseek-flash", "minimal", {"thinking": {"type": "enabled"}, "reasoning_effort": "low"}),
        ("deepseek", "deepseek-flash", "medium", {"thinking": {"type": "enabled"}, "reasoning_effort": "high"}),
        ("deepseek", "deepseek-flash", "xhigh", {"thinking": {"type": "enabled"}, "reasoning_effort": "high"}),
        ("deepseek", "deepseek-flash", "max", {"thinking": {"type": "enabled"}, "reasoning_effort": "max"}),
        ("openai-compatible", "any", "off", {"reasoning_effort": "none"}),
        (
            "openai-compatible",
            "any",
            5000,
            {"reasoning_effort": "medium", "thinking_budget_tokens": 5000, "thinking_token_budget": 5000},
        ),
    ],
)
def test_reasoning(provider: str, model: str, reasoning: str | int, written: dict[str, Any]) -> None:
    """An effort or budget takes each provider's own form, snapped to what the model takes."""
    assert part(engine(provider), model, reasoning=reasoning) == written


@pytest.mark.parametrize(
    ("provider", "model", "parameters", "what"),
    [
        ("groq", "openai/gpt-oss-20b", {"reasoning": "off"}, "always reasons"),
        ("groq", "llama-3.3-70b-versatile", {"reasoning": "low"}, "does not reason"),
        ("groq", "openai/gpt-oss-20b", {"frequency_penalty": 0.1}, "temperature"),
        ("groq", "openai/gpt-oss-20b", {"schema": SCHEMA, "tools": [TIDE]}, "two calls"),
        ("xai", "grok-4.6", {"reasoning": "off"}, "always reasons"),
        ("xai", "grok-4.20-reasoning", {"reasoning": "low"}, "choose another"),
        ("xai", "grok-4.6", {"stop": ["END"]}, "prompt"),
        ("xai", "grok-4.20-non-reasoning", {"logprobs": True}, "ignored"),
        ("xai", "grok-4.6", {"schema": SCHEMA, "tools": [TIDE], "tool_choice": "tide"}, "two calls"),
        ("togetherai", "zai-org/GLM-5.3", {"reasoning": "off"}, "always reasons"),
        ("togetherai", "openai/gpt-oss-20b", {"tools": [TIDE], "tool_choice": "required"}, "'auto'"),
        ("togetherai", "deepseek-ai/DeepSeek-V4-Pro", {"tools": [TIDE], "tool_choice": "tide"}, "reasoning='off'"),
        ("deepseek", "deepseek-flash", {"tools": [TIDE], "tool_choice": "tide"}, "reasoning='off'"),
        ("deepseek", "deepseek-flash", {"seed": 7}, "does nothing"),
        ("deepseek", "deepseek-flash", {"schema": SCHEMA}, "schema"),
    ],
)
def test_what_is_not_taken(provider: str, model: str, parameters: dict[str, Any], what: str) -> None:
    """What a provider or model would refuse or ignore is an error that says what works."""
    with pytest.raises(UnsupportedParameterError, match=what):
        body(engine(provider), model, **parameters)


def test_what_lifts_a_refusal() -> None:
    """A forced tool is taken by DeepSeek once the model is not to think, and JSON by Groq without tools."""
    sent = body(engine("deepseek"), "deepseek-flash", tools=[TIDE], tool_choice="tide", reasoning="off")
    assert sent["tool_choice"] == {"type": "function", "function": {"name": "tide"}}
    assert "response_format" in body(engine("groq"), "openai/gpt-oss-20b", schema=SCHEMA)


@pytest.mark.parametrize(
    ("provider", "written"),
    [
        ("groq", {"max_completion_tokens": 9, "user": "u"}),
        ("xai", {"max_completion_tokens": 9, "user": "u"}),
        ("openrouter", {"max_completion_tokens": 9, "user": "u"}),
        ("deepseek", {"max_tokens": 9, "user_id": "u"}),
        ("openai-compatible", {"max_tokens": 9, "user": "u"}),
    ],
)
def test_names(provider: str, written: dict[str, Any]) -> None:
    """Each provider has its own name for the limit and for the user."""
    assert part(engine(provider), "m", max_tokens=9, user="u") == written


def test_together_names() -> None:
    """Together counts log probabilities, knows no `strict`, and takes `top_k`."""
    together = engine("togetherai")
    assert part(together, "m", logprobs=True, max_tokens=9) == {"logprobs": 1, "max_tokens": 9}
    assert part(together, "m", logprobs=True, top_logprobs=5, top_k=40) == {"logprobs": 5, "top_k": 40}
    sent = part(together, "m", tools=[msgspec.structs.replace(TIDE, strict=True)])
    assert "strict" not in sent["tools"][0]["function"]
    with pytest.raises(UnsupportedParameterError, match="user"):
        body(together, "m", user="u")


@pytest.mark.parametrize(
    ("provider", "key"),
    [("groq", "reasoning"), ("togetherai", "reasoning_content"), ("deepseek", "reasoning_content"), ("xai", None)],
)
def test_reasoning_goes_back(provider: str, key: str | None) -> None:
    """Reasoning goes back under the provider's own key as one string, where it was made here."""
    of = engine(provider)
    mine = [ReasoningBlock("h", origin=of.mark("m")), ReasoningBlock("m", origin=of.mark("m"))]
    turn = Message("assistant", parts=[*mine, ReasoningBlock("x", origin="a/b/c"), TextBlock("So."), CALL])
    written: dict[str, Any] = {"role": "assistant", "content": "So.", "tool_calls": CALLS}
    if key:
        written[key] = "hm"
    assert body(of, "m", turn, Message.tool("x", CALL.id))["messages"][:1] == [written]


def test_deepseek_fills_in_reasoning() -> None:
    """With tools every answer carries its thinking at DeepSeek, an empty one where it came from elsewhere."""
    turns = [Message.user("Hi"), Message.assistant("So.", tool_calls=[CALL]), Message.tool("six", "c1")]
    sent = body(engine("deepseek"), "deepseek-flash", *turns, tools=[TIDE])
    assert sent["messages"] == [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "So.", "reasoning_content": "", "tool_calls": CALLS},
        {"role": "tool", "tool_call_id": "c1", "content": "six"},
    ]
    without = body(engine("deepseek"), "deepseek-flash", *turns)
    assert "reasoning_content" not in without["messages"][1]


@pytest.mark.parametrize("name", ["reasoning_details_signature", "reasoning_details_summary"])
def test_openrouter_details_go_back_verbatim(name: str) -> None:
    """Details that came in pieces go back joined by type and index, in order, to the model that made them only."""
    of = engine("openrouter")
    reader = of.stream("m")
    reader.feed((CAPTURES / "openrouter" / f"{name}.sse").read_bytes())
    reader.finish()
    answer = reader.response().message
    sent = body(of, "m", Message.user("Hi"), answer)["messages"][1]
    details = sent["reasoning_details"]
    keys = [(detail["type"], detail["index"]) for detail in details]
    assert len(set(keys)) == len(keys)
    assert "".join(detail.get("text") or detail.get("summary") or "" for detail in details) == answer.reasoning
    assert all(detail.get("signature") or detail.get("data") or detail.get("summary") for detail in details)
    assert "reasoning_details" not in body(of, "another", answer)["messages"][0]


def test_openrouter_caches() -> None:
    """A block marked for caching carries OpenRouter's mark; a whole answer's details go back untouched."""
    of = engine("openrouter")
    detail = {"type": "reasoning.encrypted", "data": "x", "id": "r", "format": "f", "index": 0}
    kept = OpaqueBlock(msgspec.Raw(msgspec.json.encode(detail)), origin=of.mark("m"))
    turn = Message("assistant", parts=[kept, TextBlock("So.")])
    sent = body(of, "m", Message.user([TextBlock("Long", cache=True)]), turn)
    assert sent["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "Long", "cache_control": {"type": "ephemeral"}}]},
        {"role": "assistant", "content": "So.", "reasoning_details": [detail]},
    ]


@pytest.mark.parametrize(
    ("provider", "block"),
    [
        ("groq", DocumentBlock(PDF)),
        ("groq", AudioBlock("UklGRg==")),
        ("xai", DocumentBlock(PDF)),
        ("xai", AudioBlock("UklGRg==")),
        ("togetherai", DocumentBlock(PDF)),
        ("deepseek", AudioBlock("UklGRg==")),
    ],
)
def test_refused_media(provider: str, block: Any) -> None:
    """Media that a provider does not take are refused, saying what to send."""
    with pytest.raises(UnsupportedParameterError, match=r"send|dialect="):
        body(engine(provider), "m", Message.user([block]))


@pytest.mark.parametrize("provider", ["groq", "togetherai", "deepseek"])
def test_a_result_is_text_only(provider: str) -> None:
    """Where a tool's result is one string, an image in it is sent in a user message after it."""
    called = Message.assistant(tool_calls=[CALL])
    result_of = Message.tool([TextBlock("Look:"), ImageBlock(PNG)], CALL.id)
    sent = body(engine(provider), "m", called, result_of, Message.user("And?"))
    _, result, moved, last = sent["messages"]
    assert result["content"] == "Look:"
    assert moved["role"] == "user"
    assert moved["content"][0] == {"type": "text", "text": f"What {CALL.name} gave back:"}
    assert moved["content"][1]["image_url"]["url"] == PNG
    assert last["content"] == "And?"


def test_a_document_at_deepseek_is_flat() -> None:
    """DeepSeek's file part has its fields at its own level."""
    sent = body(engine("deepseek"), "deepseek-flash", Message.user([DocumentBlock(PDF, filename="a.pdf")]))
    assert sent["messages"][0]["content"] == [{"type": "file", "filename": "a.pdf", "file_data": PDF}]


def test_xai_takes_no_names() -> None:
    """A name on a message, which xAI refuses, is not sent."""
    assert body(engine("xai"), "m", Message.user("Hi", name="Ann"))["messages"] == [{"role": "user", "content": "Hi"}]


def test_an_unknown_effort() -> None:
    """A word that is no effort is an error that lists them."""
    with pytest.raises(ConfigurationError, match="minimal, low"):
        body(engine("xai"), "grok-4.6", reasoning="hard")
