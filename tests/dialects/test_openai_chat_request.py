"""Literal bodies of OpenAI's own Chat Completions, feature by feature."""

from __future__ import annotations

from typing import Any

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

from .asking import BARE, PARAMETERS, PDF, PNG, SCHEMA, TIDE, body, engine, part

OPENAI = engine("openai")
OLD, NEW = "gpt-4.1", "gpt-6-luna"


def test_conversation() -> None:
    """Turns become messages in order, names with them; a stream asks for its usage."""
    assert body(
        OPENAI,
        OLD,
        Message.system("Be brief."),
        Message.user("Hi", name="ada"),
        Message.assistant("Hello."),
        Message.user([TextBlock("And this?"), TextBlock("And that?")]),
        stream=True,
    ) == {
        "model": OLD,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hi", "name": "ada"},
            {"role": "assistant", "content": "Hello."},
            {
                "role": "user",
                "content": [{"type": "text", "text": "And this?"}, {"type": "text", "text": "And that?"}],
            },
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_parameters() -> None:
    """Every parameter has its place; the user is a safety identifier."""
    given: dict[str, Any] = {
        "temperature": 0.5,
        "top_p": 0.9,
        "stop": ["END"],
        "seed": 7,
        "presence_penalty": 0.1,
        "frequency_penalty": 0.2,
        "logprobs": True,
        "top_logprobs": 2,
        "parallel_tool_calls": False,
        "service_tier": "flex",
        "metadata": {"a": "b"},
    }
    assert part(OPENAI, OLD, max_tokens=99, user="u1", extra_body={"store": True}, **given) == {
        **given,
        "max_completion_tokens": 99,
        "safety_identifier": "u1",
        "store": True,
    }


@pytest.mark.parametrize(
    ("model", "reasoning", "effort"),
    [
        ("o3", "minimal", "low"),
        ("o4-mini", "max", "high"),
        ("gpt-5", "minimal", "minimal"),
        ("gpt-5-nano", "xhigh", "high"),
        ("gpt-5.2-chat-latest", "high", "medium"),
        ("gpt-5.1", "off", "none"),
        ("gpt-5.4-mini", "max", "xhigh"),
        ("gpt-5.5", 0, "none"),
        ("gpt-5.6-sol", "max", "xhigh"),
        ("gpt-6-astra", "max", "xhigh"),
        ("gpt-6.2-sol", "minimal", "low"),
        ("gpt-6-luna", 500, "low"),
        ("gpt-9", "off", "none"),
        ("gpt-4o", "off", None),
    ],
)
def test_reasoning(model: str, reasoning: str | int, effort: str | None) -> None:
    """An effort is snapped to what the family takes on this wire, where none takes `max`."""
    assert part(OPENAI, model, reasoning=reasoning) == ({"reasoning_effort": effort} if effort else {})


@pytest.mark.parametrize(
    ("model", "parameters", "what"),
    [
        ("o3", {"temperature": 0.5}, "always reasons"),
        ("gpt-5-mini", {"top_p": 0.5}, "always reasons"),
        ("gpt-5", {"reasoning": "off"}, "lowest is 'minimal'"),
        ("gpt-6-astra", {"temperature": 0}, "always reasons"),
        ("gpt-6.1-sol", {"reasoning": "off"}, "always reasons"),
        ("gpt-5.5", {"temperature": 0}, "reasoning='off'"),
        ("gpt-6-luna", {"logprobs": True, "reasoning": "low"}, "reasoning='off'"),
        ("gpt-5.2", {"temperature": 0, "reasoning": "low"}, "leave reasoning out"),
        ("gpt-5.1", {"presence_penalty": 1}, "reasoning models refuse"),
        ("o4-mini", {"stop": ["END"]}, "reasoning models refuse"),
        ("gpt-5.2", {"top_logprobs": 1}, "refused by reasoning models"),
        ("gpt-4.1", {"reasoning": "low"}, "does not reason"),
        ("gpt-5-chat-latest", {"tools": [TIDE]}, "calls no tools"),
        ("gpt-5.6-sol", {"tools": [TIDE]}, "openai_responses"),
        ("gpt-4o-search-preview", {"temperature": 0}, "search models"),
        ("gpt-4.1", {"top_k": 3}, "no place"),
    ],
)
def test_refused(model: str, parameters: dict[str, Any], what: str) -> None:
    """What a family refuses is an error before anything is sent, which says what would work."""
    with pytest.raises(UnsupportedParameterError, match=what):
        body(OPENAI, model, **parameters)


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        ("gpt-5", {"temperature": 1}),
        ("gpt-5.2", {"temperature": 0, "logprobs": True}),
        ("gpt-5.2", {"temperature": 0, "reasoning": "off"}),
        ("gpt-5.5", {"temperature": 0, "reasoning": "off"}),
        ("gpt-6-luna", {"top_p": 0.5, "reasoning": 0}),
        ("gpt-5.6-sol", {"tools": [TIDE], "reasoning": "off"}),
        ("gpt-5-chat-latest", {"temperature": 0.2, "frequency_penalty": 1}),
        ("gpt-4o", {"stop": ["END"], "top_logprobs": 1}),
    ],
)
def test_taken(model: str, parameters: dict[str, Any]) -> None:
    """What the same families do take passes."""
    assert parameters.keys() - {"reasoning"} <= body(OPENAI, model, **parameters).keys()


def test_media() -> None:
    """Images by any URL and their detail, documents as named data, audio as raw base64."""
    message = Message.user(
        [
            ImageBlock("https://a.example/x.png", "low"),
            ImageBlock(PNG),
            DocumentBlock(PDF),
            DocumentBlock(PDF, filename="tides.pdf"),
            AudioBlock("UklG", "mp3"),
        ]
    )
    assert body(OPENAI, OLD, message)["messages"][0]["content"] == [
        {"type": "image_url", "image_url": {"url": "https://a.example/x.png", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": PNG}},
        {"type": "file", "file": {"filename": "document.pdf", "file_data": PDF}},
        {"type": "file", "file": {"filename": "tides.pdf", "file_data": PDF}},
        {"type": "input_audio", "input_audio": {"data": "UklG", "format": "mp3"}},
    ]


@pytest.mark.parametrize(
    "message",
    [
        Message.user([DocumentBlock("https://a.example/x.pdf")]),
        Message.assistant([ImageBlock(PNG)]),
        Message.system([ImageBlock(PNG)]),
    ],
)
def test_media_refused(message: Message) -> None:
    """A document by URL, and media anywhere but in a user message, are refused: they would not be seen."""
    with pytest.raises((UnsupportedParameterError, ConfigurationError)):
        body(OPENAI, OLD, message)


def test_media_of_results() -> None:
    """Of two results the images come after both, each under the name of its tool; where all is text nothing moves."""
    calls = [ToolCall("a", "look", "{}"), ToolCall("b", "draw", "{}")]
    results = [Message.tool([ImageBlock(PNG)], "a"), Message.tool([TextBlock("Here:"), ImageBlock(PNG, "low")], "b")]
    sent = body(OPENAI, OLD, Message.assistant(tool_calls=calls), *results)["messages"]
    assert [one["role"] for one in sent] == ["assistant", "tool", "tool", "user"]
    assert [one["content"] for one in sent[1:3]] == ["It is in the next message.", "Here:"]
    assert sent[3]["content"] == [
        {"type": "text", "text": "What look gave back:"},
        {"type": "image_url", "image_url": {"url": PNG}},
        {"type": "text", "text": "What draw gave back:"},
        {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
    ]
    assert len(body(OPENAI, OLD, Message.tool([TextBlock("x"), TextBlock("y")], "a"))["messages"]) == 1


MARKED = [{"type": "text", "text": "Hi", "prompt_cache_breakpoint": {"mode": "explicit"}}]


@pytest.mark.parametrize(("model", "content"), [(OLD, "Hi"), (NEW, MARKED)])
def test_cache(model: str, content: Any) -> None:
    """`cache` marks a part for the models that have such marks; for others it changes nothing."""
    written = body(OPENAI, model, Message.user([TextBlock("Hi", cache=True)]))["messages"]
    assert written == [{"role": "user", "content": content}]


def test_tools() -> None:
    """Tools are nested under `function`; without any the key is left out."""
    strict = msgspec.structs.replace(TIDE, strict=True)
    assert part(OPENAI, OLD, tools=[strict, BARE], tool_choice="tide") == {
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "tide",
                    "description": "Times of the tide.",
                    "parameters": PARAMETERS,
                    "strict": True,
                },
            },
            {"type": "function", "function": {"name": "now", "description": ""}},
        ],
        "tool_choice": {"type": "function", "function": {"name": "tide"}},
    }
    assert part(OPENAI, OLD, tools=[]) == {}


def test_tool_turns() -> None:
    """Calls stand beside the content, results are messages; a custom call keeps its own form."""
    calls = [ToolCall("call_1", "tide", '{"port":"Oban"}'), ToolCall("call_2", "draw", "M 0 0", custom=True)]
    assert body(
        OPENAI,
        OLD,
        Message.assistant(tool_calls=calls),
        Message.tool("06:10", "call_1", is_error=True),
        Message.tool([TextBlock("a"), TextBlock("b")], "call_2"),
    )["messages"] == [
        {
            "role": "assistant",
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "tide", "arguments": '{"port":"Oban"}'},
                },
                {"id": "call_2", "type": "custom", "custom": {"name": "draw", "input": "M 0 0"}},
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "06:10"},
        {"role": "tool", "tool_call_id": "call_2", "content": "ab"},
    ]


def test_replay() -> None:
    """Reasoning and what is opaque have no place on this wire, whoever made them."""
    parts: list[Block] = [
        ReasoningBlock("Hm", data="x", origin=f"openai/openai_chat/{OLD}"),
        OpaqueBlock(msgspec.Raw(b"{}"), origin=f"openai/openai_chat/{OLD}"),
        TextBlock("Soon.", item_id="msg_1", origin=f"openai/openai_responses/{OLD}"),
    ]
    assert body(OPENAI, OLD, Message("assistant", "Soon.", parts=parts))["messages"] == [
        {"role": "assistant", "content": "Soon."}
    ]


def test_structured() -> None:
    """A schema is nested under `json_schema`; JSON alone is `json_object`."""
    assert part(OPENAI, OLD, schema=SCHEMA) == {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "Tide", "schema": SCHEMA.schema, "strict": True},
        }
    }
    assert part(OPENAI, OLD, json_mode=True) == {"response_format": {"type": "json_object"}}


@pytest.mark.parametrize(
    ("model", "dialect"),
    [
        ("gpt-6-luna", "openai_chat"),
        ("gpt-4o-2024-08-06-preview", "openai_chat"),
        ("o1-pro", "openai_responses"),
        ("gpt-5-pro-2025-10-06", "openai_responses"),
        ("gpt-5.1-codex-max", "openai_responses"),
        ("codex-mini-latest", "openai_responses"),
        ("o3-deep-research", "openai_responses"),
        ("computer-use-preview", "openai_responses"),
    ],
)
def test_dialect_by_model(model: str, dialect: str) -> None:
    """Models that Chat Completions does not serve go to Responses of themselves."""
    assert Target.of("openai", api_key="k").route(model).engine.dialect.name == dialect
