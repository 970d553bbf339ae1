"""Connections that died while they rested, and the silent second try."""

from __future__ import annotations

import threading
import time
from typing import Any

import anyio
import httpx
import pytest

from .helpers import Body, books, lean, until
from .server import OK, Peer, Server


@pytest.mark.anyio
@pytest.mark.parametrize("how", ["close", "reset", "half close", "garbage", "crlf"])
async def test_dead_idle_connection_is_not_used(how: str) -> None:
    """An idle connection that the server closed, or said something on, is replaced before a request goes out."""
    go, done = threading.Event(), threading.Event()

    def serve(peer: Peer) -> None:
        peer.request()
        peer.send(OK)
        if peer.number > 1:
            peer.serve()
            return
        go.wait(5)
        {
            "close": peer.close,
            "reset": peer.reset,
            "half close": peer.half_close,
            "garbage": lambda: peer.send(OK),
            "crlf": lambda: peer.send(b"\r\n"),
        }[how]()
        done.set()
        if how not in ("close", "reset"):
            assert peer.request() is None

    with Server(serve) as server:
        async with lean() as (client, transport):
            for _ in range(2):
                # Not idempotent, with a body that cannot be sent twice: it must not meet the dead connection.
                response = await client.post(server.url, content=Body(b"abc"), headers={"Content-Length": "3"})
                assert response.text == "ok"
                go.set()
                await until(done.is_set)
            assert server.connections == 2
            assert books(transport).size == 1


def hang_up_on_the_second(answer: bytes, requests: list[bytes], peer: Peer) -> None:
    """Answer a connection's first request; at its second, send `answer` and close. Later connections work."""
    number = 0
    while (request := peer.request()) is not None:
        requests.append(request.body)
        number += 1
        if peer.number == 1 and number == 2:
            peer.send(answer)
            return
        peer.send(OK)


@pytest.mark.anyio
async def test_second_try_is_silent() -> None:
    """A request whose used connection is closed before any byte of an answer is sent once more, on a new one."""
    requests: list[bytes] = []
    with Server(lambda peer: hang_up_on_the_second(b"", requests, peer)) as server:
        async with lean(limits=httpx.Limits(max_connections=1)) as (client, transport):
            assert (await client.post(server.url, content=b"1")).text == "ok"
            assert (await client.post(server.url, content=b"2")).text == "ok"
            assert requests == [b"1", b"2", b"2"]
            assert server.connections == 2
            assert books(transport).size == 1


@pytest.mark.anyio
async def test_no_second_try_after_a_byte() -> None:
    """Once a byte of an answer has come, the request may have been carried out, and is not sent again."""
    requests: list[bytes] = []
    with Server(lambda peer: hang_up_on_the_second(b"H", requests, peer)) as server:
        async with lean() as (client, transport):
            await client.post(server.url, content=b"1")
            with pytest.raises(httpx.RemoteProtocolError):
                await client.post(server.url, content=b"2")
            assert requests == [b"1", b"2"]
            assert books(transport).size == 0


@pytest.mark.anyio
async def test_no_second_try_of_a_body_that_is_gone() -> None:
    """A body that can be read only once is not sent again."""
    requests: list[bytes] = []
    with Server(lambda peer: hang_up_on_the_second(b"", requests, peer)) as server:
        async with lean() as (client, transport):
            await client.post(server.url, content=b"1")
            with pytest.raises(httpx.RemoteProtocolError):
                await client.post(server.url, content=Body(b"2"))
            assert requests == [b"1", b"2"]
            assert books(transport).size == 0


@pytest.mark.anyio
async def test_no_second_try_on_a_new_connection() -> None:
    """A server that hangs up on a new connection fails the request at once."""
    with Server(lambda peer: peer.request()) as server:
        async with lean() as (client, transport):
            with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
                await client.get(server.url)
            assert server.connections == 1
            assert books(transport).size == 0


@pytest.mark.anyio
async def test_hang_up_at_once() -> None:
    """A server that closes what it has accepted fails each request at once, however the two race."""
    with Server(lambda peer: time.sleep(peer.number % 3 * 0.001)) as server:
        async with lean() as (client, transport):
            for _ in range(100):
                with anyio.fail_after(30), pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
                    await client.get(server.url)
            assert books(transport).size == 0


@pytest.mark.anyio
async def test_hang_up_before_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection whose end comes before its first request is written fails that request, and does not hang it."""
    with Server(lambda peer: None) as server:
        async with lean() as (client, transport):
            opened = transport._open

            async def slowly(*args: Any) -> Any:
                connection = await opened(*args)
                await until(lambda: server.gone == 1)
                await anyio.sleep(0.05)
                return connection

            monkeypatch.setattr(transport, "_open", slowly)
            with anyio.fail_after(30), pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
                await client.get(server.url)
            assert books(transport).size == 0


@pytest.mark.anyio
async def test_warm_opens_ahead() -> None:
    """`warm` opens a connection that the first request then uses."""
    with Server(lambda peer: peer.serve()) as server:
        async with lean() as (client, transport):
            await transport.warm(server.url)
            await until(lambda: server.connections == 1)
            assert books(transport).idle == 1
            assert (await client.get(server.url)).text == "ok"
            assert server.connections == 1


@pytest.mark.anyio
async def test_refused_connection() -> None:
    """A port where nobody listens is a ConnectError that names it, and frees the place."""
    with Server(lambda peer: None) as server:
        url = server.url
    async with lean() as (client, transport):
        with pytest.raises(httpx.ConnectError, match=str(server.port)):
            await client.get(url)
        with pytest.raises(httpx.ConnectError):
            await transport.warm(url)
        assert books(transport).size == 0


@pytest.mark.anyio
@pytest.mark.parametrize("host", ["does-not-exist.invalid", "a" * 70 + ".invalid", "x..invalid"])
async def test_name_without_address(host: str) -> None:
    """A name that has no address, or can have none, is a ConnectError."""
    async with lean() as (client, transport):
        with pytest.raises(httpx.ConnectError):
            await client.get(f"http://{host}/")
        assert books(transport).size == 0
