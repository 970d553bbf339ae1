"""Request bodies on their way out, and answers that come before they are through."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator

import httpx
import pytest

from .helpers import Body, books, lean, seam, until
from .server import OK, Peer, Server

BIG = b"0123456789abcdef" * 1_000_000
REFUSAL = b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig"


class Endless:
    """An async body that never ends, and counts what was taken of it."""

    def __init__(self) -> None:
        self.taken = 0

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        self.taken += 1
        return b"x" * 65536


@pytest.mark.slow
@pytest.mark.anyio
async def test_bodies_arrive_whole() -> None:
    """Bytes small and large, with a length or in chunks, arrive as they were given, and the connection is kept."""
    got: list[bytes] = []

    def serve(peer: Peer) -> None:
        while (request := peer.request()) is not None:
            got.append(request.body)
            peer.send(OK)

    with Server(serve) as server:
        async with lean() as (client, _):
            await client.post(server.url, content=b"")
            await client.post(server.url, content=b"small")
            await client.post(server.url, content=BIG)
            await client.post(server.url, content=Body(b"a", b"", BIG, b"b"))
            await client.post(server.url, content=Body(b"ab", b"c"), headers={"Content-Length": "3"})
        assert server.connections == 1
    assert got == [b"", b"small", BIG, b"a" + BIG + b"b", b"abc"]


@pytest.mark.anyio
@pytest.mark.parametrize("body", ["bytes", "endless"])
async def test_early_refusal_stops_the_body(body: str) -> None:
    """An error that comes while the body is being sent is given at once; the connection is not used again."""
    release = threading.Event()

    def serve(peer: Peer) -> None:
        if peer.number > 1:
            peer.serve()
            return
        peer.recv()
        peer.send(REFUSAL)
        release.wait(10)

    with Server(serve) as server:
        async with lean() as (client, transport):
            endless = Endless()
            began = time.monotonic()
            response = await client.post(server.url, content=BIG * 2 if body == "bytes" else endless)
            assert (response.status_code, response.text) == (413, "big")
            assert time.monotonic() - began < 8
            assert books(transport).size == 0
            assert (await client.get(server.url)).text == "ok"
            release.set()


@pytest.mark.anyio
async def test_early_refusal_and_close() -> None:
    """A server that refuses, reads what is on its way and closes is heard."""

    def serve(peer: Peer) -> None:
        peer.recv()
        peer.send(REFUSAL)
        peer.half_close()
        peer.wait_closed()

    with Server(serve) as server:
        async with lean() as (client, transport):
            response = await client.post(server.url, content=BIG)
            assert (response.status_code, response.text) == (413, "big")
            await until(lambda: not any(idle.is_quiet() for idle in books(transport)._idle))


@pytest.mark.anyio
async def test_early_success_lets_the_body_go_on() -> None:
    """A 200 that begins before the body is through does not stop the body."""
    sizes: list[int] = []

    def serve(peer: Peer) -> None:
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n")
        request = peer.request()
        assert request is not None
        sizes.append(len(request.body))
        peer.send(b"4\r\ndone\r\n0\r\n\r\n")
        peer.serve()

    with Server(serve) as server:
        async with lean() as (client, _):
            assert (await client.post(server.url, content=BIG)).text == "okdone"
            assert (await client.get(server.url)).text == "ok"
            assert server.connections == 1
    assert sizes == [len(BIG)]


@pytest.mark.anyio
async def test_hang_up_while_sending() -> None:
    """A server that closes in the middle of the body, saying nothing, is a typed error."""
    with Server(lambda peer: peer.recv()) as server:
        async with lean() as (client, transport):
            with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
                await client.post(server.url, content=BIG)
            with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
                await client.post(server.url, content=Endless())
            assert books(transport).size == 0


class Broken:
    """An async body that fails after its first part."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    def __init__(self) -> None:
        self._first = True

    async def __anext__(self) -> bytes:
        if self._first:
            self._first = False
            return b"x"
        raise KeyError("ours")


@pytest.mark.anyio
async def test_error_in_the_body_is_the_callers() -> None:
    """An exception of the body's own comes out as it is; the half-sent request's connection is closed."""
    with Server(lambda peer: peer.wait_closed()) as server:
        async with lean() as (client, transport):
            with pytest.raises(KeyError, match="ours"):
                await client.post(server.url, content=Broken())
            with pytest.raises(httpx.LocalProtocolError):
                await client.post(server.url, content=Body(b"abc"), headers={"Content-Length": "2"})
            assert books(transport).size == 0
        assert server.settled()


@pytest.mark.anyio
@pytest.mark.parametrize("bad", [{"X-A": "a\r\nX-B: b"}, {"X-A\n": "a"}, {"Transfer-Encoding": "gzip"}])
async def test_refused_requests_send_nothing(bad: dict[str, str]) -> None:
    """A request that could be split in two opens no connection."""
    with Server(lambda peer: peer.serve()) as server:
        async with lean() as (client, _):
            with pytest.raises(httpx.LocalProtocolError):
                await client.get(server.url, headers=bad)
            assert server.connections == 0


@pytest.mark.anyio
async def test_slow_reader_slows_the_sender() -> None:
    """A body that nobody reads stops coming: no more than some hundred KiB are held, and none is lost."""
    total = 60_000_000
    sent = 0

    def serve(peer: Peer) -> None:
        nonlocal sent
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % total)
        block = b"x" * 100_000
        while sent < total:
            peer.sock.sendall(block)
            sent += len(block)

    with Server(serve) as server:
        async with lean() as (client, transport), client.stream("GET", server.url) as response:
            stream = seam(response)
            await until(lambda: sent > 0)
            seen = -1
            while seen != sent:
                seen = sent
                await until_quiet()
            assert sent < total / 2
            assert sum(map(len, stream.response.pieces)) < 1_000_000
            size = 0
            while part := await stream.read():
                size += len(part)
            assert size == total
            assert books(transport).idle == 1


async def until_quiet() -> None:
    import anyio

    await anyio.sleep(0.2)
