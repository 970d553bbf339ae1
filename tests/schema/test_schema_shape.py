"""What a schema says of the places in a value that is still being written."""

from __future__ import annotations

import datetime
import enum
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from miiflow_llm.calls.structured import Shape, ShapeReader
from miiflow_llm.core.messages import Message
from miiflow_llm.core.response import ChatResponse, StreamChunk
from miiflow_llm.schema.of_type import schema_of
from miiflow_llm.schema.partial_json import NOTHING, PartialJSON
from miiflow_llm.schema.shape import SchemaShape


class Mood(enum.Enum):
    """A mood."""

    GOOD = "good"
    GOODISH = "goodish"


@dataclass
class Day:
    """A day."""

    note: str
    mood: Mood | None
    kind: Literal["wet", "wetter"] | int
    when: datetime.date
    moods: dict[str, Mood]
    pair: tuple[str, Mood]
    later: list[Day]


DAY: dict[str, Any] = {
    "note": "salt",
    "mood": "goodish",
    "kind": "wetter",
    "when": "2024-02-29",
    "moods": {"a": "good"},
    "pair": ["good", "goodish"],
    "later": [],
}
WORDS = {"good", "goodish", "wet", "wetter", "2024-02-29"}


def shown(value: Any, place: str = "") -> dict[str, str]:
    """Every string in a value, by its path."""
    if isinstance(value, str):
        return {place: value}
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return {path: text for key, one in inner for path, text in shown(one, f"{place}.{key}").items()}


@given(st.integers(1, 5), st.integers(0, 3))
def test_words_are_shown_whole(size: int, depth: int) -> None:
    """Enum and Literal words and dates appear when they are finished; free text grows."""
    value = DAY
    for _ in range(depth):
        value = {**DAY, "later": [value, value]}
    text = msgspec.json.encode(value).decode()
    reader, grew = PartialJSON(shape=SchemaShape.of(schema_of(Day))), False
    for at in range(0, len(text), size):
        reader.feed(text[at : at + size])
        strings = shown(reader.value) if reader.value is not NOTHING else {}
        for path, string in strings.items():
            free = path.endswith((".note", ".pair.0"))
            assert free or string in WORDS
            grew = grew or (free and string not in ("salt", "good"))
    assert reader.value == value
    assert grew or size > 1


@pytest.mark.parametrize(
    ("schema", "whole"),
    [
        ({"type": "string"}, False),
        ({"const": "ab"}, True),
        ({"type": "string", "format": "date"}, True),
        ({"anyOf": [{"type": "null"}, {"enum": ["ab"]}]}, True),
        ({"allOf": [{"$ref": "#/$defs/a~1b"}], "$defs": {"a/b": {"enum": ["ab"]}}}, True),
        ({"$ref": "#"}, False),
        ({"$ref": "https://example.com/x"}, False),
        ({"$ref": "#/$defs/A", "$defs": {"A": {"anyOf": [{"$ref": "#/$defs/A"}, {"const": "a"}]}}}, True),
        (True, False),
    ],
)
def test_whole(schema: Any, whole: bool) -> None:
    """References and unions are looked through; loops, remote references and nothing at all are no words."""
    assert SchemaShape.of(schema).whole is whole


def test_a_place_nobody_knows() -> None:
    """A member that the schema does not have has no shape."""
    shape = SchemaShape.of({"type": "object", "properties": {"a": {"enum": ["x"]}}})
    assert shape.child("b") is None
    assert shape.child(0) is None
    assert shape.child("a") is shape.child("a")


def read(type_: Any, mode: Any, *pieces: str) -> list[Any]:
    """The value so far after each piece."""
    reader, values = ShapeReader(Shape.of(type_)), []
    for piece in pieces:
        chunk = StreamChunk(delta=piece)
        reader.read(chunk)
        values.append(msgspec.json.decode(msgspec.json.encode(chunk.partial_parse)))
    return values


def test_words_in_an_answer() -> None:
    """The reader of an answer goes by the caller's type, wrapped roots too."""
    assert read(Mood, "native", '{"value":"go', 'od"}') == [None, "good"]
    assert read(list[Mood], "native", '{"value":["go', 'od","goodi', 'sh"]}') == [[], ["good"], ["good", "goodish"]]


@pytest.mark.parametrize("mode", ["prompt", "tool"])
def test_a_list_in_prose_is_no_answer(mode: Any) -> None:
    """Where the text may have prose around the JSON only an object is the answer, as every root is one."""
    text = 'See [1]: {"note":"x"} and [2].'
    row = msgspec.defstruct("Row", [("note", str)])
    assert read(row, mode, text[:12], text[12:])[-1] == {"note": "x"}
    response = ChatResponse(message=Message.assistant(text))
    assert ShapeReader(Shape.of(row)).finish(response) == row("x")
    assert response.structured_output == row("x")
