"""Requests in Mistral's chat format: literal bodies, feature by feature."""

from __future__ import annotations

from typing import Any

import pytest

from miiflow_llm.core.exceptions import UnsupportedParameterError
from miiflow_llm.core.messages import (
    AudioBlock,
    DocumentBlock,
    ImageBlock,
    Message,
    ReasoningBlock,
    TextBlock,
    ToolCall,
)
from miiflow_llm.tables.ids import nine

from .asking import BARE, PARAMETERS, PDF, PNG, SCHEMA, TIDE, body, engine, part

MISTRAL = engine("mistral")
SMALL = "mistral-small-latest"
USER = {"role": "user", "content": "Hi"}


def test_text_with_every_parameter() -> None:
    """A text conversation with all parameters is written under Mistral's names, and usage is not asked for."""
    written = body(
        MISTRAL,
        SMALL,
        Message.system("Be brief."),
        Message.user("Hi"),
        stream=True,
        max_tokens=9,
        temperature=0.5,
        top_p=0.9,
        stop=["END"],
        seed=7,
        presence_penalty=0.1,
        frequency_penalty=0.2,
        parallel_tool_calls=False,
        tools=[TIDE],
        service_tier="standard",
        metadata={"a": "b"},
        extra_body={"safe_prompt": True},
    )
    function = {"name": "tide", "description": "Times of the tide.", "parameters": PARAMETERS}
    assert written == {
        "model": SMALL,
        "messages": [{"role": "system", "content": "Be brief."}, USER],
        "max_tokens": 9,
        "temperature": 0.5,
        "top_p": 0.9,
        "stop": ["END"],
        "random_seed": 7,
        "presence_penalty": 0.1,
        "frequency_penalty": 0.2,
        "tools": [{"type": "function", "function": function}],
        "parallel_tool_calls": False,
        "service_tier": "standard",
        "metadata": {"a": "b"},
        "stream": True,
        "safe_prompt": True,
    }


@pytest.mark.parametrize(
    ("block", "written"),
    [
        (ImageBlock(PNG), {"type": "image_url", "image_url": PNG}),
        (
            ImageBlock("https://a.example/b.png", "low"),
            {"type": "image_url", "image_url": {"url": "https://a.example/b.png", "detail": "low"}},
        ),
        (
            DocumentBlock(PDF, filename="a.pdf"),
            {"type": "document_url", "document_url": PDF, "document_name": "a.pdf"},
        ),
        (AudioBlock("UklGRg=="), {"type": "input_audio", "input_audio": "UklGRg=="}),
    ],
)
def test_media(block: Any, written: dict[str, Any]) -> None:
    """Images, documents and sounds are parts of Mistral's own forms."""
    sent = body(MISTRAL, SMALL, Message.user([TextBlock("See"), block]))
    assert sent["messages"] == [{"role": "user", "content": [{"type": "text", "text": "See"}, written]}]


@pytest.mark.parametrize(
    ("choice", "written"),
    [
        ("auto", "auto"),
        ("none", "none"),
        ("required", "any"),
        ("now", {"type": "function", "function": {"name": "now"}}),
    ],
)
def test_tool_choice(choice: str, written: Any) -> None:
    """`required` is Mistral's `any`; a tool without parameters declares an empty object."""
    function = {"name": "now", "parameters": {"type": "object", "properties": {}}, "description": ""}
    sent = part(MISTRAL, SMALL, tools=[BARE], tool_choice=choice)
    assert sent == {"tools": [{"type": "function", "function": function}], "tool_choice": written}


def test_tool_turns() -> None:
    """A foreign call's id becomes nine letters and digits, the same in call and result; the result names its tool."""
    call = ToolCall("call_abc123", "tide", "")
    sent = body(
        MISTRAL,
        SMALL,
        Message.user("Hi"),
        Message.assistant("", tool_calls=[call, ToolCall("aB3dE6gH9", "tide", '{"port":"Oban"}')]),
        Message.tool("high", "call_abc123"),
        Message.tool("low", "aB3dE6gH9"),
    )
    first = nine("call_abc123")
    assert len(first) == 9
    assert first.isalnum()
    assert sent["messages"][1:] == [
        {
            "role": "assistant",
            "tool_calls": [
                {"id": first, "type": "function", "function": {"name": "tide", "arguments": "{}"}},
                {"id": "aB3dE6gH9", "type": "function", "function": {"name": "tide", "arguments": '{"port":"Oban"}'}},
            ],
        },
        {"role": "tool", "tool_call_id": first, "name": "tide", "content": "high"},
        {"role": "tool", "tool_call_id": "aB3dE6gH9", "name": "tide", "content": "low"},
    ]


def test_an_answer_begun() -> None:
    """An assistant's turn at the end is marked as the beginning of the answer; one before the end is not."""
    sent = body(MISTRAL, SMALL, Message.assistant("No."), Message.user("Hi"), Message.assistant("The"))
    assert sent["messages"] == [
        {"role": "assistant", "content": "No."},
        USER,
        {"role": "assistant", "content": "The", "prefix": True},
    ]


@pytest.mark.parametrize(
    ("model", "reasoning", "written"),
    [
        (SMALL, "off", {"reasoning_effort": "none"}),
        (SMALL, "low", {"reasoning_effort": "high"}),
        ("mistral-large-4", "max", {"reasoning_effort": "high"}),
        ("mistral-large-4", 1000, {"reasoning_effort": "low"}),
        ("zai-glm-5-3", "medium", {"reasoning_effort": "high"}),
        ("magistral-medium-latest", "low", {"prompt_mode": "reasoning"}),
        ("magistral-medium-latest", "off", {}),
    ],
)
def test_reasoning(model: str, reasoning: str | int, written: dict[str, Any]) -> None:
    """The effort snaps to what the model takes."""
    assert part(MISTRAL, model, reasoning=reasoning) == written


@pytest.mark.parametrize(("model", "reasoning"), [("mistral-large-4", "off"), ("codestral-latest", "low")])
def test_impossible_reasoning(model: str, reasoning: str) -> None:
    """A model that cannot reason, or cannot but reason, says so before anything is sent."""
    with pytest.raises(UnsupportedParameterError, match="reason"):
        body(MISTRAL, model, reasoning=reasoning)


def test_schema() -> None:
    """A schema is a strict response format; JSON without one is an object."""
    schema = {"name": "Tide", "schema": SCHEMA.schema, "strict": True}
    assert part(MISTRAL, SMALL, schema=SCHEMA) == {"response_format": {"type": "json_schema", "json_schema": schema}}
    assert part(MISTRAL, SMALL, json_mode=True) == {"response_format": {"type": "json_object"}}


def test_reasoning_goes_back_to_its_own_model() -> None:
    """Thinking goes back, signed and closed, to the model that made it; another's is left out."""
    mine = ReasoningBlock("hm", signature="s", origin=MISTRAL.mark(SMALL))
    other = ReasoningBlock("ah", origin="openai/openai_responses/gpt-6-luna")
    turn = Message("assistant", parts=[mine, other, TextBlock("So.")])
    sent = body(MISTRAL, SMALL, Message.user("Hi"), turn, Message.user("Hi"))
    assert sent["messages"][1] == {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}], "closed": True, "signature": "s"},
            {"type": "text", "text": "So."},
        ],
    }


@pytest.mark.parametrize("parameter", ["logprobs", "user", "top_k"])
def test_what_has_no_place(parameter: str) -> None:
    """A parameter that Mistral does not take is an error that names it."""
    with pytest.raises(UnsupportedParameterError, match=parameter):
        body(MISTRAL, SMALL, **{parameter: 1})
