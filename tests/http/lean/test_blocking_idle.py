"""Connections of threads that rest: which are used again, and TLS that keeps talking meanwhile."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable

import httpx
import pytest

from miiflow_llm.http.lean.errors import StaleConnectionError
from miiflow_llm.http.lean.sockets import KEEPALIVE

from .blocking import blocking, books, eventually
from .server import OK, Peer, Server
from .test_idle import hang_up_on_the_second
from .test_tls import client_context, cut, server_context


@pytest.mark.parametrize("how", ["close", "reset", "half close", "garbage", "crlf"])
@pytest.mark.parametrize("tls", [False, True])
def test_dead_idle_connection_is_not_used(how: str, tls: bool) -> None:
    """An idle connection that the server closed, or said something on, is replaced before a request goes out."""
    go, done = threading.Event(), threading.Event()

    def serve(peer: Peer) -> None:
        peer.request()
        peer.send(OK)
        if peer.number > 1:
            peer.serve()
            return
        go.wait(5)
        ways: dict[str, Callable[[], object]] = {
            "close": peer.close,
            "reset": peer.reset,
            "half close": lambda: cut(peer) if tls else peer.half_close(),
            "garbage": lambda: peer.send(OK),
            "crlf": lambda: peer.send(b"\r\n"),
        }
        if how == "half close":
            done.set()
        ways[how]()
        done.set()
        if how in ("garbage", "crlf"):
            assert peer.request() is None

    with Server(serve, context=server_context() if tls else None) as server:
        with blocking(ssl_context=client_context()) as (client, transport):
            for _ in range(2):
                assert client.post(server.url, content=b"abc").text == "ok"
                go.set()
                done.wait(5)
                time.sleep(0.05)
            assert server.connections == 2
            assert books(transport).size == 1


def test_second_try_is_silent() -> None:
    """A request whose used connection is closed before any byte of an answer is sent once more, on a new one."""
    requests: list[bytes] = []
    with Server(lambda peer: hang_up_on_the_second(b"", requests, peer)) as server:
        with blocking(limits=httpx.Limits(max_connections=1)) as (client, transport):
            assert client.post(server.url, content=b"1").text == "ok"
            assert client.post(server.url, content=b"2").text == "ok"
            assert requests == [b"1", b"2", b"2"]
            assert books(transport).size == 1


def test_a_stale_connection_is_told() -> None:
    """Without silent tries the error says that a kept connection had died, and only then."""
    requests: list[bytes] = []
    with Server(lambda peer: hang_up_on_the_second(b"", requests, peer)) as server:
        with blocking(retry_stale=False) as (client, _):
            assert client.post(server.url, content=b"1").text == "ok"
            with pytest.raises(StaleConnectionError):
                client.post(server.url, content=b"2")
    with Server(lambda peer: peer.request()) as server, blocking(retry_stale=False) as (client, _):
        with pytest.raises(httpx.RemoteProtocolError) as raised:
            client.get(server.url)
    assert not isinstance(raised.value, StaleConnectionError)


def test_no_second_try_after_a_byte() -> None:
    """Once a byte of an answer has come, the request may have been carried out, and is not sent again."""
    requests: list[bytes] = []
    with Server(lambda peer: hang_up_on_the_second(b"H", requests, peer)) as server, blocking() as (client, _):
        client.post(server.url, content=b"1")
        with pytest.raises(httpx.RemoteProtocolError):
            client.post(server.url, content=b"2")
        assert requests == [b"1", b"2"]


def test_one_dead_connection_makes_the_others_distrusted() -> None:
    """A NAT forgets them all at once: after the first that turns out dead none that rested as long is tried."""
    gate, dead = threading.Barrier(21), threading.Event()
    tried: list[int] = []

    def serve(peer: Peer) -> None:
        peer.request()
        if peer.number <= 20:
            gate.wait(10)
        peer.send(OK)
        while peer.request() is not None:
            if dead.is_set() and peer.number <= 20:
                tried.append(peer.number)
                return
            peer.send(OK)

    with Server(serve) as server, blocking() as (client, transport):
        threads = [threading.Thread(target=client.get, args=(server.url,)) for _ in range(20)]
        for thread in threads:
            thread.start()
        gate.wait(10)
        for thread in threads:
            thread.join()
        assert books(transport).idle == 20
        dead.set()
        for _ in range(5):
            assert client.get(server.url).text == "ok"
        assert len(tried) == 1
        assert books(transport).size == 1


def test_keepalive_expiry() -> None:
    """A connection that has rested longer than keepalive_expiry is closed, not used."""
    with Server(lambda peer: peer.serve()) as server:
        with blocking(limits=httpx.Limits(keepalive_expiry=0.05)) as (client, transport):
            client.get(server.url)
            client.get(server.url)
            assert server.connections == 1
            time.sleep(0.1)
            client.get(server.url)
            assert server.connections == 2
            assert books(transport).size == 1


@pytest.mark.parametrize("headers", [{"Connection": "close"}, {"connection": "keep-alive, Close"}])
def test_request_that_asks_for_close(headers: dict[str, str]) -> None:
    """`connection: close` in the request ends the connection, whatever the server says."""
    with Server(lambda peer: peer.serve()) as server, blocking() as (client, transport):
        client.get(server.url, headers=headers)
        assert books(transport).size == 0


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_warm_opens_ahead_and_tickets_do_not_spoil_it(version: ssl.TLSVersion) -> None:
    """A warmed connection is used though session tickets lie in it unread; so is one that gets more of them later."""
    context = server_context()
    context.maximum_version = context.minimum_version = version
    with Server(lambda peer: peer.serve(), context=context) as server:
        with blocking(ssl_context=client_context()) as (client, transport):
            transport.warm(server.url)
            eventually(lambda: server.connections == 1)
            time.sleep(0.05)
            for _ in range(3):
                assert client.get(server.url).text == "ok"
            assert server.connections == 1


def test_the_system_probes_silent_connections() -> None:
    """Every connection has SO_KEEPALIVE and no delay of small writes."""
    with Server(lambda peer: peer.serve()) as server, blocking() as (client, transport):
        client.get(server.url)
        (connection,) = books(transport)._idle
        for level, option, value in KEEPALIVE:
            assert bool(connection._socket.getsockopt(level, option)) == bool(value)
        assert connection._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
