"""Which event a frame is, and what becomes of events that no rule names."""

from __future__ import annotations

import logging

import pytest

from miiflow_llm.core.exceptions import StreamProtocolError
from miiflow_llm.tables import Dialect, each, emit
from miiflow_llm.wire.decode.decoder import Decoder
from miiflow_llm.wire.decode.frames import Frame

from ..tables.test_table_laws import dialect_of


def named() -> Decoder:
    """A decoder of a dialect whose events have names, which has read nothing yet."""
    return Decoder(dialect_of("anthropic_messages"))


@pytest.mark.parametrize(
    ("frame", "event"),
    [
        (Frame(b"{}", "content_block_delta"), "content_block_delta"),
        (Frame(b'{"type":"content_block_delta"}'), "content_block_delta"),
        (Frame(b'{"type":"message_stop"}', "message"), "message_stop"),
        (Frame(b"{}", "message_stop"), "message_stop"),
        (Frame(b'{"type":"ping"}', "message_stop"), "message_stop"),
        (Frame(b"{}"), ""),
        (Frame(b"nonsense"), ""),
        (Frame(b'{"type":7}'), ""),
        (Frame(b'{"type":"\xff"}'), ""),
        (Frame(b"[" * 100_000), ""),
    ],
)
def test_events(frame: Frame, event: str) -> None:
    """The name comes from the framing where a rule knows it, else from the payload: proxies drop the first."""
    decoder = named()
    assert decoder.event_of(frame) == event
    assert decoder.unknown == {}


def test_unknown_events(caplog: pytest.LogCaptureFixture) -> None:
    """An event that no table names is read by the rules for all, counted, and said once at debug level."""
    caplog.set_level(logging.DEBUG, "miiflow_llm.wire")
    decoder = named()
    frames = (
        Frame(b"{}", "tide"),
        Frame(b'{"type":"tide"}'),
        Frame(b'{"type":"bell"}', "x"),
        Frame(b"{}", "ping"),
    )
    assert [decoder.event_of(frame) for frame in frames] == [""] * 4
    assert decoder.unknown == {"tide": 2, "bell": 1}
    assert [record.args for record in caplog.records] == [
        ("anthropic_messages", name) for name in ("tide", "tide", "bell")
    ]


def test_unknown_events_are_bounded() -> None:
    """Names that never end do not fill the memory."""
    decoder = named()
    for number in range(500):
        decoder.event_of(Frame(b"{}", f"event{number}"))
        decoder.event_of(Frame(b"{}", "event7"))
    assert len(decoder.unknown) == 100
    assert decoder.unknown["event7"] == 501


def test_events_without_names() -> None:
    """Where a dialect's events have no names, whatever the framing says is nothing."""
    decoder = Decoder(dialect_of("openai_chat"))
    assert decoder.event_of(Frame(b"{}", "error")) == ""
    assert decoder.unknown == {}


@pytest.mark.parametrize(
    "payload", [b"nonsense", b"", b'{"type":"ping"', b"[" * 100_000, b'{"delta":{"text":{}}}', b"3", b'{"delta":3}']
)
def test_unreadable(payload: bytes) -> None:
    """What neither reading understands is a typed error that shows how it begins, and nothing else."""
    with pytest.raises(StreamProtocolError) as caught:
        named().read("content_block_delta", payload)
    assert "anthropic_messages sent content_block_delta" in str(caught.value)
    assert caught.value.payload == payload[:200].decode()


def test_null_says_nothing() -> None:
    """`null` where an event was expected is an event that says nothing."""
    assert named().read("content_block_delta", b"null") == []


def test_names_of_the_answer_are_asked_for_until_known() -> None:
    """Without `meta` the names that come with every frame are not read again."""
    decoder = Decoder(dialect_of("openai_chat"))
    payload = b'{"id":"a","model":"m","choices":[{"delta":{"content":"x"}}]}'
    assert [type(piece).__name__ for piece in decoder.read("", payload)] == ["Meta", "Text"]
    assert [type(piece).__name__ for piece in decoder.read("", payload, meta=False)] == ["Text"]


def test_text_that_is_no_utf8() -> None:
    """A frame whose text is no UTF-8 is read all the same, its bad bytes replaced."""
    pieces = Decoder(dialect_of("openai_chat")).read("", b'{"choices":[{"delta":{"content":"a\xffb"}}]}')
    assert [getattr(piece, "text", None) for piece in pieces] == ["a\ufffdb"]


def test_rules_of_one_event() -> None:
    """A rule holds for the events that it names, inside an `each` too; one that names none holds for all."""
    dialect = Dialect(
        name="d",
        path="/",
        docs="https://d",
        body={},
        parts={},
        event="type",
        events=(
            emit("text", "a", on="x"),
            each("list", emit("text", "b", on=("x", "y")), emit("reasoning", "c")),
            emit("refusal", "d"),
        ),
    )
    decoder = Decoder(dialect)
    payload = b'{"a":"1","list":[{"b":"2","c":"3"}],"d":"4"}'
    said = {event: [piece.text for piece in decoder.read(event, payload)] for event in ("x", "y", "")}  # type: ignore[union-attr]
    assert said == {"x": ["1", "2", "3", "4"], "y": ["2", "3", "4"], "": ["3", "4"]}
