"""The cache in threads: equal calls joined, leaders that leave, types, limits, and nothing left behind."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import pytest

from miiflow_llm.caching import SyncCache
from miiflow_llm.core.exceptions import MiiflowLLMError, ServiceUnavailableError, TimeoutError
from miiflow_llm.core.response import StreamChunk

from .ours import TEXT, Upstream, UpstreamStream


class BlockingStream(UpstreamStream):
    """The stream of ten words, for threads."""

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> StreamChunk:
        try:
            self.__anext__().send(None)
        except StopIteration as end:
            chunk: StreamChunk = end.value
            return chunk
        except StopAsyncIteration:
            raise StopIteration from None
        raise AssertionError("it suspended")

    def close(self) -> None:
        self.upstream.open -= not self.closed
        self.closed = True


class Blocking(Upstream):
    """The client without a network, for threads."""

    def __init__(self, pause: Callable[[], None], breaks: Callable[[int], BaseException | None]) -> None:
        async def paused() -> None:
            pause()

        super().__init__(paused, breaks)
        self._lock = threading.Lock()

    def stream_chat(self, messages: Any, **parameters: Any) -> Any:
        with self._lock:
            self.calls += 1
        return BlockingStream(self, self.calls)

    def chat(self, messages: Any, **parameters: Any) -> Any:
        stream = self.stream_chat(messages)
        for _ in stream:
            pass
        stream.close()
        return stream.response

    def close(self) -> None:
        """Nothing is open."""


def soon() -> None:
    """Let others go on."""
    time.sleep(0.002)


def read(cache: SyncCache) -> str:
    """All text of a stream."""
    with cache.stream_chat("Why?") as stream:
        text = "".join(chunk.delta for chunk in stream)
        assert stream.response.content == text
    return text


def test_threads_make_one_call() -> None:
    """A hundred equal streams of threads make one upstream call, and each has the whole answer."""
    begun, all_begun = itertools.count(1), threading.Event()

    def wait() -> None:
        all_begun.wait(30)
        soon()

    def one(_: int) -> str:
        if next(begun) == 100:
            threading.Timer(0.5, all_begun.set).start()
        return read(cache)

    upstream = Blocking(wait, lambda place: None)
    with SyncCache(upstream) as cache, ThreadPoolExecutor(100) as threads:
        texts = list(threads.map(one, range(100)))
    assert texts == [TEXT] * 100
    assert upstream.calls == 1


def test_a_leader_that_leaves_takes_nobody_with_it() -> None:
    """The one who began may leave: the others read on; when all have left the upstream stream is closed."""
    upstream = Blocking(soon, lambda place: None)
    with SyncCache(upstream) as cache:
        leader = cache.stream_chat("Why?")
        next(leader)
        with ThreadPoolExecutor(3) as threads:
            followers = [threads.submit(read, cache) for _ in range(3)]
            time.sleep(0.004)
            leader.close()
            assert [one.result() for one in followers] == [TEXT] * 3
        assert upstream.calls == 1
        with cache.stream_chat("What?") as left:
            next(left)
        for _ in range(500):
            if not upstream.open:
                break
            time.sleep(0.01)
        assert upstream.open == 0


def test_errors_and_limits() -> None:
    """An outage reaches each reader as its own error, and a reader's own limit ends only its own waiting."""
    upstream = Blocking(soon, lambda place: ServiceUnavailableError("died") if place == 3 else None)
    with SyncCache(upstream) as cache, ThreadPoolExecutor(4) as threads:
        found = [threads.submit(read, cache) for _ in range(4)]
        errors = [one.exception() for one in found]
        assert all(isinstance(error, MiiflowLLMError) for error in errors)
        assert len({id(error) for error in errors}) == 4
    gate = threading.Event()
    held = Blocking(gate.wait, lambda place: None)  # type: ignore[arg-type]
    with SyncCache(held) as cache, ThreadPoolExecutor(1) as threads:
        patient = threads.submit(read, cache)
        with pytest.raises(TimeoutError):
            cache.chat("Why?", timeout=0.05)
        gate.set()
        assert patient.result() == TEXT
