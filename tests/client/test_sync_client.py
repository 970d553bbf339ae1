"""The synchronous client is the same engine without an event loop: answers, errors, deadlines and early exits hold."""

from __future__ import annotations

import gc
import inspect
import ssl
import threading
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import httpx
import msgspec
import pytest

from miiflow_llm import ClientPool, LLMClient, SyncClientPool, SyncLLMClient, Timeout
from miiflow_llm.calls.players import played
from miiflow_llm.core import exceptions as error
from miiflow_llm.http import trust
from miiflow_llm.replay.capture import Capture
from miiflow_llm.replay.faults import CutAt, Fault, Stall, StatusFirst
from miiflow_llm.replay.server import ReplayServer
from miiflow_llm.routing import Router, SyncRouter

from ..captured import facts, line, own, read, sample
from ..wire.test_captures import name

CAPTURES = {capture.key: capture for capture in own()}
STREAMS = [capture for capture in own() if capture.streaming]


@contextmanager
def serving(*captures: Capture, fault: Fault | None = None, pace: float = 0.0) -> Iterator[ReplayServer]:
    """A replay server in a thread of its own."""
    server, ready, stop = ReplayServer(captures, fault=fault, pace=pace), threading.Event(), threading.Event()

    async def run() -> None:
        async with server:
            ready.set()
            await anyio.to_thread.run_sync(stop.wait)

    thread = threading.Thread(target=anyio.run, args=(run,))
    thread.start()
    ready.wait()
    try:
        yield server
    finally:
        stop.set()
        thread.join()


def client(server: ReplayServer, capture: Capture, **options: Any) -> SyncLLMClient:
    """A client that is served the capture."""
    url = server.url_for(capture.provider, capture.name)
    return SyncLLMClient.create(
        capture.provider, capture.model, "k", base_url=url, dialect=capture.dialect, **{"max_retries": 0, **options}
    )


@pytest.mark.parametrize("capture", sample(STREAMS, 40), ids=name)
def test_streams(capture: Capture) -> None:
    """The chunks and the response are those of the engine."""
    wanted = read(capture)
    chunks, raised = [], None
    with serving(capture) as server, client(server, capture) as one:
        stream = one.stream_chat("Hello")
        try:
            chunks.extend(stream)
        except error.MiiflowLLMError as found:
            raised = found
    assert [line(chunk) for chunk in chunks] == [line(chunk) for chunk in wanted.chunks]
    assert type(raised) is type(wanted.error)
    if raised is None:
        wanted.response = stream.response
        assert facts(wanted)["outcome"] == "finished"


def test_chat_retries_and_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole answer, after a failure that was tried again, is counted."""
    monkeypatch.setattr("backoff.full_jitter", lambda value: 0.0)
    capture = CAPTURES["openai/whole_text"]
    with serving(capture, fault=StatusFirst(503)) as server, client(server, capture, max_retries=1) as one:
        response = one.chat("Hello")
        metrics = one.get_metrics()
    assert response.content == (capture.expected or {})["text"]
    assert [attempt.status for attempt in response.attempts] == [503, 200]
    assert (metrics.finished, metrics.retries) == (1, 1)


def test_connection_is_kept() -> None:
    """A whole answer gives its connection back."""
    capture = CAPTURES["openai/text"]
    with serving(capture) as server, client(server, capture) as one:
        for _ in range(3):
            list(one.stream_chat("Hello"))
        assert server.connections == 1


def test_truncated() -> None:
    """A truncated stream is never a finished one."""
    capture = CAPTURES["openai/text"]
    with serving(capture, fault=CutAt(2000)) as server, client(server, capture) as one:
        stream = one.stream_chat("Hello")
        with pytest.raises(error.StreamInterruptedError) as caught:
            list(stream)
    assert caught.value.partial is not None
    assert caught.value.partial.message.text.startswith("Twice")


@pytest.mark.parametrize(
    ("fault", "phase"), [(Stall(0), "first_output"), (Stall(2000), "idle")], ids=["before output", "in the middle"]
)
def test_deadlines(fault: Fault, phase: str) -> None:
    """A blocking read that waits too long is ended, with the right phase, though the limit moved meanwhile."""
    capture = CAPTURES["openai/text"]
    limits = Timeout(first_output=1, idle=0.9)
    with serving(capture, fault=fault) as server, client(server, capture, timeout=limits) as one:
        began = time.monotonic()
        with pytest.raises(error.TimeoutError) as caught:
            list(one.stream_chat("Hello"))
        assert time.monotonic() - began < 8
    assert caught.value.phase == phase


def test_comments_do_not_reset_deadlines() -> None:
    """A server that sends only comments is not waited for."""
    capture = msgspec.structs.replace(CAPTURES["openai/text"], body=b": keep-alive\n\n" * 300)
    limits = Timeout(first_output=0.2)
    with serving(capture, pace=0.02) as server, client(server, capture, timeout=limits) as one:
        stream = one.stream_chat("Hello")
        with pytest.raises(error.TimeoutError) as caught:
            list(stream)
    assert caught.value.phase == "first_output"


def test_leaving() -> None:
    """`break` inside `with` closes quietly; a stream that is dropped warns."""
    capture = CAPTURES["openai/text"]
    with serving(capture, pace=0.01) as server, client(server, capture) as one:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with one.stream_chat("Hello") as stream:
                next(stream)
        dropped = one.stream_chat("Hello")
        next(dropped)
        with pytest.warns(ResourceWarning):
            del dropped
        assert one.get_metrics().abandoned == 2


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("transport", ["lean", "httpx"])
def test_a_stream_is_dropped_while_the_pool_is_locked(transport: str) -> None:
    """The collector may end a stream inside the pool, which must not wait for itself; the place comes free."""
    capture = CAPTURES["openai/text"]
    with serving(capture, pace=0.01) as server, client(server, capture, transport=transport) as one:
        stream = one.stream_chat("Hello")
        next(stream)
        sent_by: Any = one._player.transport  # type: ignore[attr-defined]
        pool = sent_by._clients.by(None)._transport._pool if transport == "httpx" else sent_by._lean.pool
        lock = pool._optional_thread_lock if transport == "httpx" else pool._lock
        cycle: list[Any] = [stream]
        cycle.append(cycle)
        gc.collect()
        del stream, cycle
        collect_inside(lock)
        assert [chunk.delta for chunk in one.stream_chat("Hello")]
        assert len(pool.connections) == 1 if transport == "httpx" else pool.books.size == 1
        until = time.monotonic() + 5
        while server.open_connections > 1 and time.monotonic() < until:
            time.sleep(0.01)
        assert server.open_connections == 1


def collect_inside(lock: Any) -> None:
    """Run the collector in a thread that has the lock."""

    def collect() -> None:
        with lock:
            gc.collect()

    thread = threading.Thread(target=collect, daemon=True)
    thread.start()
    thread.join(5)
    assert not thread.is_alive(), "the pool waits for itself"


@pytest.mark.parametrize("how", ["chat", "stream"])
def test_the_whole_call_has_an_end(how: str) -> None:
    """`total` ends a call that would go on, however steadily a stream comes; what came is kept."""
    capture, fault = CAPTURES["openai/text"], None
    if how == "chat":
        capture, fault = CAPTURES["openai/whole_text"], Stall(100)
    with serving(capture, fault=fault, pace=0.1) as server, client(server, capture, timeout=Timeout(total=0.4)) as one:
        began = time.monotonic()
        with pytest.raises(error.TimeoutError) as caught:
            if how == "chat":
                one.chat("Hello")
            else:
                list(one.stream_chat("Hello"))
        assert time.monotonic() - began < 8
    assert caught.value.phase == "total"
    if how == "stream":
        assert caught.value.partial is not None
        assert caught.value.partial.message.text


def test_leaving_by_an_error_closes_the_connection() -> None:
    """Whatever is raised inside `with`, Ctrl-C too, no connection stays open at the provider."""
    capture = CAPTURES["openai/text"]
    with serving(capture, pace=0.2) as server, client(server, capture) as one:
        for kind in (ValueError, KeyboardInterrupt):
            with pytest.raises(kind), one.stream_chat("Hello") as stream:
                next(stream)
                raise kind
            end = time.monotonic() + 2
            while server.open_connections and time.monotonic() < end:
                time.sleep(0.01)
            assert server.open_connections == 0


def test_from_many_threads() -> None:
    """One client serves many threads at once; each has its own answer."""
    captures = [CAPTURES["openai/text"], CAPTURES["openai/whole_text"]]
    with serving(*captures, pace=0.001) as server, client(server, captures[0]) as one:
        url = server.url_for("openai", "whole_text")
        with SyncLLMClient.create("openai", captures[1].model, "k", base_url=url) as other:

            def ask(place: int) -> str:
                if place % 2:
                    return other.chat("Hello").content
                return "".join(chunk.delta for chunk in one.stream_chat("Hello"))

            with ThreadPoolExecutor(20) as threads:
                found = list(threads.map(ask, range(60)))
            assert one.get_metrics().finished == other.get_metrics().finished == 30
    assert set(found[::2]) == {(captures[0].expected or {})["text"]}
    assert set(found[1::2]) == {(captures[1].expected or {})["text"]}


def test_a_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pool makes each client once, over the same connections, from however many threads, and counts them together."""
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    capture = CAPTURES["openai/text"]
    with serving(capture, pace=0.001) as server:
        url, models, heard = server.url_for("openai", "text"), ["a", "b", "c"], list[str]()
        hooks = {"finished": [lambda event: heard.append(event.model)]}
        config = {"providers": {"openai": {"base_url": url, "models": models}}}
        with SyncClientPool(config, event_hooks=hooks) as pool:
            assert pool.get().model == "a"
            assert pool.get("openai", "b") is pool.get("openai", "b")
            for model in models:
                list(pool.get("openai", model).stream_chat("x"))
            assert server.connections == 1

            def ask(place: int) -> str:
                return "".join(chunk.delta for chunk in pool.get("openai", models[place % 3]).stream_chat("x"))

            with ThreadPoolExecutor(10) as threads:
                assert len(set(threads.map(ask, range(30)))) == 1
            assert pool.get_metrics().finished == len(heard) == 33
            assert pool.models == {"openai": models}
        pool.close()
        with pytest.raises(error.ConfigurationError, match="closed"):
            pool.get().chat("x")


def test_closing_ends_the_wait_for_another_attempt() -> None:
    """However long a provider asks to wait, a stream that another thread closes is over at once, and asks no more."""
    asked: list[httpx.Request] = []

    def limited(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(429, headers={"retry-after": "60"})

    with httpx.Client(transport=httpx.MockTransport(limited)) as http:
        stream = SyncLLMClient.create("openai", "m", "k", http_client=http).stream_chat("x")
        closing = threading.Timer(0.3, stream.close)
        closing.start()
        began = time.monotonic()
        assert list(stream) == []
        assert time.monotonic() - began < 30
        closing.join()
    assert len(asked) == 1


def test_both_clients_can_do_the_same() -> None:
    """Each public method of one is a method of the other, with the same parameters."""
    names = {"aclose": "close"}

    def surface(kind: type) -> dict[str, list[str]]:
        return {
            names.get(name, name): list(inspect.signature(getattr(kind, name)).parameters)
            for name in dir(kind)
            if not name.startswith("_") and callable(getattr(kind, name))
        }

    for one, other in ((LLMClient, SyncLLMClient), (ClientPool, SyncClientPool), (Router, SyncRouter)):
        assert surface(one) == surface(other)


def test_warm_up() -> None:
    """What the first call would wait for is done ahead, and a closed client says that it is closed."""
    capture = CAPTURES["openai/whole_text"]
    with serving(capture) as server, client(server, capture) as one:
        one.warm_up()
        assert one.chat("Hello").content == (capture.expected or {})["text"]
    with pytest.raises(error.ConfigurationError, match="closed"):
        one.warm_up()


def test_nothing_of_it_waits_for_an_event_loop() -> None:
    """A coroutine that would suspend is a fault of ours, and says so; one that raises raises."""

    async def suspends() -> None:
        await anyio.lowlevel.checkpoint()

    async def raises() -> None:
        raise KeyboardInterrupt

    async def loop() -> None:
        with pytest.raises(RuntimeError, match="waited for an event loop"):
            played(suspends())

    anyio.run(loop)
    with pytest.raises(KeyboardInterrupt):
        played(raises())


def test_a_schema() -> None:
    """`stream_with_schema` gives the value so far and at the end the caller's own type."""
    capture = CAPTURES["openai/structured"]
    with serving(capture, pace=0.002) as server, client(server, capture) as one:
        with one.stream_with_schema("Hello", dict[str, Any]) as stream:
            values = [msgspec.json.encode(chunk.partial_parse) for chunk in stream if chunk.partial_parse]
        assert len(set(values)) > 5
        assert stream.response.structured_output == msgspec.json.decode(values[-1])


def test_inside_a_running_loop() -> None:
    """It works where an event loop runs already, as in a notebook."""
    capture = CAPTURES["openai/text"]

    async def notebook() -> str:
        with client(server, capture) as one:
            return one.stream_chat("Hello") and "".join(chunk.delta for chunk in one.stream_chat("Hello"))

    with serving(capture) as server:
        assert anyio.run(notebook) == (capture.expected or {})["text"]


def test_certificates_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many clients share one TLS context: making one takes some 20 ms."""
    made: list[ssl.SSLContext] = []

    def context() -> ssl.SSLContext:
        made.append(ssl.create_default_context())
        return made[-1]

    monkeypatch.setattr("httpx.create_ssl_context", context)
    trust._contexts.clear()
    for _ in range(3):
        with SyncLLMClient.create("openai", "m", "k", base_url="https://127.0.0.1:9", max_retries=0) as one:
            with pytest.raises(error.NetworkError):
                one.chat("Hello")
    trust._contexts.clear()
    assert len(made) == 1
