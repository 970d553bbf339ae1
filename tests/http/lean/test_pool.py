"""The pool's limits, its order, and what it keeps."""

from __future__ import annotations

import threading
import time

import anyio
import httpx
import pytest

from .helpers import books, lean, seam, until
from .server import OK, Peer, Server


class Gauge:
    """How many connections are answering at once, and the most there ever were."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self._lock = threading.Lock()

    def serve(self, peer: Peer) -> None:
        while peer.request() is not None:
            with self._lock:
                self.now += 1
                self.most = max(self.most, self.now)
            time.sleep(0.005)
            with self._lock:
                self.now -= 1
            peer.send(OK)


@pytest.mark.anyio
async def test_200_tasks_share_ten_connections() -> None:
    """However many tasks ask, no more than max_connections are open, and everybody is served."""
    gauge = Gauge()
    limits = httpx.Limits(max_connections=10, max_keepalive_connections=10)
    with Server(gauge.serve) as server:
        async with lean(limits=limits) as (client, transport):
            texts = []

            async def ask() -> None:
                texts.append((await client.get(server.url)).text)

            async with anyio.create_task_group() as group:
                for _ in range(200):
                    group.start_soon(ask)
            assert texts == ["ok"] * 200
            assert server.connections == 10
            assert gauge.most <= 10
            assert books(transport).size == books(transport).idle == 10
        assert server.settled()


@pytest.mark.anyio
async def test_waiters_are_served_in_order() -> None:
    """First come, first served."""
    served = []
    with Server(lambda peer: peer.serve()) as server:
        async with lean(limits=httpx.Limits(max_connections=1)) as (client, transport):

            async def ask(number: int) -> None:
                async with client.stream("GET", server.url) as response:
                    served.append(number)
                    await response.aread()

            async with anyio.create_task_group() as group, client.stream("GET", server.url) as response:
                for number in range(20):
                    group.start_soon(ask, number)
                    await until(lambda number=number: books(transport).waiting == number + 1)
                await response.aread()
    assert served == list(range(20))


@pytest.mark.anyio
async def test_pool_timeout() -> None:
    """A request that gets no connection in time raises PoolTimeout, and costs the pool nothing."""
    with Server(lambda peer: peer.serve()) as server:
        async with lean(limits=httpx.Limits(max_connections=1)) as (client, transport):
            async with client.stream("GET", server.url):
                with pytest.raises(httpx.PoolTimeout):
                    await client.get(server.url, timeout=httpx.Timeout(None, pool=0.05))
                assert (books(transport).size, books(transport).waiting) == (1, 0)
            assert (await client.get(server.url, timeout=httpx.Timeout(None, pool=0.05))).text == "ok"


@pytest.mark.anyio
async def test_idle_connection_makes_room_for_another_host() -> None:
    """At the limit, the oldest idle connection is closed for a request that goes elsewhere."""
    with Server(lambda peer: peer.serve()) as one, Server(lambda peer: peer.serve()) as other:
        async with lean(limits=httpx.Limits(max_connections=1)) as (client, transport):
            for _ in range(2):
                assert (await client.get(one.url)).text == "ok"
                assert (await client.get(other.url)).text == "ok"
                assert books(transport).size == 1
        assert (one.connections, other.connections) == (2, 2)


@pytest.mark.anyio
async def test_waiter_for_another_host_gets_the_place() -> None:
    """A connection that the next waiter cannot use is closed, and its place goes to that waiter."""
    with Server(lambda peer: peer.serve()) as one, Server(lambda peer: peer.serve()) as other:
        async with lean(limits=httpx.Limits(max_connections=1)) as (client, transport):
            async with anyio.create_task_group() as group, client.stream("GET", one.url) as response:
                group.start_soon(client.get, other.url)
                await until(lambda: books(transport).waiting == 1)
                await response.aread()
            assert (other.connections, books(transport).size) == (1, 1)


@pytest.mark.anyio
async def test_keepalive_limit() -> None:
    """No more than max_keepalive_connections stay open unused."""
    with Server(lambda peer: peer.serve()) as server:
        async with lean(limits=httpx.Limits(max_keepalive_connections=2)) as (client, transport):
            async with anyio.create_task_group() as group:
                for _ in range(8):
                    group.start_soon(client.get, server.url)
            assert books(transport).size <= 2
            await until(lambda: server.connections - server.gone == books(transport).size)


@pytest.mark.anyio
async def test_keepalive_expiry() -> None:
    """A connection that has rested longer than keepalive_expiry is closed, not used."""
    with Server(lambda peer: peer.serve()) as server:
        async with lean(limits=httpx.Limits(keepalive_expiry=0.05)) as (client, transport):
            await client.get(server.url)
            await client.get(server.url)
            assert server.connections == 1
            await anyio.sleep(0.1)
            await client.get(server.url)
            assert server.connections == 2
            assert books(transport).size == 1


@pytest.mark.anyio
async def test_no_keepalive_at_all() -> None:
    """max_keepalive_connections=0 closes every connection after its response."""
    with Server(lambda peer: peer.serve()) as server:
        async with lean(limits=httpx.Limits(max_keepalive_connections=0)) as (client, transport):
            for count in (1, 2, 3):
                await client.get(server.url)
                assert (server.connections, books(transport).size) == (count, 0)


@pytest.mark.anyio
async def test_request_that_asks_for_close() -> None:
    """`connection: close` in the request ends the connection, whatever the server says."""
    with Server(lambda peer: peer.serve()) as server:
        async with lean() as (client, transport):
            await client.get(server.url, headers={"Connection": "close"})
            assert books(transport).size == 0


@pytest.mark.anyio
async def test_complete_body_gives_the_connection_back_unread() -> None:
    """Closing a response whose body has come whole keeps the connection; one whose body has not closes it."""
    slow = threading.Event()

    def serve(peer: Peer) -> None:
        while (request := peer.request()) is not None:
            if request.target == "/cut":
                peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
                slow.wait(5)
            else:
                peer.send(OK)

    with Server(serve) as server:
        async with lean() as (client, transport):
            async with client.stream("GET", server.url) as response:
                assert await seam(response).read() == b"ok"
            assert books(transport).idle == 1
            async with client.stream("GET", server.url + "cut") as response:
                assert await seam(response).read() == b"abc"
            assert books(transport).size == 0
            slow.set()


@pytest.mark.anyio
async def test_close_ends_everything() -> None:
    """aclose ends idle connections, running streams and waiting requests, and the transport can be used again."""
    waited = threading.Event()

    def serve(peer: Peer) -> None:
        while (request := peer.request()) is not None:
            if request.target == "/hang":
                peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
                waited.set()
                peer.wait_closed()
                return
            peer.send(OK)

    with Server(serve) as server:
        async with lean(limits=httpx.Limits(max_connections=1)) as (client, transport):
            errors: list[type[Exception]] = []

            async def ask(path: str) -> None:
                try:
                    await client.get(server.url + path)
                except httpx.TransportError as exc:
                    errors.append(type(exc))

            async with anyio.create_task_group() as group:
                group.start_soon(ask, "hang")
                await until(waited.is_set)
                group.start_soon(ask, "")
                await until(lambda: books(transport).waiting == 1)
                await transport.aclose()
            assert sorted(error.__name__ for error in errors) == ["ConnectError", "ReadError"]
            assert server.settled()
            assert (await client.get(server.url)).text == "ok"
        assert server.settled()
