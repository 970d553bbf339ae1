"""JSON read while it is being written: what shows, when, and what becomes of what is no JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from miiflow_llm.core.exceptions import ParsingError
from miiflow_llm.schema.partial_json import NOTHING, PartialJSON
from miiflow_llm.schema.to_type import decode_as

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.text(alphabet='"\\/\n\t\x00é€😀u0', max_size=8)
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)
WRITERS: tuple[Callable[[Any], str], ...] = (
    json.dumps,
    lambda value: json.dumps(value, ensure_ascii=False),
    lambda value: json.dumps(value, indent=2),
    lambda value: json.dumps(value, separators=(" ,\t", "\r\n:")),
    lambda value: msgspec.json.encode(value).decode(),
)
TEXTS = st.builds(lambda value, write: write(value), VALUES, st.sampled_from(WRITERS))
# Nearly JSON: its own letters in any order, so that most texts break somewhere inside.
NOISE = st.lists(
    st.sampled_from(['"', "\\", "\\u", "d83d", "\\ude00", "{", "}", "[", "]", ":", ",", "1", "-", ".", "e", "0", " "])
    | st.sampled_from(["true", "fal", "null", "\x01", "a", "\ud800", '"a":', "1e999"]),
    max_size=12,
).map("".join)


def cut(text: str, data: st.DataObject) -> list[str]:
    """The text in pieces of one to seven characters."""
    pieces, at = [], 0
    while at < len(text):
        step = data.draw(st.integers(1, 7))
        pieces.append(text[at : at + step])
        at += step
    return pieces


def is_prefix(part: Any, whole: Any, *, last: bool = True) -> bool:
    """Whether `part` is `whole` as far as it had come: only the last of a container may be unfinished."""
    if not last:
        return type(part) is type(whole) and bool(part == whole)
    if isinstance(whole, str):
        return isinstance(part, str) and whole.startswith(part)
    if isinstance(whole, list) and isinstance(part, list):
        ends = [at == len(part) - 1 for at in range(len(part))]
        return len(part) <= len(whole) and all(is_prefix(a, b, last=e) for a, b, e in zip(part, whole, ends))  # noqa: B905  a part is shorter
    if isinstance(whole, dict) and isinstance(part, dict):
        return list(part) == list(whole)[: len(part)] and is_prefix(list(part.values()), list(whole.values()))
    return type(part) is type(whole) and bool(part == whole)


def read(text: str, size: int = 1, **options: Any) -> Any:
    """The whole value of a text that comes `size` characters at a time."""
    reader = PartialJSON(**options)
    for at in range(0, len(text), size):
        reader.feed(text[at : at + size])
    return reader.finish()


@given(TEXTS, st.data())
def test_every_value_so_far_is_a_prefix(text: str, data: st.DataObject) -> None:
    """However JSON is written and cut, each value is a prefix of the whole and the last is what msgspec decodes."""
    whole = msgspec.json.decode(text)
    reader = PartialJSON()
    for piece in cut(text, data):
        reader.feed(piece)
        assert reader.value is NOTHING or is_prefix(reader.value, whole)
    assert reader.finish() == whole
    assert reader.complete


@given(TEXTS, st.data())
def test_snapshots_stay(text: str, data: st.DataObject) -> None:
    """What a snapshot held when it was taken it holds for ever, and it is the value of that moment."""
    reader, kept = PartialJSON(), []
    for piece in cut(text, data):
        reader.feed(piece)
        snapshot = reader.snapshot()
        assert snapshot == reader.value or snapshot is reader.value
        kept.append((snapshot, repr(snapshot)))
    assert all(repr(snapshot) == then for snapshot, then in kept)


@given(NOISE | TEXTS, st.data())
def test_accepts_what_the_final_decode_accepts(text: str, data: st.DataObject) -> None:
    """The reader takes a text exactly where `decode_as` does, with the same value; all else is a ParsingError."""
    reader = PartialJSON()
    try:
        expected = decode_as({}, text)
    except ParsingError:
        with pytest.raises(ParsingError):
            read(text)
        return
    for piece in cut(text, data):
        reader.feed(piece)
    assert reader.finish() == expected


@given(TEXTS, st.integers(0))
def test_a_truncated_text_is_never_whole(text: str, where: int) -> None:
    """A list that is cut anywhere is incomplete, and `finish` says so with a place."""
    text = f"[{text}]"
    reader = PartialJSON()
    reader.feed(text[: where % len(text)])
    assert not reader.complete
    with pytest.raises(ParsingError, match="ends before") as caught:
        reader.finish()
    assert caught.value.path.startswith("$")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", NOTHING),
        ("  ", NOTHING),
        ("{", {}),
        ('{"na', {}),
        ('{"name"', {}),
        ('{"name":', {}),
        ('{"name":"', {"name": ""}),
        ('{"name":"a\\', {"name": "a"}),
        ('{"name":"a\\u00e', {"name": "a"}),
        ('{"name":"a\\u00e9', {"name": "aé"}),
        ('{"name":"a\\ud83d', {"name": "a"}),
        ('{"name":"a\\ud83d\\ude0', {"name": "a"}),
        ('{"name":"a\\ud83d\\ude00', {"name": "a😀"}),
        ('{"name":12', {}),
        ('{"name":12,', {"name": 12}),
        ('{"name":tru', {}),
        ('{"name":true', {"name": True}),
        ("[1, 2", [1]),
        ("[1, 2 ", [1, 2]),
        ("[nul", []),
        ("12", NOTHING),
        ("12 ", 12),
    ],
)
@pytest.mark.parametrize("size", [1, 100])
def test_what_shows(text: str, value: Any, size: int) -> None:
    """Strings show as they grow, without half an escape or pair; numbers and words when they are finished."""
    reader = PartialJSON()
    for at in range(0, len(text), size):
        reader.feed(text[at : at + size])
    assert reader.value == value


def test_the_open_path_is_all_that_is_unfinished() -> None:
    """`open_path` names where the next character goes, and is None at the end."""
    reader = PartialJSON()
    reader.feed('{"a":[1,{"b c":"x')
    assert reader.open_path == ("a", 1, "b c")
    reader.feed('"}]}')
    assert reader.open_path is None


@pytest.mark.parametrize(
    ("text", "path", "position"),
    [
        ('{"a":[1,x]}', "$.a[1]", 8),
        ('{"a b":tru3}', '$["a b"]', 7),
        ('{"a":"\\x"}', "$.a", 6),
        ("[01]", "$[0]", 3),
        ("[1] 2", "$", 4),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 100])
def test_malformed(text: str, path: str, position: int, size: int) -> None:
    """What is no JSON is an error that says where, however it was cut; later calls say the same."""
    reader = PartialJSON()
    with pytest.raises(ParsingError) as caught:
        for at in range(0, len(text), size):
            reader.feed(text[at : at + size])
    assert caught.value.path == path
    assert f"(character {position})" in caught.value.reason
    for again in (lambda: reader.feed(" "), reader.finish):
        with pytest.raises(ParsingError) as repeated:
            again()
        assert repeated.value.reason == caught.value.reason


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"a":' * 100_000,
        "1e999 ",
        "-1e999 ",
        "9" * 10_000 + " ",
        "-" * 1_000_000 + " ",
    ],
)
@pytest.mark.parametrize("size", [12, 10**7])
def test_hostile(text: str, size: int) -> None:
    """Depth 100 000, numbers that nothing can hold: a typed error in bounded time, never a crash."""
    began = time.perf_counter()
    with pytest.raises(ParsingError):
        read(text, size)
    assert time.perf_counter() - began < 5


def test_depth_is_a_setting() -> None:
    """As many containers as `max_depth` may be open at once, and not one more."""
    assert read("[" * 512 + "]" * 512) is not None
    assert read("[[]]", max_depth=2) == [[]]
    with pytest.raises(ParsingError, match="nested more than 2 deep"):
        read("[[[]]]", max_depth=2)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a":1,"a":2}', {"a": 2}),
        ('{"a":{"b":1},"a":"x"}', {"a": "x"}),
        ('"\\ud800"', "\ufffd"),
        ('"\\ud800x"', "\ufffdx"),
        ('"\\udc00\\ud800"', "\ufffd\ufffd"),
        ('"\\ud800\\ud83d\\ude00"', "\ufffd😀"),
        ('"\ud800"', "\ufffd"),
        ('"\\\\ud800"', "\\ud800"),
        ("0." + "1" * 10_000, 0.1111111111111111),
    ],
)
@pytest.mark.parametrize("size", [1, 4, 10**6])
def test_oddities(text: str, value: Any, size: int) -> None:
    """Of duplicate keys the last wins; lone surrogates become U+FFFD, as the final decode has it."""
    assert read(text, size) == value
    assert decode_as({}, text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a":[1]}', {"a": [1]}),
        ('```json\n{"a":"```"}\n```', {"a": "```"}),
        ('Here you are:\n\n```\n[1, 2]\n```\nAnything else? {"b":1}', [1, 2]),
        ('As [see note] {maybe} said: {"a":"}"} and ]', {"a": "}"}),
        ('[[[ {"a":1}', None),
    ],
)
@pytest.mark.parametrize("size", [1, 5, 1000])
def test_lenient(text: str, value: Any, size: int) -> None:
    """Fences and prose around the JSON are passed over, and reading stops at its end."""
    reader = PartialJSON(lenient=True)
    for at in range(0, len(text), size):
        reader.feed(text[at : at + size])
    if value is None:
        assert not reader.complete
        return
    assert reader.finish() == value
    assert msgspec.json.decode(text[reader.start : reader.end]) == value


def test_lenient_looks_for_an_object_where_only_that_will_do() -> None:
    """With `openers` a list in the prose is not taken for the answer."""
    assert read('See [1]: {"a":2}', lenient=True, openers="{") == {"a": 2}


@pytest.mark.parametrize(("text", "words"), [("no JSON here", "no JSON object"), ('x {"a":1, b}', "next key begins")])
def test_lenient_without_json(text: str, words: str) -> None:
    """Prose alone is an error, and so is JSON that breaks after it began to show."""
    with pytest.raises(ParsingError, match=words):
        read(text, lenient=True)


class Whole:
    """A shape where the string under `mood` is one of a few words."""

    def __init__(self, whole: bool = False) -> None:
        self.whole = whole

    def child(self, key: str | int) -> Whole:
        """What stands under the key."""
        return Whole(key == "mood")


def test_a_word_of_a_list_shows_when_it_is_whole() -> None:
    """Where the shape says so a string is absent until its closing quote; beside it strings grow."""
    reader, seen = PartialJSON(shape=Whole()), []
    for char in '[{"mood":"g\\u006fod","t":"xy"}]':
        reader.feed(char)
        if reader.value and reader.value[0] not in seen:
            seen.append(dict(reader.value[0]))
    assert seen == [
        {},
        {"mood": "good"},
        {"mood": "good", "t": ""},
        {"mood": "good", "t": "x"},
        {"mood": "good", "t": "xy"},
    ]


DOCUMENTS: tuple[Callable[[int], str], ...] = (
    lambda size: json.dumps({"text": "lorem ipsum dolor sit amet " * (size // 27)}),
    lambda size: json.dumps({"text": 'é\n"q" 😀 ' * (size // 30)}),
    lambda size: json.dumps([{"id": at, "name": f"item {at}", "ok": True} for at in range(size // 42)]),
)


def seconds_per_delta(text: str) -> float:
    """Processor time, the least of three readings in twelve characters a piece, the value looked at after each."""
    pieces = [text[at : at + 12] for at in range(0, len(text), 12)]
    best = float("inf")
    for _ in range(3):
        reader = PartialJSON()
        began = time.process_time()
        for piece in pieces:
            reader.feed(piece)
            assert reader.value is not None
        best = min(best, (time.process_time() - began) / len(pieces))
    return best


@pytest.mark.slow
@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_cost_of_a_delta_does_not_grow(document: Callable[[int], str]) -> None:
    """A delta of a megabyte costs what one of ten kilobytes does; quadratic reading would be a hundredfold."""
    assert seconds_per_delta(document(1_000_000)) < 8 * seconds_per_delta(document(10_000))
