"""Every framing case over a real socket: what comes of it, and whether the connection is used again."""

from __future__ import annotations

import time

import httpx
import pytest

from miiflow_llm.http.lean import LeanTransport

from .cases import CASES, Case
from .server import Peer, Server


def play(case: Case, peer: Peer) -> None:
    """Answer the first request of the first connection with the case, everything else with `ok`."""
    if peer.number == 1:
        if peer.request() is None:
            return
        peer.send(case.sent)
        if case.end == "reset":
            time.sleep(0.05)  # a reset overtakes bytes that the client has not read
            peer.reset()
            return
        if case.end == "close":
            return
        if case.end == "half close":
            peer.half_close()
            peer.wait_closed()
            return
    peer.serve()


async def outcome(client: httpx.AsyncClient, method: str, url: str) -> bytes | type[BaseException]:
    try:
        response = await client.request(method, url)
    except httpx.TransportError as exc:
        return type(exc)
    return response.content


@pytest.mark.anyio
@pytest.mark.parametrize("name", CASES)
async def test_framing(name: str) -> None:
    """A response gives the body or the typed error that HTTP/1.1 says, and is followed only by one that is in step."""
    case = CASES[name]
    with Server(lambda peer: play(case, peer)) as server:
        async with httpx.AsyncClient(transport=LeanTransport(), timeout=5) as client:
            assert await outcome(client, case.method, server.url) == case.expect
            assert (await client.get(server.url)).text == "ok"
            assert (server.connections == 1) is case.reused


@pytest.mark.anyio
async def test_head_is_given_whole() -> None:
    """Status, reason, version and raw headers come as they were sent, spaces around values aside."""
    sent = b"HTTP/1.0 299 Fine So Far\r\nX-A: \t a b \t\r\nx-a:\r\nX-C: caf\xe9\r\n\r\n"
    with Server(lambda peer: (peer.request(), peer.send(sent))) as server:
        async with httpx.AsyncClient(transport=LeanTransport()) as client:
            response = await client.get(server.url)
    assert response.status_code == 299
    assert response.reason_phrase == "Fine So Far"
    assert response.http_version == "HTTP/1.0"
    assert response.headers.raw == [(b"X-A", b"a b"), (b"x-a", b""), (b"X-C", b"caf\xe9")]
