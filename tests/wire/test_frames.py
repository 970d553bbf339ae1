"""Framing: the event-stream rules of the WHATWG one by one, the kindnesses of ours, and agreement with httpx-sse."""

from __future__ import annotations

import itertools
import tracemalloc

import httpx
import pytest
from httpx_sse import EventSource
from hypothesis import given
from hypothesis import strategies as st

from miiflow_llm.core.exceptions import StreamProtocolError
from miiflow_llm.wire.decode.frames import Frame, NDJSONFramer, SSEFramer


def frames(body: bytes, *places: int) -> list[Frame]:
    """The frames of a body that comes cut at `places`."""
    framer = SSEFramer()
    bounds = [0, *sorted(places), len(body)]
    found = [frame for start, end in itertools.pairwise(bounds) for frame in framer.feed(body[start:end])]
    return found + framer.finish()


def said(body: bytes) -> list[tuple[str | None, bytes]]:
    """Names and payloads."""
    return [(frame.event, frame.data) for frame in frames(body)]


@pytest.mark.parametrize(
    ("body", "events"),
    [
        (b"data: a\n\n", [(None, b"a")]),
        (b"data:a\n\n", [(None, b"a")]),
        (b"data:  a\n\n", [(None, b" a")]),
        (b"data: a\ndata: b\n\n", [(None, b"a\nb")]),
        (b"data: a\ndata\ndata: b\n\n", [(None, b"a\n\nb")]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [(None, b"a"), (None, b"b")]),
        (b"data: a\r\rdata: b\r\r", [(None, b"a"), (None, b"b")]),
        (b"data: a\r\n\ndata: b\n\r\n", [(None, b"a"), (None, b"b")]),
        (b"event: x\ndata: a\n\n", [("x", b"a")]),
        (b"data: a\nevent: x\n\n", [("x", b"a")]),
        (b"event: x\nevent: y\ndata: a\n\n", [("y", b"a")]),
        (b"event: x\n\ndata: a\n\n", [(None, b"a")]),
        (b": comment\n\ndata: a\n\n", [(None, b"a")]),
        (b": comment\ndata: a\n: more\n\n", [(None, b"a")]),
        (b":\n\n:\n\n", []),
        (b"id: 1\nretry: 5\ndata: a\n\n", [(None, b"a")]),
        (b"unknown: 1\ndata: a\n\n", [(None, b"a")]),
        (b"data : a\n\n", []),
        (b" data: a\n\n", []),
        (b"\n\n\ndata: a\n\n\n\n", [(None, b"a")]),
        (b"\xef\xbb\xbfdata: a\n\n", [(None, b"a")]),
        (b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\n", []),
        (b"data: \xef\xbb\xbfa\n\n", [(None, b"\xef\xbb\xbfa")]),
        (b"data: a\n\n\xef\xbb\xbfdata: b\n\n", [(None, b"a")]),
        (b"event: x\ndata: \n\n", []),
        (b"event: \ndata: a\n\n", [("", b"a")]),
        (b"data: a\x00b\n\n", [(None, b"a\x00b")]),
        ("data: a\u2028b\u2029c\u0085d\n\n".encode(), [(None, "a\u2028b\u2029c\u0085d".encode())]),
        (b"data: a\x0bb\x0cc\n\n", [(None, b"a\x0bb\x0cc")]),
        (b"data: : keepalive\n\n", [(None, b": keepalive")]),
        (b"event: \xff\ndata: a\n\n", [("\ufffd", b"a")]),
    ],
)
def test_rules(body: bytes, events: list[tuple[str | None, bytes]]) -> None:
    """Each rule of the event stream, and the same however the bytes are cut."""
    assert said(body) == events
    whole = frames(body)
    for first in range(len(body) + 1):
        for second in range(first, len(body) + 1):
            assert frames(body, first, second) == whole


@pytest.mark.parametrize(
    ("body", "frame"),
    [
        (b"data: a", Frame(b"a")),
        (b"event: x\ndata: a\n", Frame(b"a", "x")),
        (b'{"error":\n {"code": 503}\n}\n', Frame(b'{"error":\n {"code": 503}\n}', stray=True)),
        (b'error: {"message":"x"}\n\n', Frame(b'{"message":"x"}', "error")),
    ],
)
def test_kindnesses(body: bytes, frame: Frame) -> None:
    """A last event without its blank line, a bare object, and an `error:` field are given."""
    assert frames(body) == [frame]


_LINES = st.lists(
    st.sampled_from(
        [b"data: a", b"data:b", b"data", b"event: x", b"event:", b": c", b"id: 1", b"", b"x: y", b"data: :"]
    )
    | st.binary(max_size=6).map(
        lambda raw: b"data: " + raw.translate(None, b"\r\n\x80\x81\x82\xff").replace(b"{", b"")
    ),
    max_size=12,
)


@given(_LINES, st.sampled_from([b"\n", b"\r\n", b"\r"]), st.data())
def test_agrees_with_httpx_sse(lines: list[bytes], end: bytes, data: st.DataObject) -> None:
    """On random streams the frames are httpx-sse's, but for events without data, which say nothing."""
    body = end.join([*lines, b"", b""])
    try:
        body.decode()
    except UnicodeDecodeError:
        return
    place = data.draw(st.integers(0, len(body)))
    response = httpx.Response(200, headers={"content-type": "text/event-stream"}, content=body)
    theirs = [(event.event, event.data) for event in EventSource(response).iter_sse() if event.data]
    ours = [(frame.event or "message", frame.data.decode()) for frame in frames(body, place) if not frame.stray]
    assert ours == theirs


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=20), max_size=8), st.data())
def test_ndjson(texts: list[str], data: st.DataObject) -> None:
    """One line is one frame, wherever the bytes are cut; empty lines are none."""
    body = "\n".join(texts).encode()
    place = data.draw(st.integers(0, len(body)))
    framer = NDJSONFramer()
    found = [*framer.feed(body[:place]), *framer.feed(body[place:]), *framer.finish()]
    lines = [text.encode().strip(b" \t\r").removeprefix(b"\xef\xbb\xbf") for text in texts]
    assert [frame.data for frame in found] == [line for line in lines if line]


@pytest.mark.parametrize("framer", [SSEFramer(1000), NDJSONFramer(1000)])
def test_frames_are_bounded(framer: SSEFramer | NDJSONFramer) -> None:
    """A frame above the limit is an error that names the setting, not memory without end."""
    for _ in range(10):
        framer.feed(b"data: " + b"x" * 50)
    with pytest.raises(StreamProtocolError, match="max_frame_bytes"):
        framer.feed(b"x" * 500)


def test_lines_of_one_event_are_bounded() -> None:
    """An event of many lines is bounded as a whole, while its last line has not come, whatever the line ends."""
    for end in (b"\n", b"\r\n", b"\r"):
        framer = SSEFramer(1000)
        for _ in range(9):
            assert framer.feed(b"data: " + b"x" * 90 + end) == []
        with pytest.raises(StreamProtocolError, match="max_frame_bytes"):
            framer.feed(b"data: " + b"x" * 200)
        short = SSEFramer(1000)
        found = [frame for _ in range(50) for frame in short.feed(b"data: " + b"x" * 900 + end + end)]
        assert len(found) + len(short.finish()) == 50


def test_long_frames_are_linear() -> None:
    """A frame of 8 MB in small reads is joined once: its bytes are not copied at each read."""
    framer, piece = SSEFramer(), b"x" * 4096
    framer.feed(b"data: ")
    tracemalloc.start()
    try:
        for _ in range(2048):
            assert framer.feed(piece) == []
        copied = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert copied < 1.5 * 2048 * 4096  # each byte at most once: `piece` is one object
    assert len(framer.feed(b"\n\n")[0].data) == 2048 * 4096


@pytest.mark.slow
@pytest.mark.parametrize("framer", [SSEFramer(), NDJSONFramer()])
def test_tiny_reads_cost_their_bytes(framer: SSEFramer | NDJSONFramer) -> None:
    """A frame that comes two bytes at a time holds about its size, not an object for each read."""
    whole = b"abcdefghijklmnopqrstuvwxyz" * 15_000
    tracemalloc.start()
    try:
        for start in range(0, len(whole), 2):
            assert framer.feed(whole[start : start + 2]) == []
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert held < 1.3 * len(whole)
    framer.feed(b"\n\n")


def test_usual_events_among_others_and_bounded() -> None:
    """Whole events are cut in one sweep only where all of them are written in the usual way; limits hold there too."""
    usual = b"data: a\n\ndata: b\n\n"
    named = b"event: x\ndata: a\n\nevent: y\ndata: b\n\n"
    for body, events in [
        (usual + b"data: \n\ndata: c\n\n", [(None, b"a"), (None, b"b"), (None, b"c")]),
        (usual + b"data:c\n\n" + named, [(None, b"a"), (None, b"b"), (None, b"c"), ("x", b"a"), ("y", b"b")]),
        (usual + b"data: c\ndata: d\n\n", [(None, b"a"), (None, b"b"), (None, b"c\nd")]),
        (usual + b"\n\n" + usual, [(None, b"a"), (None, b"b"), (None, b"a"), (None, b"b")]),
        (named + b"event: z\n\n" + usual, [("x", b"a"), ("y", b"b"), (None, b"a"), (None, b"b")]),
        (
            named + b"event: z\ndata: c\ndata: d\n\nevent: w\n\n" + usual[:9],
            [("x", b"a"), ("y", b"b"), ("z", b"c\nd"), (None, b"a")],
        ),
        (named + b"event: \ndata: c\n\n", [("x", b"a"), ("y", b"b"), ("", b"c")]),
        (b"\xef\xbb\xbf" + usual + usual, [(None, b"a"), (None, b"b"), (None, b"a"), (None, b"b")]),
    ]:
        assert said(body) == events
        whole = frames(body)
        for first, second in itertools.combinations_with_replacement(range(len(body) + 1), 2):
            assert frames(body, first, second) == whole
    with pytest.raises(StreamProtocolError, match="larger than 8 bytes"):
        SSEFramer(8).feed(b"data: " + b"x" * 9 + b"\n\n")
    assert SSEFramer(8).feed(usual * 9) == [Frame(b"a"), Frame(b"b")] * 9
