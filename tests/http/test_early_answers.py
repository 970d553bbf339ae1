"""An answer that comes before its request has been read reaches the caller as what it is, whatever sends it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from miiflow_llm.core.exceptions import InvalidRequestError, ProviderError, RateLimitError
from miiflow_llm.core.response import ChatResponse

from .lean.server import Peer, Server
from .lean.test_tls import client_context, server_context
from .ways import WAYS, Way, ask, trusting

LARGE = "x" * 6_000_000
ANSWER = b'{"choices":[{"message":{"content":"hi"},"finish_reason":"stop"}]}'


@pytest.fixture(autouse=True)
def _trusting() -> Iterator[None]:
    with trusting(client_context()):
        yield


def refuse(status: int, then: str, over: threading.Event, peer: Peer) -> None:
    """Read the head of the request and a little of its body, answer, and go on in one of several ways."""
    peer.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # so that a close does not overtake it
    for _ in range(3):
        peer.recv()
    peer.send(b"HTTP/1.1 %d No\r\nretry-after: 7\r\ncontent-length: 2\r\n\r\n{}" % status)
    if then == "stays":
        over.wait(5)
    elif then == "reads":
        peer.wait_closed()


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize(("status", "then"), [(413, "stays"), (413, "closes"), (429, "reads")])
@pytest.mark.parametrize("way", WAYS, ids=str)
def test_a_refusal_during_an_upload(way: Way, status: int, then: str, tls: bool) -> None:
    """413 and 429 are themselves, though the server reads no further, or hangs up on what is still on its way.

    asyncio drops what the system has received once a write fails, which the lean transport alone reads before.
    """
    if then == "closes" and way.loop == "asyncio" and way.by != "lean":
        pytest.skip("asyncio's own streams lose the answer now and then")
    over = threading.Event()
    with Server(lambda peer: refuse(status, then, over, peer), context=server_context() if tls else None) as server:
        raised = ask(way, server.url, LARGE, verify=client_context())
        assert not over.is_set()
        over.set()
    assert isinstance(raised, ProviderError), raised
    assert (raised.status_code, raised.retry_after) == (status, 7)
    assert isinstance(raised, RateLimitError if status == 429 else InvalidRequestError)


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_success_before_the_end_of_the_upload(way: Way) -> None:
    """An answer of success that begins early is read once the request has been sent whole."""
    whole: list[int] = []

    def serve(peer: Peer) -> None:
        peer.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(ANSWER))
        request = peer.request()
        assert request is not None
        whole.append(len(request.body))
        peer.send(ANSWER)
        peer.wait_closed()

    text = "x" * 3_000_000
    with Server(serve) as server:
        answer = ask(way, server.url, text)
    assert isinstance(answer, ChatResponse), answer
    assert answer.content == "hi"
    assert whole[0] > len(text)


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_a_notice_before_the_answer(way: Way) -> None:
    """`100 Continue` and `103 Early Hints` during an upload are not answers."""

    def serve(peer: Peer) -> None:
        peer.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n")
        if peer.request() is not None:
            peer.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 65\r\n\r\n", ANSWER)
        peer.wait_closed()

    with Server(serve) as server:
        answer = ask(way, server.url, "x" * 3_000_000)
    assert isinstance(answer, ChatResponse), answer
