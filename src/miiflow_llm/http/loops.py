"""httpx's own clients, for each event loop and each proxy, and the loop's free places.

The places stand before httpcore's pool, which is told of no limit: a task cancelled while it waits in that pool may
take its place with it for ever (encode/httpcore#1093).
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Callable
from typing import Any

import anyio
import anyio.lowlevel
import httpx

from ..core import forks
from .environment import Proxy
from .httpx_limits import no_cookies
from .lean.books import none_free
from .trust import tls_context


class LoopClient:
    """The clients of one event loop, and how many more connections they may have in all."""

    def __init__(self, loop: Any, limits: httpx.Limits) -> None:
        places = limits.max_connections
        self._limits = httpx.Limits(
            max_connections=None,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
        )
        self._clients: dict[str | None, httpx.AsyncClient] = {}
        self._loop = weakref.ref(loop)
        self._places = anyio.Semaphore(places) if places is not None else None
        self._most = places or 0

    def by(self, proxy: Proxy | None) -> httpx.AsyncClient:
        """The client that goes by this proxy, or straight."""
        url = None if proxy is None else proxy.url
        found = self._clients.get(url)
        if found is None:
            transport = httpx.AsyncHTTPTransport(verify=tls_context(), limits=self._limits, proxy=url)
            found = httpx.AsyncClient(transport=transport, trust_env=False, cookies=no_cookies())
            self._clients[url] = found
        return found

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
                raise none_free(self._most, timeout) from None
        return _once(places.release)

    def is_of(self, loop: Any) -> bool:
        """Whether it is this loop's."""
        return self._loop() is loop

    def is_stale(self) -> bool:
        """Whether its loop has gone."""
        loop = self._loop()
        return loop is None or (isinstance(loop, asyncio.AbstractEventLoop) and loop.is_closed())

    async def aclose(self) -> None:
        """Close the clients."""
        for client in self._clients.values():
            await client.aclose()


class LoopClients:
    """The clients by event loop; those whose loop has gone are dropped when another loop comes."""

    def __init__(self, limits: Callable[[], httpx.Limits]) -> None:
        self._limits = limits
        self._clients: dict[int, LoopClient] = {}
        self._lock = threading.Lock()
        forks.renew(self)

    def current(self) -> LoopClient:
        """The clients of the loop that runs."""
        loop = anyio.lowlevel.current_token().native_token
        found = self._clients.get(id(loop))
        if found is not None and found.is_of(loop):
            return found
        with self._lock:
            self._clients = {key: kept for key, kept in self._clients.items() if not kept.is_stale()}
            made = self._clients[id(loop)] = LoopClient(loop, self._limits())
        return made

    def take(self) -> LoopClient | None:
        """The clients of the loop that runs, which are known here no longer."""
        loop = anyio.lowlevel.current_token().native_token
        with self._lock:
            found = self._clients.pop(id(loop), None)
        return found if found is not None and found.is_of(loop) else None

    def begin_anew(self) -> None:
        """In a forked child: the clients are the parent's, and are not closed here either."""
        self._clients, self._lock = {}, threading.Lock()


def _nothing() -> None:
    return


def _once(release: Callable[[], None]) -> Callable[[], None]:
    left = [release]

    def give_back() -> None:
        if left:
            left.pop()()

    return give_back
