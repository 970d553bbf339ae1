"""What a tool gave back, as the model is told it: no value is lost in silence, no base64 stands in a text."""

from __future__ import annotations

import base64
import enum
import uuid
from collections import OrderedDict, deque, namedtuple
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miiflow_llm.calls.tool_content import content_of, error_words
from miiflow_llm.core.messages import AudioBlock, DocumentBlock, ImageBlock, Message, TextBlock
from miiflow_llm.core.response import ChatResponse

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 8
PDF = b"%PDF-1.7 etc"
IMAGE, DOCUMENT = ImageBlock.from_bytes(PNG), DocumentBlock.from_bytes(PDF)
ENCODED = base64.b64encode(PNG).decode()


class Colour(enum.Enum):
    """An enum."""

    RED = "red"


class Level(enum.IntEnum):
    """An enum of numbers."""

    HIGH = 3


class Word(enum.StrEnum):
    """An enum of words."""

    YES = "yes"


@dataclass
class Chart:
    """A dataclass with a picture in it."""

    title: str
    picture: Any


class Report(msgspec.Struct, rename="camel", tag="report"):
    """A Struct with names of its own."""

    first_line: str
    picture: Any = None


class Picture:
    """What Pillow's images have."""

    def _repr_png_(self) -> bytes:
        return PNG


class Array:
    """What numpy's arrays have."""

    def tolist(self) -> list[int]:
        """As a list."""
        return [1, 2]


class Odd:
    """Raises wherever it is looked at."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __str__(self) -> str:
        raise RuntimeError("str")


Point = namedtuple("Point", "x y")  # noqa: PYI024  what older code returns

TEXTS: list[tuple[Any, str]] = [
    ("plain", "plain"),
    (Word.YES, "yes"),
    (3, "3"),
    (True, "true"),
    (None, "null"),
    (1.5, "1.5"),
    (Decimal("1.50"), '"1.50"'),
    (date(2026, 12, 1), '"2026-12-01"'),
    (timedelta(seconds=5), '"PT5S"'),
    (uuid.UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
    (Colour.RED, '"red"'),
    (Level.HIGH, "3"),
    (Fraction(1, 3), '"1/3"'),
    (PurePosixPath("/a"), '"/a"'),
    (Point(1, 2), "[1,2]"),
    (deque([1, 2]), "[1,2]"),
    (range(3), "[0,1,2]"),
    ({"a": 1}.keys(), '["a"]'),
    (OrderedDict(a=[Level.HIGH]), '{"a":[3]}'),
    ({Colour.RED: 1, 2: "b"}, '{"red":1,"2":"b"}'),
    (["a", "b"], '["a","b"]'),
    ([], "[]"),
    ({}, "{}"),
    (Chart("t", None), '{"title":"t","picture":null}'),
    (Report("x"), '{"type":"report","firstLine":"x","picture":null}'),
    (Array(), "[1,2]"),
    (TextBlock("words"), "words"),
    (Message.assistant("said"), "said"),
    (ChatResponse(message=Message.assistant("answered"), raw=b"{}"), "answered"),
    ("é☃", "é☃"),
    ({"é": "☃"}, '{"é":"☃"}'),
    (b"some words", "some words"),
    (bytearray(b"some words"), "some words"),
    (memoryview(b"some words"), "some words"),
]


@pytest.mark.parametrize(("value", "told"), TEXTS, ids=lambda value: type(value).__name__)
def test_values_without_media(value: Any, told: str) -> None:
    """Text as it is, everything else as JSON, what JSON does not know as msgspec or the value itself says it."""
    assert content_of(value) == told


MIXTURES: list[tuple[Any, list[Any]]] = [
    (IMAGE, [IMAGE]),
    (DOCUMENT, [DOCUMENT]),
    (PNG, [IMAGE]),
    (PDF, [DOCUMENT]),
    (IMAGE.image_url, [IMAGE]),
    (Picture(), [IMAGE]),
    (("a", IMAGE), [TextBlock("a"), IMAGE]),
    (["a", IMAGE, "b", PNG], [TextBlock("a"), IMAGE, TextBlock("b"), IMAGE]),
    ([IMAGE, {"scale": 2}], [IMAGE, TextBlock('{"scale":2}')]),
    ([TextBlock("a"), TextBlock("b")], [TextBlock("a"), TextBlock("b")]),
    (["a", ["b", [IMAGE]]], [TextBlock('["a",["b",["(image 1, attached)"]]]'), IMAGE]),
    ({"a": IMAGE}, [TextBlock('{"a":"(image 1, attached)"}'), IMAGE]),
    (
        {"a": PNG, "b": [PDF]},
        [TextBlock('{"a":"(image 1, attached)","b":["(document 2, attached)"]}'), IMAGE, DOCUMENT],
    ),
    ({"url": IMAGE.image_url}, [TextBlock('{"url":"(image 1, attached)"}'), IMAGE]),
    (Chart("t", IMAGE), [TextBlock('{"title":"t","picture":"(image 1, attached)"}'), IMAGE]),
    (Report("x", PNG), [TextBlock('{"type":"report","firstLine":"x","picture":"(image 1, attached)"}'), IMAGE]),
    ({"type": "image", "data": ENCODED, "mimeType": "image/png"}, [IMAGE]),
    (
        [{"type": "text", "text": "a"}, {"type": "image", "data": ENCODED, "mimeType": "image/png"}],
        [TextBlock('[{"type":"text","text":"a"},"(image 1, attached)"]'), IMAGE],
    ),
    (
        {"type": "image_url", "image_url": {"url": IMAGE.image_url}},
        [TextBlock('{"type":"image_url","image_url":{"url":"(image 1, attached)"}}'), IMAGE],
    ),
    (Message.user([TextBlock("a"), IMAGE]), [TextBlock("a"), IMAGE]),
]


@pytest.mark.parametrize(("value", "told"), MIXTURES, ids=lambda value: type(value).__name__)
def test_values_with_media(value: Any, told: list[Any]) -> None:
    """Media go as media, in their place among the members of a sequence, else behind the text that names them."""
    assert content_of(value) == told


ODD = {
    "alone": Odd,
    "in a list": lambda: [Odd()],
    "in a dict": lambda: {"a": Odd()},
    "as a key": lambda: {Odd(): 1},
    "beside a picture": lambda: (IMAGE, Odd()),
    "a class": lambda: object,
    "a generator": lambda: (one for one in "abc"),
}


@pytest.mark.parametrize("kind", ODD)
def test_values_that_cannot_be_told(kind: str) -> None:
    """They never raise, and something is told of them."""
    assert content_of(ODD[kind]())


SOUNDS: list[tuple[Any, str]] = [
    (AudioBlock("AAAA"), "(3 bytes of wav)"),
    ([AudioBlock("AAAA", "mp3")], '["(3 bytes of mp3)"]'),
    ({"sound": b"ID3" + b"\x00" * 7}, '{"sound":"(10 bytes of audio/mp3)"}'),
    ("data:audio/wav;base64,AAAA", "(3 bytes of audio/wav)"),
    ({"a": "data:application/zip;name=x;base64,AAAA"}, '{"a":"(3 bytes of application/zip)"}'),
]


@pytest.mark.parametrize(("value", "told"), SOUNDS, ids=lambda value: type(value).__name__)
def test_what_a_result_cannot_hold(value: Any, told: str) -> None:
    """Sound and other data are told by kind and size, not as base64."""
    assert content_of(value) == told


def test_a_value_that_is_shared_is_told_twice() -> None:
    """A value that stands in two places is not circular."""
    inner = {"a": 1}
    assert content_of([inner, inner]) == '[{"a":1},{"a":1}]'


def test_the_words_of_errors() -> None:
    """The error's type and words; of a group those of each member, whatever they hold."""
    assert error_words(ValueError("x")) == "ValueError: x"
    assert error_words(ValueError()) == "ValueError"
    group = ExceptionGroup("both", [ValueError("a"), ExceptionGroup("in", [KeyError("b")])])
    told = "ExceptionGroup: both (2 sub-exceptions); ValueError: a; ExceptionGroup: in (1 sub-exception); KeyError: 'b'"
    assert error_words(group) == told
    assert error_words(ValueError("\ud800\x00")) == "ValueError: \ufffd\ufffd"


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.binary(max_size=30)
values = st.recursive(
    leaves | st.sampled_from([IMAGE, DOCUMENT, PNG, Colour.RED, IMAGE.image_url]) | st.builds(Odd),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=4) | st.integers(), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=100, deadline=None)
@given(values)
def test_any_value_can_be_sent(value: Any) -> None:
    """Whatever it is, it becomes text and media that JSON can say, without base64 in a text."""
    told = content_of(value)
    msgspec.json.encode(Message.tool(told, "c1"))
    texts = [told] if isinstance(told, str) else [block.text for block in told if isinstance(block, TextBlock)]
    assert not any("base64," in text or ENCODED in text for text in texts)


def test_models_of_pydantic() -> None:
    """A model is what it dumps, its picture is shown, and one that cannot be dumped says so."""
    pydantic = pytest.importorskip("pydantic")
    model = pydantic.create_model("Shot", day=(date, ...), data=(bytes, ...))
    assert content_of(model(day=date(2026, 1, 2), data=PNG)) == [
        TextBlock('{"day":"2026-01-02","data":"(image 1, attached)"}'),
        IMAGE,
    ]

    class Broken(pydantic.BaseModel):  # type: ignore[misc, name-defined]
        """Raises when it is dumped."""

        @pydantic.model_serializer
        def dump(self) -> Any:
            """Fail."""
            raise RuntimeError("no")

    told = content_of(Broken())
    assert isinstance(told, str)
    assert "that cannot be told" in told
