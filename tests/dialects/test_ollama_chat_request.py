"""Requests in Ollama's chat format: literal bodies, feature by feature."""

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

from .asking import PARAMETERS, PDF, PNG, SCHEMA, TIDE, body, engine, part

OLLAMA = engine("ollama")
USER = {"role": "user", "content": "Hi"}
KEPT = {key: value for key, value in PARAMETERS.items() if key != "additionalProperties"}


def test_text_with_every_parameter() -> None:
    """All settings of sampling are options; content is a string, even of several blocks."""
    written = body(
        OLLAMA,
        "qwen3",
        Message.system([TextBlock("Be "), TextBlock("brief.", cache=True)]),
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
        top_logprobs=3,
        extra_body={"options": {"num_ctx": 8192}, "keep_alive": "5m"},
    )
    assert written == {
        "model": "qwen3",
        "messages": [{"role": "system", "content": "Be brief."}, USER],
        "stream": True,
        "options": {
            "num_predict": 9,
            "temperature": 0.5,
            "top_p": 0.9,
            "top_k": 40,
            "stop": ["END"],
            "seed": 7,
            "presence_penalty": 0.1,
            "frequency_penalty": 0.2,
            "num_ctx": 8192,
        },
        "logprobs": True,
        "top_logprobs": 3,
        "keep_alive": "5m",
    }


def test_not_streaming_is_said() -> None:
    """A whole answer has to be asked for: without `stream` the server streams."""
    assert body(OLLAMA, "qwen3") == {"model": "qwen3", "messages": [USER], "stream": False}


def test_images_stand_beside() -> None:
    """Images are bare base64 beside the text."""
    sent = body(OLLAMA, "gemma4", Message.user([ImageBlock(PNG), TextBlock("See"), ImageBlock(PNG)]))
    assert sent["messages"] == [{"role": "user", "content": "See", "images": ["iVBORw0KGgo=", "iVBORw0KGgo="]}]


@pytest.mark.parametrize(
    ("block", "what"),
    [
        (ImageBlock("https://a.example/b.png"), "data URL"),
        (DocumentBlock(PDF), "text"),
        (AudioBlock("UklGRg=="), "transcript"),
    ],
)
def test_refused_media(block: Any, what: str) -> None:
    """What Ollama cannot take is refused with what would work."""
    with pytest.raises(UnsupportedParameterError, match=what):
        body(OLLAMA, "gemma4", Message.user([block]))


def test_tool_turns() -> None:
    """Arguments go as an object, a result names its tool."""
    sent = body(
        OLLAMA,
        "qwen3",
        Message.user("Hi"),
        Message.assistant("", tool_calls=[ToolCall("c1", "tide", '{"port":"Oban"}'), ToolCall("c2", "tide", "null")]),
        Message.tool([TextBlock("hi"), TextBlock("gh")], "c1"),
        Message.tool("low", "c2"),
        tools=[TIDE],
    )
    assert sent["messages"][1:] == [
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "tide", "arguments": {"port": "Oban"}}},
                {"id": "c2", "type": "function", "function": {"name": "tide", "arguments": {}}},
            ],
        },
        {"role": "tool", "tool_name": "tide", "tool_call_id": "c1", "content": "high"},
        {"role": "tool", "tool_name": "tide", "tool_call_id": "c2", "content": "low"},
    ]
    function = {"name": "tide", "description": "Times of the tide.", "parameters": KEPT}
    assert sent["tools"] == [{"type": "function", "function": function}]


def test_a_result_is_text_only() -> None:
    """An image in a tool's result is sent in a user message after it."""
    result = Message.tool([ImageBlock(PNG)], "c1", name="look")
    called = Message.assistant(tool_calls=[ToolCall("c1", "look", "{}")])
    assert body(OLLAMA, "qwen3", called, result)["messages"][1:] == [
        {"role": "tool", "tool_name": "look", "tool_call_id": "c1", "content": "It is in the next message."},
        {"role": "user", "content": "What look gave back:", "images": ["iVBORw0KGgo="]},
    ]


def test_tool_choice() -> None:
    """There is no such field: `auto` needs none, `none` takes the tools away, a forced tool is refused."""
    assert "tools" in part(OLLAMA, "qwen3", tools=[TIDE], tool_choice="auto")
    assert part(OLLAMA, "qwen3", tools=[TIDE], tool_choice="none") == {}
    with pytest.raises(UnsupportedParameterError, match="only the tool"):
        body(OLLAMA, "qwen3", tools=[TIDE], tool_choice="required")


@pytest.mark.parametrize(
    ("model", "reasoning", "think"),
    [
        ("qwen3", "off", False),
        ("qwen3", 0, False),
        ("qwen3", "high", True),
        ("gpt-oss:20b", "minimal", "low"),
        ("hf.co/x/gpt-oss:20b", "max", "high"),
        ("gpt-oss:20b", 4000, "medium"),
    ],
)
def test_reasoning(model: str, reasoning: str | int, think: bool | str) -> None:
    """Thinking is on or off; gpt-oss takes a level."""
    assert part(OLLAMA, model, reasoning=reasoning) == {"think": think}


def test_gpt_oss_always_reasons() -> None:
    """gpt-oss cannot be asked not to reason."""
    with pytest.raises(UnsupportedParameterError, match="always reasons"):
        body(OLLAMA, "gpt-oss:20b", reasoning="off")


def test_schema() -> None:
    """A schema is the format itself; JSON without one is a word."""
    assert part(OLLAMA, "qwen3", schema=SCHEMA) == {"format": SCHEMA.schema}
    assert part(OLLAMA, "qwen3", json_mode=True) == {"format": "json"}


def test_thinking_goes_back_to_ollama() -> None:
    """Thinking goes back as one string where Ollama made it."""
    mine = [ReasoningBlock("h", origin=OLLAMA.mark("qwen3")), ReasoningBlock("m", origin=OLLAMA.origin)]
    turn = Message("assistant", parts=[*mine, ReasoningBlock("x", origin="a/b/c"), TextBlock("So.")])
    sent = body(OLLAMA, "qwen3", turn, Message.user("Hi"))
    assert sent["messages"][0] == {"role": "assistant", "content": "So.", "thinking": "hm"}


def test_the_other_door() -> None:
    """OpenAI's format at Ollama: its own names for limit and effort, reasoning under `reasoning`, no forced tool."""
    door = engine("ollama", "openai_chat")
    turn = Message("assistant", parts=[ReasoningBlock("hm", origin=door.mark("m")), TextBlock("So.")])
    sent = part(door, "m", turn, max_tokens=9, reasoning="xhigh", tool_choice="auto")
    assert sent == {
        "messages": [{"role": "assistant", "content": "So.", "reasoning": "hm"}],
        "max_tokens": 9,
        "reasoning_effort": "max",
        "tool_choice": "auto",
    }
    with pytest.raises(UnsupportedParameterError, match="tool_choice"):
        body(door, "m", tools=[TIDE], tool_choice="tide")
