"""httpx's own clients, one for each event loop: the loop that runs in, its client and its free places out.

The places stand before httpcore's pool, which is told of no limit: a task cancelled while it waits in that pool may
take its place with it for ever (encode/httpcore#1093).
"""

from __future__ import annotations

import asyncio
import functools
import ssl
import threading
import weakref
from collections.abc import Callable
from typing import Any

import anyio
import anyio.lowlevel
import httpx


class LoopClient:
    """The client of one event loop, and how many more connections it may have."""

    def __init__(self, loop: Any, limits: httpx.Limits) -> None:
        places = limits.max_connections
        unlimited = httpx.Limits(
            max_connections=None,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
        )
        self.client = httpx.AsyncClient(limits=unlimited, follow_redirects=False, verify=tls_context())
        self._loop = weakref.ref(loop)
        self._places = anyio.Semaphore(places) if places is not None else None

    async def place(self, timeout: float | None) -> Callable[[], None]:
        """Wait for a place; what gives it back, once, however often it is called.

        Raises:
            httpx.PoolTimeout: none became free within `timeout` seconds.
        """
        places = self._places
        if places is None:
            return _nothing
        try:
            places.acquire_nowait()
        except anyio.WouldBlock:
            with anyio.move_on_after(timeout) as scope:
                await places.acquire()
            if scope.cancelled_caught:
                raise httpx.PoolTimeout(f"no connection became free within {timeout} s") from None
        return _once(places.release)

    def is_of(self, loop: Any) -> bool:
        """Whether it is this loop's."""
        return self._loop() is loop

    def is_stale(self) -> bool:
        """Whether its loop has gone."""
        loop = self._loop()
        return loop is None or (isinstance(loop, asyncio.AbstractEventLoop) and loop.is_closed())


class LoopClients:
    """The clients by event loop; those whose loop has gone are dropped when another loop comes."""

    def __init__(self, limits: Callable[[], httpx.Limits]) -> None:
        self._limits = limits
        self._clients: dict[int, LoopClient] = {}
        self._lock = threading.Lock()

    def current(self) -> LoopClient:
        """The client of the loop that runs."""
        loop = anyio.lowlevel.current_token().native_token
        found = self._clients.get(id(loop))
        if found is not None and found.is_of(loop):
            return found
        with self._lock:
            self._clients = {key: kept for key, kept in self._clients.items() if not kept.is_stale()}
            made = self._clients[id(loop)] = LoopClient(loop, self._limits())
        return made

    def take(self) -> LoopClient | None:
        """The client of the loop that runs, which is known here no longer."""
        loop = anyio.lowlevel.current_token().native_token
        with self._lock:
            found = self._clients.pop(id(loop), None)
        return found if found is not None and found.is_of(loop) else None


def _nothing() -> None:
    return


def _once(release: Callable[[], None]) -> Callable[[], None]:
    left = [release]

    def give_back() -> None:
        if left:
            left.pop()()

    return give_back


@functools.cache
def tls_context() -> ssl.SSLContext:
    """Made once: reading the certificates takes some 20 ms."""
    return httpx.create_ssl_context()
