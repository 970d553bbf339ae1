"""The one memory of a stream: which call a piece belongs to, what usage sums to, when the last chunk comes."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from miiflow_llm import providers
from miiflow_llm.calls.target import engine_for
from miiflow_llm.core.exceptions import StreamProtocolError
from miiflow_llm.core.messages import OpaqueBlock, ReasoningBlock
from miiflow_llm.core.pieces import Failure, Finish, Text
from miiflow_llm.core.response import ChatResponse
from miiflow_llm.core.usage import TokenCount
from miiflow_llm.tables import count, count_unless_in_total
from miiflow_llm.wire.decode.counters import count_tokens
from miiflow_llm.wire.decode.fold import Fold


def engine(provider: str) -> Any:
    """A provider's first engine."""
    found = providers.get(provider)
    return engine_for(found, found)


def streamed(*deltas: dict[str, Any], finish: str | None = "stop", provider: str = "openai-compatible") -> ChatResponse:
    """The response of a chat stream with these deltas."""
    frames = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    if finish:
        frames.append({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    body = b"".join(b"data: " + msgspec.json.encode(frame) + b"\n\n" for frame in frames) + b"data: [DONE]\n\n"
    reader = engine(provider).stream("m")
    reader.feed(body)
    assert reader.ended
    response = reader.response()
    assert isinstance(response, ChatResponse)
    return response


def call(**fields: Any) -> dict[str, Any]:
    """A delta with one piece of a call."""
    function = {key: fields.pop(key) for key in ("name", "arguments") if key in fields}
    return {"tool_calls": [{**fields, "function": function}]}


def test_signed_text_is_closed() -> None:
    """What comes after the signature of a text is another part."""
    signed = Fold(engine("gemini").dialect, "o")
    signed.push([Text("a")], b"")
    assert signed.open_text == Text("a")
    signed.push([Text("b", signature="s")], b"")
    assert signed.open_text is None


@pytest.mark.parametrize(
    ("deltas", "calls"),
    [
        ([call(index=0, id="a", name="f", arguments=""), call(index=0, arguments="{}")], [("f", "{}")]),
        (
            [call(index=0, id="a", name="f", arguments="{}"), call(index=0, id="b", name="g", arguments="[]")],
            [("f", "{}"), ("g", "[]")],
        ),
        ([call(id="a", name="f", arguments="{"), call(arguments="}")], [("f", "{}")]),
        ([call(id="a", name="f", arguments="{}"), call(id="b", name="g", arguments="[]")], [("f", "{}"), ("g", "[]")]),
        (
            [call(index=0, name="f", arguments="{}"), call(index=0, name="f", arguments="{}")],
            [("f", "{}"), ("f", "{}")],
        ),
        ([call(index=0, name="f", arguments="{"), call(index=0, name="f", arguments="}")], [("f", "{}")]),
        ([call(index=0, id="a", name="f"), call(index=0, id="", name="", arguments="{}")], [("f", "{}")]),
        ([call(index=0, id="a", name="f"), call(index=0, id="a", name="f", arguments="{}")], [("f", "{}")]),
        (
            [call(index=0, id="a", name="f"), call(index=1, id="b", name="g"), call(index=0, arguments="1")],
            [("f", "1"), ("g", "{}")],
        ),
        (
            [call(id="null", name="f", arguments="1"), call(id="null", name="g", arguments="2")],
            [("f", "1"), ("g", "2")],
        ),
        ([call(index=0, name="f", arguments="{"), call(index=0, id="x", name="f", arguments="}")], [("f", "{}")]),
        ([call(name="f", arguments="{"), call(id="x", arguments="}")], [("f", "{}")]),
        ([call(name="f", arguments="{}"), call(id="x", name="g", arguments="[]")], [("f", "{}"), ("g", "[]")]),
        ([call(name="f", arguments="{"), call(name="f", arguments="}")], [("f", "{}")]),
        ([call(name="f", arguments="{}"), call(name="f", arguments="[]")], [("f", "{}"), ("f", "[]")]),
        ([call(name="f", arguments="{"), call(name="g", arguments="{}")], [("f", "{"), ("g", "{}")]),
        ([call(index=0, id="a", name="f", arguments=None), call(index=0, arguments="{}")], [("f", "{}")]),
        ([call(index=0, id="a", name="f", arguments={"x": 1})], [("f", '{"x":1}')]),
    ],
)
def test_tool_calls(deltas: list[dict[str, Any]], calls: list[tuple[str, str]]) -> None:
    """A piece goes to its call by index, then id, then the call last open; another id, or a whole call, is another."""
    found = streamed(*deltas).tool_calls
    assert [(one.name, one.arguments) for one in found] == calls
    assert len({one.id for one in found}) == len(found)
    assert all(one.id for one in found)


@pytest.mark.parametrize(
    ("deltas", "finish", "reason"),
    [
        ([{"content": "a"}], "stop", "stop"),
        ([{"content": "a"}], "eos", "stop"),
        ([{"content": "a"}], "halted", "unknown"),
        ([{"content": "a"}], None, "unknown"),
        ([call(index=0, id="a", name="f")], "stop", "tool_calls"),
        ([call(index=0, id="a", name="f")], None, "tool_calls"),
        ([call(index=0, id="a", name="f")], "length", "length"),
        ([{"refusal": "no"}], "stop", "content_filter"),
        ([{"content": "a"}], "content_filter", "content_filter"),
    ],
)
def test_finish_reasons(deltas: list[dict[str, Any]], finish: str | None, reason: str) -> None:
    """The unified reason: a stop with calls is `tool_calls`, a refusal `content_filter`, an unknown word `unknown`."""
    response = streamed(*deltas, finish=finish)
    assert response.finish_reason == reason
    assert response.raw_finish_reason == finish


def test_the_last_chunk() -> None:
    """Only the last chunk has a finish reason and usage, though content comes in and after the finish frame."""
    frames = [
        {"choices": [{"delta": {"content": "a"}, "finish_reason": "stop"}]},
        {"choices": [{"delta": {"content": "b"}}]},
        {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}},
    ]
    reader = engine("openai").stream("m")
    chunks = [chunk for frame in frames for chunk in reader.feed(b"data: " + msgspec.json.encode(frame) + b"\n\n")]
    assert [chunk.delta for chunk in chunks] == ["a"]
    assert chunks[0].finish_reason is None
    chunks += reader.feed(b"data: [DONE]\n\n")
    assert [(chunk.delta, chunk.finish_reason) for chunk in chunks] == [("a", None), ("b", "stop")]
    assert chunks[-1].usage == TokenCount(3, 2, 5)


@pytest.mark.parametrize("beginning", [b"<html>", b'{"choices":[{"message":{"content":"', b"["])
def test_a_page_is_bounded(beginning: bytes) -> None:
    """What is no stream is kept only up to the limit of a frame."""
    reader = engine("openai").stream("m", max_frame=1000)
    assert reader.feed(beginning + b"x" * 900) == []
    assert reader.error is None
    assert reader.feed(b"x" * 200) == []
    assert isinstance(reader.error, StreamProtocolError)
    assert "max_frame_bytes" in str(reader.error)
    assert reader.feed(b"x" * 10) == reader.finish() == []


def test_nothing_is_handed_out_for_nothing() -> None:
    """Empty deltas make no chunk, and are no output; nor is an empty piece of a call beside text."""
    reader = engine("openai").stream("m")
    empty = {"choices": [{"delta": {"content": "", "role": "assistant"}}]}
    assert reader.feed(b"data: " + msgspec.json.encode(empty) + b"\n\n") == []
    assert reader.fold.output == 0
    opened = {"choices": [{"delta": call(index=0, id="a", name="f", arguments="")}]}
    assert len(reader.feed(b"data: " + msgspec.json.encode(opened) + b"\n\n")) == 1
    before = reader.fold.output
    again = {"choices": [{"delta": call(index=0, id="a", arguments="")}]}
    assert reader.feed(b"data: " + msgspec.json.encode(again) + b"\n\n") == []
    assert reader.fold.output == before
    beside = {"choices": [{"delta": {"content": "x", **call(index=0, id="a", arguments="")}}]}
    (chunk,) = reader.feed(b"data: " + msgspec.json.encode(beside) + b"\n\n")
    assert (chunk.delta, chunk.tool_call_deltas, reader.fold.output) == ("x", [], before + 1)


def test_the_name_of_a_block() -> None:
    """What a message is called comes with its end: kept for replay, and neither a chunk nor output."""
    found = providers.get("openai")
    reader = engine_for(found, next(one for one in found.also if one.dialect.name == "openai_responses")).stream("m")
    item = {"type": "message", "id": "msg_1", "role": "assistant", "content": [], "phase": "commentary"}
    delta = {"type": "response.output_text.delta", "output_index": 0, "item_id": "msg_1", "delta": "Hm"}
    done = {"type": "response.output_item.done", "output_index": 0, "item": item}
    assert len(reader.feed(b"data: " + msgspec.json.encode(delta) + b"\n\n")) == 1
    before = reader.fold.output
    assert reader.feed(b"data: " + msgspec.json.encode(done) + b"\n\n") == []
    assert reader.fold.output == before
    (part,) = reader.response(finished=False).message.parts
    assert (part.text, part.item_id, part.phase) == ("Hm", "msg_1", "commentary")


def test_the_first_failure_counts() -> None:
    """Of two reports of one failure the first in words is kept; what a finish reason alone implies gives way."""
    fold = Fold(engine("openai").dialect, "p/d/m")
    fold.push([Finish("error"), Failure("in words"), Failure("again")], b"")
    assert fold.ending.failure is not None
    assert fold.ending.failure.message == "in words"


@pytest.mark.parametrize("finish", ["stop", None])
def test_a_whole_answer_where_a_stream_was_wanted(finish: str | None) -> None:
    """A server that does not stream gives its whole answer as one chunk or two, the last with the finish reason."""
    body = {"choices": [{"message": {"content": "Blue"}, "finish_reason": finish}], "usage": {"prompt_tokens": 3}}
    reader = engine("openai-compatible").stream("m")
    chunks = [*reader.feed(msgspec.json.encode(body)[:9]), *reader.feed(msgspec.json.encode(body)[9:])]
    assert chunks == []
    chunks = reader.finish()
    assert "".join(chunk.delta for chunk in chunks) == "Blue" == chunks[-1].content
    assert [chunk.finish_reason for chunk in chunks][-1] == (finish or "unknown")
    assert chunks[-1].usage == TokenCount(3)
    assert reader.response().content == "Blue"


@pytest.mark.parametrize(
    ("raw", "counted"),
    [
        ({}, TokenCount()),
        ({"prompt": 0}, TokenCount(prompt_tokens=0)),
        ({"prompt": 12, "completion": 1, "reasoning": 290, "total": 303}, TokenCount(12, 291, 303)),
        ({"prompt": 12, "completion": 291, "reasoning": 290, "total": 303}, TokenCount(12, 291, 303)),
        ({"prompt": 12, "completion": 1}, TokenCount(12, 1, 13)),
        ({"prompt": 12, "completion": 1, "total": 14}, TokenCount(12, 1, 14)),
        ({"completion": 1, "reasoning": 2, "total": 4}, TokenCount(None, 1, 4)),
        ({"completion": 1, "reasoning": 2, "total": 3}, TokenCount(None, 3, 3)),
    ],
)
def test_usage(raw: dict[str, int], counted: TokenCount) -> None:
    """What was not reported is `None`; reasoning left out of the completion shows by the total; totals are summed."""
    table = {
        "prompt_tokens": count("prompt"),
        "completion_tokens": count_unless_in_total("completion", "reasoning", beside="prompt", total="total"),
        "total_tokens": count("total"),
    }
    assert count_tokens(table, raw) == counted


def test_token_counts_add_up() -> None:
    """Sums keep `None` where neither side reports."""
    assert TokenCount(1, None, 3) + TokenCount(2, 5) == TokenCount(3, 5, 3)
    assert not TokenCount()
    assert TokenCount(prompt_tokens=0)


def test_cumulative_counters_are_not_added() -> None:
    """Anthropic repeats its counters: the last of each counts, and a null changes nothing."""
    events = [
        {
            "type": "message_start",
            "message": {"id": "m", "model": "c", "usage": {"input_tokens": 9, "output_tokens": 1}},
        },
        {"type": "message_delta", "delta": {"stop_reason": None}, "usage": {"output_tokens": 4, "input_tokens": None}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 7}},
        {"type": "message_stop"},
    ]
    reader = engine("anthropic").stream("m")
    for event in events:
        reader.feed(b"data: " + msgspec.json.encode(event) + b"\n\n")
    assert reader.response().usage == TokenCount(9, 7, 16)


@pytest.mark.parametrize("same", [0, 0.0, "0", False])
def test_pieces_of_a_block_that_nothing_opened(same: Any) -> None:
    """Arguments of the provider's own tools fill its block for replay, and are no call of the client's.

    An index that is written otherwise is the same one.
    """
    start = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    events = [
        {"type": "content_block_start", "index": 0, "content_block": start},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": '{"query":'}},
        {"type": "content_block_delta", "index": same, "delta": {"type": "input_json_delta", "partial_json": '"x"}'}},
        {"type": "content_block_delta", "index": 7, "delta": {"type": "input_json_delta", "partial_json": "{}"}},
    ]
    reader = engine("anthropic").stream("m")
    chunks = [c for event in events for c in reader.feed(b"data: " + msgspec.json.encode(event) + b"\n\n")]
    parts = reader.response(finished=False).message.parts
    assert chunks == []
    assert [part.parsed() for part in parts] == [{**start, "input": {"query": "x"}}]
    assert reader.fold.output > 0, "a server tool at work is progress"


@pytest.mark.parametrize("whole", [False, True])
def test_a_call_that_is_the_answer(whole: bool) -> None:
    """Where the model was made to answer by a call, its arguments are the text, and the answer stopped by itself."""
    start = {"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"x":'}}
    rest = {"index": 0, "function": {"name": "f", "arguments": "1}"}}
    other = {"index": 1, "id": "b", "function": {"name": "f", "arguments": "{}"}}
    one = engine("openai")
    if whole:
        message = {"tool_calls": [{**start, "function": {"name": "f", "arguments": '{"x":1}'}}, other]}
        body = msgspec.json.encode({"choices": [{"message": message, "finish_reason": "tool_calls"}]})
        response = one.read_whole(body, "m", answer_in_call=True)
    else:
        deltas = [{"delta": {"tool_calls": [piece]}} for piece in (start, rest, other)]
        deltas.append({"delta": {}, "finish_reason": "tool_calls"})
        reader = one.stream("m", answer_in_call=True)
        for delta in deltas:
            reader.feed(b"data: " + msgspec.json.encode({"choices": [delta]}) + b"\n\n")
        chunks = reader.finish()
        assert chunks[-1].content == '{"x":1}'
        assert chunks[-1].tool_calls == []
        response = reader.response()
    assert (response.content, response.tool_calls, response.finish_reason) == ('{"x":1}', [], "stop")


@pytest.mark.parametrize(
    ("finish", "arguments"),
    [("tool_calls", "{}"), ("stop", "{}"), (None, "{}"), ("length", ""), ("content_filter", "")],
)
def test_calls_without_arguments(finish: str | None, arguments: str) -> None:
    """A call that came whole without arguments has an empty object of them; one that was cut off has none."""
    reader = engine("openai").stream("m")
    frames = [{"choices": [{"delta": call(index=0, id="a", name="f", arguments="")}]}]
    if finish:
        frames.append({"choices": [{"delta": {}, "finish_reason": finish}]})
    chunks = [one for frame in frames for one in reader.feed(b"data: " + msgspec.json.encode(frame) + b"\n\n")]
    chunks += reader.feed(b"data: [DONE]\n\n")
    assert [one.arguments for one in reader.response().tool_calls] == [arguments]
    assert [one.arguments for one in chunks[-1].tool_calls] == [arguments]
    assert "".join(delta.arguments for chunk in chunks for delta in chunk.tool_call_deltas) == arguments
    custom = {"tool_calls": [{"index": 0, "id": "a", "custom": {"name": "f", "input": ""}}]}
    assert streamed(custom, finish=finish, provider="openai").tool_calls[0].arguments == ""


def signed(details: bytes) -> bytes:
    """A frame with a part that has no unified form."""
    return b'data: {"choices":[{"delta":{"reasoning_details":[' + details + b"]}}]}\n\n"


@pytest.mark.parametrize("odd", [b'"x"', b"[1]", b"{}", b"null"])
def test_an_opaque_part_is_an_object(odd: bytes) -> None:
    """What stands where an opaque part was expected and is no object is left; what follows is read."""
    reader = engine("openrouter").stream("m")
    part = b'{"type":"reasoning.encrypted","data":"a","index":0}'
    for details in (odd, part, odd):
        reader.feed(signed(details))
    parts = reader.response(finished=False).message.parts
    assert {"type": "reasoning.encrypted", "data": "a", "index": 0} in [one.parsed() for one in parts]
    assert len(parts) <= 2


def test_an_opaque_part_of_no_utf8() -> None:
    """Bytes that are no UTF-8 in a part that is only kept are replaced, so that it can be sent back."""
    reader = engine("openrouter").stream("m")
    reader.feed(signed(b'{"type":"reasoning.text","text":"a\xffb","index":0}'))
    part, reasoning = reader.response(finished=False).message.parts
    if isinstance(part, ReasoningBlock):
        part, reasoning = reasoning, part
    assert isinstance(part, OpaqueBlock)
    assert part.parsed()["text"] == reasoning.text == "a\ufffdb"


def test_a_call_without_index_after_an_opaque_part() -> None:
    """Pieces of a call that have no index go on with the call, though a part without a name came before."""
    reader = engine("openrouter").stream("m")
    reader.feed(signed(b'{"type":"reasoning.text","text":"a"}'))
    for piece in (call(id="a", name="f", arguments="{"), call(arguments="}")):
        reader.feed(b"data: " + msgspec.json.encode({"choices": [{"delta": piece}]}) + b"\n\n")
    (found,) = reader.response(finished=False).tool_calls
    assert (found.id, found.name, found.arguments) == ("a", "f", "{}")


def test_an_opaque_part_without_end() -> None:
    """The input of a server's own tool that is nested without end is left off; the part stays as it began."""
    reader = engine("anthropic").stream("m")
    block = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    for event in (
        {"type": "content_block_start", "index": 0, "content_block": block},
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "input_json_delta", "partial_json": "[" * 100_000},
        },
    ):
        reader.feed(b"data: " + msgspec.json.encode(event) + b"\n\n")
    (part,) = reader.response(finished=False).message.parts
    assert part.parsed() == block


@pytest.mark.parametrize("names", ["abc", ["", "a", "b"]])
def test_the_first_name_stands(names: Any) -> None:
    """An answer that changes its id on the way keeps the first, however many of its frames come at once."""
    first = {"model": "m", "choices": [{"index": 0, "delta": {"content": "x"}}]}
    frames = [b"data: " + msgspec.json.encode({**first, "id": name}) + b"\n\n" for name in names]
    for pieces in (frames, [b"".join(frames)]):
        reader = engine("openai-compatible").stream("m")
        for piece in pieces:
            reader.feed(piece)
        assert reader.response(finished=False).id == "a"
