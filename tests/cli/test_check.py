"""`miiflow-llm check`: what it says of servers that do as the format has it, and of those that do not."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
import pytest

from .running import KEY, run

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
    """A model that makes no call leaves the behaviour untried, and a server that refuses tools lacks it."""
    assert verdicts(calls.judge(recorded(GOOD))) == {"tools": "untried"}
    assert verdicts(calls.judge(recorded(b"{}", 400, JSON))) == {"tools": "absent"}


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
        (whole("stop", 40), whole("length", 1), "row"),
        (failed(400), whole("length", 1), "row"),
        (whole("stop", 40), whole("stop", 40), "absent"),
    ],
)
def test_the_limit_of_tokens(newer: Recorded, older: Recorded, verdict: str) -> None:
    """The name that is obeyed becomes the row."""
    assert wholes.limit(newer, older).verdict == verdict


class Served(BaseHTTPRequestHandler):
    """A server by a function from path and body to an answer."""

    answer: Callable[[str, dict[str, Any]], Answer]

    def _reply(self, body: dict[str, Any]) -> None:
        status, kind, content = type(self).answer(self.path, {**body, "key": self.headers.get("authorization")})
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self) -> None:
        """The list of models."""
        self._reply({})

    def do_POST(self) -> None:
        """A chat."""
        self._reply(json.loads(self.rfile.read(int(self.headers["content-length"]))))

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@contextmanager
def server(answer: Callable[[str, dict[str, Any]], Answer]) -> Iterator[str]:
    """The base URL of a server that answers so."""
    handler = type("Handler", (Served,), {"answer": staticmethod(answer)})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        thread = threading.Thread(target=http.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{http.server_address[1]}/v1"
        finally:
            http.shutdown()
            thread.join()


def older(path: str, body: dict[str, Any]) -> Answer:
    """A server that knows neither `stream_options` nor `max_completion_tokens`, and answers 500 to unknown models."""
    if path == "/v1/models":
        return 200, JSON, json.dumps({"data": [{"id": "tiny"}]}).encode()
    if body["key"] == "Bearer wrong-key":
        return 401, JSON, json.dumps({"error": {"message": "wrong key"}}).encode()
    if body["model"] != "tiny":
        return 500, JSON, json.dumps({"error": {"message": f"model '{body['model']}' is not loaded"}}).encode()
    if "stream_options" in body or not isinstance(body["messages"], list):
        return 400, JSON, json.dumps({"error": {"message": "unknown field"}}).encode()
    if body.get("stream"):
        return 200, SSE, GOOD
    answer = whole("length", 1) if "max_tokens" in body else whole("stop", 40)
    return 200, JSON, answer.body


def test_a_report_and_its_rows() -> None:
    """The report has a line for each behaviour, and the rows are Python that makes the provider."""
    with server(older) as url:
        ran = run("check", "--base-url", url, OPENAI_API_KEY=KEY)
    assert ran.code == 0, ran.out + ran.err
    assert "row\tstream_options\trefused with 400" in ran.out
    assert KEY not in ran.out
    rows: dict[str, Any] = {}
    exec(ran.out[ran.out.index("from miiflow_llm") :], rows)
    from miiflow_llm import LLMClient
    from miiflow_llm.core import exceptions

    client = LLMClient.create(rows["PROVIDER"], "tiny")
    body = client.plan("x", stream=True, max_tokens=5).body
    assert body is not None
    assert "stream_options" not in body
    assert body["max_tokens"] == 5
    assert any(fault.error is exceptions.ModelNotFoundError for fault in rows["PROVIDER"].errors)


def test_as_json() -> None:
    """With --json each finding is a line."""
    with server(older) as url:
        ran = run("check", "--base-url", url, "--json")
    found = [msgspec.json.decode(line, type=Finding) for line in ran.out.splitlines()]
    assert "limit of tokens" in verdicts(found)


def test_nothing_there_and_no_address() -> None:
    """No server is exit code 1, no address 2, each in a line."""
    nothing = run("check", "--base-url", "http://127.0.0.1:9/v1")
    assert (nothing.code, nothing.err.count("\n")) == (1, 1)
    assert run("check", "--base-url", "localhost:80").code == 2


def test_what_no_row_can_say_exits_with_one() -> None:
    """A server whose streams cannot be told from cut ones fails the check."""

    def cut(path: str, body: dict[str, Any]) -> Answer:
        return (200, SSE, sse(*TEXT, done=False)) if body.get("stream") else older(path, body)

    with server(cut) as url:
        ran = run("check", "--base-url", url)
    assert ran.code == 1
    assert "differs\tend" in ran.out
