"""The generated functions and the plain walk over decoded JSON are two implementations of one table: they agree."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from miiflow_llm.core.exceptions import StreamProtocolError
from miiflow_llm.replay.capture import Capture
from miiflow_llm.wire.decode import WHOLE, Decoder
from miiflow_llm.wire.frames import FRAMINGS, Frame
from miiflow_llm.wire.walk import walk

from .captured import engine_of, own, sample, shared

CAPTURES = [capture for capture in [*own(), *sample(shared(), 400)] if capture.status < 400]


def frames(capture: Capture, decoder: Decoder) -> Iterator[tuple[str, bytes]]:
    """Every event of a capture with its payload; a whole answer is one."""
    if not capture.streaming:
        yield WHOLE, capture.body.strip()
        return
    framer = FRAMINGS[decoder.dialect.framing]()
    for frame in (*framer.feed(capture.body), *framer.finish()):
        if frame.data != (decoder.dialect.done or "").encode():
            yield decoder.event_of(frame), frame.data


@pytest.mark.parametrize("part", range(20))
def test_readings_agree(part: int) -> None:
    """On every frame of every capture the typed reading gives what the plain one gives."""
    for capture in CAPTURES[part::20]:
        decoder = engine_of(capture).decoder
        for event, data in frames(capture, decoder):
            try:
                typed = decoder.reader(event).read(data)
            except msgspec.DecodeError:
                continue  # read the tolerant way alone
            plain = walk(decoder.rules_for(event), msgspec.json.decode(data))
            assert shape(typed) == shape(plain), (capture.key, event, data[:300])


def shape(pieces: list[object]) -> list[object]:
    """The pieces, with JSON that they carry as values: its spelling may differ."""
    return [[type(piece).__name__, *map(_parsed, msgspec.structs.astuple(piece))] for piece in pieces]  # type: ignore[type-var]


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
        ProviderStreamNormalizer().normalize_chunk(b'{"choices":[{"delta":{"content":{"a":1}}}]}', provider="openai")
    assert "openai_chat" in str(caught.value)
    assert "content" in str(caught.value)
    assert caught.value.payload.startswith('{"choices"')
    with pytest.raises(StreamProtocolError, match="truncated"):
        ProviderStreamNormalizer().normalize_chunk(b'{"choices":[', provider="openai")


def test_generated_source_holds_no_wire_text() -> None:
    """No text of the wire is pasted into generated source."""
    for capture in own()[:1]:
        decoder = engine_of(capture).decoder
        source = decoder.reader("").source
        assert "choices" not in source
        assert "content" not in source
    assert Frame(None, b"").stray is False
