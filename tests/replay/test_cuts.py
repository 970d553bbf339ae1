"""How bodies are cut, and when the pieces come."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miiflow_llm.replay.cuts import CUTS, cuts
from miiflow_llm.replay.faults import CutAt, Reset, Stall, StatusFirst, Trickle
from miiflow_llm.replay.playback import Step, answer_headers, plan

from .made import EVENTS, stream, whole

BODIES = st.lists(st.sampled_from([b"data: x", b"\n", b"\r\n", b"\r", b":ping", b"\xf0\x9f", b"{}"])).map(b"".join)


@given(BODIES, st.sampled_from([*CUTS, 1, 3]), st.integers(0, 3))
def test_nothing_is_lost(body: bytes, how: str | int, seed: int) -> None:
    """However a body is cut, its pieces are the body, and none is empty."""
    pieces = cuts(stream(body=body, reads=[(0.0, 2), (1.0, 0), (2.0, 5)]), how, seed)  # type: ignore[arg-type]
    assert b"".join(pieces) == body
    assert all(pieces)


def test_the_cuts_are_what_they_say() -> None:
    """Each way of cutting cuts where its name says."""
    capture = stream(reads=[(0.0, 10), (5.0, 7)])
    assert cuts(capture, "whole") == [capture.body]
    assert cuts(capture, "frames") == EVENTS
    assert {len(piece) for piece in cuts(capture, "bytes")} == {1}
    assert [len(piece) for piece in cuts(capture, "recorded")] == [10, 7, len(capture.body) - 17]
    assert cuts(stream(), "recorded") == EVENTS
    assert {len(piece) for piece in cuts(capture, 4)[:-1]} == {4}
    assert cuts(capture, "random", 1) == cuts(capture, "random", 1) != cuts(capture, "random", 2)
    assert cuts(whole(body=b'{\n\n"a":1}'), "frames") == [b'{\n\n"a":1}']
    for wrong in ("word", 0):
        with pytest.raises(ValueError, match=r"cut|byte"):
            cuts(capture, wrong)  # type: ignore[arg-type]


def test_frames_end_at_any_line_end() -> None:
    """Events end at a blank line of `\\n`, `\\r\\n` or `\\r`; NDJSON and AWS's binary messages at their own ends."""
    body = b"a\r\nb\r\n\r\nc\n\nd\r\re"
    assert cuts(stream(body=body), "frames") == [b"a\r\nb\r\n\r\n", b"c\n\n", b"d\r\r", b"e"]
    lines = stream(body=b"{}\n{}\n{", dialect="ollama_chat", headers={})
    assert cuts(lines, "frames") == [b"{}\n", b"{}\n", b"{"]
    messages = [(16 + size).to_bytes(4, "big") + bytes(12 + size) for size in (0, 9)]
    binary = stream(body=b"".join(messages), headers={"content-type": "application/vnd.amazon.eventstream"})
    assert cuts(binary, "frames") == messages


def test_recorded_times_are_kept_and_scaled() -> None:
    """With recorded cuts the pace is a factor on the recorded waits, the head's too; else it is the wait itself."""
    capture = stream(body=b"abcdef", reads=[(0.0, 1), (1000.0, 2), (1500.0, 3)], head_ms=200.0)
    played = plan(capture, cut="recorded", pace=0.5)
    assert played.steps == [Step(0.0, b"a"), Step(0.5, b"bc"), Step(0.25, b"def")]
    assert played.head_delay == pytest.approx(0.1)
    assert plan(capture, cut=3, pace=0.2).steps == [Step(0.2, b"abc"), Step(0.2, b"def")]
    assert sum(step.delay for step in plan(capture, cut="recorded").steps) == 0


@given(st.integers(0, 12), st.sampled_from([1, 2, 4, 100]))
def test_faults_fall_at_their_byte(at: int, cut: int) -> None:
    """A fault falls exactly at its byte, wherever the cuts are, and what came before is whole."""
    capture = stream(body=b"0123456789")
    before = capture.body[:at]

    def played(fault: CutAt | Reset) -> tuple[bytes, str]:
        steps, _, ending, _ = plan(capture, cut=cut, faults=[fault])
        return b"".join(step.data for step in steps), ending

    assert played(CutAt(at)) == (before, "close")
    assert played(CutAt(at, clean=True)) == (before, "end")
    assert played(Reset(at)) == (before, "reset")
    stalled = plan(capture, cut=cut, faults=[Stall(at)]).steps
    place = [step.delay for step in stalled].index(math.inf) if at <= 10 else len(stalled)
    assert b"".join(step.data for step in stalled[:place]) == before
    assert b"".join(step.data for step in stalled) == capture.body


def test_faults_lie_over_each_other() -> None:
    """Several faults apply in their order, and those before the head touch no body."""
    capture = stream(body=b"abcd")
    steps = plan(capture, cut="whole", faults=[Trickle(0.1, size=2), Stall(2, 5.0), CutAt(3)]).steps
    assert steps == [Step(0.1, b"ab"), Step(5.0, b""), Step(0.1, b"c")]
    assert plan(capture, faults=[Stall(None, 3.0)]).head_delay == 3.0
    assert plan(capture, faults=[Reset(None)])[:] == ([], 0.0, "reset", False)
    assert plan(capture, faults=[StatusFirst(500)]) == plan(capture)


def test_headers_of_a_transfer_are_the_replays_own() -> None:
    """A replay sends what was recorded, but for what described that transfer; a content type always."""
    given = {"content-length": "1", "Transfer-Encoding": "chunked", "content-encoding": "gzip", "x-request-id": "r"}
    assert answer_headers(stream(headers=given)) == {"content-type": "text/event-stream", "x-request-id": "r"}
