"""Every framing case by a thread: the reader is shared, so what comes of it is the same as on an event loop."""

from __future__ import annotations

import threading
import time
from collections import Counter
from itertools import islice

import httpx
import pytest

from miiflow_llm.http.lean import BlockingLeanTransport

from .blocking import blocking, books, seam
from .cases import CASES
from .fuzz import Malformed, cases
from .server import OK, Peer, Server
from .test_framing import play
from .test_fuzz import descriptors

BIG = b"0123456789abcdef" * 300_000
REFUSAL = b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig"


@pytest.mark.parametrize("name", CASES)
def test_framing(name: str) -> None:
    """A response gives the body or the typed error that HTTP/1.1 says, and is followed only by one that is in step."""
    case = CASES[name]
    with Server(lambda peer: play(case, peer)) as server:
        with httpx.Client(transport=BlockingLeanTransport(), timeout=5) as client:
            try:
                came: object = client.request(case.method, server.url).content
            except httpx.TransportError as exc:
                came = type(exc)
            assert came == case.expect
            assert client.get(server.url).text == "ok"
            assert (server.connections == 1) is case.reused


def test_malformed_responses_leave_nothing_open() -> None:
    """Five hundred malformed responses come out whole or as httpx's errors; no connection stays in use or open."""
    before = descriptors()
    ended: Counter[str] = Counter()
    for case in islice(cases(20261126), 500):
        with Server(lambda peer, case=case: _send(case, peer)) as server, blocking() as (client, transport):
            try:
                client.request(case.method, server.url, timeout=2)
                ended["whole"] += 1
            except httpx.TransportError as exc:
                ended[type(exc).__name__] += 1
            assert books(transport).size == books(transport).idle
    assert set(ended) <= {"whole", "RemoteProtocolError", "ReadError"}
    assert min(ended["whole"], ended["RemoteProtocolError"]) > 50
    assert descriptors() <= before


def _send(case: Malformed, peer: Peer) -> None:
    if peer.request() is not None:
        peer.send(*case.parts)


def test_bodies_arrive_whole() -> None:
    """Bodies small and large, given as bytes or as an iterator, arrive as they were given over one connection."""
    got: list[bytes] = []

    def serve(peer: Peer) -> None:
        while (request := peer.request()) is not None:
            got.append(request.body)
            peer.send(OK)

    with Server(serve) as server, blocking() as (client, _):
        client.post(server.url, content=b"")
        client.post(server.url, content=b"small")
        client.post(server.url, content=BIG)
        client.post(server.url, content=iter([b"a", BIG, b"b"]))
    assert got == [b"", b"small", BIG, b"a" + BIG + b"b"]
    assert server.connections == 1


def test_early_refusal_stops_the_body() -> None:
    """An error that comes while the body is being sent is given at once, though nobody reads on."""
    release = threading.Event()

    def serve(peer: Peer) -> None:
        if peer.number > 1:
            peer.serve()
            return
        peer.recv()
        peer.send(REFUSAL)
        release.wait(10)

    with Server(serve) as server, blocking() as (client, transport):
        began = time.monotonic()
        response = client.post(server.url, content=BIG * 2)
        assert (response.status_code, response.text) == (413, "big")
        assert time.monotonic() - began < 5
        assert books(transport).size == 0
        assert client.get(server.url).text == "ok"
        release.set()


def test_early_success_lets_the_body_go_on() -> None:
    """A 200 that begins before the body is through does not stop the body."""
    sizes: list[int] = []

    def serve(peer: Peer) -> None:
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n")
        request = peer.request()
        assert request is not None
        sizes.append(len(request.body))
        peer.send(b"4\r\ndone\r\n0\r\n\r\n")
        peer.serve()

    with Server(serve) as server, blocking() as (client, _):
        assert client.post(server.url, content=BIG).text == "okdone"
        assert client.get(server.url).text == "ok"
        assert server.connections == 1
    assert sizes == [len(BIG)]


def test_a_long_early_answer_waits_in_the_socket() -> None:
    """Of an answer that comes while its request is sent, no more than some hundred KiB are taken before that."""
    taken = threading.Event()

    def serve(peer: Peer) -> None:
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (len(BIG) * 4))
        sender = threading.Thread(target=peer.send, args=(BIG * 4,), daemon=True)
        sender.start()
        taken.wait(0.5)
        peer.request()
        sender.join(10)

    with Server(serve) as server, blocking() as (client, _):
        with client.stream("POST", server.url, content=BIG) as response:
            assert sum(map(len, seam(response).response.pieces)) < 1_000_000
            taken.set()
            assert sum(map(len, response.iter_raw())) == len(BIG) * 4


def test_hang_up_while_sending() -> None:
    """A server that closes in the middle of the body, saying nothing, is a typed error."""
    with Server(lambda peer: peer.recv()) as server, blocking() as (client, transport):
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
            client.post(server.url, content=BIG)
        assert books(transport).size == 0


def test_slow_reader_slows_the_sender() -> None:
    """What nobody reads stays in the socket."""
    sent = 0

    def serve(peer: Peer) -> None:
        nonlocal sent
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 60000000\r\n\r\n")
        while sent < 60_000_000:
            peer.sock.sendall(b"x" * 100_000)
            sent += 100_000

    with Server(serve) as server, blocking() as (client, _), client.stream("GET", server.url) as response:
        time.sleep(0.3)
        assert sent < 30_000_000
        assert sum(map(len, seam(response).response.pieces)) < 1_000_000
        assert sum(map(len, response.iter_raw())) == 60_000_000
