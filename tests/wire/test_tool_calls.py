"""The law of tool calls (`decode/tool_calls.py`), by enumeration: whatever is missing, late, empty or repeated.

Every combination of the ways in which servers write a call is read in every dialect that can say it. Two calls come out
as they were meant, or it is an error; what is decided between two readings that are equally good is listed.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import msgspec
import pytest

from miiflow_llm.core.exceptions import StreamProtocolError
from miiflow_llm.core.response import ChatResponse, StreamChunk
from miiflow_llm.wire.engine import Engine, StreamReader

from ..dialects.asking import engine

Json = dict[str, Any]
Way = tuple[str, str, str, str]
"""How ids, indices, names and arguments are written."""

HALVES = ('{"port":"Oban"', ',"day":{"n":[1,{"m":"}{"}]}}')
WHOLE = "".join(HALVES)
VALUE = msgspec.json.decode(WHOLE)
TOOLS = ("get_tide", "get_moon")

IDS = ("first", "late", "never", "same", "new", "null")
INDICES = ("right", "none", "zero", "text")
NAMES = ("first", "late", "empty", "fragments", "grown", "repeated")
ARGUMENTS = ("pieces", "early", "object", "null", "holder", "once")


def ids(way: str, call: int) -> list[str | None]:
    """The id in each of four pieces; `new` is another in every piece."""
    own = f"id{call}"
    return {
        "first": [own, None, None, None],
        "late": [None, None, None, own],
        "never": [None] * 4,
        "same": [own] * 4,
        "new": [f"{own}.{piece}" for piece in range(4)],
        "null": ["null"] * 4,
    }[way]


def indices(way: str, call: int) -> list[int | str | None]:
    """The index in each piece."""
    return {"right": [call] * 4, "none": [None] * 4, "zero": [0] * 4, "text": [str(call)] * 4}[way]


def names(way: str, name: str) -> list[str | None]:
    """The name in each piece."""
    return {
        "first": [name, None, None, None],
        "late": [None, name, None, None],
        "empty": ["", name, "", None],
        "fragments": [name[:4], name[4:], None, None],
        "grown": [name[:4], name, None, None],
        "repeated": [name] * 4,
    }[way]


def arguments(way: str) -> list[Any]:
    """The arguments in each piece."""
    first, second = HALVES
    return {
        "pieces": ["", None, first, second],
        "early": [first, None, second, None],
        "object": [None, None, VALUE, None],
        "null": [None, "", first, second],
        "holder": [{}, None, first, second],
        "once": ["", "", WHOLE, ""],
    }[way]


def pieces(way: Way, call: int, name: str) -> list[Json]:
    """The four pieces of a call, as elements of a chat's `tool_calls`."""
    columns = zip(ids(way[0], call), indices(way[1], call), names(way[2], name), arguments(way[3]), strict=True)
    return [
        {**said(id=identity, index=index), "function": said(name=part, arguments=text)}
        for identity, index, part, text in columns
    ]


def said(**fields: Any) -> Json:
    """The fields that are there."""
    return {name: value for name, value in fields.items() if value is not None}


def outcome(found: StreamReader | ChatResponse, wanted: list[tuple[str, Any]]) -> str:
    """`right`, `error`, or what calls came."""
    if isinstance(found, StreamReader):
        if found.error is not None:
            assert isinstance(found.error, StreamProtocolError)
            assert found.error.partial is not None
            return "error"
        found = found.response()
    calls = [(call.name, parsed(call.arguments)) for call in found.tool_calls]
    assert len({call.id for call in found.tool_calls}) == len(calls)
    assert found.finish_reason == "tool_calls"
    return "right" if calls == wanted else f"{calls}"


def parsed(text: str) -> Any:
    """Arguments as a value, or the text that is not JSON."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


@cache
def spoken(dialect: str) -> Engine:
    """The engine of a dialect, made once."""
    provider = {"openai_responses": "openai"}.get(dialect, dialect.partition("_")[0])
    return engine(provider, dialect)


def chat(dialect: str, frames: list[list[Json]], *, tolerant: bool, tools: tuple[str, ...]) -> StreamReader:
    """The reader after a stream with these lists of pieces; `tolerant` has a value that the typed reader refuses."""
    reader = spoken(dialect).stream("m", tools=tools)
    odd: Json = {"logprobs": -1.5, "index": "0"} if tolerant else {}
    choices: list[Json] = [{"index": 0, "delta": {"tool_calls": calls}, **odd} for calls in frames]
    choices.append({"index": 0, "delta": {}, "finish_reason": "tool_calls"})
    chunks: list[StreamChunk] = []
    for choice in choices:
        chunks += reader.feed(b"data: " + msgspec.json.encode({"choices": [choice]}) + b"\n\n")
    chunks += reader.feed(b"data: [DONE]\n\n")
    if reader.error is None:
        deltas_say_the_calls(chunks, reader.response())
    return reader


def deltas_say_the_calls(chunks: list[StreamChunk], response: ChatResponse) -> None:
    """What the chunks' deltas say, joined, is what the calls are: the name, the arguments, and the last id."""
    for place, call in enumerate(response.tool_calls):
        deltas = [delta for chunk in chunks for delta in chunk.tool_call_deltas if delta.index == place]
        assert "".join(delta.name or "" for delta in deltas) == call.name
        assert "".join(delta.arguments for delta in deltas) == call.arguments
        assert [delta.id for delta in deltas if delta.id][-1] == call.id


ARRANGED: dict[str, Callable[[list[Json], list[Json]], list[list[Json]]]] = {
    "one after the other": lambda first, second: [[piece] for piece in (*first, *second)],
    "side by side": lambda first, second: [list(both) for both in zip(first, second, strict=True)],
}


def enumerated(
    dialect: str, *, tolerant: bool = False, tools: tuple[str, ...] = ()
) -> Iterator[tuple[Way, str, str, str]]:
    """What becomes of two calls in every way, of one tool and of two, in either arrangement."""
    for way in itertools.product(IDS, INDICES, NAMES, ARGUMENTS):
        for second, (arrangement, arrange) in itertools.product(TOOLS, ARRANGED.items()):
            frames = arrange(pieces(way, 0, "get_tide"), pieces(way, 1, second))
            found = chat(dialect, frames, tolerant=tolerant, tools=tools)
            yield way, second, arrangement, outcome(found, [("get_tide", VALUE), (second, VALUE)])


def is_decided_otherwise(way: Way, *, tools: bool) -> bool:
    """Where another reading is as good, and was chosen.

    An id of its own with a name is a call of its own, though some server may send both anew with every piece. Without
    any key, and where the tools are not known, two names are two calls and not the halves of one.
    """
    identity, index, name, _ = way
    if identity == "new":
        return name == "repeated" or (name in ("fragments", "grown") and not tools)
    return not tools and name in ("fragments", "grown") and identity in ("late", "never", "null") and index == "none"


@pytest.mark.parametrize("tools", [(), TOOLS], ids=["tools unknown", "tools known"])
def test_every_way_in_chat(tools: tuple[str, ...]) -> None:
    """Two calls come out as they were meant, or it is an error: never one glued of two, nor two of one."""
    counted: Counter[str] = Counter()
    for way, second, arrangement, found in enumerated("openai_chat", tools=tools):
        known = found if found in ("right", "error") else "otherwise"
        counted[known] += 1
        assert known != "otherwise" or is_decided_otherwise(way, tools=bool(tools)), (way, second, arrangement, found)
    assert counted["right"] > 0.85 * counted.total()
    assert counted["error"] < 0.08 * counted.total()


@pytest.mark.parametrize(("dialect", "tolerant"), [("openai_chat", True), ("mistral_chat", False)])
def test_other_readings_agree(dialect: str, tolerant: bool) -> None:
    """The tolerant reading, and Mistral's dialect, give what the typed reading of OpenAI's gives."""
    wanted = list(enumerated("openai_chat", tools=TOOLS))
    assert list(enumerated(dialect, tolerant=tolerant, tools=TOOLS)) == wanted


def test_what_sensible_servers_send() -> None:
    """Each oddity alone, in an otherwise ordinary stream, is read right; two calls side by side need an index each."""
    ordinary: Way = ("first", "right", "first", "pieces")
    columns = (IDS, INDICES, NAMES, ARGUMENTS)
    odd = {(*ordinary[:place], way, *ordinary[place + 1 :]) for place, ways in enumerate(columns) for way in ways}
    found = [(way, arrangement, outcome) for way, _, arrangement, outcome in enumerated("openai_chat") if way in odd]
    assert len(found) == 4 * (1 + sum(len(ways) - 1 for ways in columns))
    wrong = {(way[1], arrangement, outcome) for way, arrangement, outcome in found if outcome != "right"}
    assert wrong <= {("zero", "side by side", "error")}
