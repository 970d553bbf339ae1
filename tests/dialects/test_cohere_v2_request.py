"""Requests in Cohere's chat format: literal bodies, feature by feature."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from miiflow_llm.core.exceptions import ConfigurationError, UnsupportedParameterError
from miiflow_llm.core.messages import (
    AudioBlock,
    DocumentBlock,
    ImageBlock,
    Message,
    ReasoningBlock,
    TextBlock,
    ToolCall,
)

from .asking import BARE, PARAMETERS, PDF, PNG, SCHEMA, TIDE, body, engine, part

COHERE = engine("cohere")
MODEL = "command-a-reasoning-08-2025"
TEXT = "data:text/plain;base64,SGlnaCBhdCBzaXg="
USER = {"role": "user", "content": "Hi"}
TIDE_WRITTEN = {
    "type": "function",
    "function": {"name": "tide", "description": "Times of the tide.", "parameters": PARAMETERS},
}


def test_text_with_every_parameter() -> None:
    """A text conversation with all parameters is written under Cohere's names."""
    written = body(
        COHERE,
        MODEL,
        Message.system("Be brief."),
        Message.user("Hi"),
        stream=True,
        max_tokens=9,
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        stop=["END"],
        seed=7,
        presence_penalty=0.1,
        frequency_penalty=0.2,
        logprobs=True,
        extra_body={"safety_mode": "STRICT"},
    )
    assert written == {
        "model": MODEL,
        "messages": [{"role": "system", "content": "Be brief."}, USER],
        "max_tokens": 9,
        "temperature": 0.5,
        "p": 0.9,
        "k": 40,
        "seed": 7,
        "stop_sequences": ["END"],
        "presence_penalty": 0.1,
        "frequency_penalty": 0.2,
        "logprobs": True,
        "stream": True,
        "safety_mode": "STRICT",
    }


CALLED = Message.assistant(tool_calls=[ToolCall("c1", "look", "{}")])


def test_media() -> None:
    """An image is a part; a document is its text, in a tool's result under its name."""
    document = DocumentBlock(TEXT, "text", "tides")
    sent = body(COHERE, MODEL, Message.user([ImageBlock(PNG, "low"), document]), CALLED, Message.tool([document], "c1"))
    assert sent["messages"][0]["content"] == [
        {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
        {"type": "text", "text": "High at six"},
    ]
    assert sent["messages"][2]["content"] == [
        {"type": "document", "document": {"id": "tides", "data": {"text": "High at six"}}}
    ]


@pytest.mark.parametrize(
    ("message", "what"),
    [
        (Message.user([DocumentBlock(PDF)]), "text data URL"),
        (Message.user([DocumentBlock("https://a.example/a.pdf")]), "text data URL"),
        (Message.user([AudioBlock("UklGRg==")]), "transcript"),
        (Message.assistant([ImageBlock(PNG)]), "user only"),
    ],
)
def test_refused_media(message: Message, what: str) -> None:
    """What Cohere cannot take is refused with what would work."""
    with pytest.raises(UnsupportedParameterError, match=what):
        body(COHERE, MODEL, message)


@pytest.mark.parametrize(
    ("choice", "written"),
    [("auto", {}), ("none", {"tool_choice": "NONE"}), ("required", {"tool_choice": "REQUIRED"})],
)
def test_tool_choice(choice: str, written: dict[str, str]) -> None:
    """The choice is a word in capitals, and nothing for `auto`."""
    assert part(COHERE, MODEL, tools=[TIDE], tool_choice=choice) == {"tools": [TIDE_WRITTEN], **written}


def test_a_named_tool() -> None:
    """A tool is forced by sending no other; one that is not there is an error."""
    sent = part(COHERE, MODEL, tools=[BARE, TIDE], tool_choice="tide")
    assert sent == {"tools": [TIDE_WRITTEN], "tool_choice": "REQUIRED"}
    with pytest.raises(ConfigurationError, match="ebb"):
        body(COHERE, MODEL, tools=[TIDE], tool_choice="ebb")


def test_strict_tools() -> None:
    """One strict tool makes all of them strict."""
    strict = msgspec.structs.replace(TIDE, strict=True)
    assert part(COHERE, MODEL, tools=[strict]) == {"tools": [TIDE_WRITTEN], "strict_tools": True}


def test_tool_turns() -> None:
    """A plan goes back as the plan, thinking as a part, and a result holds text or documents."""
    mine = COHERE.mark(MODEL)
    turn = Message(
        "assistant",
        parts=[
            ReasoningBlock("I will ", id="tool_plan", origin=mine),
            ReasoningBlock("look.", id="tool_plan", origin=mine),
            ReasoningBlock("hm", origin=mine),
            ReasoningBlock("x", origin="a/b/c"),
            ToolCall("tide_1", "tide", "null"),
        ],
    )
    result = Message.tool([TextBlock("six"), DocumentBlock(TEXT, "text")], "tide_1")
    sent = body(COHERE, MODEL, Message.user("Hi"), turn, result)
    assert sent["messages"][1:] == [
        {
            "role": "assistant",
            "content": [{"type": "thinking", "thinking": "hm"}],
            "tool_plan": "I will look.",
            "tool_calls": [{"id": "tide_1", "type": "function", "function": {"name": "tide", "arguments": "{}"}}],
        },
        {
            "role": "tool",
            "tool_call_id": "tide_1",
            "content": [
                {"type": "text", "text": "six"},
                {"type": "document", "document": {"data": {"text": "High at six"}}},
            ],
        },
    ]


@pytest.mark.parametrize(
    ("reasoning", "thinking"),
    [
        ("off", {"type": "disabled"}),
        (0, {"type": "disabled"}),
        ("low", {"type": "enabled", "token_budget": 2048}),
        ("max", {"type": "enabled"}),
        (500, {"type": "enabled", "token_budget": 500}),
    ],
)
def test_reasoning(reasoning: str | int, thinking: dict[str, Any]) -> None:
    """An effort is a budget in tokens, and without limit from `high` on."""
    assert part(COHERE, MODEL, reasoning=reasoning) == {"thinking": thinking}


def test_no_reasoning_model() -> None:
    """A model that does not reason says which one does."""
    with pytest.raises(UnsupportedParameterError, match="command-a-reasoning"):
        body(COHERE, "command-r7b-12-2024", reasoning="low")


def test_schema() -> None:
    """A schema stands under the type `json_object`; beside tools Cohere takes none."""
    assert part(COHERE, MODEL, schema=SCHEMA) == {
        "response_format": {"type": "json_object", "json_schema": SCHEMA.schema}
    }
    assert part(COHERE, MODEL, json_mode=True) == {"response_format": {"type": "json_object"}}
    with pytest.raises(UnsupportedParameterError, match="beside tools"):
        body(COHERE, MODEL, schema=SCHEMA, tools=[TIDE])
