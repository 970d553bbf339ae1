"""The generated functions and the plain walk over decoded JSON are two implementations of one table: they agree."""

from __future__ import annotations

import ast
import builtins
import random
import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from miiflow_llm.core.exceptions import StreamProtocolError
from miiflow_llm.core.pieces import Failure, Opaque
from miiflow_llm.replay.capture import Capture
from miiflow_llm.tables.event_words import PIECES
from miiflow_llm.wire.decode.decoder import WHOLE, Decoder
from miiflow_llm.wire.decode.eventstream import BrokenStreamError
from miiflow_llm.wire.decode.framings import FRAMINGS
from miiflow_llm.wire.decode.tolerant import Mismatch, walk

from ..captured import engine_of, own, sample, shared

CAPTURES = [capture for capture in [*own(), *sample(shared(), 150)] if capture.status < 400]


def frames(capture: Capture, decoder: Decoder) -> Iterator[tuple[str, bytes]]:
    """Every event of a capture with its payload; a whole answer is one."""
    if not capture.streaming:
        yield WHOLE, capture.body.strip()
        return
    framer = FRAMINGS[decoder.dialect.framing]()
    try:
        found = framer.feed(capture.body)
    except BrokenStreamError as broken:
        found = broken.frames
    for frame in (*found, *framer.finish()):
        if frame.data != (decoder.dialect.done or "").encode():
            yield decoder.event_of(frame), frame.data


@pytest.mark.slow
@pytest.mark.parametrize("part", range(20))
def test_readings_agree(part: int) -> None:
    """On every frame of every capture the typed reading gives what the plain one gives."""
    for capture in CAPTURES[part::20]:
        check_readings(capture)


def check_readings(capture: Capture) -> None:
    """Both readings of each frame of a capture give the same pieces; `scripts/soak --captures` asks this of all."""
    decoder = engine_of(capture).decoder
    for event, data in frames(capture, decoder):
        try:
            typed = decoder.reader(event).read(data)
        except msgspec.DecodeError:
            continue  # read the tolerant way alone
        plain = walk(decoder.rules_for(event), msgspec.json.decode(data))
        assert shape(typed) == shape(plain), (capture.key, event, data[:300])


@pytest.mark.slow
def test_the_second_reading_is_rare() -> None:
    """Of our captures only those that are made for it need the tolerant reading: the fast one reads all others."""
    again = {capture.key for capture in own() if capture.status < 400 and needs_it(capture)}
    assert again == {
        "groq/last_event_without_blank_line",
        "mistral/whole_tools",
        "ollama/cut_short_inside_a_line",
        "openai-compatible/tool_call_arguments_as_object",
        "openai/cut_short_inside_a_frame",
    }


def needs_it(capture: Capture) -> bool:
    """Whether some frame does not fit the typed decoder."""
    decoder = engine_of(capture).decoder
    for event, data in frames(capture, decoder):
        try:
            decoder.reader(event).read(data)
        except msgspec.DecodeError:
            return True
    return False


ODD: list[Any] = [
    *(None, "", "x", "7", 0, 1, -1, 1.5, True, False, [], ["a", "b"], [1], [None], [{}], {}, {"a": 1}),
    *([{"text": "t"}], {"text": "t"}, {"content": "c"}),
]
"""What may stand where something else was: every type, empty and not, and the keys that tables look for."""


@pytest.mark.slow
@pytest.mark.parametrize("part", range(10))
def test_odd_values(part: int) -> None:
    """A frame with one value replaced is read alike by both, or refused by both with a typed error."""
    for capture in [capture for capture in own() if capture.status < 400][part::10]:
        check_odd_readings(capture, changes=25)


def check_odd_readings(capture: Capture, changes: int) -> None:
    """Both readings agree on some frames of a capture, in each of which one value is replaced so many times."""
    decoder, dice = engine_of(capture).decoder, random.Random(capture.key)
    read = list(frames(capture, decoder))
    for event, data in dice.sample(read, min(len(read), 6)):
        try:
            value = msgspec.json.decode(data)
        except msgspec.DecodeError:
            continue
        places = list(places_in(value))
        for _ in range(changes):
            odd = replaced(value, dice.choice(places), dice.choice(ODD))
            assert by_decoder(decoder, event, odd) == by_walk(decoder, event, odd), (capture.key, event, odd)


def by_decoder(decoder: Decoder, event: str, value: Any) -> Any:
    """What a decoder reads: pieces, or that it refuses."""
    try:
        return shape(decoder.read(event, msgspec.json.encode(value)))
    except StreamProtocolError:
        return "refused"


def by_walk(decoder: Decoder, event: str, value: Any) -> Any:
    """What the plain reading gives."""
    try:
        return shape(walk(decoder.rules_for(event), value))
    except Mismatch:
        return "refused"


def places_in(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value in the value."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in inner:
        yield from places_in(child, (*path, key))


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """The value with another at `path`."""
    if not path:
        return new
    copied = value.copy()
    copied[path[0]] = replaced(value[path[0]], path[1:], new)
    return copied


def shape(pieces: list[Any]) -> list[object]:
    """The pieces as values: JSON that they carry may be spelt differently, and an opaque part of nothing is nothing."""
    return [
        [type(piece).__name__, *map(_parsed, msgspec.structs.astuple(_comparable(piece)))]
        for piece in pieces
        if not (isinstance(piece, Opaque) and piece.payload is None)
    ]


def _comparable(piece: Any) -> Any:
    """The piece; an error without words is the whole object to one reading and no message to the other."""
    if isinstance(piece, Failure) and isinstance(_parsed(piece.message), dict):
        return msgspec.structs.replace(piece, message=None)
    return piece


def _parsed(value: object) -> object:
    if isinstance(value, (bytes, str)):
        try:
            return msgspec.json.decode(value)
        except (msgspec.DecodeError, UnicodeEncodeError):
            return value
    return value


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b'{"choices":[{"delta":{"content":["a","b"]}}]}', "ab"),
        (b'{"choices":[{"delta":{"content":12}}]}', "12"),
        (b'{"choices":[{"delta":{"content":"a\\ud83d"}}]}', "a\ufffd"),
        (b'{"choices":[{"delta":{"content":"\\ude00b"}}]}', "\ufffdb"),
        (b'{"choices":[{"delta":{"content":"a\xed\xa0\xbdb\\ud83d\\ude00"}}]}', "a\ufffd\ufffd\ufffdb\U0001f600"),
        (b'{"choices":[{"delta":{"content":null}}]}', None),
        (b'{"choices":null}', None),
        (b'{"choices":[null,{"delta":{"content":"x"}}]}', "x"),
        (b'{"choices":[{"index":"0","delta":{"content":"x"}}]}', "x"),
        (b'{"choices":[{"delta":{"content":"x","tool_calls":null}}],"usage":null}', "x"),
    ],
)
def test_odd_types_are_read_again(payload: bytes, said: str | None) -> None:
    """A payload of an odd type is read the tolerant way rather than lost."""
    from miiflow_llm import ProviderStreamNormalizer

    chunk = ProviderStreamNormalizer().normalize_chunk(payload, provider="openai")
    assert (chunk.delta if chunk else None) == said


def test_unreadable() -> None:
    """What neither reading understands is a protocol error with dialect, place and the beginning of the payload."""
    from miiflow_llm import ProviderStreamNormalizer

    with pytest.raises(StreamProtocolError) as caught:
        ProviderStreamNormalizer().normalize_chunk(b'{"choices":[{"delta":{"content":{}}}]}', provider="openai")
    assert "openai_chat" in str(caught.value)
    assert "content" in str(caught.value)
    assert caught.value.payload.startswith('{"choices"')
    with pytest.raises(StreamProtocolError, match="truncated"):
        ProviderStreamNormalizer().normalize_chunk(b'{"choices":[', provider="openai")


PLAIN = re.compile(r"[vfc]\d+|read|payload|frame|decode|out|append|present|text|null|\{\}|")
"""What generated source is made of, beside builtins, pieces and the pieces' own fields."""


@pytest.mark.slow
def test_generated_source_holds_no_wire_text() -> None:
    """Every word in generated source is the generator's own: no text of the wire can become code."""
    fields = {field for piece in PIECES.values() for field in piece.__struct_fields__}
    known = fields | {piece.__name__ for piece in PIECES.values()} | set(dir(builtins))
    for capture in own():
        decoder = engine_of(capture).decoder
        for event in {event for event, _ in frames(capture, decoder)} if capture.status < 400 else ():
            strange = {
                word for word in words(decoder.reader(event).source) if word not in known and not PLAIN.fullmatch(word)
            }
            assert strange == set()


def words(source: str) -> Iterator[str]:
    """Every name and text in a piece of source."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)):
            yield node.value if isinstance(node.value, str) else node.value.decode()
        found = getattr(node, "id", None) or getattr(node, "attr", None) or getattr(node, "arg", None)
        if isinstance(found, str):
            yield found
