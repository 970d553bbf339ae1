"""httpx's own clients for all threads of a process, by proxy, and their free places."""

from __future__ import annotations

import threading
from collections.abc import Callable

import httpx

from ..core import forks
from .environment import Proxy
from .httpx_limits import SyncPlaces, no_cookies
from .trust import tls_context


class ThreadClients:
    """The clients by proxy. A forked child has its own."""

    def __init__(self, limits: Callable[[], httpx.Limits]) -> None:
        self._limits = limits
        self.begin_anew()
        forks.renew(self)

    def begin_anew(self) -> None:
        """Begin, and in a forked child again: the parent's clients are not closed there either."""
        self._clients: dict[str | None, httpx.Client] = {}
        self._lock = threading.Lock()
        self._places: SyncPlaces | None = None

    def by(self, proxy: Proxy | None) -> httpx.Client:
        """The client that goes by this proxy, or straight."""
        url = None if proxy is None else proxy.url
        with self._lock:
            found = self._clients.get(url)
            if found is None:
                found = self._clients[url] = self._made(url)
            return found

    def _made(self, proxy: str | None) -> httpx.Client:
        limits = self._limits()
        unlimited = httpx.Limits(
            max_connections=None,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
        )
        transport = httpx.HTTPTransport(verify=tls_context(), limits=unlimited, proxy=proxy)
        return httpx.Client(transport=transport, trust_env=False, cookies=no_cookies())

    def place(self, seconds: float | None) -> Callable[[], None]:
        """Wait for a place among all the clients' connections; what gives it back. Raises httpx.PoolTimeout."""
        with self._lock:
            if self._places is None:
                self._places = SyncPlaces(self._limits().max_connections or 0)
        return self._places.take(seconds)

    def close(self) -> None:
        """Close the clients."""
        for client in self._clients.values():
            client.close()
