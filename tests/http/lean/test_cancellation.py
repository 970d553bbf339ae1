"""A task that is cancelled gives back what it held, wherever it was waiting."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable

import anyio
import httpx
import pytest
import trio

from .helpers import books, cancelled_in, lean, seam, until
from .server import Peer, Server

ONE = httpx.Limits(max_connections=1)


@pytest.mark.anyio
async def test_while_waiting_for_a_place() -> None:
    """A cancelled waiter leaves the line, and the place goes to the next."""
    with Server(lambda peer: peer.serve()) as server:
        async with lean(limits=ONE) as (client, transport):
            async with client.stream("GET", server.url) as response:
                await cancelled_in(lambda: client.get(server.url), lambda: books(transport).waiting == 1)
                assert (books(transport).waiting, books(transport).size) == (0, 1)
                await response.aread()
            assert (await client.get(server.url)).text == "ok"
            assert server.connections == 1


@pytest.mark.anyio
@pytest.mark.parametrize("same_host", [True, False])
async def test_after_a_place_was_granted(same_host: bool) -> None:
    """A waiter cancelled in the moment between the grant and its waking passes the place on."""
    with Server(lambda peer: peer.serve()) as server, Server(lambda peer: peer.serve()) as other:
        url = server.url if same_host else other.url
        async with lean(limits=ONE) as (client, transport):
            async with anyio.create_task_group() as group:
                async with client.stream("GET", server.url) as response:
                    group.start_soon(client.get, url)
                    await until(lambda: books(transport).waiting == 1)
                    await response.aread()
                assert books(transport).waiting == 0  # granted; its task has not run yet
                group.cancel_scope.cancel()
            with anyio.fail_after(30):
                assert (await client.get(server.url)).text == "ok"
            assert books(transport).size == 1


def test_cancelled_twice_in_a_row() -> None:
    """On asyncio, a second cancel() while the first is being handled still gives the place back."""

    async def main() -> None:
        with Server(lambda peer: peer.serve()) as server:
            async with lean(limits=ONE) as (client, transport):
                for rounds in range(30):
                    async with client.stream("GET", server.url) as response:
                        tasks = [asyncio.create_task(client.get(server.url)) for _ in range(3)]
                        await until(lambda: books(transport).waiting == 3)
                        await response.aread()
                        tasks[0].cancel()
                    for _ in range(rounds % 5):
                        await asyncio.sleep(0)
                    tasks[0].cancel()
                    tasks[1].cancel()
                    await asyncio.sleep(0)
                    tasks[1].cancel()
                    await asyncio.gather(*tasks, return_exceptions=True)
                    assert (await asyncio.wait_for(client.get(server.url), 2)).text == "ok"
                    assert books(transport).size == 1
                    assert books(transport).waiting == 0

    asyncio.run(main())


@pytest.mark.anyio
async def test_while_connecting() -> None:
    """A cancelled connect frees its place and its socket."""
    with socket.socket() as full:  # a listener whose backlog is full answers nobody
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        async with lean(limits=ONE) as (client, transport):
            await cancelled_in(lambda: client.get(f"http://127.0.0.1:{port}/"), lambda: books(transport).size == 1)
            assert books(transport).size == 0
            with pytest.raises(httpx.ConnectTimeout):
                await client.get(f"http://127.0.0.1:{port}/", timeout=0.1)
            assert books(transport).size == 0
        for filler in fillers:
            filler.close()


def hang(after: bytes, seen: threading.Event, peer: Peer) -> None:
    """Answer the first request with `after` and nothing more, until the client hangs up; others with `ok`."""
    if peer.number > 1:
        peer.serve()
        return
    peer.request()
    peer.send(after)
    seen.set()
    assert peer.wait_closed()


@pytest.mark.anyio
@pytest.mark.parametrize("after", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"], ids=["head", "body"])
async def test_while_waiting_for_the_response(after: bytes) -> None:
    """A request cancelled while its head or body is awaited closes its connection and frees the place."""
    seen = threading.Event()
    with Server(lambda peer: hang(after, seen, peer)) as server:
        async with lean(limits=ONE) as (client, transport):
            await cancelled_in(lambda: client.get(server.url), seen.is_set)
            assert books(transport).size == 0
            assert (await client.get(server.url)).text == "ok"
            assert server.connections == 2
        assert server.settled()


@pytest.mark.anyio
async def test_while_sending_the_body() -> None:
    """A request cancelled while the server does not read its body closes its connection and frees the place."""
    release = threading.Event()

    def serve(peer: Peer) -> None:
        if peer.number > 1:
            peer.serve()
        else:
            release.wait(10)

    with Server(serve) as server:
        async with lean(limits=ONE) as (client, transport):
            await cancelled_in(
                lambda: client.post(server.url, content=b"x" * 30_000_000), lambda: server.connections == 1
            )
            assert books(transport).size == 0
            assert (await client.get(server.url)).text == "ok"
        release.set()


def late(go: threading.Event) -> Callable[[Peer], None]:
    """A server whose body comes when `go` is set."""

    def serve(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n")
        go.wait(5)
        peer.send(b"abcdef")

    return serve


@pytest.mark.anyio
@pytest.mark.parametrize("pause", [0, 0.1])
async def test_cancelled_read_loses_nothing(pause: float) -> None:
    """`read` of the seam may be cancelled and repeated: no byte is lost, nor those that come before it is repeated."""
    go = threading.Event()
    with Server(late(go)) as server:
        async with lean() as (client, _), client.stream("GET", server.url) as response:
            stream = seam(response)
            for _ in range(3):
                with anyio.move_on_after(0.02) as scope:
                    await stream.read()
                assert scope.cancelled_caught
            go.set()
            await anyio.sleep(pause)
            assert b"".join([part async for part in stream]) == b"abcdef"


@pytest.mark.anyio
async def test_the_limit_of_a_cancelled_read_is_not_the_next_ones() -> None:
    """A read without a limit, after one with a limit that was cancelled, waits for as long as it takes."""
    go = threading.Event()
    with Server(late(go)) as server:
        async with lean() as (client, _), client.stream("GET", server.url) as response:
            stream = seam(response)
            stream.read_timeout = 0.1
            with anyio.move_on_after(0.02) as scope:
                await stream.read()
            assert scope.cancelled_caught
            stream.read_timeout = None
            threading.Timer(0.3, go.set).start()
            assert await stream.read() == b"abcdef"


@pytest.mark.anyio
async def test_a_second_reader_is_refused() -> None:
    """Two tasks do not read one body: the second is told, and the first goes on."""
    go, got = threading.Event(), list[bytes]()
    with Server(late(go)) as server:
        async with lean() as (client, _), client.stream("GET", server.url) as response:
            stream = seam(response)

            async def read() -> None:
                got.append(await stream.read())

            async with anyio.create_task_group() as group:
                group.start_soon(read)
                await anyio.sleep(0.02)
                with pytest.raises((RuntimeError, trio.BusyResourceError)):
                    await stream.read()
                go.set()
            assert got == [b"abcdef"]


@pytest.mark.anyio
async def test_storm() -> None:
    """Requests cancelled at random moments leave the pool at its size, and the server with no connection too many."""
    limits = httpx.Limits(max_connections=5, max_keepalive_connections=5)
    with Server(lambda peer: peer.serve()) as server:
        async with lean(limits=limits) as (client, transport):

            async def ask(number: int) -> None:
                with anyio.move_on_after(number % 37 * 0.0004):
                    await client.get(server.url)

            for _ in range(10):
                async with anyio.create_task_group() as group:
                    for number in range(60):
                        group.start_soon(ask, number)
            assert books(transport).waiting == 0
            assert books(transport).size == books(transport).idle <= 5
            with anyio.fail_after(30):
                assert (await client.get(server.url)).text == "ok"
        assert server.settled()


@pytest.mark.anyio
async def test_leaving_in_the_middle() -> None:
    """A consumer that leaves before the end closes the connection."""
    seen = threading.Event()
    with Server(lambda peer: hang(b"HTTP/1.1 200 OK\r\n\r\nabc", seen, peer)) as server:
        async with lean(limits=ONE) as (client, transport):
            async with client.stream("GET", server.url) as response:
                assert await seam(response).read() == b"abc"
            assert books(transport).size == 0
            await until(lambda: server.gone == 1)
