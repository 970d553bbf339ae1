"""Limits on a thread's waits: each is a limit of the socket's own, and none outlives what it is for."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

import httpx
import pytest

from miiflow_llm.http.lean import BlockingStream
from miiflow_llm.http.lean.timeouts import Timeouts

from .blocking import blocking, books, seam
from .server import OK, Peer, Server
from .test_tls import client_context, server_context

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


def read_on(stream: BlockingStream, moving: float | None = None) -> tuple[bytes, type[Exception] | None]:
    """Read to the end or an error, with the deadline always `moving` seconds ahead; what came, and the error."""
    got = b""
    try:
        while True:
            if moving is not None:
                stream.deadline = time.monotonic() + moving
            if not (part := stream.read()):
                return got, None
            got += part
    except httpx.TransportError as exc:
        return got, type(exc)


@pytest.mark.parametrize("sent", [b"", STREAM[:10]], ids=["nothing", "a part"])
def test_a_head_that_does_not_come(sent: bytes) -> None:
    """It is a ReadTimeout, and its connection is closed."""
    with Server(lambda peer: (peer.request(), peer.send(sent), peer.wait_closed())) as server:
        with blocking() as (client, transport):
            began = time.monotonic()
            with pytest.raises(httpx.ReadTimeout):
                client.get(server.url, timeout=only(read=0.1))
            assert 0.09 < time.monotonic() - began < 4
            assert books(transport).size == 0
        assert server.settled()


@pytest.mark.parametrize("tls", [False, True])
def test_a_head_that_drips(tls: bool) -> None:
    """A server that sends its head a byte at a time does not make each of them a new wait."""

    def serve(peer: Peer) -> None:
        peer.request()
        for place in range(len(OK)):
            peer.send(OK[place : place + 1])
            time.sleep(0.05)

    with Server(serve, context=server_context() if tls else None) as server:
        with blocking(ssl_context=client_context()) as (client, transport):
            began = time.monotonic()
            with pytest.raises(httpx.ReadTimeout):
                client.get(server.url, timeout=only(read=0.3))
            assert time.monotonic() - began < 1.5
            assert books(transport).size == 0


def test_the_read_limit_is_for_each_wait_of_a_body() -> None:
    """A body that keeps coming outlives it, silence does not."""
    with Server(lambda peer: drip(0.05, 10, peer)) as server, blocking() as (client, transport):
        with client.stream("GET", server.url, timeout=only(read=0.4)) as response:
            assert read_on(seam(response)) == (b"x" * 10, httpx.ReadTimeout)
        assert books(transport).size == 0


@pytest.mark.parametrize("tls", [False, True])
def test_a_deadline_ends_a_body_that_flows(tls: bool) -> None:
    """`deadline` ends the wait at its time, however much still comes."""
    with Server(lambda peer: drip(0.02, 100, peer), context=server_context() if tls else None) as server:
        with blocking(ssl_context=client_context()) as (client, transport):
            with client.stream("GET", server.url) as response:
                seam(response).deadline = time.monotonic() + 0.3
                got, error = read_on(seam(response))
            assert error is httpx.ReadTimeout
            assert 0 < len(got) < 40
            assert books(transport).size == 0


def test_a_deadline_that_moves_is_kept() -> None:
    """A deadline that is moved on before each read never ends a body that keeps coming."""
    with Server(lambda peer: drip(0.05, 12, peer)) as server, blocking() as (client, _):
        with client.stream("GET", server.url) as response:
            assert read_on(seam(response), moving=0.4) == (b"x" * 12, httpx.ReadTimeout)


def test_what_has_come_is_read_past_the_deadline() -> None:
    """Bytes at hand are given though the deadline has passed; then it is over."""
    with Server(lambda peer: drip(0, 3, peer)) as server, blocking() as (client, _):
        with client.stream("GET", server.url) as response:
            time.sleep(0.1)
            seam(response).deadline = time.monotonic() - 1
            assert read_on(seam(response)) == (b"xxx", httpx.ReadTimeout)


@pytest.mark.parametrize("far", [1e7, 1e12, 1e300])
def test_a_limit_far_away_is_none(far: float) -> None:
    """Numbers beyond what a system counts are no limit, and no error."""
    with Server(lambda peer: peer.serve()) as server, blocking() as (client, _):
        assert client.get(server.url, timeout=far).text == "ok"
        with client.stream("POST", server.url, content=b"x" * 3_000_000, timeout=far) as response:
            seam(response).deadline = time.monotonic() + far
            assert read_on(seam(response)) == (b"ok", None)


def test_a_peer_that_reads_nothing() -> None:
    """A request that nobody reads is a WriteTimeout after a pause of `write` seconds."""
    with Server(lambda peer: time.sleep(3)) as server, blocking() as (client, transport):
        began = time.monotonic()
        with pytest.raises(httpx.WriteTimeout):
            client.post(server.url, content=b"x" * 30_000_000, timeout=only(write=0.2))
        assert time.monotonic() - began < 2.5
        assert books(transport).size == 0


@pytest.mark.parametrize("phase", ["head", "write", "pool", "connect"])
def test_until_ends_every_wait(phase: str) -> None:
    """`Timeouts.until` ends whichever wait there is, at its time."""
    from miiflow_llm.http.lean.origin import Origin
    from miiflow_llm.http.lean.request import written

    def serve(peer: Peer) -> None:
        if phase == "pool" and peer.number == 1:
            hold.wait(3)
        elif phase == "write":
            time.sleep(2)
        else:
            peer.wait_closed()

    hold = threading.Event()
    with Server(serve) as server, blocking(ssl_context=client_context()) as (_, transport):
        transport.pool.books.limit = 1
        origin = Origin.of(httpx.URL(server.url if phase != "connect" else f"https://localhost:{server.port}"))
        body = b"x" * (30_000_000 if phase == "write" else 1)
        sent = written("POST", b"/", b"host: x\r\n", body, keep_alive=True)
        if phase == "pool":
            transport.pool.acquire(origin, None)
        began = time.monotonic()
        limits = Timeouts(connect=30, read=30, write=30, pool=30, until=began + 0.2)
        kinds: dict[str, Any] = {
            "head": httpx.ReadTimeout,
            "write": httpx.WriteTimeout,
            "pool": httpx.PoolTimeout,
            "connect": httpx.ConnectTimeout,
        }
        with pytest.raises(kinds[phase]):
            transport.open("POST", origin, sent, limits)
        assert 0.19 < time.monotonic() - began < 1.9
        hold.set()


def test_a_handshake_that_hangs_or_drips() -> None:
    """A server that says nothing to the handshake, or a byte now and then, is a ConnectTimeout."""

    def serve(peer: Peer) -> None:
        peer.recv()
        while peer.number == 2 and not peer.sock._closed:  # type: ignore[attr-defined]
            peer.sock.sendall(b"\x16\x03\x03\x40\x00"[:1])
            time.sleep(0.05)
        peer.wait_closed()

    with Server(serve) as server, blocking(ssl_context=client_context()) as (client, transport):
        for _ in range(2):
            began = time.monotonic()
            with pytest.raises((httpx.ConnectTimeout, httpx.ConnectError)):
                client.get(f"https://localhost:{server.port}/", timeout=only(connect=0.3))
            assert time.monotonic() - began < 2
        assert books(transport).size == 0


def test_a_name_that_is_never_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's resolver cannot be told a limit, but the connect limit holds all the same."""
    released = threading.Event()

    def looks_up(*_: object, **__: object) -> list[Any]:
        released.wait(10)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", looks_up)
    with blocking() as (client, transport):
        began = time.monotonic()
        with pytest.raises(httpx.ConnectTimeout):
            client.get("http://api.example/", timeout=only(connect=0.2))
        assert time.monotonic() - began < 2
        assert books(transport).size == 0
        released.set()
        with pytest.raises(httpx.ConnectError):
            client.get("http://api.example/", timeout=only(connect=5))


@pytest.mark.parametrize("host", ["does-not-exist.invalid", "a" * 70 + ".invalid", "x..invalid"])
def test_name_without_address(host: str) -> None:
    """A name that has no address, or can have none, is a ConnectError."""
    with blocking() as (client, transport):
        for limit in (None, 5):
            with pytest.raises(httpx.ConnectError):
                client.get(f"http://{host}/", timeout=limit)
        assert books(transport).size == 0
