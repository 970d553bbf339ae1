"""Several addresses of one name: the one that answers is taken, soon, and nothing of the others stays open."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from miiflow_llm.http.lean.eyeballs import Address, _in_turns, first_to_connect
from miiflow_llm.http.lean.timeouts import Timeouts

from .blocking import blocking, books
from .server import Server
from .test_fuzz import descriptors

V4, V6 = socket.AF_INET, socket.AF_INET6


def at(port: int) -> Address:
    return Address(V4, ("127.0.0.1", port))


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def deaf() -> Iterator[int]:
    """A port that answers no connection: its queue is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        try:
            yield listener.getsockname()[1]
        finally:
            for filler in fillers:
                filler.close()


def test_families_take_turns() -> None:
    """The first family first, then one of each (RFC 8305, section 4)."""
    six = [Address(V6, n) for n in range(3)]
    four = [Address(V4, n) for n in range(2)]
    assert list(_in_turns([*six, *four])) == [six[0], four[0], six[1], four[1], six[2]]
    assert list(_in_turns(four)) == four
    assert list(_in_turns([])) == []


def test_a_refusal_is_followed_by_the_next_at_once() -> None:
    """Addresses that refuse cost no time."""
    with Server(lambda peer: None) as server:
        began = time.monotonic()
        with first_to_connect([at(closed_port()), at(closed_port()), at(server.port)], None, Timeouts()) as sock:
            assert sock.getpeername()[1] == server.port
        assert time.monotonic() - began < 1


def test_one_that_does_not_answer_is_overtaken() -> None:
    """After a quarter of a second the next is tried beside it; what loses is closed."""
    before = descriptors()
    with deaf() as silent, Server(lambda peer: None) as server:
        began = time.monotonic()
        with first_to_connect([at(silent), at(server.port)], None, Timeouts()) as sock:
            assert sock.getpeername()[1] == server.port
        assert 0.2 < time.monotonic() - began < 2
    assert descriptors() <= before


def test_nobody_answers() -> None:
    """All refuse: the system's error. None answers in time: TimeoutError. There is none: OSError."""
    before = descriptors()
    with pytest.raises(ConnectionRefusedError):
        first_to_connect([at(closed_port()), at(closed_port())], None, Timeouts())
    with deaf() as silent:
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            first_to_connect([at(silent), at(silent)], None, Timeouts(until=began + 0.4))
        assert time.monotonic() - began < 2
    with pytest.raises(OSError, match="no address"):
        first_to_connect([], None, Timeouts())
    assert descriptors() <= before


def test_by_name_over_the_transport(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host with an IPv6 address that refuses and an IPv4 one that serves is reached."""
    asked: list[int] = []

    def look_up(host: str, port: int, *, family: int, type: int) -> list[Any]:  # noqa: A002  getaddrinfo's own name
        asked.append(family)
        return [
            (V6, socket.SOCK_STREAM, 6, "", ("::1", closed_port(), 0, 0)),
            (V4, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
        ]

    with Server(lambda peer: peer.serve()) as server:
        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        with blocking() as (client, transport):
            assert client.get(f"http://two.example:{server.port}/").text == "ok"
            assert books(transport).size == 1
    assert asked == [socket.AF_UNSPEC]


@pytest.mark.skipif("not __import__('socket').has_ipv6", reason="no IPv6 here")
def test_an_ipv6_address_as_host() -> None:
    """A host in brackets is an address, of which nothing is looked up; the Host header keeps the brackets."""
    try:
        listener = socket.create_server(("::1", 0), family=V6)
    except OSError:
        pytest.skip("no IPv6 loopback here")
    with listener, blocking() as (client, _):
        listener.settimeout(5)
        port = listener.getsockname()[1]
        heads: list[bytes] = []

        def serve() -> None:
            peer, _ = listener.accept()
            heads.append(peer.recv(65536))
            peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            peer.close()

        import threading

        thread = threading.Thread(target=serve)
        thread.start()
        assert client.get(f"http://[::1]:{port}/", timeout=5).text == "ok"
        thread.join()
    assert b"host: [::1]:%d\r\n" % port in heads[0].lower()


def test_from_a_local_address() -> None:
    """`local_address` is what the server sees, and chooses the family of what is looked up."""
    seen: list[str] = []
    with Server(lambda peer: (seen.append(peer.sock.getpeername()[0]), peer.serve())) as server:
        with blocking(local_address="127.0.0.1") as (client, _):
            assert client.get(f"http://localhost:{server.port}/").text == "ok"
        with blocking(local_address="203.0.113.7") as (client, _):
            with pytest.raises(httpx.ConnectError):
                client.get(server.url)
    assert seen == ["127.0.0.1"]
