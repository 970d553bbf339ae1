"""A conversation of which it is said that it needs no mending needs none; and what is remembered of it is so."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miiflow_llm.core.exceptions import MiiflowLLMError
from miiflow_llm.core.messages import (
    DocumentBlock,
    ImageBlock,
    Message,
    ReasoningBlock,
    TextBlock,
    ToolCall,
    ToolResult,
)
from miiflow_llm.core.request import ChatRequest
from miiflow_llm.wire.encode.conversation import recalled
from miiflow_llm.wire.encode.mending import gone_through, mended
from miiflow_llm.wire.encode.settled import is_settled
from miiflow_llm.wire.engine import Engine

from ...dialects.asking import PDF, PNG, engine
from ...dialects.features import WIRES
from .drawn import requests

ENGINES = {wire: engine(provider, dialect) for wire, (provider, dialect, _) in WIRES.items()}
CALL = ToolCall("call00001", "tide", '{"port":"Oban"}')
RESULT = Message.tool("Six.", "call00001")
TURN = [Message.user("When?"), Message.assistant(tool_calls=[CALL])]


def the_long_way(of: Engine, request: ChatRequest) -> tuple[list[Message], list[str]]:
    """The conversation when every message is looked at, and the notes on it."""
    notes: list[str] = []
    return gone_through(of.dialect, request, of.mark(request.model), notes), notes


@pytest.mark.parametrize("wire", WIRES)
@settings(max_examples=25)
@given(st.data())
def test_what_is_settled_is_left_as_it_is(wire: str, data: st.DataObject) -> None:
    """Whatever is settled, going through it changes no message and leaves no note but those on the order of turns."""
    of = ENGINES[wire]
    request = data.draw(requests(wire))
    if not is_settled(of.dialect, request.messages, of.mark(request.model), [], None):
        return
    notes: list[str] = []
    found = mended(of.dialect, request, origin=of.mark(request.model), notes=notes)
    assert (found.messages, notes) == the_long_way(of, request)


@pytest.mark.parametrize("wire", WIRES)
@settings(max_examples=8)
@given(st.data())
def test_what_is_remembered_is_so(wire: str, data: st.DataObject) -> None:
    """With what was kept of the messages a conversation is mended as without."""
    of = ENGINES[wire]
    request = data.draw(requests(wire))
    for _ in range(3):
        assert tried(of, request, keeping=True) == tried(of, request, keeping=False)
        try:
            of.encode(request, unsupported="drop")
        except MiiflowLLMError:
            return


def tried(of: Engine, request: ChatRequest, *, keeping: bool) -> Any:
    """What mending gives, or what it raises."""
    recall = recalled(of.writers.of(request.model), request) if keeping else None
    notes: list[str] = []
    try:
        found = mended(of.dialect, request, origin=of.mark(request.model), notes=notes, recall=recall)
    except MiiflowLLMError as raised:
        return str(raised)
    return found.messages, notes


SETTLED = {
    "text": [Message.system("Be brief."), Message.user("Hi"), Message.assistant("Yes?"), Message.user("Go.")],
    "a call and its result": [*TURN, RESULT],
    "an image": [Message.user([TextBlock("What?"), ImageBlock(PNG)])],
    "a name": [Message.user("Hi", name="Ann")],
}
OPEN = {
    "a call without a result": [*TURN, Message.user("Well?")],
    "a call at the end": TURN,
    "a result without a call": [Message.user("x"), RESULT],
    "a result twice": [*TURN, RESULT, RESULT],
    "an id that was used": [*TURN, RESULT, Message.assistant(tool_calls=[CALL]), RESULT],
    "a result after another message": [*TURN, Message.user("Well?"), RESULT],
    "a result without an id": [*TURN, Message("tool", "Six.")],
    "arguments that are not an object": [TURN[0], Message.assistant(tool_calls=[ToolCall("c", "f", "[1]")]), RESULT],
    "a lone surrogate": [Message.user("a\ud800")],
    "a NUL": [Message.user("a\0")],
    "a lone surrogate in a block": [Message.user([TextBlock("a\ud800")])],
    "an answer of space": [Message.user("x"), Message.assistant(" \n"), Message.user("y")],
    "an empty answer": [Message.user("x"), Message.assistant(""), Message.user("y")],
    "a result among blocks": [Message.user([ToolResult("c", [TextBlock("x")]), TextBlock("y")])],
    "a call in a user's message": [Message("user", "x", tool_calls=[CALL])],
    "reasoning that is nobody's": [
        Message.user("x"),
        Message("assistant", "y", parts=[ReasoningBlock("z"), TextBlock("y")]),
        Message.user("z"),
    ],
}


@pytest.mark.parametrize("messages", SETTLED.values(), ids=SETTLED)
@pytest.mark.parametrize("wire", WIRES)
def test_most_conversations_are_settled(wire: str, messages: list[Message]) -> None:
    """An ordinary conversation is settled, unless the wire takes no such block."""
    of = ENGINES[wire]
    assert is_settled(of.dialect, messages, of.mark("m"), [], None)


@pytest.mark.parametrize("messages", OPEN.values(), ids=OPEN)
def test_what_needs_mending_is_not_settled(messages: list[Message]) -> None:
    """Whatever needs mending somewhere is gone through, however often it was sent."""
    of, wire = ENGINES["deepseek"], "deepseek"
    request = ChatRequest(model=WIRES[wire][2], messages=messages)
    for _ in range(2):
        try:
            of.encode(request)
        except MiiflowLLMError:
            pass
        recall = recalled(of.writers.of(request.model), request)
        settled = is_settled(of.dialect, messages, of.mark(request.model), [], recall)
        assert not settled or the_long_way(of, request) == (messages, [])


def test_a_document_in_a_result() -> None:
    """A result that its wire cannot hold is not settled, on one that can it is."""
    messages = [*TURN, Message.tool([DocumentBlock(PDF)], "call00001")]
    assert not is_settled(ENGINES["openai chat"].dialect, messages, "openai/openai_chat/m", [], None)
    assert is_settled(ENGINES["anthropic"].dialect, messages, "anthropic/anthropic_messages/m", [], None)
