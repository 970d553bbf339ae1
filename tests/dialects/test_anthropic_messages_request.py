"""Requests to Anthropic: literal bodies, feature by feature and family by family of models."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
import pytest

from miiflow_llm.calls.target import Target
from miiflow_llm.core.exceptions import ConfigurationError, UnsupportedParameterError
from miiflow_llm.core.messages import (
    AudioBlock,
    Block,
    DocumentBlock,
    ImageBlock,
    Message,
    OpaqueBlock,
    ReasoningBlock,
    TextBlock,
    ToolCall,
)
from miiflow_llm.core.request import ChatRequest, OutputSchema, ToolSpec

from .asking import BARE, PARAMETERS, PDF, PNG, TIDE, body, engine, part

ANTHROPIC = engine("anthropic")
MODEL = "claude-haiku-4-5"
OWN = f"anthropic/anthropic_messages/{MODEL}"
USER = {"role": "user", "content": "Hi"}
EPHEMERAL = {"type": "ephemeral"}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}
TIDE_WRITTEN = {"name": "tide", "description": "Times of the tide.", "input_schema": PARAMETERS}


def written(model: str, *messages: Message, **parameters: Any) -> dict[str, Any]:
    """The body without what every request has, the default of `max_tokens` too."""
    found = part(ANTHROPIC, model, *messages, **parameters)
    return {key: value for key, value in found.items() if key != "max_tokens" or "max_tokens" in parameters}


def test_text_with_every_parameter() -> None:
    """A text conversation with all parameters is written under Anthropic's names, neighbours of one role as one."""
    found = body(
        ANTHROPIC,
        MODEL,
        Message.system("Be brief."),
        Message.system("Be kind."),
        Message.user("Hi"),
        Message.user("there"),
        Message.assistant("Yes?"),
        Message.user("Go on."),
        stream=True,
        max_tokens=9,
        temperature=0.5,
        top_k=40,
        stop=["END"],
        user="u1",
        service_tier="auto",
        extra_body={"metadata": {"trace": "t"}, "inference_geo": "us"},
    )
    assert found == {
        "model": MODEL,
        "max_tokens": 9,
        "system": "Be brief.\n\nBe kind.",
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "text", "text": "there"}]},
            {"role": "assistant", "content": "Yes?"},
            {"role": "user", "content": "Go on."},
        ],
        "temperature": 0.5,
        "top_k": 40,
        "stop_sequences": ["END"],
        "metadata": {"user_id": "u1", "trace": "t"},
        "service_tier": "auto",
        "inference_geo": "us",
        "stream": True,
    }


@pytest.mark.parametrize(
    ("model", "tokens"),
    [
        ("claude-3-haiku-20240307", 4096),
        ("claude-3-5-haiku-20241022", 8192),
        ("claude-sonnet-4-20250514", 16384),
        ("claude-haiku-4-5", 64000),
        ("claude-opus-4-6", 128000),
        ("claude-unheard-of", 128000),
        ("kimi-k2", 4096),
    ],
)
def test_max_tokens_by_model(model: str, tokens: int) -> None:
    """The wire demands `max_tokens`: without the caller's it is what the family takes."""
    assert body(ANTHROPIC, model)["max_tokens"] == tokens


def test_media() -> None:
    """Media are sources: base64, URL or, for documents of text, the text itself; sound has no place."""
    blocks: list[Block] = [
        ImageBlock(PNG),
        ImageBlock("https://example.com/a.png"),
        DocumentBlock(PDF, filename="tides.pdf"),
        DocumentBlock("https://example.com/a.pdf"),
        DocumentBlock("data:text/markdown;base64,SGlnaA==", "text"),
    ]
    assert written(MODEL, Message.user(blocks))["messages"][0]["content"] == [
        IMAGE,
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
            "title": "tides.pdf",
        },
        {"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "High"}},
    ]
    with pytest.raises(UnsupportedParameterError, match="transcript"):
        written(MODEL, Message.user([AudioBlock("UklGRg==")]))


def test_cache_marks() -> None:
    """A mark stands on its block, of the system prompt too; of more than four the first and the last three stay."""
    marked = [TextBlock(str(number), cache=True) for number in range(4)]
    found = written(MODEL, Message.system([TextBlock("Rules.", cache=True)]), Message.user(marked))
    assert found["system"] == [{"type": "text", "text": "Rules.", "cache_control": EPHEMERAL}]
    assert found["messages"][0]["content"] == [
        {"type": "text", "text": "0"},
        *({"type": "text", "text": str(number), "cache_control": EPHEMERAL} for number in (1, 2, 3)),
    ]


@pytest.mark.parametrize(
    ("choice", "parallel", "expected"),
    [
        (None, None, None),
        (None, True, None),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        ("auto", None, {"type": "auto"}),
        ("none", False, {"type": "none"}),
        ("required", False, {"type": "any", "disable_parallel_tool_use": True}),
        ("tide", None, {"type": "tool", "name": "tide"}),
    ],
)
def test_tools(choice: str | None, parallel: bool | None, expected: dict[str, Any] | None) -> None:
    """Tools are flat, with a schema always; one call at a time is a word of the choice."""
    bare = {"name": "now", "input_schema": {"type": "object", "properties": {}}}
    found = written(MODEL, tools=[TIDE, BARE], tool_choice=choice, parallel_tool_calls=parallel)
    assert found == {"tools": [TIDE_WRITTEN, bare], **({"tool_choice": expected} if expected else {})}


def test_tool_results() -> None:
    """All results go in one message of the user, before its words; ids of other makers are made fit."""
    calls = [ToolCall("functions.tide:0", "tide", '{"port":"Oban"}'), ToolCall("c2", "now", "")]
    answers = [
        Message.tool([TextBlock("no such port"), ImageBlock(PNG)], "functions.tide:0", is_error=True),
        Message.tool("noon", "c2"),
        Message.user("Well?"),
    ]
    assert written(MODEL, Message.user("Hi"), Message.assistant(tool_calls=calls), *answers)["messages"] == [
        USER,
        {
            "role": "assistant",
            "content": [
                {"type": "tool_use", "id": "functions_tide_0", "name": "tide", "input": {"port": "Oban"}},
                {"type": "tool_use", "id": "c2", "name": "now", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "functions_tide_0",
                    "content": [{"type": "text", "text": "no such port"}, IMAGE],
                    "is_error": True,
                },
                {"type": "tool_result", "tool_use_id": "c2", "content": "noon"},
                {"type": "text", "text": "Well?"},
            ],
        },
    ]


def enabled(tokens: int) -> dict[str, Any]:
    return {"thinking": {"type": "enabled", "budget_tokens": tokens}}


def adaptive(level: str) -> dict[str, Any]:
    return {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": level}}


DISABLED = {"thinking": {"type": "disabled"}}


@pytest.mark.parametrize(
    ("model", "reasoning", "expected"),
    [
        ("claude-3-5-haiku-20241022", "off", {}),
        ("claude-3-7-sonnet-20250219", "high", enabled(8192)),
        ("claude-sonnet-4-20250514", "low", enabled(2048)),
        ("claude-opus-4-1", 0, DISABLED),
        ("claude-sonnet-4-5", "max", enabled(32000)),
        ("claude-sonnet-4-5", 5000, enabled(5000)),
        ("claude-sonnet-4-5", 5, enabled(1024)),
        ("kimi-k2", "off", DISABLED),
        ("claude-opus-4-6", "xhigh", adaptive("max")),
        ("claude-opus-4-6", "off", DISABLED),
        ("claude-opus-4-8", "xhigh", adaptive("xhigh")),
        ("claude-opus-5", "off", DISABLED),
        ("claude-haiku-5-5", 5000, adaptive("medium")),
        ("claude-haiku-5-5", "off", DISABLED),
        ("claude-opus-5-5", "minimal", adaptive("low")),
        ("claude-unheard-of", "max", adaptive("max")),
    ],
)
def test_reasoning(model: str, reasoning: str | int, expected: dict[str, Any]) -> None:
    """Reasoning is a budget in older families, an effort in newer ones."""
    assert written(model, reasoning=reasoning) == expected


@pytest.mark.parametrize("model", ["claude-opus-5-5", "claude-sonnet-5-5", "claude-fable-5", "claude-unheard-of"])
def test_models_that_always_think(model: str) -> None:
    """Asking a model not to think that always does is an error that names the least."""
    with pytest.raises(UnsupportedParameterError, match="'low'"):
        written(model, reasoning="off")


def test_budget_and_max_tokens() -> None:
    """A level takes half of `max_tokens` at most; a budget that leaves nothing for the answer is an error."""
    assert written(MODEL, reasoning="high", max_tokens=3000) == {"max_tokens": 3000, **enabled(1500)}
    for reasoning, most in (("low", 1024), (5000, 4000)):
        with pytest.raises(ConfigurationError, match="raise max_tokens"):
            written(MODEL, reasoning=reasoning, max_tokens=most)


FORCED = {"tools": [TIDE], "tool_choice": "required"}


@pytest.mark.parametrize(
    ("model", "parameters", "name"),
    [
        ("claude-opus-4-8", {"temperature": 0.5}, "temperature"),
        ("claude-haiku-5-5", {"top_p": 0.5}, "top_p"),
        ("claude-unheard-of", {"top_k": 5}, "top_k"),
        (MODEL, {"temperature": 0.5, "reasoning": "low"}, "temperature"),
        ("claude-opus-4-6", {"top_k": 5, "reasoning": "low"}, "top_k"),
        ("claude-3-5-haiku-20241022", {"reasoning": "low"}, "reasoning"),
        ("claude-opus-5-5", FORCED, "tool_choice"),
        ("claude-fable-5-1", FORCED, "tool_choice"),
        (MODEL, {**FORCED, "reasoning": "low"}, "tool_choice"),
        (MODEL, {"json_mode": True}, "json_mode"),
        (MODEL, {"seed": 7}, "seed"),
    ],
)
def test_refused(model: str, parameters: dict[str, Any], name: str) -> None:
    """What a family refuses is an error before anything is sent, or is dropped where the caller allows it."""
    request = ChatRequest(model=model, messages=[Message.user("Hi")], **parameters)
    with pytest.raises(UnsupportedParameterError) as caught:
        ANTHROPIC.encode(request)
    assert caught.value.parameter == name
    encoded = ANTHROPIC.encode(request, unsupported="drop")
    assert name not in encoded.body
    assert any(note.startswith(f"dropped: {name} ") for note in encoded.notes)


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        ("claude-opus-4-8", {"temperature": 1}),
        (MODEL, {"temperature": 0.5, "reasoning": "off"}),
        (MODEL, {"temperature": 1, "reasoning": "low"}),
        (MODEL, {**FORCED, "reasoning": "off"}),
        ("claude-fable-5", FORCED),
        ("claude-opus-4-6", {**FORCED, "reasoning": "low"}),
        ("claude-opus-5-5", {"tools": [TIDE], "tool_choice": "none"}),
    ],
)
def test_taken(model: str, parameters: dict[str, Any]) -> None:
    """What a family takes is sent."""
    sent = written(model, **parameters)
    assert all(name in sent for name in parameters if name != "reasoning")


def test_schemas() -> None:
    """The format of an answer, and a strict tool, are closed schemas of what the wire takes; others are as given."""
    asked = {"type": "object", "properties": {"name": {"type": "string", "minLength": 2}}}
    taken = {
        "type": "object",
        "properties": {"name": {"type": "string", "description": "minLength: 2"}},
        "additionalProperties": False,
    }
    tools = [ToolSpec("tide", "", asked, True), ToolSpec("moon", "", asked)]
    sent = written("claude-opus-4-6", schema=OutputSchema("Tide", asked), tools=tools, reasoning="low")
    assert sent["output_config"] == {"effort": "low", "format": {"type": "json_schema", "schema": taken}}
    assert sent["tools"] == [
        {"name": "tide", "input_schema": taken, "strict": True},
        {"name": "moon", "input_schema": asked},
    ]


ANSWER = Message(
    "assistant",
    "High at six.",
    parts=[
        ReasoningBlock("Oban, then.", signature="c2ln", origin=OWN),
        ReasoningBlock("", signature="aGlk", origin=OWN),
        ReasoningBlock(data="ZW5j", origin=OWN),
        ReasoningBlock("cut short", origin=OWN),
        OpaqueBlock(msgspec.Raw(b'{"type":"server_tool_use","id":"s1"}'), origin=OWN),
        TextBlock("High at six."),
        ReasoningBlock("of another", signature="eHl6", origin="gemini/gemini_generate/gemini-3.8-flash"),
        TextBlock("", signature="eHl6", origin="gemini/gemini_generate/gemini-3.8-flash"),
    ],
)
SERVER = {"type": "server_tool_use", "id": "s1"}
TEXT = {"type": "text", "text": "High at six."}


def test_replay_to_the_same_model() -> None:
    """Signed and hidden thinking goes back in place, unread; what is unsigned or of another maker does not."""
    assert written(MODEL, Message.user("Hi"), ANSWER)["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "Oban, then.", "signature": "c2ln"},
        {"type": "thinking", "thinking": "", "signature": "aGlk"},
        {"type": "redacted_thinking", "data": "ZW5j"},
        SERVER,
        TEXT,
    ]


def test_replay_to_another_model() -> None:
    """Signatures are bound to the model: another Claude gets the server's blocks, but no thinking."""
    asked = Message.user("Hi")
    sent = written("claude-opus-4-5", asked, ANSWER)["messages"]
    assert sent[1]["content"] == [SERVER, TEXT]
    gemini = part(engine("gemini"), "gemini-2.5-flash", asked, ANSWER, asked)["contents"]
    assert gemini[1]["parts"] == [{"text": "High at six."}]


def test_a_message_of_thinking_alone_is_left_out() -> None:
    """A message of which nothing may go back is no empty message: Anthropic refuses those."""
    foreign = Message("assistant", parts=[ReasoningBlock("of another", origin="xai/openai_responses/grok-5")])
    assert written(MODEL, Message.user("Hi"), foreign, Message.user("Well?"))["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "text", "text": "Well?"}]}
    ]


@pytest.mark.parametrize(
    ("variables", "header", "value"),
    [
        ({"ANTHROPIC_API_KEY": "k1", "ANTHROPIC_AUTH_TOKEN": "t1"}, "x-api-key", "k1"),
        ({"ANTHROPIC_AUTH_TOKEN": "t1"}, "authorization", "Bearer t1"),
    ],
)
def test_key_by_variable(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], header: str, value: str) -> None:
    """A key goes under its own header, a token as a bearer's; the key wins."""
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, found in variables.items():
        monkeypatch.setenv(name, found)
    credential = Target.of("anthropic").credential
    assert credential is not None
    request = next(credential.auth_flow(httpx.Request("POST", "https://example.com")))
    sent = {name: request.headers.get(name) for name in ("x-api-key", "authorization")}
    assert sent == {"x-api-key": None, "authorization": None, header: value}
