"""Literal bodies of OpenAI's Responses, feature by feature, and of the other providers that speak it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

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
from miiflow_llm.wire.engine import Engine

from . import asking
from .asking import BARE, PARAMETERS, PDF, PNG, SCHEMA, TIDE, body, engine

OPENAI = engine("openai", "openai_responses")
OLD, NEW = "gpt-4.1", "gpt-6-luna"
ENCRYPTED = {"include": ["reasoning.encrypted_content"]}
OWN = f"openai/openai_responses/{NEW}"


def part(of: Engine, model: str, **parameters: Any) -> dict[str, Any]:
    """The body without what every request has."""
    return {key: value for key, value in asking.part(of, model, **parameters).items() if key != "input"}


def items(of: Engine, model: str, *messages: Message) -> Any:
    """The conversation as it is sent."""
    return body(of, model, *messages)["input"]


def test_conversation() -> None:
    """System, user and assistant turns become items in order; plain text stays a bare string."""
    assert body(
        OPENAI,
        OLD,
        Message.system("Be brief."),
        Message.user("Hi"),
        Message.assistant("Hello."),
        Message.user([TextBlock("What is this?"), TextBlock("And that?")]),
        stream=True,
    ) == {
        "model": OLD,
        "input": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello."},
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "What is this?"},
                    {"type": "input_text", "text": "And that?"},
                ],
            },
        ],
        "stream": True,
    }


def test_parameters() -> None:
    """Every parameter that the format has a place for is written there."""
    assert part(
        OPENAI,
        OLD,
        max_tokens=99,
        temperature=0.5,
        top_p=0.9,
        logprobs=True,
        top_logprobs=2,
        user="u1",
        service_tier="flex",
        metadata={"a": "b"},
        parallel_tool_calls=False,
        extra_body={"store": False, "text": {"verbosity": "low"}},
    ) == {
        "max_output_tokens": 99,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_logprobs": 2,
        "include": ["message.output_text.logprobs"],
        "safety_identifier": "u1",
        "service_tier": "flex",
        "metadata": {"a": "b"},
        "parallel_tool_calls": False,
        "store": False,
        "text": {"verbosity": "low"},
    }


@pytest.mark.parametrize("name", ["stop", "seed", "top_k", "presence_penalty", "frequency_penalty"])
def test_no_place(name: str) -> None:
    """What the format has no place for is an error that names it."""
    with pytest.raises(UnsupportedParameterError, match=name):
        body(OPENAI, OLD, **{name: ["x"] if name == "stop" else 1})


@pytest.mark.parametrize(
    ("model", "reasoning", "effort"),
    [
        ("o3", "minimal", "low"),
        ("gpt-5", "off", None),
        ("gpt-5-mini-2025-08-07", "minimal", "minimal"),
        ("gpt-5-pro", "low", "high"),
        ("gpt-5.1", "off", "none"),
        ("gpt-5.1", "xhigh", "high"),
        ("gpt-5.1-codex", "max", "high"),
        ("gpt-5.1-codex-max", "max", "xhigh"),
        ("gpt-5.3-codex", "off", None),
        ("gpt-5.2", "minimal", "low"),
        ("gpt-5.2-pro", "low", "medium"),
        ("gpt-5.6-terra", "max", "max"),
        ("gpt-6-luna", 20_000, "high"),
        ("gpt-6-luna", 0, "none"),
        ("gpt-6-astra", "max", "max"),
        ("gpt-6-astra", "off", None),
        ("gpt-6-astra-pro", "off", None),
        ("gpt-6.1-sol", "off", None),
        ("gpt-6.1-terra", "off", "none"),
        ("gpt-4o", "off", "absent"),
    ],
)
def test_reasoning(model: str, reasoning: str | int, effort: str | None) -> None:
    """An effort is snapped to what the family takes, and shown; to switch off what cannot be is an error."""
    if effort is None:
        with pytest.raises(UnsupportedParameterError, match="always reasons"):
            body(OPENAI, model, reasoning=reasoning)
        return
    written = part(OPENAI, model, reasoning=reasoning).get("reasoning")
    shown = {} if effort == "none" else {"summary": "auto"}
    assert written == (None if effort == "absent" else {"effort": effort, **shown})


def test_nonsense_reasoning() -> None:
    """A word that is no effort is an error that lists those there are."""
    with pytest.raises(ConfigurationError, match="xhigh"):
        body(OPENAI, NEW, reasoning="lots")


def test_include() -> None:
    """Reasoning models are asked for their encrypted reasoning, which the next turn sends back; others refuse that."""
    assert part(OPENAI, "o4-mini") == ENCRYPTED
    assert part(OPENAI, "gpt-4o") == {}
    assert part(OPENAI, "gpt-5-chat-latest") == {}
    assert part(OPENAI, "computer-use-preview") == {**ENCRYPTED, "truncation": "auto"}


def test_media() -> None:
    """Images are a string, documents a link or named data, audio raw base64; a nameless file is named by its type."""
    message = Message.user(
        [
            TextBlock("See"),
            ImageBlock(PNG, "high"),
            ImageBlock("https://a.example/x.png"),
            DocumentBlock("https://a.example/x.pdf"),
            DocumentBlock(PDF, filename="tides.pdf"),
            DocumentBlock.from_text("low"),
            AudioBlock("UklG", "wav"),
        ]
    )
    assert items(OPENAI, OLD, message)[0]["content"] == [
        {"type": "input_text", "text": "See"},
        {"type": "input_image", "image_url": PNG, "detail": "high"},
        {"type": "input_image", "image_url": "https://a.example/x.png"},
        {"type": "input_file", "file_url": "https://a.example/x.pdf"},
        {"type": "input_file", "filename": "tides.pdf", "file_data": PDF},
        {"type": "input_file", "filename": "document.txt", "file_data": "data:text/plain;base64,bG93"},
        {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}},
    ]


@pytest.mark.parametrize(
    ("message", "what"),
    [
        (Message.user([ImageBlock("/tmp/x.png")]), "https URL or a data URL"),
        (Message.assistant([ImageBlock(PNG)]), "ImageBlock in a assistant message"),
        (Message.system([DocumentBlock(PDF)]), "DocumentBlock in a system message"),
    ],
)
def test_media_refused(message: Message, what: str) -> None:
    """Media that cannot be sent is refused before anything is, with what would work."""
    with pytest.raises(ConfigurationError, match=what):
        items(OPENAI, OLD, message)


@pytest.mark.parametrize(
    ("model", "mark"), [(OLD, {}), ("gpt-5.6-sol", {"mode": "explicit"}), (NEW, {"mode": "explicit"})]
)
def test_cache(model: str, mark: dict[str, str]) -> None:
    """`cache` marks a part for the models that have such marks, and is nothing to the others."""
    marked = {"prompt_cache_breakpoint": mark} if mark else {}
    message = Message.user([DocumentBlock("https://a.example/x.pdf", cache=True), TextBlock("Hi", cache=True)])
    assert items(OPENAI, model, message)[0]["content"] == [
        {"type": "input_file", "file_url": "https://a.example/x.pdf", **marked},
        {"type": "input_text", "text": "Hi", **marked},
    ]


def test_tools() -> None:
    """Tools are flat, with parameters and `strict` always said: left out it would mean strict here."""
    strict = msgspec.structs.replace(TIDE, strict=True)
    assert part(OPENAI, OLD, tools=[strict, BARE])["tools"] == [
        {
            "type": "function",
            "name": "tide",
            "description": "Times of the tide.",
            "parameters": PARAMETERS,
            "strict": True,
        },
        {
            "type": "function",
            "name": "now",
            "description": "",
            "parameters": {"type": "object", "properties": {}},
            "strict": False,
        },
    ]
    assert "tools" not in part(OPENAI, OLD, tools=[])


@pytest.mark.parametrize(
    ("choice", "written"),
    [
        ("auto", "auto"),
        ("none", "none"),
        ("required", "required"),
        ("tide", {"type": "function", "name": "tide"}),
    ],
)
def test_tool_choice(choice: str, written: object) -> None:
    """A choice is a word, or the tool by name."""
    assert part(OPENAI, OLD, tools=[TIDE], tool_choice=choice)["tool_choice"] == written


def test_tool_turns() -> None:
    """Calls and results are items of their own, paired by call id; a result may hold images."""
    calls = [ToolCall("call_1", "tide", '{"port":"Oban"}', item_id="fc_1", origin=OWN), ToolCall("call_2", "now")]
    assert items(
        OPENAI,
        NEW,
        Message.user("When?"),
        Message.assistant("I look.", tool_calls=calls),
        Message.tool("06:10", "call_1"),
        Message.tool([TextBlock("See"), ImageBlock(PNG)], "call_2", is_error=True),
    )[1:] == [
        {"role": "assistant", "content": "I look."},
        {
            "type": "function_call",
            "id": "fc_1",
            "call_id": "call_1",
            "name": "tide",
            "arguments": '{"port":"Oban"}',
        },
        {"type": "function_call", "call_id": "call_2", "name": "now", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_1", "output": "06:10"},
        {
            "type": "function_call_output",
            "call_id": "call_2",
            "output": [{"type": "input_text", "text": "See"}, {"type": "input_image", "image_url": PNG}],
        },
    ]


def test_custom_tool_turns() -> None:
    """A custom tool's call has its text as input, and its result the matching type."""
    call = ToolCall("call_1", "draw", "M 0 0", custom=True)
    assert items(OPENAI, OLD, Message.assistant(tool_calls=[call]), Message.tool("done", "call_1")) == [
        {"type": "custom_tool_call", "call_id": "call_1", "name": "draw", "input": "M 0 0"},
        {"type": "custom_tool_call_output", "call_id": "call_1", "output": "done"},
    ]


ANSWER: list[Block] = [
    ReasoningBlock("Thinking", data="gAAA", id="rs_1", origin=OWN),
    ReasoningBlock(id="rs_2", origin=OWN),
    OpaqueBlock(msgspec.Raw(b'{"type":"web_search_call","id":"ws_1"}'), origin=OWN),
    TextBlock("Soon.", item_id="msg_1", phase="final_answer", origin=OWN),
]


def test_replay() -> None:
    """An answer goes back to its maker item by item, with ids, phase and encrypted reasoning."""
    assert items(OPENAI, NEW, Message("assistant", "Soon.", parts=ANSWER)) == [
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "Thinking"}],
            "encrypted_content": "gAAA",
        },
        {"type": "reasoning", "id": "rs_2", "summary": []},
        {"type": "web_search_call", "id": "ws_1"},
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "Soon.", "annotations": []}],
            "phase": "final_answer",
        },
    ]


def test_replay_to_another_model() -> None:
    """Another model of the house gets what is not bound to the model that made it."""
    assert items(OPENAI, OLD, Message("assistant", "Soon.", parts=ANSWER)) == [
        {"type": "web_search_call", "id": "ws_1"},
        {"role": "assistant", "content": "Soon."},
    ]


def test_replay_elsewhere() -> None:
    """Another provider gets the text alone."""
    xai = engine("xai", "openai_responses")
    assert items(xai, "grok-4.6", Message("assistant", "Soon.", parts=ANSWER)) == [
        {"role": "assistant", "content": "Soon."}
    ]


def test_structured() -> None:
    """A schema is flat under `text.format`; JSON alone is `json_object`."""
    assert part(OPENAI, OLD, schema=SCHEMA) == {
        "text": {"format": {"type": "json_schema", "name": "Tide", "schema": SCHEMA.schema, "strict": True}}
    }
    assert part(OPENAI, OLD, json_mode=True) == {"text": {"format": {"type": "json_object"}}}


@pytest.mark.parametrize(
    ("provider", "model", "parameters", "written"),
    [
        ("xai", "grok-4.6", {"reasoning": "max"}, {"reasoning": {"effort": "xhigh"}, **ENCRYPTED}),
        ("xai", "grok-3-mini", {"top_k": 4, "seed": 5}, {"top_k": 4, "seed": 5}),
        ("xai", "grok-4.20-non-reasoning", {"user": "u1"}, {"safety_identifier": "u1"}),
        (
            "openrouter",
            "openai/gpt-6-luna",
            {"reasoning": 500, "stop": ["END"], "frequency_penalty": 0.1},
            {"reasoning": {"max_tokens": 500}, "stop": ["END"], "frequency_penalty": 0.1, **ENCRYPTED},
        ),
        ("openrouter", "qwen/qwen3.7-max", {"reasoning": "off"}, {"reasoning": {"enabled": False}}),
        ("deepseek", "deepseek-flash", {"reasoning": "medium"}, {"reasoning": {"effort": "high"}}),
    ],
)
def test_other_providers(provider: str, model: str, parameters: dict[str, Any], written: dict[str, Any]) -> None:
    """Who else speaks the format has rows of its own."""
    assert part(engine(provider, "openai_responses"), model, **parameters) == written


@pytest.mark.parametrize(
    ("provider", "model", "parameters", "what"),
    [
        ("xai", "grok-4.6", {"metadata": {"a": "b"}}, "metadata"),
        ("xai", "grok-4.6", {"tool_choice": "required", "schema": SCHEMA}, "two calls"),
        ("xai", "grok-4.6", {"stop": ["END"]}, "stop"),
        ("deepseek", "deepseek-flash", {"reasoning": "off"}, "always reasons"),
        ("deepseek", "deepseek-flash", {"service_tier": "flex"}, "service_tier"),
    ],
)
def test_other_providers_refuse(provider: str, model: str, parameters: dict[str, Any], what: str) -> None:
    """What they do not take is an error that names it."""
    with pytest.raises(UnsupportedParameterError, match=what):
        body(engine(provider, "openai_responses"), model, **parameters)


def test_xai_documents() -> None:
    """xAI takes a document by its address only."""
    xai = engine("xai", "openai_responses")
    message = Message.user([DocumentBlock("https://a.example/x.pdf")])
    assert items(xai, "grok-4.6", message)[0]["content"] == [
        {"type": "input_file", "file_url": "https://a.example/x.pdf"}
    ]
    with pytest.raises(UnsupportedParameterError, match="https URL"):
        items(xai, "grok-4.6", Message.user([DocumentBlock(PDF)]))


def test_deepseek_turn() -> None:
    """DeepSeek gets its thinking back as content, the text without ids, and the calls of a turn last."""
    own = "deepseek/openai_responses/deepseek-flash"
    parts: list[Block] = [
        ReasoningBlock("Hm", id="rs_1", origin=own),
        ToolCall("c1", "tide"),
        TextBlock("One moment.", item_id="msg_1", phase="commentary", origin=own),
    ]
    of = engine("deepseek", "openai_responses")
    turn = [Message("assistant", "One moment.", parts=parts), Message.tool("06:10", "c1")]
    assert items(of, "deepseek-v4-pro", *turn) == [
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [],
            "content": [{"type": "reasoning_text", "text": "Hm"}],
        },
        {"role": "assistant", "content": "One moment."},
        {"type": "function_call", "call_id": "c1", "name": "tide", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "06:10"},
    ]
