"""The law of tool calls (`decode/tool_calls.py`) in each dialect, by enumeration of what its events may lack.

Two calls come out as they were meant, or it is an error. Never is one made of two, or two of one, but for calls that
nothing tells apart: the same name, the same arguments, and the same id or no key at all.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import msgspec
import pytest

from miiflow_llm.core.exceptions import MiiflowLLMError
from miiflow_llm.core.response import ChatResponse
from miiflow_llm.replay.eventstream import event as binary
from miiflow_llm.wire.engine import StreamReader

from .test_tool_calls import HALVES, TOOLS, VALUE, WHOLE, Json, outcome, said, spoken

Way = tuple[Any, ...]
Answer = StreamReader | ChatResponse
Case = tuple[Way, str, Callable[[], Answer]]
"""How it is written, the name of the second tool, and what reads it."""

IDS = ("own", "none", "empty", "null", "same")
INDICES = ("right", "none", "text", "zero")


def identity(way: str, call: int) -> str | None:
    """The id of a call; `same` is one for all."""
    return {"own": f"id{call}", "none": None, "empty": "", "null": "null", "same": "id"}[way]


def index(way: str, call: int) -> int | str | None:
    """The index of a call, or of its block."""
    return {"right": call, "none": None, "text": str(call), "zero": 0}[way]


def sse(events: list[Json]) -> bytes:
    """Events as a stream of server-sent events."""
    return b"".join(b"data: " + msgspec.json.encode(event) + b"\n\n" for event in events)


def lines(events: list[Json]) -> bytes:
    """Events as lines of JSON."""
    return b"".join(msgspec.json.encode(event) + b"\n" for event in events)


def streamed(dialect: str, body: bytes) -> StreamReader:
    """The reader after a stream."""
    reader = spoken(dialect).stream("m")
    reader.feed(body)
    reader.finish()
    return reader


def whole(dialect: str, document: Json) -> ChatResponse:
    """A whole answer."""
    return spoken(dialect).read_whole(msgspec.json.encode(document), "m")


def found_in(read: Callable[[], Answer], second: str) -> str:
    """`right`, `error`, or what calls came."""
    try:
        answer = read()
    except MiiflowLLMError:
        return "error"
    return outcome(answer, [("get_tide", VALUE), (second, VALUE)])


def both(second: str) -> Iterator[tuple[int, str]]:
    """The two calls, by number and name."""
    return enumerate(("get_tide", second))


def responses(way: Way, second: str) -> StreamReader:
    """Responses: which keys the events have, and which events there are."""
    has_output_index, has_item_id, has_call_id, has_id, *events_there = way
    added, deltas, arguments_done, item_done, completed = events_there
    events: list[Json] = [{"type": "response.created", "response": {"id": "r", "model": "m"}}]
    items: list[Json] = []
    for call, name in both(second):
        place = said(output_index=call if has_output_index else None)
        keys = {**place, **said(item_id=f"fc{call}" if has_item_id else None)}
        ids = said(id=f"fc{call}" if has_id else None, call_id=f"call{call}" if has_call_id else None)
        item = {"type": "function_call", **ids, "name": name, "arguments": WHOLE}
        done = {"arguments": WHOLE, **said(name=name if arguments_done == "named" else None)}
        items.append(item)
        told = [
            (added, {"type": "response.output_item.added", **place, "item": {**item, "arguments": ""}}),
            *((deltas, {"type": "response.function_call_arguments.delta", **keys, "delta": half}) for half in HALVES),
            (arguments_done, {"type": "response.function_call_arguments.done", **keys, **done}),
            (item_done, {"type": "response.output_item.done", **place, "item": item}),
        ]
        events += [event for is_there, event in told if is_there]
    output = items if completed else []
    events.append({"type": "response.completed", "response": {"id": "r", "status": "completed", "output": output}})
    return streamed("openai_responses", sse(events))


def of_responses() -> Iterator[Case]:
    """All ways that say at least the names and the arguments."""
    yes_no = (True, False)
    for way in itertools.product(*(yes_no,) * 6, (False, True, "named"), yes_no, yes_no):
        added, deltas, arguments_done, item_done, completed = way[4:]
        if (deltas or arguments_done or item_done or completed) and (
            added or arguments_done == "named" or item_done or completed
        ):
            for second in TOOLS:
                yield way, second, partial(responses, way, second)


STARTS: dict[str, Json] = {
    "empty": {"input": {}},
    "null": {"input": None},
    "missing": {},
    "empty text": {"input": ""},
    "object": {"input": VALUE},
    "text": {"input": WHOLE},
}
PIECES: dict[str, tuple[str, ...]] = {"halves": HALVES, "one": (WHOLE,), "empty first": ("", *HALVES), "none": ()}


def anthropic(way: Way, second: str) -> StreamReader:
    """Anthropic's blocks."""
    named_by, numbered_by, start, pieces, stops = way
    begun = {"id": "m", "type": "message", "role": "assistant", "model": "x", "content": []}
    events: list[Json] = [{"type": "message_start", "message": begun}]
    for call, name in both(second):
        place = said(index=index(numbered_by, call))
        block = {"type": "tool_use", **said(id=identity(named_by, call)), "name": name, **STARTS[start]}
        events.append({"type": "content_block_start", **place, "content_block": block})
        for piece in PIECES[pieces]:
            delta = {"type": "input_json_delta", "partial_json": piece}
            events.append({"type": "content_block_delta", **place, "delta": delta})
        if stops:
            events.append({"type": "content_block_stop", **place})
    end = {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 5}}
    return streamed("anthropic_messages", sse([*events, end, {"type": "message_stop"}]))


def bedrock(way: Way, second: str) -> StreamReader:
    """Bedrock's blocks."""
    named_by, numbered_by, start, pieces, stops = way
    body = binary("messageStart", {"role": "assistant"})
    for call, name in both(second):
        place = said(contentBlockIndex=index(numbered_by, call))
        use = {**said(toolUseId=identity(named_by, call)), "name": name, **STARTS[start]}
        body += binary("contentBlockStart", {**place, "start": {"toolUse": use}})
        for piece in PIECES[pieces]:
            body += binary("contentBlockDelta", {**place, "delta": {"toolUse": {"input": piece}}})
        if stops:
            body += binary("contentBlockStop", place)
    return streamed("bedrock_converse", body + binary("messageStop", {"stopReason": "tool_use"}))


def cohere(way: Way, second: str) -> StreamReader:
    """Cohere's calls."""
    named_by, numbered_by, start, pieces, stops = way
    events: list[Json] = [{"type": "message-start", "id": "m", "delta": {"message": {"role": "assistant"}}}]
    for call, name in both(second):
        place = said(index=index(numbered_by, call))
        arguments = dict.fromkeys(("arguments",) * len(STARTS[start]), STARTS[start].get("input"))
        begun = {**said(id=identity(named_by, call)), "type": "function", "function": {"name": name, **arguments}}
        events.append({"type": "tool-call-start", **place, "delta": {"message": {"tool_calls": begun}}})
        for piece in PIECES[pieces]:
            more = {"message": {"tool_calls": {"function": {"arguments": piece}}}}
            events.append({"type": "tool-call-delta", **place, "delta": more})
        if stops:
            events.append({"type": "tool-call-end", **place})
    return streamed("cohere_v2", sse([*events, {"type": "message-end", "delta": {"finish_reason": "TOOL_CALL"}}]))


def of_blocks(read: Callable[[Way, str], StreamReader]) -> Iterator[Case]:
    """All ways of ids, indices, what a call begins with, its pieces and its end."""
    for way in itertools.product(IDS, INDICES, STARTS, PIECES, (True, False)):
        if (way[2] in ("object", "text")) == (way[3] == "none"):
            for second in TOOLS:
                yield way, second, partial(read, way, second)


def of_whole_lists() -> Iterator[Case]:
    """Answers whose calls come whole: in documents, in one event that is the answer, and in events of whole calls."""
    for named_by, value, second in itertools.product(IDS, (VALUE, WHOLE), TOOLS):
        way = (named_by, "object" if value is VALUE else "text")
        ids = [identity(named_by, call) for call in range(2)]
        names = [name for _, name in both(second)]
        for dialect, document in documents(ids, names, value).items():
            yield (*way, dialect), second, partial(whole, dialect, document)
            if dialect != "bedrock_converse":
                framed = lines if dialect == "ollama_chat" else sse
                body = framed([document])
                yield (*way, dialect, "event"), second, partial(streamed, dialect, body)


def documents(ids: list[str | None], names: list[str], value: Any) -> dict[str, Json]:
    """The whole answer with these calls in each dialect."""
    called = list(zip(ids, names, strict=True))
    functions: list[Json] = [
        {**said(id=one), "type": "function", "function": {"name": name, "arguments": value}} for one, name in called
    ]
    message = {"role": "assistant", "tool_calls": functions}
    chat = {"id": "x", "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
    blocks = [{"type": "tool_use", **said(id=one), "name": name, "input": value} for one, name in called]
    uses = [{"toolUse": {**said(toolUseId=one), "name": name, "input": value}} for one, name in called]
    parts = [{"functionCall": {**said(id=one), "name": name, "args": value}} for one, name in called]
    items = [{"type": "function_call", **said(call_id=one), "name": name, "arguments": value} for one, name in called]
    candidate = {"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "index": 0}
    return {
        "openai_chat": chat,
        "mistral_chat": chat,
        "anthropic_messages": {"id": "m", "type": "message", "content": blocks, "stop_reason": "tool_use"},
        "bedrock_converse": {"output": {"message": {"role": "assistant", "content": uses}}, "stopReason": "tool_use"},
        "gemini_generate": {"candidates": [candidate]},
        "openai_responses": {"id": "r", "object": "response", "status": "completed", "output": items},
        "cohere_v2": {"id": "x", "message": message, "finish_reason": "TOOL_CALL"},
        "ollama_chat": {"model": "m", "message": message, "done": True, "done_reason": "stop"},
    }


def are_the_same(way: Way, second: str, *, keyless: bool) -> bool:
    """Whether nothing tells the calls apart."""
    return second == "get_tide" and (keyless or "same" in way)


def test_responses() -> None:
    """Whichever events come, with whichever keys."""
    counted: Counter[str] = Counter()
    for way, second, read in of_responses():
        found = found_in(read, second)
        counted[found] += 1
        has_output_index, has_item_id, has_call_id, has_id, added, deltas, arguments_done, item_done, completed = way
        told_once = not (added or deltas or completed) and not has_output_index
        is_keyed = (has_item_id and arguments_done) or ((has_call_id or has_id) and item_done)
        assert found in ("right", "error") or are_the_same(way, second, keyless=told_once and not is_keyed), way
    assert counted["right"] > 0.97 * counted.total()


@pytest.mark.parametrize("read", [anthropic, bedrock, cohere])
def test_blocks(read: Callable[[Way, str], StreamReader]) -> None:
    """Blocks with ids and indices of every kind, and arguments at the beginning or in pieces."""
    counted: Counter[str] = Counter()
    for way, second, reader in of_blocks(read):
        found = found_in(reader, second)
        counted[found] += 1
        assert found in ("right", "error") or are_the_same(way, second, keyless=False), (way, second, found)
        if "same" not in way:
            assert found == "right", (way, second)
    assert counted["right"] > 0.9 * counted.total()


def test_whole_calls() -> None:
    """Calls that come whole are calls of their own, whatever ids they have."""
    cases = list(of_whole_lists())
    assert len(cases) == len(IDS) * 2 * 2 * (8 + 7)
    assert [(way, second, found) for way, second, read in cases if (found := found_in(read, second)) != "right"] == []
