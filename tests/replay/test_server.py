"""The replay server over real sockets, asked by httpx."""

from __future__ import annotations

import socket

import anyio
import httpx
import msgspec
import pytest

from miiflow_llm.replay.capture import Capture
from miiflow_llm.replay.cuts import CUTS
from miiflow_llm.replay.errors import CaptureError
from miiflow_llm.replay.faults import CutAt, Fault, Reset, Stall, StatusFirst, Trickle
from miiflow_llm.replay.server import ReplayServer, serving

from .made import ASKED, EVENTS, PATH, stream, whole

pytestmark = pytest.mark.anyio
WHOLE = {key: value for key, value in ASKED.items() if key != "stream"}


async def ask(client: httpx.AsyncClient, url: str, **json: object) -> httpx.Response:
    """Ask what the captures of `made` answer."""
    return await client.post(url + PATH, json={**ASKED, **json})


def request_bytes(more: str = "") -> bytes:
    """The same question as it stands on the wire, for a connection that closes after it."""
    body = msgspec.json.encode(ASKED)
    head = f"POST /openai/text{PATH} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{more}content-length: {len(body)}"
    return f"{head}\r\n\r\n".encode() + body


@pytest.mark.parametrize("cut", [*CUTS, 7])
async def test_bodies_come_byte_for_byte(cut: str) -> None:
    """Status, headers and body are the capture's, however it is cut, streamed and whole."""
    captures = [stream(reads=[(0.0, 4), (1.0, 9)]), whole(status=201)]
    async with ReplayServer(captures, cut=cut) as server, httpx.AsyncClient() as client:  # type: ignore[arg-type]
        url = server.url_for("openai", "text")
        streamed, plain = await ask(client, url), await ask(client, url, stream=False)
    assert (streamed.status_code, streamed.content) == (200, captures[0].body)
    assert streamed.headers["x-request-id"] == "r-1"
    assert streamed.headers["transfer-encoding"] == "chunked"
    assert (plain.status_code, plain.content) == (201, captures[1].body)
    assert plain.headers["content-length"] == str(len(captures[1].body))


async def test_each_piece_is_a_chunk() -> None:
    """Every cut is one HTTP chunk, as read off the socket."""
    async with ReplayServer([stream()], cut="frames") as server:
        async with await anyio.connect_tcp("127.0.0.1", int(server.url.rpartition(":")[2])) as raw:
            await raw.send(request_bytes())
            received = b"".join([data async for data in raw])
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(event), event) for event in EVENTS)
    assert received.partition(b"\r\n\r\n")[2] == chunks + b"0\r\n\r\n"


async def test_a_connection_is_used_again_and_many_at_once_are_served() -> None:
    """Requests one after the other share a connection; twenty at once are all answered."""
    async with ReplayServer([stream()]) as server, httpx.AsyncClient() as client:
        for _ in range(5):
            await ask(client, server.url_for("openai"))
        assert server.connections == 1

        async def one() -> None:
            assert (await ask(client, server.url)).content == stream().body

        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(one)
        assert len(server.requests) == 25


async def test_requests_are_noted_without_credentials() -> None:
    """What was received is kept as it came, but for credentials in headers and query."""
    headers = {"authorization": "Bearer s3cret", "x-goog-api-key": "s3cret", "x-mine": "1"}
    async with ReplayServer([stream()]) as server, httpx.AsyncClient(headers=headers) as client:
        url = f"{server.url_for('openai', 'text')}{PATH}?key=s3cret&alt=sse"
        await client.post(url, json=ASKED)
    [request] = server.requests
    assert (request.method, request.path, request.query) == ("POST", PATH, "key=***&alt=sse")
    assert (request.provider, request.name, request.capture) == ("openai", "text", "openai/text")
    assert (request.body, request.headers["x-mine"]) == (ASKED, "1")
    assert (request.outcome, request.sent) == ("sent", len(stream().body))
    assert b"s3cret" not in msgspec.json.encode(server.requests)


async def test_what_nothing_answers_is_told() -> None:
    """A request that nothing answers gets a 404 that says what was nearest, and the connection goes on."""
    async with ReplayServer([stream()]) as server, httpx.AsyncClient() as client:
        missed = await ask(client, server.url_for("openai"), messages=[])
        found = await ask(client, server.url_for("openai"))
    assert missed.status_code == 404
    error = missed.json()["error"]
    assert (error["nearest"], error["differs"]) == ("openai/text", ["body"])
    assert "no capture answers POST /chat/completions" in error["message"]
    assert found.status_code == 200
    assert server.connections == 1
    with pytest.raises(CaptureError, match="openai has text"):
        server.url_for("openai", "tetx")
    with pytest.raises(CaptureError, match="providers are openai"):
        server.url_for("opnai")


@pytest.mark.parametrize(
    ("capture", "fault", "error", "handed"),
    [
        (stream(), CutAt(30), httpx.RemoteProtocolError, 30),
        (whole(), CutAt(3), httpx.RemoteProtocolError, 3),
        (stream(), CutAt(30, clean=True), None, 30),
        (whole(), CutAt(3, clean=True), None, 3),
        (stream(), Reset(30), httpx.ReadError, None),
        (stream(), Reset(None), httpx.ReadError, None),
        (stream(), Stall(30), httpx.ReadTimeout, 30),
        (stream(), Stall(None), httpx.ReadTimeout, None),
        (stream(), [Stall(30, 0.01), CutAt(40)], httpx.RemoteProtocolError, 40),
    ],
)
async def test_faults(
    capture: Capture, fault: Fault | list[Fault], error: type[Exception] | None, handed: int | None
) -> None:
    """Each fault reaches the client as what it is, after exactly the bytes that came before it."""
    got = b""
    caught: Exception | None = None
    async with ReplayServer([capture], fault=fault) as server, httpx.AsyncClient(timeout=0.4) as client:
        try:
            async with client.stream("POST", server.url + PATH, json={**WHOLE, "stream": capture.streaming}) as answer:
                async for piece in answer.aiter_bytes():
                    got += piece
        except httpx.HTTPError as raised:
            caught = raised
    assert type(caught) is (error or type(None))
    if handed is not None:
        assert got == capture.body[:handed]


async def test_a_status_comes_first() -> None:
    """The first requests get the status, its headers and body, and the next ones the capture; it can be set anew."""
    fault = StatusFirst(529, times=2, headers={"retry-after": "1"}, body=b'{"a":1}')
    async with ReplayServer([stream()], fault=fault) as server, httpx.AsyncClient() as client:
        answers = [await ask(client, server.url) for _ in range(3)]
        server.fault = StatusFirst(500)
        answers += [await ask(client, server.url) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [529, 529, 200, 500, 200]
    assert (answers[0].headers["retry-after"], answers[0].content) == ("1", b'{"a":1}')


@pytest.mark.virtual_time(autojump_threshold=0.02)
async def test_pieces_come_when_they_were_recorded() -> None:
    """With recorded cuts the pieces come at the recorded times, scaled; a trickle waits before each piece."""
    captures = [stream("timed", reads=[(0.0, 5), (300.0, 5), (600.0, 5)])]

    async def took(**options: object) -> float:
        async with ReplayServer(captures, **options) as server, httpx.AsyncClient() as client:  # type: ignore[arg-type]
            started = anyio.current_time()
            await ask(client, server.url_for("openai", "timed"))
            return anyio.current_time() - started

    assert await took(cut="recorded", pace=0.0) == 0.0
    assert await took(cut="recorded", pace=0.5) == pytest.approx(0.3)
    assert await took(cut="whole", fault=Trickle(0.4)) == pytest.approx(0.4)


async def test_a_client_that_leaves_is_noticed_at_once() -> None:
    """A client that goes away during a stall ends the answer, and nothing is left open."""
    async with ReplayServer([stream()], fault=Stall(30)) as server:
        async with await anyio.connect_tcp("127.0.0.1", int(server.url.rpartition(":")[2])) as raw:
            await raw.send(request_bytes())
            await raw.receive()
        with anyio.fail_after(30):
            while server.open_connections:  # noqa: ASYNC110  the server tells nobody when it closes one
                await anyio.sleep(0.005)
    assert [request.outcome for request in server.requests] == ["left"]
    assert server.requests[0].sent <= 30


async def test_what_is_no_http_is_refused() -> None:
    """Garbage gets a 400 and a closed connection; the server goes on."""
    async with ReplayServer([stream()]) as server:
        async with await anyio.connect_tcp("127.0.0.1", int(server.url.rpartition(":")[2])) as raw:
            await raw.send(b"\x16\x03\x01\x02\x00\x01 hello\r\n\r\n")
            received = b"".join([data async for data in raw])
        assert received.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        async with httpx.AsyncClient() as client:
            assert (await ask(client, server.url)).status_code == 200


async def test_a_body_after_100_continue() -> None:
    """A client that waits for `100 Continue` gets it, then the answer."""
    head, _, body = request_bytes("expect: 100-continue\r\n").partition(b"\r\n\r\n")
    async with ReplayServer([stream()]) as server:
        async with await anyio.connect_tcp("127.0.0.1", int(server.url.rpartition(":")[2])) as raw:
            await raw.send(head + b"\r\n\r\n")
            assert await raw.receive() == b"HTTP/1.1 100 Continue\r\n\r\n"
            await raw.send(body)
            received = b"".join([data async for data in raw])
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")


async def test_what_the_block_raises_comes_out_as_it_is() -> None:
    """An exception in the `async with` block is not wrapped, and a cancelled block ends the server."""
    with pytest.raises(ZeroDivisionError):
        async with ReplayServer([stream()]):
            raise ZeroDivisionError
    with anyio.move_on_after(0.05) as scope:
        async with ReplayServer([stream()]):
            await anyio.sleep(30)
    assert scope.cancelled_caught


def test_a_server_in_a_thread() -> None:
    """`serving` runs the server beside code that is not asynchronous, and ends it."""
    with serving([stream()], cut="bytes") as server:
        answer = httpx.post(server.url_for("openai", "text") + PATH, json=ASKED)
        port = int(server.url.rpartition(":")[2])
    assert answer.content == stream().body
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
