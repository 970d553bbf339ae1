"""What Responses asks of the fold: items that are named when they are done, arguments that come twice or only at the
end, calls that are the server's own."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from miiflow_llm.core.exceptions import MiiflowLLMError, RateLimitError
from miiflow_llm.core.messages import OpaqueBlock, ReasoningBlock, TextBlock, ToolCall
from miiflow_llm.core.response import ChatResponse
from miiflow_llm.wire.engine import Engine, StreamReader

from .asking import engine

OPENAI = engine("openai", "openai_responses")
XAI = engine("xai", "openai_responses")
MODEL = "gpt-6-luna"
ORIGIN = f"openai/openai_responses/{MODEL}"
SUMMARY = "response.reasoning_summary_text.delta"
TEXT = "response.output_text.delta"
ARGUMENTS = "response.function_call_arguments.delta"

Item = dict[str, Any]
Event = tuple[str, Item]


def streamed(of: Engine, *events: Event) -> StreamReader:
    """The reader after these events and the end of the bytes."""
    reader = of.stream(MODEL)
    for name, fields in events:
        data = msgspec.json.encode({"type": name, **fields})
        reader.feed(b"event: " + name.encode() + b"\ndata: " + data + b"\n\n")
    reader.finish()
    return reader


def delta(name: str, index: int, text: str, **more: int) -> Event:
    """A piece of the item at `index`."""
    return name, {"output_index": index, "delta": text, **more}


def item(index: int, fields: Item, *, done: bool = True) -> Event:
    """An item that begins or is done."""
    return f"response.output_item.{'done' if done else 'added'}", {"output_index": index, "item": fields}


def completed(*output: Item) -> Event:
    """The terminal event with the whole answer."""
    return "response.completed", {"response": {"id": "resp_1", "status": "completed", "output": output}}


def answer(reader: StreamReader) -> ChatResponse:
    """The answer of a stream without an error."""
    assert reader.error is None
    return reader.response()


REASONING: Item = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [{"type": "summary_text", "text": "One."}, {"type": "summary_text", "text": "Two."}],
    "encrypted_content": "gAAA",
}
COMMENT: Item = {
    "type": "message",
    "id": "msg_1",
    "phase": "commentary",
    "content": [{"type": "output_text", "text": "I look."}],
}
FINAL: Item = {
    "type": "message",
    "id": "msg_2",
    "phase": "final_answer",
    "content": [{"type": "output_text", "text": "Soon."}, {"type": "output_text", "text": "Then."}],
}
CALL: Item = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "tide", "arguments": '{"a":1}'}
OUTPUT = [REASONING, COMMENT, FINAL, CALL]
PARTS = [
    ReasoningBlock("One.\n\nTwo.", data="gAAA", id="rs_1", origin=ORIGIN),
    TextBlock("I look.", item_id="msg_1", phase="commentary", origin=ORIGIN),
    TextBlock("Soon.Then.", item_id="msg_2", phase="final_answer", origin=ORIGIN),
    ToolCall("call_1", "tide", '{"a":1}', item_id="fc_1", origin=ORIGIN),
]


def test_streamed_and_whole_agree() -> None:
    """The same items give the same parts, one an item, with ids, phases and encrypted reasoning."""
    reader = streamed(
        OPENAI,
        delta(SUMMARY, 0, "One.", summary_index=0),
        delta(SUMMARY, 0, "Two.", summary_index=1),
        item(0, REASONING),
        delta(TEXT, 1, "I look."),
        item(1, COMMENT),
        delta(TEXT, 2, "Soon."),
        delta(TEXT, 2, "Then."),
        item(2, FINAL),
        item(3, {**CALL, "arguments": ""}, done=False),
        delta(ARGUMENTS, 3, '{"a":'),
        delta(ARGUMENTS, 3, "1}"),
        item(3, CALL),
        completed(*OUTPUT),
    )
    whole = msgspec.json.encode({"id": "resp_1", "status": "completed", "output": OUTPUT})
    for response in (answer(reader), OPENAI.read_whole(whole, MODEL)):
        assert response.message.parts == PARTS
        assert response.finish_reason == "tool_calls"


@pytest.mark.parametrize("begins", [True, False])
def test_arguments_only_at_the_end(begins: bool) -> None:
    """Arguments that came in no piece are taken from the item that is done, even one that never began."""
    started = [item(0, {**CALL, "arguments": ""}, done=False)] if begins else []
    response = answer(streamed(OPENAI, *started, item(0, CALL), completed(CALL)))
    assert [(call.id, call.name, call.arguments) for call in response.message.tool_calls] == [
        ("call_1", "tide", '{"a":1}')
    ]


def test_ids_that_change() -> None:
    """A proxy that gives an item another id in every event still sends one item."""
    response = answer(
        streamed(
            OPENAI,
            item(0, {"type": "reasoning", "id": "a"}, done=False),
            delta(SUMMARY, 0, "Hm."),
            item(0, {"type": "reasoning", "id": "b", "encrypted_content": "x"}),
            completed(),
        )
    )
    assert response.message.parts == [ReasoningBlock("Hm.", data="x", id="b", origin=ORIGIN)]


def test_custom_tool() -> None:
    """A custom tool's input is text, kept as it is."""
    call = {"type": "custom_tool_call", "id": "ctc_1", "call_id": "call_1", "name": "draw", "input": "M 0 0"}
    reader = streamed(
        OPENAI,
        item(0, {**call, "input": ""}, done=False),
        delta("response.custom_tool_call_input.delta", 0, "M 0 0"),
        item(0, call),
        completed(call),
    )
    [found] = answer(reader).message.tool_calls
    assert (found.name, found.arguments, found.custom) == ("draw", "M 0 0", True)


def test_calls_of_the_server() -> None:
    """xAI's own tools come as custom calls: they are kept, and are no calls of the client."""
    call = {"type": "custom_tool_call", "id": "ctc_1", "call_id": "xs_1", "name": "x_keyword_search", "input": "{}"}
    reader = streamed(
        XAI,
        item(0, {**call, "input": ""}, done=False),
        delta("response.custom_tool_call_input.delta", 0, "{}"),
        item(0, call),
        completed(call),
    )
    whole = msgspec.json.encode({"id": "r", "status": "completed", "output": [call]})
    for response in (answer(reader), XAI.read_whole(whole, MODEL)):
        [kept] = response.message.parts
        assert isinstance(kept, OpaqueBlock)
        assert kept.parsed() == call
        assert response.finish_reason == "stop"


def test_work_is_progress() -> None:
    """A server tool at work is no output, yet counts against silence."""
    reader = OPENAI.stream(MODEL)
    assert reader.feed(b'data: {"type":"response.web_search_call.searching","output_index":0}\n\n') == []
    assert reader.fold.output == 1


@pytest.mark.parametrize(
    "event",
    [
        ("error", {"code": "rate_limit_exceeded", "message": "Slow down", "param": None}),
        ("error", {"error": {"code": "rate_limit_exceeded", "message": "Slow down", "type": "requests"}}),
        ("response.failed", {"response": {"error": {"code": "rate_limit_exceeded", "message": "Slow down"}}}),
    ],
)
def test_error_inside(event: Event) -> None:
    """An error is the same whether flat, nested or of a failed answer, and raised once."""
    failed: Event = ("response.failed", {"response": {"error": {"code": "server_error", "message": "x"}}})
    error: MiiflowLLMError | None = streamed(OPENAI, delta(TEXT, 0, "Hi"), event, failed).error
    assert isinstance(error, RateLimitError)
    assert (error.code, error.status_code) == ("rate_limit_exceeded", 429)
    assert "Slow down" in str(error)


def test_incomplete() -> None:
    """An incomplete answer says why it ended."""
    response = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
    found = answer(streamed(OPENAI, delta(TEXT, 0, "Hi"), ("response.incomplete", {"response": response})))
    assert (found.finish_reason, found.raw_finish_reason) == ("length", "max_output_tokens")


def test_refusal() -> None:
    """A refusal is no text, and leaves no empty part where text would be."""
    refusal = {"type": "message", "id": "msg_1", "content": [{"type": "refusal", "refusal": "No."}]}
    whole = msgspec.json.encode({"id": "r", "status": "completed", "output": [refusal]})
    reader = streamed(OPENAI, delta("response.refusal.delta", 0, "No."), item(0, refusal), completed(refusal))
    for response in (answer(reader), OPENAI.read_whole(whole, MODEL)):
        assert (response.message.refusal, response.message.parts) == ("No.", [])
        assert response.finish_reason == "content_filter"
