"""Forks at any moment: a child waits for no lock, no call and no connection of its parent's, and ends none of them."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from miiflow_llm import SyncLLMClient, SyncRouter, Target
from miiflow_llm.caching import MemoryStore, SqliteStore, SyncCache
from miiflow_llm.client.pool import SyncClientPool
from miiflow_llm.core import forks
from miiflow_llm.core.exceptions import ConfigurationError, StreamInterruptedError

from .helpers import KEY, sync_client_at
from .server import FaultServer, Request, Steps, chunk
from .test_threads import client_by, send, transport_by, whole_echo
from .wires import OPENAI_CHAT

pytestmark = [
    pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here"),
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),
]


def in_child(act: Callable[[], object]) -> str:
    """What `act` gives in a forked child; `hangs` if it takes longer than 20 s."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        warnings.simplefilter("ignore")
        signal.alarm(20)
        try:
            said = str(act())
        except BaseException as raised:
            said = f"{type(raised).__name__}: {raised}"
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as came:
        said = came.read().decode()
    _, status = os.waitpid(child, 0)
    return said if status == 0 else f"hangs: {status}"


@contextmanager
def every_lock_held() -> Iterator[None]:
    """Another thread has every lock of ours."""
    has, over = threading.Event(), threading.Event()

    def hold() -> None:
        held = list(forks._locks)
        for one in held:
            one.acquire()
        has.set()
        over.wait(30)
        for one in held:
            one.release()

    thread = threading.Thread(target=hold)
    thread.start()
    assert has.wait(10)
    try:
        yield
    finally:
        over.set()
        thread.join(10)


Ask = Callable[[str], Any]


@contextmanager
def asking(kind: str, url: str, folder: Path) -> Iterator[tuple[Any, Ask]]:
    """Something that is asked, and how."""
    if kind in ("pool", "router"):
        config = {"providers": {"openai": {"base_url": url, "api_key_env": "KEY_HERE"}}}
        if kind == "pool":
            with SyncClientPool(config) as pool:
                yield pool, lambda text: pool.get("openai", f"m{len(text)}").chat(text)
        else:
            with SyncRouter([Target("openai:one", limit=1)], config=config) as router:
                yield router, router.chat
        return
    with sync_client_at(url) as client:
        if kind == "client":
            yield client, client.chat
            return
        with SyncCache(client, store=MemoryStore() if kind == "memory" else SqliteStore(folder / "c.db")) as cache:
            yield cache, cache.chat


KINDS = ("client", "pool", "router", "memory", "sqlite")


@pytest.mark.parametrize("kind", KINDS)
def test_no_lock_of_the_parents_stops_a_child(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever lock another thread had at the fork, the child is served and counts its calls."""
    monkeypatch.setenv("KEY_HERE", KEY)
    with FaultServer(whole_echo) as server, asking(kind, server.url, tmp_path) as (asked, ask):
        assert ask("parent").content == "parent"

        def child() -> object:
            return ask("the child").content, asked.get_metrics().finished

        with every_lock_held():
            assert in_child(child) == "('the child', 2)"
        assert ask("parent again").content == "parent again"


@pytest.mark.parametrize("kind", ["router", "memory"])
def test_no_call_of_the_parents_is_waited_for(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call on its way in the parent takes no place of the child's, and the child joins none of the same question."""
    monkeypatch.setenv("KEY_HERE", KEY)
    came, go = threading.Event(), threading.Event()

    def script(request: Request) -> Steps:
        if request.number == 0:
            came.set()
            go.wait(20)
        return whole_echo(request)

    with FaultServer(script) as server, asking(kind, server.url, tmp_path) as (_, ask):
        said: list[str] = []
        thread = threading.Thread(target=lambda: said.append(ask("the same").content))
        thread.start()
        assert came.wait(10)
        assert in_child(lambda: ask("the same").content) == "the same"
        go.set()
        thread.join(10)
        assert said == ["the same"]


def test_a_callers_client_is_known_to_all_of_ours() -> None:
    """A client of httpx's that one of our clients used before the fork serves none of them after it."""
    with FaultServer(whole_echo) as server, httpx.Client() as http:
        options: dict[str, Any] = {"api_key": KEY, "base_url": server.url, "http_client": http}
        first, second = (SyncLLMClient.create("openai", "m", **options) for _ in range(2))
        assert first.chat("parent").content == "parent"

        def child() -> str:
            third = SyncLLMClient.create("openai", "m", **options)
            for one in (first, second, third):
                with pytest.raises(ConfigurationError, match="before this process was forked"):
                    one.chat("child")
            return "refused"

        assert in_child(child) == "refused"
        assert second.chat("parent").content == "parent"
        assert server.connections == 1


def gated(go: threading.Event) -> Callable[[Request], Steps]:
    """A stream whose second half comes when `go` is set."""

    def script(_: Request) -> Steps:
        yield OPENAI_CHAT.head() + chunk(OPENAI_CHAT.opening + OPENAI_CHAT.hel)
        go.wait(20)
        yield chunk(OPENAI_CHAT.lo + OPENAI_CHAT.finish + OPENAI_CHAT.end) + b"0\r\n\r\n"

    return script


@pytest.mark.parametrize("way", ["lean", "httpx", "own"])
@pytest.mark.parametrize("how", ["drop", "drop within", "close", "read on"])
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_stream_that_a_thread_reads_is_the_parents(way: str, how: str) -> None:
    """Whatever a child does to a stream on which a thread of its parent's waits, the parent reads it to its end."""
    go = threading.Event()
    with FaultServer(gated(go)) as server, client_by(way, server.url, max_retries=0) as client:
        streams = [client.stream_chat("Hi")]
        text = [next(streams[0]).delta]
        waits = threading.Event()

        def read_on() -> None:
            waits.set()
            text.extend(made.delta for made in streams[0])

        thread = threading.Thread(target=read_on)
        if how != "drop":
            thread.start()
            assert waits.wait(5)

        def child() -> object:
            if how == "close":
                streams[0].close()
            elif how == "read on":
                streams[0]._busy = False  # the thread that reads is not here
                with pytest.raises(StreamInterruptedError, match="forked"):
                    next(streams[0])
            elif how == "drop within":
                streams[0].drop()
            streams.clear()
            gc.collect()
            return "done"

        assert in_child(child) == "done"
        go.set()
        if how == "drop":
            thread.start()
        thread.join(10)
        assert "".join(text) == "Hello"


@pytest.mark.parametrize("way", ["lean", "httpx", "own"])
@pytest.mark.parametrize("how", ["abort", "close"])
def test_a_body_is_not_shut_by_a_child(way: str, how: str) -> None:
    """Letting go of an inherited body, whoever had its locks, leaves the parent's connection open."""
    go = threading.Event()
    with FaultServer(gated(go)) as server, transport_by(way) as transport:
        body = send(transport, server.url)
        came = [body.read()]
        waits = threading.Event()

        def read_on() -> None:
            waits.set()
            while data := body.read():
                came.append(data)

        thread = threading.Thread(target=read_on)
        thread.start()
        assert waits.wait(5)
        assert in_child(getattr(body, how)) == "None"
        go.set()
        thread.join(10)
        assert OPENAI_CHAT.end.strip() in b"".join(came)
