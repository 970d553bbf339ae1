"""Event loops in turn, loops in threads, forks, and streams dropped where no loop runs."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import threading
import time
import warnings
from collections.abc import Awaitable, Callable

import anyio
import anyio.lowlevel
import anyio.to_thread
import httpx
import pytest

from miiflow_llm.http.lean import LeanTransport

from .helpers import books, lean, seam, until
from .server import Peer, Server

STREAM = b"HTTP/1.1 200 OK\r\n\r\nabc"


async def ask(transport: LeanTransport, url: str) -> str:
    request = httpx.Request("GET", url)
    response = await transport.handle_async_request(request)
    return (await response.aread()).decode()


def run(backend: str, action: Callable[[], Awaitable[object]]) -> object:
    return anyio.run(action, backend=backend)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # asyncio's, of transports whose loop was closed
@pytest.mark.parametrize("first", ["asyncio", "trio"])
@pytest.mark.parametrize("second", ["asyncio", "trio"])
def test_loops_in_turn(first: str, second: str) -> None:
    """A transport used in one loop after another opens connections in each, and ends those of loops that are gone."""
    transport = LeanTransport()

    async def once() -> None:
        assert await ask(transport, server.url) == "ok"
        await until(lambda: server.gone == server.connections - 1)

    gc.disable()  # so that it is not the collector that ends them
    try:
        with Server(lambda peer: peer.serve()) as server:
            for backend in (first, second, first, second):
                run(backend, once)
            assert server.connections == 4

            run(second, transport.aclose)
            assert server.settled()
    finally:
        gc.enable()
        gc.collect()


def test_threads_with_their_own_loops() -> None:
    """Threads, each with its own event loop, share a transport; closing it from one ends the connections of all."""
    transport = LeanTransport()
    texts: list[object] = []
    barrier = threading.Barrier(9)

    async def several(url: str) -> None:
        for _ in range(20):
            texts.append(await ask(transport, url))
        assert books(transport).size == 1
        await anyio.to_thread.run_sync(barrier.wait)
        await until(lambda: server.gone == server.connections)

    def thread(backend: str) -> None:
        run(backend, lambda: several(server.url))

    with Server(lambda peer: peer.serve()) as server:
        threads = [threading.Thread(target=thread, args=(("asyncio", "trio")[i % 2],)) for i in range(8)]
        for one in threads:
            one.start()
        barrier.wait()
        asyncio.run(transport.aclose())
        for one in threads:
            one.join(10)
        assert texts == ["ok"] * 160
        assert server.connections == 8


def in_child(transport: LeanTransport, url: str) -> None:
    warnings.simplefilter("ignore")
    assert asyncio.run(ask(transport, url)) == "ok"
    asyncio.run(transport.aclose())


def fork(transport: LeanTransport, url: str, codes: list[int | None]) -> None:
    """Ask in a forked child, from a thread that runs no event loop; adds the child's exit code."""
    child = multiprocessing.get_context("fork").Process(target=in_child, args=(transport, url))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 warns of forks while threads run
        child.start()
    child.join(10)
    codes.append(child.exitcode)


@pytest.mark.anyio
async def test_fork() -> None:
    """A forked child opens its own connections, and the parent's stay open and in step."""
    with Server(lambda peer: peer.serve()) as server:
        async with lean() as (client, transport):
            assert (await client.get(server.url)).text == "ok"
            codes: list[int | None] = []
            thread = threading.Thread(target=fork, args=(transport, server.url, codes))
            thread.start()
            await until(lambda: not thread.is_alive(), 15)
            assert codes == [0]
            assert server.connections == 2
            assert (await client.get(server.url)).text == "ok"
            assert server.connections == 2


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_fork_of_a_loop_that_the_child_closes() -> None:
    """A child that closes the inherited loop does not end the parent's connections."""

    def child() -> None:
        loop.close()
        in_child(transport, server.url)

    loop, transport = asyncio.new_event_loop(), LeanTransport()
    with Server(lambda peer: peer.serve()) as server:
        assert loop.run_until_complete(ask(transport, server.url)) == "ok"
        process = multiprocessing.get_context("fork").Process(target=child)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            process.start()
        process.join(10)
        assert process.exitcode == 0
        assert loop.run_until_complete(ask(transport, server.url)) == "ok"
        assert server.connections == 2
        loop.run_until_complete(transport.aclose())
        loop.close()


@pytest.mark.anyio
async def test_dropped_stream_frees_its_place() -> None:
    """A response that is dropped unclosed warns, closes its connection and frees its place."""
    with Server(lambda peer: (peer.request(), peer.send(STREAM), peer.wait_closed())) as server:
        async with lean(limits=httpx.Limits(max_connections=1)) as (_, transport):
            response = await transport.handle_async_request(httpx.Request("GET", server.url))
            assert books(transport).size == 1
            held = [response]
            del response
            with pytest.warns(ResourceWarning, match="unclosed response body"):
                held.clear()
            assert books(transport).size == 0
            await until(lambda: server.gone == 1)


@pytest.mark.anyio
async def test_dropped_stream_with_limits_frees_its_place() -> None:
    """A running timer does not keep a dropped stream alive."""
    go = threading.Event()

    def serve(peer: Peer) -> None:
        peer.request()
        peer.send(STREAM)
        go.wait(5)
        peer.send(b"def")
        peer.wait_closed()

    with Server(serve) as server:
        async with lean() as (_, transport):
            timeout = httpx.Timeout(60).as_dict()
            request = httpx.Request("GET", server.url, extensions={"timeout": timeout})
            held = [seam(await transport.handle_async_request(request))]
            assert await held[0].read() == b"abc"
            held[0].deadline = time.monotonic() + 60
            threading.Timer(0.05, go.set).start()
            assert await held[0].read() == b"def"
            with pytest.warns(ResourceWarning, match="unclosed response body"):
                held.clear()
            assert books(transport).size == 0


@pytest.mark.anyio
async def test_abort_in_another_thread() -> None:
    """`abort` may come from any thread; the connection is closed in its own."""
    with Server(lambda peer: (peer.request(), peer.send(STREAM), peer.wait_closed())) as server:
        async with lean() as (_, transport):
            response = await transport.handle_async_request(httpx.Request("GET", server.url))
            stream = seam(response)
            assert await stream.read() == b"abc"
            async with anyio.create_task_group() as group:

                async def abort() -> None:
                    await anyio.sleep(0.05)
                    await anyio.to_thread.run_sync(stream.abort)

                group.start_soon(abort)
                with pytest.raises(httpx.ReadError):
                    await stream.read()
            assert books(transport).size == 0
            await until(lambda: server.gone == 1)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("elsewhere", [True, False])
def test_abort_after_the_loop(backend: str, elsewhere: bool) -> None:
    """`abort` of a stream whose event loop has gone ends the connection, in any thread, and raises nothing."""

    async def begin(url: str) -> httpx.Response:
        return await transport.handle_async_request(httpx.Request("GET", url))

    transport = LeanTransport()
    with Server(lambda peer: (peer.request(), peer.send(STREAM), peer.wait_closed())) as server:
        response = run(backend, lambda: begin(server.url))
        assert isinstance(response, httpx.Response)
        if elsewhere:
            thread = threading.Thread(target=seam(response).abort)
            thread.start()
            thread.join()
        else:
            seam(response).abort()
        assert server.settled()
        del response
        gc.collect()


@pytest.mark.slow
@pytest.mark.anyio
async def test_1000_streams_at_once() -> None:
    """A thousand streams run side by side over one transport."""

    def serve(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(5):
            peer.send(b"3\r\nabc\r\n")
        peer.send(b"0\r\n\r\n")

    with Server(serve) as server:
        async with lean() as (client, _):
            done = []

            async def one() -> None:
                done.append((await client.get(server.url)).text)

            async with anyio.create_task_group() as group:
                for _ in range(1000):
                    group.start_soon(one)
            assert done == ["abc" * 5] * 1000


def test_outside_a_loop() -> None:
    """Without an event loop there is nothing to run in: a RuntimeError, not a hang."""
    with pytest.raises(RuntimeError):
        ask(LeanTransport(), "http://127.0.0.1/").send(None)
