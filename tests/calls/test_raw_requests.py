"""What no table speaks: the same key, retries, deadlines, secrets, hooks and recording as for a chat."""

from __future__ import annotations

import inspect
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import httpx
import msgspec
import pytest
from httpx_sse import EventSource, ServerSentEvent
from hypothesis import given, settings
from hypothesis import strategies as st

from miiflow_llm import AccessKey, LLMClient, SyncLLMClient, Timeout
from miiflow_llm.calls.sse_events import EventDecoder
from miiflow_llm.core.events import CallEvent
from miiflow_llm.core.exceptions import (
    AuthenticationError,
    ConfigurationError,
    MiiflowLLMError,
    ModelNotFoundError,
    NetworkError,
    ParsingError,
    ServiceUnavailableError,
    StreamInterruptedError,
    StreamProtocolError,
    TimeoutError,
)
from miiflow_llm.replay import RecordingTransport, ReplayTransport, load_folder

from ..faults.server import HANG, FaultServer, head
from .driving import Pieces

PLAYERS = ("asyncio", "trio", "threads")
KEY = "sk-test-0123456789abcdef"
pytestmark = pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")  # trio's, of httpx's own
EVERY = pytest.mark.parametrize("player", PLAYERS)
Handler = Callable[[httpx.Request], httpx.Response]


def run(player: str, use: Callable[[Any], Any], handler: Handler | None = None, **options: Any) -> Any:
    """What `use` gives for a client of the player: `use` may give an awaitable, or a list for a stream."""
    provider = options.pop("provider", "openai")
    given = {"model": "m", "api_key": KEY, "max_retries": 0, **options}

    async def in_a_loop() -> Any:
        transport = httpx.MockTransport(handler) if handler else None
        http = httpx.AsyncClient(transport=transport) if handler else None
        async with LLMClient.create(provider, http_client=http, **given) as client:
            found = use(client)
            if inspect.iscoroutine(found):
                return await found
            async with found as stream:
                return [event async for event in stream]

    if player != "threads":
        return anyio.run(in_a_loop, backend=player)
    http = httpx.Client(transport=httpx.MockTransport(handler)) if handler else None
    with SyncLLMClient.create(provider, http_client=http, **given) as client:
        found = use(client)
        if not hasattr(found, "__next__"):
            return found
        with found as stream:
            return list(stream)


def seen(request: httpx.Request) -> httpx.Response:
    """Tells what was asked."""
    told = {
        "method": request.method,
        "url": str(request.url),
        "headers": dict(request.headers),
        "body": request.content.decode(),
    }
    return httpx.Response(201, json=told, headers={"x-request-id": "req_1", "X-Odd": "1"})


@EVERY
def test_a_request(player: str) -> None:
    """Method, path, query, JSON and headers go out with the key; status, headers and body come back."""
    answer = run(
        player,
        lambda client: client.request(
            "post",
            "/batches",
            json={"a": [1]},
            params={"limit": 2, "tags": ["x", "y"], "none": None},
            headers={"X-A": "b"},
        ),
        seen,
    )
    assert (answer.status, answer.request_id, answer.headers["x-odd"]) == (201, "req_1", "1")
    told = answer.json()
    assert told["method"] == "POST"
    assert told["url"] == "https://api.openai.com/v1/batches?limit=2&tags=x&tags=y"
    assert told["body"] == '{"a":[1]}'
    assert told["headers"]["authorization"] == f"Bearer {KEY}"
    assert told["headers"]["content-type"] == "application/json"
    assert told["headers"]["x-a"] == "b"
    assert [attempt.status for attempt in answer.attempts] == [201]
    assert msgspec.json.decode(answer.text) == told


@EVERY
@pytest.mark.parametrize(
    ("parts", "body", "kind"),
    [
        ({}, "", None),
        ({"json": [1, "ä"]}, '[1,"ä"]', "application/json"),
        ({"json": 0}, "0", "application/json"),
        ({"content": b"--x\r\n", "headers": {"content-type": "multipart/form-data; boundary=x"}}, "--x\r\n",
         "multipart/form-data; boundary=x"),
    ],
)  # fmt: skip
def test_bodies(parts: dict[str, Any], body: str, kind: str | None, player: str) -> None:
    """Any JSON value, bytes as they are, or none at all."""
    told = run(player, lambda client: client.request("POST", "files", **parts), seen).json()
    assert told["body"] == body
    assert told["headers"].get("content-type") == kind


@pytest.mark.parametrize(
    ("provider", "path", "url", "header"),
    [
        ("openai", "files", "https://api.openai.com/v1/files", "authorization"),
        ("openai", "/files?limit=1", "https://api.openai.com/v1/files?limit=1", "authorization"),
        ("openai", "https://api.openai.com/other", "https://api.openai.com/other", "authorization"),
        ("anthropic", "/v1/files", "https://api.anthropic.com/v1/files", "x-api-key"),
        ("gemini", "models/x:predict", "https://generativelanguage.googleapis.com/v1beta/models/x:predict",
         "x-goog-api-key"),
    ],
)  # fmt: skip
def test_addresses(provider: str, path: str, url: str, header: str) -> None:
    """The path is joined to the base URL as it stands; a whole URL is one of the same server."""
    told = run("threads", lambda client: client.request("GET", path), seen, provider=provider).json()
    assert told["url"] == url
    assert KEY in told["headers"][header]


def test_signed_requests() -> None:
    """Where requests are signed, these are too."""
    key = AccessKey("AKID", "secret-secret-secret")
    told = run(
        "threads",
        lambda client: client.request("GET", "/guardrails", params={"a": "b c"}),
        seen,
        provider="bedrock",
        api_key=key,
        region="us-east-1",
    ).json()
    assert told["headers"]["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKID/")


BAD: list[tuple[str, Any, dict[str, Any], str]] = [
    ("GET", "https://evil.example/x", {}, "another server"),
    ("GET", "http://api.openai.com/v1/x", {}, "another server"),
    ("GET", "https://api.openai.com:8443/x", {}, "another server"),
    ("GET", "https://api.openai.com.evil.example/x", {}, "another server"),
    ("GET", "https://api.openai.com@evil.example/x", {}, "user name"),
    ("GET", "//evil.example/x", {}, "another server"),
    ("GET", "/a/../../b", {}, r"'\.\.'"),
    ("GET", "..", {}, r"'\.\.'"),
    ("GET", "/a/%2e%2E/b", {}, r"'\.\.'"),
    ("GET", "/a b", {}, "spaces"),
    ("GET", "/a\r\nx: y", {}, "spaces"),
    ("GET", "/a#b", {}, "'#'"),
    ("GET", "/ä", {}, "ASCII"),
    ("GET", r"\\evil\x", {}, "ASCII"),
    ("GET", 5, {}, "path=5"),
    ("TRACE", "/a", {}, "method='TRACE'"),
    (5, "/a", {}, "method=5"),  # type: ignore[list-item]
    ("POST", "/a", {"json": {}, "content": b""}, "not both"),
    ("POST", "/a", {"content": "text"}, "bytes"),
    ("POST", "/a", {"json": object()}, "cannot be written"),
    ("POST", "/a", {"json": "\ud800"}, "cannot be written"),
    ("GET", "/a", {"headers": {"a": "b\r\nc: d"}}, "header 'a'"),
    ("GET", "/a", {"data": {}}, "data is not taken here"),
    ("GET", "/a", {"timeout": -1}, "seconds above 0"),
]


@pytest.mark.parametrize(("method", "path", "parts", "words"), BAD)
def test_what_cannot_be_sent(method: str, path: Any, parts: dict[str, Any], words: str) -> None:
    """It is refused before anything is sent; the key goes to no other server."""
    sent: list[httpx.Request] = []

    def never(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200)

    for ask in ("request", "stream_events"):
        with pytest.raises(ConfigurationError, match=words):
            run("threads", lambda client, ask=ask: getattr(client, ask)(method, path, **parts), never)
    assert not sent


@EVERY
@pytest.mark.parametrize("events", [False, True])
def test_failures_are_typed(player: str, *, events: bool) -> None:
    """As for a chat: the type, the status, the body, and nothing of the key."""

    def refuse(request: httpx.Request) -> httpx.Response:
        return httpx.Response(401, json={"error": {"message": f"Incorrect API key provided: {KEY}"}})

    with pytest.raises(AuthenticationError) as raised:
        run(player, asking(events=events), refuse)
    assert raised.value.status_code == 401
    assert KEY not in "".join(traceback.format_exception(raised.value)) + repr(raised.value.body) + str(raised.value)

    def missing(request: httpx.Request) -> httpx.Response:
        return httpx.Response(404, json={"error": {"message": "no such", "code": "model_not_found"}})

    with pytest.raises(ModelNotFoundError):
        run(player, asking(events=events), missing)


def asking(*, events: bool) -> Callable[[Any], Any]:
    """A request, or a stream of events."""
    return lambda client: (client.stream_events if events else client.request)("POST", "/x", json={})


EVENTS = b"event: a\nid: 1\ndata: one\n\n: comment\n\ndata: two\ndata: lines\nretry: 50\n\ndata: last\n\n"


@EVERY
@pytest.mark.parametrize("events", [False, True])
def test_retries(player: str, *, events: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A 503 is asked again, and told to the hooks."""
    monkeypatch.setattr("backoff.full_jitter", lambda value: 0.0)
    answers = iter([httpx.Response(503), httpx.Response(200, stream=Pieces(EVENTS), headers={"content-type": SSE})])
    told: list[CallEvent] = []
    hooks = {name: [told.append] for name in ("request", "attempt", "finished", "failed", "first_output")}
    found = run(player, asking(events=events), lambda _: next(answers), max_retries=1, event_hooks=hooks)
    assert [event.event for event in told] == [
        "request", "attempt", "attempt", *["first_output"] * events, "finished",
    ]  # fmt: skip
    assert {event.operation for event in told} == {"request"}
    assert KEY not in repr(told)
    if events:
        assert [event.data for event in found] == ["one", "two\nlines", "last"]
    else:
        assert [attempt.status for attempt in found.attempts] == [503, 200]


SSE = "text/event-stream"


@EVERY
def test_events(player: str) -> None:
    """They are httpx-sse's, with name, data, id and retry, as they come; the head is there."""
    answer = httpx.Response(200, stream=Pieces(EVENTS), headers={"content-type": SSE, "x-request-id": "r"})
    heads: list[Any] = []

    def use(client: Any) -> Any:
        stream = client.stream_events("GET", "/x")
        with pytest.raises(ConfigurationError, match="enter it first"):
            _ = stream.head
        heads.append(stream)
        return stream

    found = run(player, use, lambda _: answer)
    assert all(isinstance(event, ServerSentEvent) for event in found)
    assert [(event.event, event.data, event.id, event.retry) for event in found] == [
        ("a", "one", "1", None),
        ("message", "two\nlines", "1", 50),
        ("message", "last", "1", None),
    ]
    assert (heads[0].head.status, heads[0].head.request_id) == (200, "r")


@EVERY
@pytest.mark.parametrize(("kind", "body"), [("application/json", b"{}"), ("text/html", b"<p>")])
def test_what_is_no_stream_of_events(kind: str, body: bytes, player: str) -> None:
    """It says what came, and what to use."""
    with pytest.raises(StreamProtocolError, match=r"ask for it with request\(\)"):
        run(player, asking(events=True), lambda _: httpx.Response(200, content=body, headers={"content-type": kind}))


class Broken(Pieces):
    """Breaks after its pieces."""

    def __iter__(self) -> Any:
        yield from super().__iter__()
        raise httpx.ReadError("torn")

    async def __aiter__(self) -> Any:
        for piece in self._pieces:
            yield piece
        raise httpx.ReadError("torn")


@EVERY
def test_a_stream_that_breaks(player: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the first event it is asked again; after it the error comes behind the events."""
    monkeypatch.setattr("backoff.full_jitter", lambda value: 0.0)
    bodies = iter([Broken(b": hello\n\n"), Pieces(EVENTS)])
    found = run(player, asking(events=True), lambda _: httpx.Response(200, stream=next(bodies)), max_retries=1)
    assert len(found) == 3
    seen_events: list[Any] = []

    def use(client: Any) -> Any:
        stream = client.stream_events("GET", "/x")
        taken = stream._taken
        stream._taken = lambda: seen_events.append(event := taken()) or event
        return stream

    with pytest.raises(StreamInterruptedError, match="torn"):
        run(player, use, lambda _: httpx.Response(200, stream=Broken(b"data: 1\n\ndata: 2\n\n")), max_retries=1)
    assert [event.data for event in seen_events] == ["1", "2"]


@EVERY
@pytest.mark.parametrize(
    ("began", "phase"),
    [(b"", "first_output"), (b": hi\n\n", "first_output"), (b"data: 1\n\n", "idle")],
    ids=["silence", "comments", "after an event"],
)
def test_deadlines_of_streams(began: bytes, phase: str, player: str) -> None:
    """Silence is counted in events, over a real socket."""
    answer = (
        [head(200, SSE, "connection: close"), began, HANG] if began else [head(200, SSE, "connection: close"), HANG]
    )
    limits = Timeout(first_output=0.3, idle=0.3)
    began_at = time.monotonic()
    with FaultServer([answer]) as server, pytest.raises(TimeoutError) as raised:
        run(player, asking(events=True), base_url=server.url, timeout=limits)
    assert raised.value.phase == phase
    assert time.monotonic() - began_at < 20


@EVERY
def test_the_whole_call_has_an_end(player: str) -> None:
    """`total` ends a request whose body does not come, and a stream that goes on."""
    for events in (False, True):
        answer = [head(200, SSE if events else "application/json", "connection: close"), b"data: 1\n\n", HANG]
        with FaultServer([answer]) as server, pytest.raises(TimeoutError) as raised:
            run(player, asking(events=events), base_url=server.url, timeout=Timeout(total=0.3))
        assert raised.value.phase == "total"


@EVERY
def test_nobody_there(player: str) -> None:
    """A server that is not there is a NetworkError."""
    with pytest.raises(NetworkError):
        run(player, asking(events=False), base_url="http://127.0.0.1:9")


@EVERY
def test_too_much(player: str) -> None:
    """Bodies and events larger than the client takes are refused."""
    for events, body in ((False, b"x" * 2000), (True, b"data: " + b"x" * 2000)):
        with pytest.raises(StreamProtocolError, match="larger"):
            run(player, asking(events=events), lambda _, b=body: httpx.Response(200, content=b), max_frame_bytes=1000)  # type: ignore[misc]


def test_what_is_no_json() -> None:
    """`json()` of it is a ParsingError with the text."""
    answer = run(
        "threads", lambda client: client.request("GET", "/x"), lambda _: httpx.Response(200, content=b"\xffno")
    )
    with pytest.raises(ParsingError) as raised:
        answer.json()
    assert raised.value.text == "\ufffdno"


def test_leaving_closes_the_connection() -> None:
    """Leaving a stream in the middle closes its connection."""
    answer = [head(200, SSE, "connection: close"), b"data: 1\n\n", HANG]
    with FaultServer([answer]) as server:
        with SyncLLMClient.create("openai", "m", "k", base_url=server.url) as client:
            with client.stream_events("GET", "/x") as stream:
                assert next(stream).data == "1"
        assert server.settled(5)


def test_metrics_count_chats_alone() -> None:
    """These calls are told to hooks, not counted as chats."""
    with httpx.Client(transport=httpx.MockTransport(seen)) as http:
        client = SyncLLMClient.create("openai", "m", "k", http_client=http)
        client.request("GET", "/x")
        assert client.get_metrics().total_requests == 0


def test_it_is_recorded_and_replayed(tmp_path: Path) -> None:
    """A recorder writes them without the key, and a replay gives them again."""

    def answer(request: httpx.Request) -> httpx.Response:
        if "stream" in str(request.url):
            return httpx.Response(200, content=EVENTS, headers={"content-type": SSE})
        return httpx.Response(200, json={"vectors": [1]})

    with httpx.Client(transport=RecordingTransport(tmp_path, httpx.MockTransport(answer))) as http:
        client = SyncLLMClient.create("openai", "m", KEY, http_client=http)
        client.request("POST", "/moderations", json={"input": "x"})
        with client.stream_events("POST", "/streams", json={"b": 1}) as stream:
            assert len(list(stream)) == 3
    assert KEY not in "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    captures = load_folder(tmp_path)
    with httpx.Client(transport=ReplayTransport(captures)) as http:
        client = SyncLLMClient.create("openai", "m", "k", http_client=http)
        assert client.request("POST", "/moderations", json={"input": "x"}).json() == {"vectors": [1]}
        with client.stream_events("POST", "/streams", json={"b": 1}) as stream:
            assert [event.data for event in stream] == ["one", "two\nlines", "last"]


LINES = st.lists(
    st.sampled_from(
        [
            b"data: a",
            b"data:b\xc3\xa4",
            b"data",
            b"event: e",
            b"id: 7",
            b"retry: 5",
            b"retry: x",
            b": c",
            b"",
            b"",
            b"odd: 1",
        ]
    ),
    max_size=20,
)


@settings(max_examples=150, deadline=None)
@given(LINES, st.sampled_from([b"\n", b"\r\n", b"\r"]), st.data())
def test_events_are_those_of_httpx_sse(lines: list[bytes], end: bytes, data: st.DataObject) -> None:
    """However the bytes are cut, but for events without data, which say nothing, and a last one without its end."""
    body = end.join([*lines, b"data: z", b"", b""])
    cuts = sorted(data.draw(st.sets(st.integers(0, len(body)), max_size=8)))
    decoder, found = EventDecoder(1000), []
    for start, stop in zip([0, *cuts], [*cuts, len(body)], strict=True):
        found += decoder.feed(body[start:stop])
    found += decoder.finish()
    answer = httpx.Response(200, content=body, headers={"content-type": SSE})
    wanted = [event for event in EventSource(answer).iter_sse() if event.data]
    facts = [(event.event, event.data, event.id, event.retry) for event in found]
    assert [fact for fact in facts if fact[1]] == [(one.event, one.data, one.id, one.retry) for one in wanted]


def test_errors_of_ours_are_what_they_are() -> None:
    """Every failure is one of the library's."""
    for status in (400, 402, 403, 404, 409, 413, 418, 422, 429, 500, 503, 529, 302):
        with pytest.raises(MiiflowLLMError) as raised:
            run("threads", asking(events=False), lambda _, s=status: httpx.Response(s, content=b"<html>"))  # type: ignore[misc]
        assert raised.value.attempts[-1].status == status
    with pytest.raises(ServiceUnavailableError):
        run("threads", asking(events=True), lambda _: httpx.Response(500))
