"""Frames of mere text are read by types alone: they say what the rules would, and no other frame is read so."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest

from miiflow_llm.core.exceptions import StreamProtocolError
from miiflow_llm.core.pieces import Piece, Text
from miiflow_llm.core.response import StreamChunk
from miiflow_llm.replay.capture import Capture
from miiflow_llm.tables import Dialect, RuleLike, absent, const, each, emit, first, json, other_than
from miiflow_llm.wire.decode import reader as reading
from miiflow_llm.wire.decode.compile import READ_ERRORS
from miiflow_llm.wire.decode.decoder import Decoder
from miiflow_llm.wire.engine import Engine, StreamReader

from ..captured import engine_of, fresh_engine_of, own, sample, shared
from .test_two_readings import ODD, frames, places_in, replaced


def say(text: str, **more: Any) -> bytes:
    """A frame of openai_chat with that text."""
    choice = {"index": 0, "delta": {"content": text}}
    return b"data: " + msgspec.json.encode({"choices": [choice], **more}) + b"\n\n"


STREAMS = [capture for capture in [*own(), *sample(shared(), 400)] if capture.status < 400 and capture.streaming]


def more_of(decoder: Decoder, event: str, data: bytes, block: Any, part: Any = None) -> str:
    """The text that is read in the short way, `""` where it is not."""
    read = decoder.more_text[False][event]
    try:
        return read(data, Text("", block, part=part)) if read is not None else ""
    except READ_ERRORS:
        return ""


def mere_text(decoder: Decoder, event: str, data: bytes) -> Text | None:
    """What the rules say of a frame, where it is mere text."""
    try:
        pieces: list[Piece] = decoder.read(event, data, meta=False)
    except StreamProtocolError:
        return None
    return pieces[0] if len(pieces) == 1 and isinstance(pieces[0], Text) and pieces[0].text else None


@pytest.mark.parametrize("part", range(10))
def test_it_says_what_the_rules_say(part: int) -> None:
    """On every frame of every capture, for its own block and for another."""
    for capture in STREAMS[part::10]:
        decoder = engine_of(capture).decoder
        for event, data in frames(capture, decoder):
            text = mere_text(decoder, event, data)
            block, part = (text.block, text.part) if text is not None else (None, None)
            said = more_of(decoder, event, data, block, part)
            assert not said or text == Text(said, block, part=part), (capture.key, data[:300])
            assert not said or more_of(decoder, event, data, block, "another") == "", (capture.key, data[:300])
            assert more_of(decoder, event, data, "another") == "", (capture.key, data[:300])


@pytest.mark.parametrize("part", range(10))
def test_odd_values(part: int) -> None:
    """A frame with one value replaced is refused, unless the rules say the same."""
    for capture in STREAMS[part::10]:
        decoder, dice = engine_of(capture).decoder, random.Random(capture.key)
        texts = [(event, data) for event, data in frames(capture, decoder) if mere_text(decoder, event, data)]
        for event, data in dice.sample(texts, min(len(texts), 2)):
            value = msgspec.json.decode(data)
            places = list(places_in(value))
            for _ in range(60):
                odd = msgspec.json.encode(replaced(value, dice.choice(places), dice.choice(ODD)))
                text = mere_text(decoder, event, odd)
                block, part = (text.block, text.part) if text is not None else (0, None)
                said = more_of(decoder, event, odd, block, part)
                assert not said or text == Text(said, block, part=part), (capture.key, event, odd)


@pytest.mark.parametrize("part", range(10))
def test_streams_are_the_same_without_it(part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole streams, in one read and in small ones: the same chunks, the same text so far."""
    for capture in STREAMS[part::10]:
        for size in (len(capture.body), 700):
            with_it = chunks(capture, size)
            monkeypatch.setattr(reading, "MAX_MISSES", 0)
            assert with_it == chunks(capture, size), capture.key
            monkeypatch.undo()


def chunks(capture: Capture, size: int) -> list[tuple[dict[str, Any], str, str]]:
    """All that a stream's chunks say."""
    reader = engine_of(capture).stream("m")
    out: list[StreamChunk] = []
    for start in range(0, len(capture.body), size):
        out += reader.feed(capture.body[start : start + size])
    out += reader.finish()
    return [({**msgspec.structs.asdict(chunk), "_log": None}, chunk.content, chunk.reasoning) for chunk in out]


def test_which_events_have_it() -> None:
    """Every dialect says text in an event that can be read so."""
    found = {capture.dialect: events_with_it(engine_of(capture).decoder) for capture in own()}
    assert [dialect for dialect, events in found.items() if not events] == []
    assert found["anthropic_messages"] == ["content_block_delta"]
    assert found["openai_responses"] == ["response.output_text.delta"]
    assert found["openai_chat"] == [""]


def events_with_it(decoder: Decoder) -> list[str]:
    """The events of which some payloads are mere text."""
    events = sorted(decoder.named) if decoder.dialect.event else [""]
    return [event for event in events if decoder.more_text[False][event] is not None]


def test_most_text_is_read_so() -> None:
    """Of the frames of mere text after an answer's first, few are read in the long way."""
    short = long = 0
    for capture in (capture for capture in own() if capture.status < 400 and capture.streaming):
        decoder = engine_of(capture).decoder
        for event, data in frames(capture, decoder):
            text = mere_text(decoder, event, data)
            if text is not None and capture.dialect != "gemini_generate":  # which has usage in every frame
                said = more_of(decoder, event, data, text.block, text.part)
                short, long = short + bool(said), long + (not said)
    assert short > 20 * long


def finish(where: tuple[str, Any]) -> RuleLike:
    """A rule that fires where that holds."""
    return emit("finish", unified=const("stop"), where=where)


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b'{"t":"a"}', "a"),
        (b'{"t":"a","kind":"x","list":[],"flag":false,"other":null,"why":""}', "a"),
        (b'{"t":"a","other":[]}', ""),
        (b'{"t":"a","flag":true}', ""),
        (b'{"t":"a","why":"because"}', ""),
        (b'{"t":"a","list":[{"name":"n"}]}', ""),
        (b'{"t":""}', ""),
        (b'{"t":"a","t":null}', ""),
        (b'{"t":["a"]}', ""),
        (b'{"t":"a","args":"","message":null}', "a"),
        (b'{"t":"a","args":[]}', ""),
        (b'{"t":"a","message":[]}', ""),
        (b"{}", ""),
        (b'"a"', ""),
        (b'{"t":"a"', ""),
    ],
)
def test_what_another_rule_would_say(payload: bytes, said: str) -> None:
    """A frame on which another rule fires is not mere text."""
    decoder = decoder_of(
        emit("text", "t"),
        emit("reasoning", "t", where=("kind", "thought"), when=absent("t")),
        each("list", emit("tool_call", when="name", name="name")),
        emit("finish", unified=const("stop"), when=absent("why"), where=("flag", True)),
        emit("finish", "why"),
        emit("tool_call", arguments=json("other")),
        emit("tool_call", arguments="args"),
        emit("failure", message="message"),
    )
    assert more_of(decoder, "", payload, None) == said
    assert not said or mere_text(decoder, "", payload) == Text(said)


@pytest.mark.parametrize(
    ("payload", "said", "rules"),
    [
        (b'{"t":"a"}', "a", [emit("text", "t", signature="s")]),
        (b'{"t":"a","s":"x"}', "", [emit("text", "t", signature="s")]),
        (b'{"t":"a"}', "a", [emit("text", first("u", "v")), emit("text", "t")]),
        (b'{"t":"a","u":"b"}', "", [emit("text", first("u", "v")), emit("text", "t")]),
        (b'{"t":"a","kind":"say"}', "a", [emit("text", "t", where=("kind", "say"))]),
        (b'{"t":"a"}', "", [emit("text", "t", where=("kind", "say"))]),
        (b'{"t":"a","of":{"kind":"say"}}', "a", [emit("text", "t", where=("of.kind", "say"))]),
        (b'{"t":"a"}', "", [emit("text", "t", where=("of.kind", "say"))]),
        (b'{"t":"a","kind":""}', "a", [emit("text", "t", where=("kind", ""))]),
        (b'{"t":"a","of":{"n":null}}', "a", [emit("text", "t", block="of.n")]),
        (b'{"t":"a"}', "", [emit("text", "t", block="of.n")]),
        (b'{"t":"a","of":{"end":false}}', "a", [emit("text", "t"), finish(("of.end", True))]),
        (b'{"t":"a"}', "", [emit("text", "t"), finish(("of.end", True))]),
        (b'{"t":"a"}', "a", [emit("text", "t"), emit("refusal", "of"), finish(("of.end", True))]),
        (b'{"t":"a"}', "a", [emit("text", "t"), each("l", emit("tool_call", name="n"), finish(("end", True)))]),
        (b'{"t":"a"}', "a", [emit("text", "t"), finish(("t.end", True))]),
        (b'{"t":"a"}', "a", [emit("text", "t"), finish(("t.end", "yes"))]),
        (b'{"t":"a"}', "a", [emit("text", "t"), emit("citation", "t.c", where=("t.c", False))]),
        (b'{"t":"a"}', "a", [emit("text", "t"), each("t", emit("progress", const("x"), when=absent("y")))]),
        (b'{"t":"a","end":false}', "a", [emit("text", "t"), emit("progress", "end"), finish(("end", True))]),
        (b'{"t":"a","end":true}', "", [emit("text", "t"), emit("progress", "end"), finish(("end", True))]),
        (b'{"t":"a","x":[]}', "", [emit("text", "t"), emit("citation", "x"), emit("tool_call", arguments=json("x"))]),
        (b'{"t":"a","r":"b","kind":"x"}', "", [emit("text", "t"), emit("reasoning", "r", where=("kind", "x"))]),
    ],
)
def test_what_one_rule_more_would_say(payload: bytes, said: str, rules: list[RuleLike]) -> None:
    """What is read in the short way is what the rules say, whatever the other rules look at."""
    decoder = decoder_of(*rules)
    assert more_of(decoder, "", payload, None) == said
    assert not said or mere_text(decoder, "", payload) == Text(said)


@pytest.mark.parametrize(
    "rules",
    [
        [emit("text", "t"), emit("progress", const("x"), when=absent("y"))],
        [emit("text", "t"), emit("progress", const("x"), where=("kind", "x"))],
        [emit("text", "t"), finish(("t.end", False))],
        [emit("text", "t", where=("kind", "x")), emit("citation", "kind")],
        [emit("text", "t", where=("of.kind", "x")), emit("refusal", "of")],
        [emit("text", "t", block="of.n"), emit("refusal", "of")],
        [emit("text", "t", block="t.n")],
        [emit("text", "t"), emit("reasoning", "t")],
        [emit("text", "t"), emit("citation", ".")],
        [emit("text", "a.t"), emit("citation", "a")],
        [emit("text", first("t", "u"))],
        [emit("text", "t", block=const(1))],
        [emit("text", "l[0].t")],
        [emit("text", "t", where=("kind", other_than("x")))],
        [emit("text", "t", where=("flag", True))],
        [emit("reasoning", "t")],
    ],
)
def test_rules_that_allow_none(rules: list[RuleLike]) -> None:
    """Where types alone cannot tell mere text, there is no short way."""
    assert decoder_of(*rules).more_text[False][""] is None


def test_only_known_events_are_kept() -> None:
    """A server cannot fill memory with names of events."""
    texts = Decoder(engine_of(next(c for c in own() if c.dialect == "anthropic_messages")).dialect).more_text[False]
    for number in range(10):
        assert texts[f"event {number}"] is None
    assert len(texts) == 0


def test_streams_with_more_in_every_frame_are_not_asked_for_ever() -> None:
    """Where no frame is mere text, after some reads none is tried."""
    reader = Engine(engine_of(next(c for c in own() if c.dialect == "openai_chat")).dialect, "openai").stream("m")
    frame = b'data: {"model":"m","choices":[{"index":0,"delta":{"content":"a"}}],"usage":{"prompt_tokens":1}}\n\n'
    tried: list[bytes] = []
    decode = reader._more_text[False][""]
    assert decode is not None

    def counted(data: bytes, last: Text) -> str:
        tried.append(data)
        return decode(data, last)

    reader._more_text = ({"": counted}, {"": counted})  # type: ignore[assignment]
    said = [chunk.delta for _ in range(20) for chunk in reader.feed(frame)]
    assert said == ["a"] * 20
    assert len(tried) == reading.MAX_MISSES


@pytest.mark.parametrize(
    "reads",
    [
        [say("d", usage={}), say("e")],
        [say("b") + say("c", usage={}), say("d", usage={})],
    ],
)
def test_a_rare_miss_is_forgiven(reads: list[bytes]) -> None:
    """Reads with other frames among the mere text are asked for it for ever."""
    reader, tried = reader_of("openai_chat"), list[bytes]()
    decode = reader._more_text[False][""]
    assert decode is not None

    def counted(data: bytes, last: Text) -> str:
        tried.append(data)
        return decode(data, last)

    reader._more_text = ({"": counted}, {"": counted})  # type: ignore[assignment]
    reader.feed(say("a", model="m"))
    for _ in range(reading.MAX_MISSES):
        for data in reads:
            reader.feed(data)
    frames_read = b"".join(reads).count(b"data: ")
    assert len(tried) == frames_read * reading.MAX_MISSES
    assert reader.fold.output == 1 + frames_read * reading.MAX_MISSES


def test_where_it_is_read_so() -> None:
    """Whatever the frames are called where names mean nothing, and after one that says nothing."""
    reader = reader_of("openai_chat")
    for frame in (say("a", model="m"), say("b"), say(""), b"event: x\n" + say("c")):
        reader.feed(frame)
    first, *more = reader.fold.transcript.entries
    assert (type(first), more) == (Text, ["b", "c"])


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        ("openai_chat", say("a", model="m") + say("b") + say("c")[6:]),
        (
            "openai_responses",
            b"".join(
                b'event: response.%b.delta\ndata: {"output_index":0,"delta":"a"}\n\n' % kind
                for kind in (b"output_text", b"output_text", b"refusal", b"output_text")
            ),
        ),
    ],
)
def test_other_frames_among_it(dialect: str, body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A frame outside the framing, or of another event, is not read so however much it looks like more text."""
    first, rest = body.split(b"\n\n", 1)
    cuts = [[body], [first + b"\n\n", rest], body.splitlines(keepends=True)]
    with_it = [said_by(dialect, reads) for reads in cuts]
    monkeypatch.setattr(reading, "MAX_MISSES", 0)
    assert with_it == [said_by(dialect, reads) for reads in cuts]


def test_marks_are_read_by_the_rules() -> None:
    """An event that says where an answer stands is not read so, though it says text too."""
    rules = (emit("text", "t", on=("part", "last")),)
    for marks in ({"complete": ("last",)}, {"end": ("last",)}):
        made = Dialect(name="made", path="/", docs="https://d", body={}, parts={}, event="type", events=rules, **marks)
        assert events_with_it(Decoder(made)) == ["part"]


def reader_of(dialect: str) -> StreamReader:
    """A reader of an engine of its own."""
    return fresh_engine_of(next(capture for capture in own() if capture.dialect == dialect)).stream("m")


def said_by(dialect: str, reads: list[bytes]) -> list[tuple[str, str]]:
    """What chunks say of text and refusal."""
    reader = reader_of(dialect)
    return [(chunk.delta, chunk.refusal_delta) for data in reads for chunk in reader.feed(data)]


def decoder_of(*rules: RuleLike) -> Decoder:
    """The decoder of a dialect that has these rules."""
    return Decoder(Dialect(name="made", path="/", docs="https://d", body={}, parts={}, events=rules))
