"""A server, asked from event loops and threads: every wait has a limit, and a server that is lost is left in peace."""

from __future__ import annotations

import importlib.util
import logging
import os
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

import anyio
import anyio.to_thread

from ..core import clock, forks
from ..core.exceptions import ConfigurationError
from .thread import NotConnected, RedisThread, Work
from .waking import waker

log = logging.getLogger("miiflow_llm.redis")

SECONDS = 0.05
"""What a server may cost a call, at most, each time it is asked."""
_FAILURES, _REST = 3, 5.0
_SCHEMES = ("redis", "rediss", "unix")

T = TypeVar("T")


class Unreachable(ConnectionError):
    """The server gave no answer within the limit, refused, or is not asked for a while. `__cause__` says more."""


class RedisServer:
    """A Redis or Valkey server at a `redis://`, `rediss://` or `unix://` address.

    Use one object for everything that is shared over one server: it has one pool of connections. Work is a coroutine
    function of coredis's client:

        server = RedisServer("redis://localhost/0")
        value = await server.ask(lambda client: client.get("key"))  # on asyncio or trio
        value = server.ask_sync(lambda client: client.get("key"))   # in a thread

    The connection is made beside the caller, from the first time that it is asked or waited for; until it stands, and
    after it was lost, `ask` raises at once. After three failures in a row it raises at once for five seconds.

    Args:
        url: the address.
        seconds: the limit of one `ask` in seconds.

    Raises:
        ConfigurationError: coredis is not installed, or the address is not one.
    """

    def __init__(self, url: str, *, seconds: float = SECONDS) -> None:
        _check(url)
        self.seconds = seconds
        self.failures = 0
        self._url = url
        self._in_a_row = 0
        self._rests_until = 0.0
        self._lock = forks.lock()
        self._thread: RedisThread | None = None
        self._process = 0
        self._finalizer: weakref.finalize[[], RedisServer] | None = None

    def __repr__(self) -> str:
        return f"RedisServer({self._url.partition('://')[0]}://..., failures={self.failures})"

    @property
    def rests(self) -> bool:
        """Whether it is not asked just now."""
        return clock.monotonic() < self._rests_until

    @property
    def connected(self) -> bool:
        """Whether there is a connection."""
        return self._thread is not None and self._thread.connected.is_set()

    async def connect(self, timeout: float = 5.0) -> bool:
        """Wait for the connection, at most so many seconds; whether there is one."""
        held = self._held()
        with anyio.move_on_after(timeout):
            while not held.connected.is_set():  # noqa: ASYNC110  it is set in another thread
                await anyio.sleep(0.01)
        return self.connected

    def connect_sync(self, timeout: float = 5.0) -> bool:
        """As `connect`, in a thread."""
        return self._held().connected.wait(timeout)

    async def ask(self, work: Work[T], *, seconds: float | None = None) -> T:
        """What the work gives, on asyncio or trio.

        Raises:
            Unreachable: it gave nothing in time, or failed.
        """
        limit = self._allowed(seconds)
        future = self._held().do(work, limit)
        try:
            answered = anyio.Event()
            wake = waker(answered)
            future.add_done_callback(lambda _: wake())
            with anyio.move_on_after(limit):
                await answered.wait()
        except BaseException:
            future.cancel()
            raise
        return self._settled(future, lambda: future.result(0))

    def ask_sync(self, work: Work[T], *, seconds: float | None = None) -> T:
        """As `ask`, in a thread."""
        limit = self._allowed(seconds)
        future = self._held().do(work, limit)
        return self._settled(future, lambda: future.result(limit))

    def later(
        self,
        work: Work[T],
        then: Callable[[T], None] | None = None,
        lost: Callable[[], None] | None = None,
        *,
        seconds: float | None = None,
    ) -> None:
        """Have the work done beside the caller, who waits for nothing.

        `then` is called with what it gives, in another thread; what was not done within the limit is not done, and then
        `lost` is called instead, in any thread.
        """
        if self.rests:
            if lost is not None:
                lost()
            return
        future = self._held().do(work, self.seconds if seconds is None else seconds)
        future.add_done_callback(lambda done: self._heard(done, then, lost))

    def _heard(self, future: Future[T], then: Callable[[T], None] | None, lost: Callable[[], None] | None) -> None:
        try:
            found = self._settled(future, lambda: future.result(0))
        except Unreachable:  # counted there
            if lost is not None:
                lost()
            return
        if then is not None:
            then(found)

    async def aclose(self) -> None:
        """Close the connections. Harmless when done twice; asking again makes new ones."""
        held = self._let_go()
        if held is not None:
            await anyio.to_thread.run_sync(held.stop, 2.0)

    def close(self) -> None:
        """As `aclose`, in a thread."""
        held = self._let_go()
        if held is not None:
            held.stop(2.0)

    def _allowed(self, seconds: float | None) -> float:
        if self.rests:
            raise Unreachable("the Redis server failed several times and is not asked for some seconds")
        return self.seconds if seconds is None else seconds

    def _held(self) -> RedisThread:
        """The thread of this process: a fork has none of its parent's."""
        with self._lock:
            if self._thread is None or self._process != os.getpid():
                self._thread, self._process = RedisThread(self._url), os.getpid()
                self._finalizer = weakref.finalize(self, self._thread.stop)
            return self._thread

    def _let_go(self) -> RedisThread | None:
        with self._lock:
            held, self._thread = self._thread, None
            if self._finalizer is not None:
                self._finalizer.detach()
        return held

    def _settled(self, future: Future[T], result: Callable[[], T]) -> T:
        try:
            found = result()
        except NotConnected as reason:
            self.failures += 1
            raise Unreachable(str(reason)) from reason
        except Exception as reason:
            future.cancel()
            self._failed(reason)
            raise Unreachable(f"the Redis server gave no answer: {type(reason).__name__}") from reason
        self._in_a_row = 0
        return found

    def _failed(self, reason: Exception) -> None:
        self.failures += 1
        self._in_a_row += 1
        if self._in_a_row < _FAILURES:
            log.debug("the Redis server failed: %s", reason)
            return
        self._in_a_row = 0
        self._rests_until = clock.monotonic() + _REST
        log.warning("the Redis server failed %d times (%s) and is not asked for %g s; calls go on without it",
                    _FAILURES, type(reason).__name__, _REST)  # fmt: skip


def _check(url: str) -> None:
    if importlib.util.find_spec("coredis") is None:
        raise ConfigurationError("a Redis server needs coredis: pip install 'miiflow-llm[redis]'")
    if url.partition("://")[0] not in _SCHEMES:
        raise ConfigurationError(f"a Redis address begins with {', '.join(f'{one}://' for one in _SCHEMES)}")
