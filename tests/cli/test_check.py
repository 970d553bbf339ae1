"""`miiflow-llm check`: what it says of servers that do as the format has it, and of those that do not."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytest.importorskip("typer")

from miiflow_llm.cli.checking import calls, errors, streams, wholes
from miiflow_llm.cli.checking.finding import Finding
from miiflow_llm.cli.checking.recording import Recorded

Answer = tuple[int, str, bytes]
JSON = "application/json"
SSE = "text/event-stream"


def recorded(body: bytes, status: int = 200, kind: str = SSE, reads: int = 5) -> Recorded:
    """An exchange with that answer."""
    return Recorded(status, {"content-type": kind}, body, [(float(at), 1) for at in range(reads)])


def sse(*frames: Any, done: bool = True) -> bytes:
    """Frames as a stream."""
    return b"".join(b"data: %s\n\n" % json.dumps(frame).encode() for frame in frames) + b"data: [DONE]\n\n" * done


def said(delta: Any, finish: str | None = None, **more: Any) -> dict[str, Any]:
    """A frame with one choice."""
    return {"id": "c1", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}


TEXT = (said({"role": "assistant", "content": ""}), said({"content": "one"}), said({"content": ", two"}))
STOP = said({}, "stop")
USAGE = {"id": "c1", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}}
GOOD = sse(*TEXT, STOP, USAGE)


def verdicts(found: list[Finding]) -> dict[str, str]:
    """Each behaviour's verdict."""
    return {finding.behaviour: finding.verdict for finding in found}


def test_a_right_stream_has_nothing_to_say_against_it() -> None:
    """A stream as the documentation has it is `ok` throughout; keep-alives are untried where none came."""
    found = verdicts(streams.judge(recorded(b": ping\n\n" + GOOD)))
    assert set(found.values()) == {"ok"}
    assert verdicts(streams.judge(recorded(GOOD)))["keep-alives"] == "untried"


@pytest.mark.parametrize(
    ("body", "behaviour", "verdict", "words"),
    [
        (sse(*TEXT, STOP), "usage", "absent", "every count is None"),
        (sse(*TEXT, {**STOP, "usage": USAGE["usage"]}), "usage", "ok", "beside a choice"),
        (sse(*TEXT, STOP, done=False), "end", "ok", "no [DONE]"),
        (sse(*TEXT, STOP, done=False)[:-1], "frames", "ok", "no blank line"),
        (sse(*TEXT), "end", "absent", "no finish_reason"),
        (sse(*TEXT, done=False), "end", "differs", "cut answer"),
        (sse(*TEXT, done=False), "our reading", "differs", "StreamInterruptedError"),
        (sse(*TEXT, said({}, "finished")), "end", "differs", "'finished'"),
        (sse(said({"content": "all at once"}), STOP), "deltas", "absent", "one delta"),
        (sse({"choices": [{"message": {"content": "x"}}]}, STOP), "deltas", "differs", "whole message"),
        (sse(said({"content": ["x"]}), STOP), "deltas", "differs", "not always a string"),
        (sse(STOP), "deltas", "differs", "no text"),
        (sse(*TEXT, {**STOP, "id": "c2"}), "id", "absent", "2 different"),
        (b"data: {broken\n\n" + GOOD, "frames", "differs", "not JSON objects"),
    ],
)
def test_what_a_stream_does_otherwise_is_named(body: bytes, behaviour: str, verdict: str, words: str) -> None:
    """Each departure is found under its behaviour, with its verdict and what was seen."""
    found = next(finding for finding in streams.judge(recorded(body)) if finding.behaviour == behaviour)
    assert found.verdict == verdict
    assert words in found.seen


def test_a_buffered_stream_and_a_wrong_type_are_named() -> None:
    """A stream in one read says that something buffers; its media type is told."""
    found = verdicts(streams.judge(recorded(GOOD, kind="application/json; charset=utf-8", reads=1)))
    assert (found["arrival"], found["content type"]) == ("absent", "differs")


def call(index: int | None, ident: str | None, name: str | None, arguments: Any) -> dict[str, Any]:
    """A piece of a call."""
    piece = {"index": index, "id": ident, "function": {"name": name, "arguments": arguments}}
    return {key: value for key, value in piece.items() if value is not None}


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([call(0, "a", "x", "{}"), call(1, "b", "y", "{}")], {"tool indexes": "ok", "our reading of tools": "ok"}),
        ([call(0, "a", "x", "{}"), call(0, "b", "y", "{}")], {"tool indexes": "absent", "our reading of tools": "ok"}),
        ([call(None, "a", "x", "{}")], {"tool indexes": "absent", "tool ids": "ok"}),
        ([call(0, None, "x", "{}")], {"tool ids": "absent"}),
        ([call(0, "a", "x", {"city": "Oslo"})], {"tool arguments": "differs"}),
    ],
)
def test_tool_calls(pieces: list[dict[str, Any]], expected: dict[str, str]) -> None:
    """Indexes, ids and arguments are judged each for itself, and all by how they are read."""
    frames = [said({"tool_calls": [piece]}) for piece in pieces]
    found = verdicts(calls.judge(recorded(sse(*frames, said({}, "tool_calls")))))
    assert expected.items() <= found.items()


def test_no_call_says_nothing_of_calls() -> None:
    """A model that makes no call leaves the behaviour untried; if a server refuses tools, rows take them out."""
    assert verdicts(calls.judge(recorded(GOOD))) == {"tools": "untried"}
    assert verdicts(calls.judge(recorded(b"{}", 400, JSON))) == {"tools": "row"}


def failed(status: int, message: str = "the model nope is missing", kind: str = JSON) -> Recorded:
    """An error as the format has it."""
    return recorded(json.dumps({"error": {"message": message, "code": None}}).encode(), status, kind)


@pytest.mark.parametrize(
    ("answer", "verdict", "words"),
    [
        (failed(404), "ok", "ModelNotFoundError"),
        (failed(400), "ok", "InvalidRequestError"),
        (failed(500), "row", "ServiceUnavailableError"),
        (recorded(b"<html>", 500, "text/html"), "differs", "not a JSON object"),
        (recorded(b"{}", 200, JSON), "absent", "answered 200"),
        (recorded(GOOD), "absent", "answered 200"),
        (recorded(sse({"error": {"message": "no such model", "code": "model_not_found"}})), "ok", "inside the stream"),
        (Recorded(0, {}, b"", broken="ReadError: reset"), "differs", "no answer"),
        (Recorded(0, {}, b"", broken="not whole after 5 s", late=True), "untried", "5 s"),
        (failed(429, "slow down"), "untried", "busy"),
        (failed(503, "loading"), "untried", "busy"),
    ],
)
def test_errors(answer: Recorded, verdict: str, words: str) -> None:
    """An error is right by its status, or a row says which it is; a success in its place is named."""
    found = errors.judge("unknown model", answer, errors.UNKNOWN_MODEL, "m")
    assert found.verdict == verdict
    assert words in found.seen
    assert bool(found.rows) == (verdict == "row")


def whole(finish: str, completion: int) -> Recorded:
    """A whole answer."""
    usage = {"prompt_tokens": 3, "completion_tokens": completion, "total_tokens": 3 + completion}
    body = {"choices": [{"index": 0, "message": {"content": "one"}, "finish_reason": finish}], "usage": usage}
    return recorded(json.dumps(body).encode(), 200, JSON)


@pytest.mark.parametrize(
    ("newer", "older", "verdict"),
    [
        (whole("length", 1), whole("length", 1), "ok"),
        (whole("stop", 40), whole("length", 1), "ok"),
        (failed(400), whole("length", 1), "ok"),
        (whole("length", 1), whole("stop", 40), "row"),
        (whole("length", 1), failed(400), "row"),
        (whole("stop", 40), whole("stop", 40), "absent"),
    ],
)
def test_the_limit_of_tokens(newer: Recorded, older: Recorded, verdict: str) -> None:
    """`openai-compatible` sends the older name; if only the newer is obeyed, rows send that."""
    assert wholes.limit(newer, older).verdict == verdict


def test_a_late_answer_is_untried_everywhere() -> None:
    """What is judged of an answer that did not come in time is nothing, not a fault."""
    late = Recorded(200, {"content-type": SSE}, sse(*TEXT, done=False), [(1.0, 1)], "not whole after 5 s", late=True)
    for found in (streams.judge(late), calls.judge(late), [wholes.limit(late, whole("length", 1))]):
        assert set(verdicts(found).values()) == {"untried"}
    assert wholes.models(late) == ([], Finding("models", "untried", "no answer: not whole after 5 s"))
