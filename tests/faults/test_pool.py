"""Backpressure and many callers at once: a slow reader slows the sender, cancelled waiters give their places back."""

from __future__ import annotations

import asyncio
import gc
import json
import multiprocessing
import os
import threading
import time
import tracemalloc

import anyio
import httpx
import pytest

from miiflow_llm import LLMClient
from miiflow_llm.core.exceptions import ProviderError, TimeoutError
from miiflow_llm.core.timeout import Timeout
from miiflow_llm.http import limits as http_limits

from .helpers import LONG, client_at, sync_client_at, until
from .server import HANG, Every, FaultServer, Request, Steps, chunk, whole
from .wires import OPENAI_CHAT

WELL = OPENAI_CHAT.streamed(OPENAI_CHAT.stream)


async def _text(client: LLMClient) -> str:
    async with client.stream_chat("Hi") as stream:
        return "".join([made.delta async for made in stream])


@pytest.mark.anyio
async def test_a_slow_consumer_slows_the_sender(transport: str) -> None:
    """While the consumer thinks, the sender is held back by the socket: no more than buffers' worth is taken."""
    flood = chunk(OPENAI_CHAT.hel * 300)
    with FaultServer([[*OPENAI_CHAT.begun(OPENAI_CHAT.opening), Every(0, flood)]]) as server:
        async with client_at(server.url, transport) as client, client.stream_chat("Hi") as stream:
            tracemalloc.start()
            async for made in stream:
                if made.delta:
                    break
            before = await _stalled(server)
            held = tracemalloc.get_traced_memory()[0]
            tracemalloc.stop()
    assert before < 16 * 1024 * 1024
    assert held < 8 * 1024 * 1024


@pytest.mark.slow
@pytest.mark.anyio
async def test_one_client_serves_a_thousand_tasks(transport: str) -> None:
    """1 000 tasks with one client each get their own answer."""
    with FaultServer(_echo) as server:
        done: dict[str, str] = {}
        async with client_at(server.url, transport, timeout=Timeout(connect=30, pool=30)) as client:

            async def one(asked: str) -> None:
                async with client.stream_chat(asked) as stream:
                    done[asked] = "".join([made.delta async for made in stream])

            async with anyio.create_task_group() as group:
                for number in range(1000):
                    group.start_soon(one, f"task {number}")
            assert client.get_metrics().finished == 1000
        assert done == {f"task {number}": f"task {number}" for number in range(1000)}
        assert server.settled()


async def _stalled(server: FaultServer) -> int:
    """What the server has sent once it can send no more, which a sender that is not held back never comes to."""
    with anyio.fail_after(30):
        while True:
            before = server.sent
            await anyio.sleep(0.3)
            if server.sent == before:
                return before


def _echo(request: Request) -> Steps:
    """An answer that says what was asked."""
    asked = json.loads(request.body)["messages"][0]["content"]
    said = OPENAI_CHAT.hel.replace(b"Hel", asked.encode())
    return OPENAI_CHAT.streamed(OPENAI_CHAT.opening, said, OPENAI_CHAT.finish, OPENAI_CHAT.end)


@pytest.mark.anyio
@pytest.mark.parametrize("refusal", [whole(b"{}", 401), whole(b"{}", 500), whole(OPENAI_CHAT.invalid)])
async def test_a_refused_stream_gives_its_place_back(
    transport: str, refusal: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Streams that end in an error, with a status or without, keep no connection busy."""
    monkeypatch.setattr(http_limits, "MAX_CONNECTIONS", 1)
    with FaultServer([*[refusal] * 5, WELL]) as server:
        limits = Timeout(connect=5, pool=2, first_output=5)
        async with client_at(server.url, transport, timeout=limits, max_retries=0) as client:
            for _ in range(5):
                with pytest.raises(ProviderError):
                    await _text(client)
            assert await _text(client) == "Hello"


@pytest.mark.anyio
async def test_a_place_in_the_pool_is_waited_for_within_its_limit(
    transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With every connection in use a call waits for `pool` seconds, then says so."""
    monkeypatch.setattr(http_limits, "MAX_CONNECTIONS", 1)
    with FaultServer([[*OPENAI_CHAT.begun(OPENAI_CHAT.text), HANG], WELL]) as server:
        limits = Timeout(connect=5, pool=0.2, first_output=5)
        async with client_at(server.url, transport, timeout=limits, max_retries=0) as client:
            async with client.stream_chat("Hi") as stream:
                await stream.__anext__()
                with pytest.raises(TimeoutError) as raised:
                    await client.chat("Hi")
                assert raised.value.phase == "pool"
            assert await _text(client) == "Hello"


def test_a_place_is_waited_for_within_its_limit_without_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the synchronous client too."""
    monkeypatch.setattr("miiflow_llm.http.limits.MAX_CONNECTIONS", 1)
    with FaultServer([[*OPENAI_CHAT.begun(OPENAI_CHAT.text), HANG], whole(OPENAI_CHAT.answer)]) as server:
        with sync_client_at(server.url, timeout=Timeout(pool=0.2), max_retries=0) as client:
            with client.stream_chat("Hi") as stream:
                next(stream)
                with pytest.raises(TimeoutError) as raised:
                    client.chat("Hi")
                assert raised.value.phase == "pool"
            assert client.chat("Hi").content == "Hello"


@pytest.mark.anyio
@pytest.mark.parametrize("times", [1, 2])
async def test_a_cancelled_waiter_gives_its_place_back(
    transport: str, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tasks cancelled, once or twice in a row, while they wait for a connection take none with them."""
    monkeypatch.setattr(http_limits, "MAX_CONNECTIONS", 2)
    with FaultServer([[*OPENAI_CHAT.begun(OPENAI_CHAT.text), HANG]] * 2 + [WELL]) as server:
        async with client_at(server.url, transport, timeout=LONG) as client:
            async with client.stream_chat("Hi") as first, client.stream_chat("Hi") as second:
                await first.__anext__()
                await second.__anext__()
                async with anyio.create_task_group() as group:
                    for _ in range(10):
                        group.start_soon(_text, client)
                    await anyio.sleep(0.05)
                    for _ in range(times):
                        group.cancel_scope.cancel()
                        if times == 2:
                            await anyio.lowlevel.cancel_shielded_checkpoint()
            with anyio.fail_after(30):
                async with anyio.create_task_group() as group:
                    for _ in range(6):
                        group.start_soon(_text, client)


@pytest.mark.anyio
async def test_a_storm_of_cancellations_leaves_the_pool_whole(transport: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """200 tasks over 3 places, each cancelled at another moment: afterwards the 3 places serve."""
    monkeypatch.setattr(http_limits, "MAX_CONNECTIONS", 3)
    with FaultServer([WELL]) as server:
        async with client_at(server.url, transport, timeout=LONG) as client:
            await _storm(client)
        await until(lambda: server.open == 0)


@pytest.mark.anyio
async def test_a_callers_own_client_without_a_limit_survives_the_storm() -> None:
    """As `create` says: without a limit nobody waits in httpcore's pool, which loses the places of the cancelled."""
    with FaultServer([WELL]) as server:
        async with httpx.AsyncClient(limits=httpx.Limits(max_connections=None)) as http:
            async with client_at(server.url, http_client=http, timeout=LONG) as client:
                await _storm(client)
        await until(lambda: server.open == 0)


async def _storm(client: LLMClient) -> None:
    """200 streams, each cancelled at another moment, and then some that must be served."""

    async def one(place: int) -> None:
        with anyio.move_on_after(0.0005 * place):
            await _text(client)

    async with anyio.create_task_group() as group:
        for place in range(200):
            group.start_soon(one, place)
    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            for _ in range(6):
                group.start_soon(_text, client)


def _serve_loop(client: LLMClient, texts: list[str]) -> None:
    async def run() -> None:
        texts.extend([await _text(client) for _ in range(3)])

    asyncio.run(run())


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_threads_share_a_client_each_with_its_own_loop(transport: str) -> None:
    """Eight threads, eight event loops, one client."""
    with FaultServer([WELL]) as server:
        client = client_at(server.url, transport)
        texts: list[str] = []
        threads = [threading.Thread(target=_serve_loop, args=(client, texts)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert texts == ["Hello"] * 24
        asyncio.run(client.aclose())
        del client
        gc.collect()
        assert server.settled()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_event_loops_in_turn_share_a_client(transport: str) -> None:
    """One loop after another, each with its own connections; those of loops that are gone are not kept open."""
    with FaultServer([WELL]) as server:
        client = client_at(server.url, transport)
        texts: list[str] = []
        for _ in range(5):
            _serve_loop(client, texts)
        assert texts == ["Hello"] * 15
        gc.collect()
        assert server.connections == 5
        asyncio.run(until(lambda: server.open <= 2))
        asyncio.run(client.aclose())
        del client
        gc.collect()
        assert server.settled()


def _ask(url: str, answers: multiprocessing.SimpleQueue[str]) -> None:
    async def run() -> str:
        async with client_at(url) as client:
            return await _text(client)

    answers.put(asyncio.run(run()))


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_child_process_works_after_the_import(method: str) -> None:
    """A process started, by fork or spawn, after the package was used makes calls of its own."""
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} here")
    context = multiprocessing.get_context(method)
    with FaultServer([WELL]) as server:
        answers: multiprocessing.SimpleQueue[str] = context.SimpleQueue()
        process = context.Process(target=_ask, args=(server.url, answers))
        process.start()
        process.join(30)
        assert process.exitcode == 0
        assert answers.get() == "Hello"
        assert len(server.requests) == 1
        assert os.getpid() != process.pid


def _hang(url: str, answers: multiprocessing.SimpleQueue[str]) -> None:
    """A stream that stops, as the synchronous client tells of it."""
    with sync_client_at(url, timeout=Timeout(idle=0.2)) as client:
        with pytest.raises(TimeoutError) as raised:
            list(client.stream_chat("Hi"))
    answers.put(raised.value.phase)


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_deadlines_hold_in_a_forked_child_without_a_loop() -> None:
    """A child's own calls have their deadlines, as its parent's had."""
    context = multiprocessing.get_context("fork")
    with FaultServer([[*OPENAI_CHAT.begun(OPENAI_CHAT.text), HANG]]) as server:
        answers: multiprocessing.SimpleQueue[str] = context.SimpleQueue()
        _hang(server.url, answers)
        process = context.Process(target=_hang, args=(server.url, answers))
        process.start()
        process.join(10)
        process.kill()
        assert process.exitcode == 0
        assert (answers.get(), answers.get()) == ("idle", "idle")


@pytest.mark.anyio
async def test_an_outage_is_not_multiplied(transport: str) -> None:
    """The budget of a client bounds its retries: 60 calls into an outage make far fewer than 180 requests."""
    with FaultServer([[b"HTTP/1.1 503 Down\r\ncontent-length: 0\r\n\r\n"]]) as server:
        async with client_at(server.url, transport) as client:
            for _ in range(60):
                with pytest.raises(Exception, match="503"):
                    await client.chat("Hi")
        assert 60 < len(server.requests) <= 60 + 20 + 12


@pytest.mark.anyio
async def test_the_total_covers_retries_and_their_waits(transport: str) -> None:
    """A server that asks for waits is not waited for beyond `total`."""
    answer = b"HTTP/1.1 503 Down\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n"
    with FaultServer([[answer]]) as server:
        limits = Timeout(total=1.8)
        async with client_at(server.url, transport, timeout=limits, max_retries=9) as client:
            began = time.monotonic()
            with pytest.raises(Exception, match="503") as raised:
                await client.chat("Hi")
            assert time.monotonic() - began < 5
        assert len(server.requests) <= 3
        assert raised.value.retry_after == 1  # type: ignore[attr-defined]


@pytest.mark.anyio
async def test_the_total_covers_the_consumers_own_time(transport: str) -> None:
    """A consumer that dawdles over chunks that came long ago meets the `total` too."""
    body = OPENAI_CHAT.opening + OPENAI_CHAT.hel * 50
    with FaultServer([[*OPENAI_CHAT.begun(body), HANG]]) as server:
        async with client_at(server.url, transport, timeout=Timeout(total=0.3)) as client:
            began, taken = time.monotonic(), 0
            with pytest.raises(TimeoutError) as raised:
                async for _ in client.stream_chat("Hi"):
                    taken += 1
                    await anyio.sleep(0.05)
            assert raised.value.phase == "total"
            assert time.monotonic() - began < 2  # all its chunks take 2.5 s
            assert taken < 12


@pytest.mark.anyio
async def test_the_consumers_own_time_is_no_silence_of_the_provider(transport: str) -> None:
    """A consumer slower than `idle` does not make the provider late."""
    with FaultServer([OPENAI_CHAT.streamed(OPENAI_CHAT.text, OPENAI_CHAT.finish, OPENAI_CHAT.end)]) as server:
        async with client_at(server.url, transport, timeout=Timeout(idle=0.1)) as client:
            async with client.stream_chat("Hi") as stream:
                async for _ in stream:
                    await anyio.sleep(0.2)
            assert stream.response.content == "Hello"
