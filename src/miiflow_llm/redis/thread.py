"""The thread that holds the connections to a server, on an event loop of its own.

So one connection serves asyncio, trio and threads alike, needs no owner among the caller's tasks, and coredis, which
takes a second to import, is imported beside the caller's event loop.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress
from contextvars import Context
from typing import Any, TypeVar

log = logging.getLogger("miiflow_llm.redis")

T = TypeVar("T")
Work = Callable[[Any], Awaitable[T]]
"""What is done with coredis's client."""

_CONNECTIONS = 64
_AGAIN = 1.0
"""Seconds between two tries to reach the server."""


class NotConnected(ConnectionError):
    """There is no connection yet, or not any more."""


class RedisThread:
    """A thread with an event loop and the connections to one server. `connected` is set while there are any."""

    def __init__(self, url: str) -> None:
        self.connected = threading.Event()
        self._url = url
        self._client: Any = None
        self._loop = asyncio.new_event_loop()
        self._stopping: asyncio.Event | None = None
        self._stopped = False
        self._works: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._run, name="miiflow-llm redis", daemon=True)
        self._thread.start()

    def do(self, work: Work[T], seconds: float) -> Future[T]:
        """Begin a piece of work, which may take so many seconds."""
        future: Future[T] = Future()
        try:
            # not in the caller's context, which may say that the loop is trio's
            self._loop.call_soon_threadsafe(self._begin, work, future, seconds, context=Context())
        except RuntimeError:  # the loop is closed
            future.set_exception(NotConnected("the connection was closed"))
        return future

    def stop(self, wait: float = 0.0) -> None:
        """Close the connections and end the thread. Harmless when done twice."""
        self._stopped = True
        with suppress(RuntimeError):  # the loop is closed already
            self._loop.call_soon_threadsafe(self._stop)
        if wait:
            self._thread.join(wait)

    def _stop(self) -> None:
        if self._stopping is not None:
            self._stopping.set()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._hold())

    async def _hold(self) -> None:
        """Hold the connections until the end; if they cannot be made yet, try again."""
        self._stopping = asyncio.Event()
        while not self._stopped:
            try:
                await self._connect(self._stopping)
            except Exception as reason:
                log.debug("the Redis server cannot be reached: %s", reason)
            self.connected.clear()
            self._client = None
            with suppress(TimeoutError):
                async with asyncio.timeout(_AGAIN):
                    await self._stopping.wait()
        for task in list(self._works):
            task.cancel()

    async def _connect(self, stopping: asyncio.Event) -> None:
        import coredis

        make = coredis.Redis.from_url
        async with make(self._url, verify_version=False, max_connections=_CONNECTIONS) as client:
            await client.ping()
            self._client = client
            self.connected.set()
            await stopping.wait()

    def _begin(self, work: Work[T], future: Future[T], seconds: float) -> None:
        task = self._loop.create_task(self._done(work, future, seconds))
        self._works.add(task)
        task.add_done_callback(self._works.discard)

    async def _done(self, work: Work[T], future: Future[T], seconds: float) -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            if self._client is None:
                raise NotConnected("there is no connection to the server")
            async with asyncio.timeout(seconds):
                result = await work(self._client)
        except asyncio.CancelledError:
            future.set_exception(NotConnected("the connection was closed"))
        except Exception as reason:
            future.set_exception(reason)
        else:
            future.set_result(result)
