"""The synchronous client shared by threads and inherited by processes: nobody's call touches another's."""

from __future__ import annotations

import gc
import json
import multiprocessing
import threading
import time
import tracemalloc
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import anyio
import httpx
import pytest

from miiflow_llm import SyncLLMClient, Timeout
from miiflow_llm.core.exceptions import ConfigurationError, TimeoutError
from miiflow_llm.http.transport_sync import SyncBody, SyncTransport

from .helpers import client_at, sync_client_at
from .server import HANG, LAST_CHUNK, FaultServer, Request, Steps, Wait, chunk, whole
from .wires import OPENAI_CHAT

WAYS = ("lean", "httpx", "own")
"""The lean transport, httpx's, and a client of the caller's own."""


@contextmanager
def client_by(way: str, url: str, **options: Any) -> Iterator[SyncLLMClient]:
    """A client that sends by one of `WAYS`."""
    if way != "own":
        with sync_client_at(url, transport=way, **options) as client:
            yield client
        return
    with httpx.Client(timeout=None, limits=httpx.Limits(max_connections=500)) as http:
        with sync_client_at(url, http_client=http, **options) as client:
            yield client


def echo(request: Request) -> Steps:
    """An answer that says what was asked."""
    asked = json.loads(request.body)["messages"][0]["content"]
    said = OPENAI_CHAT.hel.replace(b"Hel", asked.encode())
    return OPENAI_CHAT.streamed(OPENAI_CHAT.opening, said, OPENAI_CHAT.finish, OPENAI_CHAT.end)


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_a_hundred_threads_get_their_own_answers(way: str) -> None:
    """100 threads with 5 streams each, all under deadlines: none is broken, each says what it was asked."""
    with FaultServer(echo) as server:
        limits = Timeout(connect=30, pool=30, first_output=30, idle=30, total=60)
        with client_by(way, server.url, timeout=limits, max_retries=0) as client:

            def ask(place: int) -> None:
                for turn in range(5):
                    text = f"{place} {turn}"
                    assert "".join(made.delta for made in client.stream_chat(text)) == text

            with ThreadPoolExecutor(100) as threads:
                list(threads.map(ask, range(100)))
            assert client.get_metrics().finished == 500


@pytest.mark.parametrize("way", WAYS)
def test_a_deadline_ends_no_call_but_its_own(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that dawdles over its close while its deadline passes leaves alone what its connection does next."""
    slow = threading.Event()
    close = httpx.Response.close

    def slowly(self: httpx.Response) -> None:
        if threading.current_thread().name == "dawdles":
            slow.set()
            time.sleep(0.4)
        close(self)

    monkeypatch.setattr(httpx.Response, "close", slowly)
    first = [*OPENAI_CHAT.streamed(OPENAI_CHAT.stream)]
    with FaultServer(lambda request: first if request.number == 0 else echo(request)) as server:
        with client_by(way, server.url, timeout=Timeout(idle=0.2, first_output=0.2), max_retries=0) as client:
            dawdler = threading.Thread(target=lambda: list(client.stream_chat("Hi")), name="dawdles")
            dawdler.start()
            slow.wait(0.3)
            for turn in range(6):
                asked = f"turn {turn}"
                assert "".join(made.delta for made in client.stream_chat(asked)) == asked
                time.sleep(0.05)
            dawdler.join(5)
            assert client.get_metrics().finished == 7


@contextmanager
def transport_by(way: str) -> Iterator[SyncTransport]:
    """A transport that sends by one of `WAYS`."""
    with httpx.Client(timeout=None) as http:
        transport = SyncTransport(http) if way == "own" else SyncTransport(kind="lean" if way == "lean" else "httpx")
        yield transport
        transport.close()


def send(transport: SyncTransport, url: str, timeout: Timeout = Timeout()) -> SyncBody:  # noqa: B008  it is frozen
    """Send a request; its answer's body, still to be read."""
    answer = transport.send("GET", url, headers={}, body=None, credential=None, timeout=timeout, total=None)
    return answer.body


@pytest.mark.parametrize("way", WAYS)
def test_an_answer_that_is_over_has_no_connection_to_close(way: str) -> None:
    """Aborting and closing it late, from any thread, leaves alone whom the connection serves by then."""
    slow = [*OPENAI_CHAT.begun(b"one"), Wait(0.2), chunk(b"two") + LAST_CHUNK]
    with FaultServer([whole(b"first"), slow]) as server, transport_by(way) as transport:
        done = send(transport, server.url)
        done.deadline = time.monotonic() + 0.1
        assert done.read() == b"first"
        assert done.read() == b""
        running = send(transport, server.url)
        for late in (done.abort, done.close):
            thread = threading.Thread(target=late)
            thread.start()
            thread.join(5)
        came = b""
        while data := running.read():
            came += data
        running.close()
        assert came == b"onetwo"
        assert server.connections == 1


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_kept_of_calls_that_are_over(way: str) -> None:
    """Thirty calls with a prompt of 1 MB leave less than one of them in memory, while the client lives."""
    with FaultServer([whole(OPENAI_CHAT.answer)]) as server, client_by(way, server.url) as client:
        prompt = "x" * 1_000_000

        def ask(times: int) -> int:
            for _ in range(times):
                client.chat(prompt)
                server.requests.clear()
            gc.collect()
            return tracemalloc.get_traced_memory()[0]

        tracemalloc.start()
        try:
            before = ask(3)
            assert ask(30) < before + 1_000_000
        finally:
            tracemalloc.stop()
        assert not [thread.name for thread in threading.enumerate() if "miiflow" in thread.name]


CHILD_ASKS = "child"


def _child(client: SyncLLMClient, answers: multiprocessing.SimpleQueue[Any]) -> None:
    warnings.simplefilter("ignore")
    try:
        answers.put([client.chat(f"{CHILD_ASKS} {turn}").content for turn in range(3)])
    except ConfigurationError as raised:
        answers.put(raised.message)


def whole_echo(request: Request) -> Steps:
    """A whole answer that says what was asked, by which connection."""
    asked = json.loads(request.body)["messages"][0]["content"]
    return whole(OPENAI_CHAT.answer.replace(b"Hello", asked.encode()))


fork_only = pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")


@fork_only
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_children_are_given_their_own_answers(way: str) -> None:
    """A client used before a fork serves each child over connections of its own, or says that it cannot."""
    with FaultServer(whole_echo) as server, client_by(way, server.url, max_retries=0) as client:
        assert client.chat("parent").content == "parent"
        context = multiprocessing.get_context("fork")
        answers: multiprocessing.SimpleQueue[Any] = context.SimpleQueue()
        children = [context.Process(target=_child, args=(client, answers)) for _ in range(4)]
        for child in children:
            child.start()
        came = [answers.get() for _ in children]
        for child in children:
            child.join(10)
        assert [child.exitcode for child in children] == [0] * 4
        assert client.chat("parent again").content == "parent again"
        connections = {request.connection for request in server.requests if CHILD_ASKS.encode() in request.body}
        if way == "own":
            assert all("used before this process was forked" in said for said in came)
            assert not connections
        else:
            assert came == [[f"{CHILD_ASKS} {turn}" for turn in range(3)]] * 4
            assert len(connections) == 4
            assert server.connections == 5


def _child_of_a_loop(ask: Callable[[], str], answers: multiprocessing.SimpleQueue[Any]) -> None:
    warnings.simplefilter("ignore")
    answers.put(ask())


@fork_only
@pytest.mark.parametrize("way", ["lean", "httpx"])
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning", "ignore:unclosed:ResourceWarning")
def test_children_of_an_asynchronous_client_have_their_own(way: str) -> None:
    """The asynchronous client too, though the child runs the very event loop that its parent ran before."""
    import asyncio

    with FaultServer(whole_echo) as server:
        client = client_at(server.url, way, max_retries=0)
        loop = asyncio.new_event_loop()

        def ask() -> str:
            return loop.run_until_complete(client.chat("Hi")).content

        assert ask() == "Hi"
        context = multiprocessing.get_context("fork")
        answers: multiprocessing.SimpleQueue[Any] = context.SimpleQueue()
        child = context.Process(target=_child_of_a_loop, args=(ask, answers))
        child.start()
        child.join(10)
        assert child.exitcode == 0
        assert answers.get() == "Hi"
        assert ask() == "Hi"
        assert [request.connection for request in server.requests] == [1, 2, 1]
        loop.run_until_complete(client.aclose())
        loop.close()
        gc.collect()


@fork_only
@pytest.mark.parametrize("way", ["lean", "httpx"])
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning", "ignore::ResourceWarning")
def test_a_child_that_ends_does_not_end_its_parents_stream(way: str) -> None:
    """A child drops, collects and exits with the parent's open stream in its memory: the parent reads on."""
    go = threading.Event()

    def script(request: Request) -> Steps:
        yield OPENAI_CHAT.head() + chunk(OPENAI_CHAT.opening + OPENAI_CHAT.hel)
        go.wait(10)
        yield chunk(OPENAI_CHAT.lo + OPENAI_CHAT.finish + OPENAI_CHAT.end) + b"0\r\n\r\n"

    with FaultServer(script) as server, client_by(way, server.url) as client:
        stream = client.stream_chat("Hi")
        text = next(stream).delta

        def child() -> None:
            warnings.simplefilter("ignore")
            stream.close()
            client.close()
            gc.collect()

        process = multiprocessing.get_context("fork").Process(target=child)
        process.start()
        process.join(10)
        assert process.exitcode == 0
        go.set()
        text += "".join(made.delta for made in stream)
        assert text == "Hello"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("how", ["close", "abort"])
def test_a_body_is_let_go_of_by_another_thread(way: str, how: str) -> None:
    """Letting go of a body that another thread waits for ends that wait at once, and the connection."""
    with FaultServer([[*OPENAI_CHAT.begun(b"one"), HANG]]) as server, transport_by(way) as transport:
        body = send(transport, server.url)
        assert body.read() == b"one"
        ended: list[BaseException] = []

        def read() -> None:
            try:
                body.read()
            except httpx.HTTPError as raised:
                ended.append(raised)

        reader = threading.Thread(target=read)
        reader.start()
        time.sleep(0.1)
        getattr(body, how)()
        reader.join(5)
        assert not reader.is_alive()
        assert len(ended) == 1
        body.close()
        assert server.settled()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("step", ["head", "body"])
def test_a_drip_does_not_outlast_its_limit(way: str, step: str) -> None:
    """A server that sends a byte now and then, of the head or of comments, is not waited for beyond the limit."""
    slow = OPENAI_CHAT.head() if step == "head" else b""
    limits = Timeout(connect=5, pool=5, write=5, first_output=0.3, idle=30)

    def script(_: Request) -> Steps:
        if step == "body":
            yield OPENAI_CHAT.head()
        for place in range(200):
            yield slow[place : place + 1] if step == "head" else chunk(b": \n\n")
            yield Wait(0.05)

    with FaultServer(script) as server, client_by(way, server.url, timeout=limits, max_retries=0) as client:
        began = time.monotonic()
        with pytest.raises(TimeoutError) as raised:
            list(client.stream_chat("Hi"))
        assert raised.value.phase == "first_output"
        assert time.monotonic() - began < 3


@pytest.mark.anyio
@pytest.mark.parametrize("way", ["lean", "httpx", "own"])
async def test_a_dripped_head_names_its_phase_on_every_loop(way: str) -> None:
    """The asynchronous client too."""

    def script(_: Request) -> Steps:
        for place in range(200):
            yield OPENAI_CHAT.head()[place : place + 1]
            yield Wait(0.05)

    limits = Timeout(connect=5, pool=5, write=5, first_output=0.3)
    with FaultServer(script) as server:
        http = httpx.AsyncClient(timeout=None) if way == "own" else None
        options: dict[str, Any] = {"http_client": http} if http else {"transport": way}
        async with client_at(server.url, timeout=limits, max_retries=0, **options) as client:
            began = time.monotonic()
            with anyio.fail_after(5), pytest.raises(TimeoutError) as raised:
                await client.chat("Hi")
            assert raised.value.phase == "first_output"
            assert time.monotonic() - began < 3
        if http is not None:
            await http.aclose()
