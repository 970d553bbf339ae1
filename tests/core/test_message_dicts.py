"""Messages as dicts: ours, OpenAI's of both APIs, Anthropic's; nothing in them is dropped without a word."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from miiflow_llm import LLMClient, Message
from miiflow_llm.core import (
    AudioBlock,
    DocumentBlock,
    ImageBlock,
    OpaqueBlock,
    ReasoningBlock,
    TextBlock,
    ToolCall,
    ToolResult,
)
from miiflow_llm.core.exceptions import ConfigurationError
from miiflow_llm.core.messages import as_messages

PNG = "data:image/png;base64,iVBORw0KGgo="
PDF = "data:application/pdf;base64,JVBERi0="
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}


def blocks(*parts: Any, role: str = "user") -> list[Any]:
    """The parts of a message's content as blocks."""
    content = as_messages([{"role": role, "content": list(parts)}])[0].content
    assert isinstance(content, list)
    return content


PARTS: list[tuple[Any, Any]] = [
    ("bare", TextBlock("bare")),
    ({"type": "text", "text": "t"}, TextBlock("t")),
    ({"type": "text", "text": "t", "cache_control": {"type": "ephemeral"}}, TextBlock("t", cache=True)),
    ({"type": "text", "text": "t", "cache_control": {"type": "ephemeral", "ttl": "1h"}}, TextBlock("t", cache="1h")),
    ({"type": "text", "text": "t", "citations": None}, TextBlock("t")),
    ({"type": "input_text", "text": "t"}, TextBlock("t")),
    ({"type": "output_text", "text": "t", "annotations": [], "logprobs": []}, TextBlock("t")),
    ({"type": "refusal", "refusal": "No."}, TextBlock("No.")),
    ({"type": "image_url", "image_url": {"url": PNG, "detail": "low"}}, ImageBlock(PNG, "low")),
    ({"type": "image_url", "image_url": PNG, "detail": "low"}, ImageBlock(PNG, "low")),
    ({"type": "input_image", "image_url": PNG, "detail": "auto"}, ImageBlock(PNG, "auto")),
    ({"type": "input_image", "file_id": "file-1"}, ImageBlock("", file_id="file-1")),
    ({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBO"}}, None),
    ({"type": "image", "source": {"type": "url", "url": "https://x/y.png"}}, ImageBlock("https://x/y.png")),
    ({"type": "image", "source": {"type": "file", "file_id": "f"}}, ImageBlock("", file_id="f")),
    ({"type": "input_audio", "input_audio": {"data": "AA==", "format": "mp3"}}, AudioBlock("AA==", "mp3")),
    ({"type": "audio", "data": "AA==", "format": "mp3"}, AudioBlock("AA==", "mp3")),
    ({"type": "file", "file": {"file_id": "file-1"}}, DocumentBlock(file_id="file-1")),
    ({"type": "file", "file": {"file_data": PDF, "filename": "x.pdf"}}, DocumentBlock(PDF, filename="x.pdf")),
    ({"type": "input_file", "file_url": "https://x/y.pdf"}, DocumentBlock("https://x/y.pdf")),
    ({"type": "input_file", "file_id": "file-1"}, DocumentBlock(file_id="file-1")),
    ({"type": "input_file", "file_data": PDF, "filename": "x.pdf"}, DocumentBlock(PDF, filename="x.pdf")),
    ({"type": "document", "document_url": PDF}, DocumentBlock(PDF)),
    (
        {
            "type": "document",
            "source": {"type": "text", "media_type": "text/plain", "data": "High"},
            "title": "T",
            "citations": {"enabled": True},
        },
        DocumentBlock("data:text/plain;base64,SGlnaA==", "text", "T", citations=True),
    ),
    ({"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1}}, ToolCall("c", "f", '{"a":1}')),
    ({"type": "tool_result", "tool_use_id": "c", "content": "six"}, ToolResult("c", [TextBlock("six")])),
    (
        {"type": "tool_result", "tool_use_id": "c", "content": [{"type": "text", "text": "no"}], "is_error": True},
        ToolResult("c", [TextBlock("no")], is_error=True),
    ),
    ({"type": "tool_result", "id": "c", "content": ["six"], "name": "f"}, ToolResult("c", [TextBlock("six")], "f")),
    ({"type": "opaque", "payload": {"x": [1]}, "origin": "a/b"}, OpaqueBlock(msgspec.Raw(b'{"x":[1]}'), "a/b")),
    ({"type": "reasoning", "text": "r"}, ReasoningBlock("r")),
    (TextBlock("ours"), TextBlock("ours")),
]


@pytest.mark.parametrize(("part", "block"), PARTS, ids=range(len(PARTS)))
def test_parts(part: Any, block: Any) -> None:
    """Parts of every form are taken, in dicts and in messages that are ours; what they are is told by their type."""
    block = block or ImageBlock("data:image/png;base64,iVBO")
    assert blocks(part) == [block]
    assert Message.user([part]).content == [block]
    assert blocks("a", part, "b") == [TextBlock("a"), block, TextBlock("b")]


UNKNOWN: list[tuple[dict[str, Any], str, str]] = [
    ({"role": "user", "contents": "x"}, "messages[1]", "content"),
    ({"role": "user", "content": "x", "tool_calls_id": "x"}, "messages[1]", "tool_call_id"),
    ({"role": "user", "content": [{"type": "text", "txt": "x"}]}, "messages[1].content[0]", "text"),
    ({"role": "user", "content": ["a", {"type": "txt", "text": "x"}]}, "messages[1].content[1]", "text"),
    ({"role": "user", "content": [{"text": "x"}]}, "messages[1].content[0]", "type"),
    ({"role": "user", "content": [{"type": "image_url", "url": PNG}]}, "messages[1].content[0]", "image_url"),
    (
        {"role": "user", "content": [{"type": "image_url", "image_url": {"uri": PNG}}]},
        "messages[1].content[0].image_url",
        "url",
    ),
    (
        {"role": "user", "content": [{"type": "file", "file": {"file_date": "x"}}]},
        "messages[1].content[0].file",
        "file_data",
    ),
    ({"role": "user", "content": [{"type": "file", "file": {}}]}, "messages[1].content[0].file", "file_id"),
    (
        {"role": "user", "content": [{"type": "input_audio", "input_audio": {"date": "x"}}]},
        "messages[1].content[0].input_audio",
        "data",
    ),
    (
        {"role": "user", "content": [{"type": "image", "source": {"type": "base64", "daten": "x"}}]},
        "messages[1].content[0].source",
        "data",
    ),
    (
        {"role": "user", "content": [{"type": "image", "source": {"type": "content"}}]},
        "messages[1].content[0].source",
        "base64",
    ),
    ({"role": "assistant", "tool_calls": [CALL, {**CALL, "nam": "g"}]}, "messages[1].tool_calls[1]", "name"),
    (
        {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f", "args": "{}"}}]},
        "messages[1].tool_calls[0].function",
        "arguments",
    ),
    (
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": [{"type": "tex"}]}]},
        "messages[1].content[0].content[0]",
        "text",
    ),
    ({"type": "function_call", "call_id": "c", "arg": "{}"}, "messages[1]", "arguments"),
    ({"type": "function_cal", "call_id": "c"}, "messages[1]", "call_id"),
    ({"role": "robot", "content": "x"}, "messages[1].role", "assistant"),
    ({"content": "x"}, "messages[1].role", "assistant"),
    ({"role": "user", "content": [{"type": "text", "text": 3}]}, "messages[1].content[0].text", "str"),
    ({"role": "assistant", "content": [{"type": "thinking", "thinking": "x"}]}, "messages[1].content[0]", "to_dict"),
    ({"role": "assistant", "audio": {"id": "x"}}, "messages[1].audio", "transcript"),
    ({"role": "user", "content": "x", "reasoning_content": "y"}, "messages[1]", "assistant"),
    (
        {"role": "user", "content": [{"type": "text", "text": "x", "cache_control": {"tll": "1h"}}]},
        "messages[1].content[0].cache_control",
        "ttl",
    ),
]


@pytest.mark.parametrize(("data", "place", "nearest"), UNKNOWN, ids=range(len(UNKNOWN)))
def test_what_is_not_known(data: dict[str, Any], place: str, nearest: str) -> None:
    """An unknown key, type or value is an error that says where it stands and what is legal there."""
    with pytest.raises(ConfigurationError) as caught:
        LLMClient.create("openai", "gpt-4.1", "k").plan(["first", data])
    assert caught.value.message.startswith(f"{place}: ")
    assert nearest in caught.value.message


def test_a_message_of_ones_own() -> None:
    """`Message.from_dict` says the same of a dict alone."""
    with pytest.raises(ConfigurationError, match=r"^message\.content\[0\]: .*'txt'; did you mean 'text'\?"):
        Message.from_dict({"role": "user", "content": [{"type": "text", "txt": "x"}]})


def test_one_part_alone() -> None:
    """One part needs no list around it."""
    part = {"type": "text", "text": "x"}
    assert as_messages([{"role": "user", "content": part}])[0].content == [TextBlock("x")]
    assert Message.user(part).content == [TextBlock("x")]  # type: ignore[arg-type]


def test_what_an_sdk_dumps() -> None:
    """A message as OpenAI's SDK dumps it, nulls and notes of the server included, is taken."""
    data = {
        "content": "Six.",
        "refusal": None,
        "role": "assistant",
        "annotations": [{"type": "url_citation", "url_citation": {"url": "https://x"}}],
        "audio": None,
        "function_call": None,
        "tool_calls": None,
        "whatever": None,
    }
    assert Message.from_dict(data) == Message.assistant("Six.")


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning"])
def test_reasoning_content(key: str) -> None:
    """Reasoning beside the content stands before it, and before the calls."""
    message = Message.from_dict({"role": "assistant", "content": "Six.", key: "Hm.", "tool_calls": [CALL]})
    assert message.text == "Six."
    assert message.reasoning == "Hm."
    assert message.blocks() == [ReasoningBlock("Hm."), TextBlock("Six."), ToolCall("c", "f", '{"a":1}')]
    alone = Message.from_dict({"role": "assistant", "content": None, key: "Hm."})
    assert alone.blocks() == [ReasoningBlock("Hm.")]


def test_items_of_responses() -> None:
    """The items of OpenAI's Responses API stand for messages."""
    messages = as_messages(
        [
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "When?"}]},
            {
                "type": "function_call",
                "id": "fc",
                "call_id": "c",
                "name": "f",
                "arguments": "{}",
                "status": "completed",
            },
            {"type": "function_call_output", "call_id": "c", "output": "six"},
            {"type": "custom_tool_call", "call_id": "d", "name": "g", "input": "x"},
            {"type": "custom_tool_call_output", "call_id": "d", "output": [{"type": "input_text", "text": "y"}]},
            {
                "type": "message",
                "id": "m",
                "status": "completed",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "Six.", "annotations": []}],
            },
        ]
    )
    assert [message.role for message in messages] == ["user", "assistant", "tool", "assistant", "tool", "assistant"]
    assert messages[1].tool_calls == [ToolCall("c", "f", "{}")]
    assert messages[3].tool_calls == [ToolCall("d", "g", "x", custom=True)]
    assert [messages[at].tool_call_id for at in (2, 4)] == ["c", "d"]
    assert [messages[at].text for at in (0, 2, 4, 5)] == ["When?", "six", "y", "Six."]


def test_functions_of_before() -> None:
    """`function_call` and the role `function`, of before there were tools, are a call and its result."""
    messages = as_messages(
        [
            {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": '{"a":1}'}},
            {"role": "function", "name": "f", "content": "six"},
        ]
    )
    (call,) = messages[0].tool_calls
    assert (call.name, call.parsed()) == ("f", {"a": 1})
    assert (messages[1].role, messages[1].tool_call_id) == ("tool", call.id)


def test_calls_in_a_message_of_ours() -> None:
    """OpenAI's dicts are calls in a message that is ours too; arguments may be objects."""
    message = Message.assistant("", tool_calls=[{**CALL, "function": {"name": "f", "arguments": {"a": 1}}}])  # type: ignore[list-item]
    assert message.tool_calls == [ToolCall("c", "f", '{"a":1}')]
    assert Message("user", TextBlock("x")).content == [TextBlock("x")]  # type: ignore[arg-type]
    assert Message("user", ("x", ImageBlock(PNG))).content == [TextBlock("x"), ImageBlock(PNG)]  # type: ignore[arg-type]


@pytest.mark.parametrize("part", [3, b"\x89PNG", object(), ["x"], None], ids=lambda one: type(one).__name__)
def test_what_is_no_part(part: Any) -> None:
    """What is no block, dict or text says what to write."""
    for make in (lambda: Message.user(["x", part]), lambda: as_messages([{"role": "user", "content": ["x", part]}])):
        with pytest.raises(ConfigurationError, match=r"content\[1\]"):
            make()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ImageBlock.from_bytes("x.png"), r"ImageBlock\.from_path"),
        (lambda: DocumentBlock.from_bytes("x.pdf"), r"DocumentBlock\.from_path"),
        (lambda: AudioBlock.from_bytes("x.wav"), r"AudioBlock\.from_path"),
        (lambda: ImageBlock.from_bytes(None), "takes bytes, not a NoneType"),
        (lambda: ImageBlock.from_path(b"\x89PNG"), r"from_bytes"),
        (lambda: ImageBlock.from_path("a\x00b"), "cannot read"),
        (lambda: ImageBlock.from_url("x.png"), r"ImageBlock\.from_path"),
        (lambda: DocumentBlock.from_url(b"%PDF-"), r"DocumentBlock\.from_bytes"),
        (lambda: DocumentBlock.from_text(b"x"), "from_bytes"),
    ],
)
def test_what_to_write(make: Any, words: str) -> None:
    """A constructor that is given what another takes says which."""
    with pytest.raises(ConfigurationError, match=words):
        make()


def test_bytes_of_other_types() -> None:
    """Bytes are bytes in a `bytearray` and a `memoryview` too."""
    data = b"\x89PNG\r\n\x1a\n"
    for made in (bytearray(data), memoryview(data)):
        assert ImageBlock.from_bytes(made) == ImageBlock.from_bytes(data)  # type: ignore[arg-type]


ODD = [
    Message("user", "a\ud800\x00b"),
    Message("assistant", "", parts=[OpaqueBlock(msgspec.Raw(b'{ "a" : [1.50, 2] }'), "a/b")]),
    Message("tool", [TextBlock("x"), ImageBlock(PNG, file_id="f")], tool_call_id="c", is_error=True),
    Message("user", [DocumentBlock(file_id="f", citations=True), AudioBlock("AA==")], name="n", cache="1h"),
    Message("assistant", "x", tool_calls=[ToolCall("c", "g", "text", custom=True)], refusal="No."),
    Message("user", [ToolResult("c", [TextBlock("x")], "f")]),
]


@pytest.mark.parametrize("message", ODD, ids=range(len(ODD)))
def test_round_trip(message: Message) -> None:
    """`from_dict` gives back an equal message, by way of JSON too."""
    assert Message.from_dict(message.to_dict()) == message
    assert Message.from_dict(json.loads(json.dumps(message.to_dict()))) == message


def test_opaque_parts_are_equal_by_what_they_say() -> None:
    """Opaque parts of one origin are equal if their JSON is, however it is spaced."""
    one, other = OpaqueBlock(msgspec.Raw(b'{"a":1}'), "a/b"), OpaqueBlock(msgspec.Raw(b'{ "a": 1 }'), "a/b")
    assert one == other
    assert one != OpaqueBlock(msgspec.Raw(b'{"a":1}'), "a/c")
    assert one != OpaqueBlock(msgspec.Raw(b'{"a":2}'), "a/b")
    assert one != TextBlock("x")
