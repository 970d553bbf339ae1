"""Limits on waiting: httpx's four, and the stream's movable deadline."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

import anyio
import httpx
import pytest

from miiflow_llm.http.lean import ResponseStream

from .helpers import books, lean, seam
from .server import Peer, Server

STREAM = b"HTTP/1.1 200 OK\r\n\r\n"


def only(**limit: float) -> httpx.Timeout:
    return httpx.Timeout(None, **limit)


def drip(gap: float, count: int, peer: Peer) -> None:
    """A head, then a byte every `gap` seconds, then silence until the client hangs up."""
    peer.request()
    peer.send(STREAM)
    for _ in range(count):
        time.sleep(gap)
        peer.send(b"x")
    assert peer.wait_closed()


async def read_on(stream: ResponseStream, moving: float | None = None) -> tuple[bytes, type[Exception] | None]:
    """Read to the end or an error, with the deadline always `moving` seconds ahead; what came, and the error."""
    got = b""
    try:
        while True:
            if moving is not None:
                stream.deadline = time.monotonic() + moving
            if not (part := await stream.read()):
                return got, None
            got += part
    except httpx.TransportError as exc:
        return got, type(exc)


@pytest.mark.anyio
async def test_read_limit_before_the_head() -> None:
    """A head that does not come is a ReadTimeout, and its connection is closed."""
    with Server(lambda peer: (peer.request(), peer.wait_closed())) as server:
        async with lean() as (client, transport):
            began = time.monotonic()
            with pytest.raises(httpx.ReadTimeout):
                await client.get(server.url, timeout=only(read=0.1))
            assert 0.09 < time.monotonic() - began < 8
            assert books(transport).size == 0
        assert server.settled()


@pytest.mark.anyio
async def test_read_limit_is_for_each_wait() -> None:
    """The read limit counts from the start of each wait: a body that keeps coming outlives it, silence does not."""
    with Server(lambda peer: drip(0.1, 8, peer)) as server:
        async with lean() as (client, transport):
            began = time.monotonic()
            async with client.stream("GET", server.url, timeout=only(read=0.6)) as response:
                got, error = await read_on(seam(response))
            assert (got, error) == (b"x" * 8, httpx.ReadTimeout)
            assert 1.3 < time.monotonic() - began < 8
            assert books(transport).size == 0
        assert server.settled()


@pytest.mark.anyio
async def test_deadline_ends_a_flowing_body() -> None:
    """`deadline` ends the wait at its time, however much still comes; the connection is closed."""
    with Server(lambda peer: drip(0.02, 30, peer)) as server:
        async with lean() as (client, transport), client.stream("GET", server.url) as response:
            stream = seam(response)
            began = time.monotonic()
            stream.deadline = began + 0.2
            _, error = await read_on(stream)
            assert error is httpx.ReadTimeout
            assert 0.19 < time.monotonic() - began < 8
            assert books(transport).size == 0
            with pytest.raises(httpx.ReadError):
                await stream.read()


@pytest.mark.anyio
async def test_time_between_reads_is_not_waited() -> None:
    """A limit or deadline that passes while nobody reads ends nothing."""
    with Server(lambda peer: drip(0.4, 2, peer)) as server:
        async with lean() as (client, _), client.stream("GET", server.url) as response:
            stream = seam(response)
            stream.read_timeout, stream.deadline = 0.6, time.monotonic() + 0.6
            assert await stream.read() == b"x"
            await anyio.sleep(0.9)
            stream.deadline = None
            assert await stream.read() == b"x"


@pytest.mark.anyio
async def test_the_end_wakes_a_reader() -> None:
    """The end of a body that comes alone, on a connection that stays open, ends the read that waits."""

    def serve(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
        time.sleep(0.1)
        peer.send(b"0\r\n\r\n")
        peer.wait_closed()

    with Server(serve) as server:
        async with lean() as (client, _), client.stream("GET", server.url) as response:
            stream = seam(response)
            with anyio.fail_after(30):
                assert await stream.read() == b"x"
                assert await stream.read() == b""


class _Vain:
    """A socket that is readable once with nothing to read."""

    def __init__(self, real: socket.socket) -> None:
        self._real = real
        self.vain = True

    def recv_into(self, buffer: memoryview) -> int:
        if self.vain:
            self.vain = False
            raise BlockingIOError
        return self._real.recv_into(buffer)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_a_wait_in_vain_is_repeated() -> None:
    """A socket that was said to be readable and is not breaks nothing."""
    with Server(lambda peer: drip(0.1, 1, peer)) as server:
        async with lean() as (client, _), client.stream("GET", server.url) as response:
            stream: Any = seam(response)
            vain = stream._connection._socket = _Vain(stream._connection._socket)
            assert await stream.read() == b"x"
            assert not vain.vain


@pytest.mark.anyio
async def test_deadline_may_move() -> None:
    """A deadline that its owner keeps moving never fires; once it is left alone, it does."""
    with Server(lambda peer: drip(0.1, 8, peer)) as server:
        async with lean() as (client, _), client.stream("GET", server.url) as response:
            began = time.monotonic()
            got, error = await read_on(seam(response), moving=0.6)
            assert (got, error) == (b"x" * 8, httpx.ReadTimeout)
            assert 1.3 < time.monotonic() - began < 8


@pytest.mark.anyio
async def test_deadline_moved_during_a_wait() -> None:
    """A store that moves the deadline later is honoured by the wait under way; None lifts it."""
    with Server(lambda peer: drip(1.0, 1, peer)) as server:
        async with lean() as (client, _), client.stream("GET", server.url) as response:
            stream = seam(response)
            stream.deadline = time.monotonic() + 0.4
            async with anyio.create_task_group() as group:

                async def move() -> None:
                    await anyio.sleep(0.15)
                    stream.deadline = time.monotonic() + 0.4
                    await anyio.sleep(0.15)
                    stream.deadline = None

                group.start_soon(move)
                assert await stream.read() == b"x"


@pytest.mark.anyio
async def test_deadline_brought_forward_between_waits() -> None:
    """A nearer deadline counts from the next wait, though a timer for a later one is running."""
    with Server(lambda peer: drip(0.01, 2, peer)) as server:
        async with lean() as (client, _), client.stream("GET", server.url) as response:
            stream = seam(response)
            stream.deadline = time.monotonic() + 60
            got = b""
            while len(got) < 2:
                got += await stream.read()
            stream.deadline = time.monotonic() + 0.1
            began = time.monotonic()
            with pytest.raises(httpx.ReadTimeout):
                await stream.read()
            assert time.monotonic() - began < 8


@pytest.mark.anyio
async def test_deadline_passed_does_not_hide_data() -> None:
    """Bytes that have come are given though the deadline has passed: it limits waiting only."""
    with Server(lambda peer: (peer.request(), peer.send(STREAM + b"abc"), peer.wait_closed())) as server:
        async with lean() as (client, _), client.stream("GET", server.url) as response:
            stream = seam(response)
            stream.deadline = time.monotonic() - 1
            if not stream.response.pieces:
                with pytest.raises(httpx.ReadTimeout):
                    await stream.read()
            else:
                assert await stream.read() == b"abc"


@pytest.mark.anyio
async def test_nearer_of_two_limits_counts() -> None:
    """Read limit and deadline hold together: whichever comes first ends the wait."""
    for read, deadline in ((0.1, 60.0), (60.0, 0.1)):
        with Server(lambda peer: drip(0, 0, peer)) as server:
            async with lean() as (client, _), client.stream("GET", server.url, timeout=only(read=read)) as response:
                stream = seam(response)
                stream.deadline = time.monotonic() + deadline
                began = time.monotonic()
                with pytest.raises(httpx.ReadTimeout):
                    await stream.read()
                assert 0.09 < time.monotonic() - began < 8


@pytest.mark.anyio
@pytest.mark.parametrize("size", [10_000_000, 40_000_000])
async def test_write_limit(size: int) -> None:
    """A server that does not read the body is a WriteTimeout."""
    release = threading.Event()
    with Server(lambda peer: release.wait(10)) as server:
        async with lean() as (client, transport):
            began = time.monotonic()
            with pytest.raises(httpx.WriteTimeout):
                await client.post(server.url, content=b"x" * size, timeout=only(write=0.2))
            assert time.monotonic() - began < 8
            assert books(transport).size == 0
            release.set()


@pytest.mark.anyio
async def test_finished_streams_leave_no_timer() -> None:
    """The limits of a request that is over fire nowhere: the connection serves on after their time."""
    with Server(lambda peer: peer.serve()) as server:
        async with lean() as (client, _):
            for _ in range(3):
                assert (await client.get(server.url, timeout=only(read=0.05))).text == "ok"
                await anyio.sleep(0.1)
            assert server.connections == 1
