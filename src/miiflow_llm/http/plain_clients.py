"""httpx clients for other things than calls: to fetch a file, to look at a server.

They go by the proxies and trust the certificates that the environment names, as calls do, and what is wrong there is a
`ConfigurationError`. They keep no cookies.
"""

from __future__ import annotations

from typing import Any

import httpx

from .environment import Proxies
from .httpx_limits import no_cookies
from .lean import BlockingLeanTransport
from .trust import tls_context


def async_client(**settings: Any) -> httpx.AsyncClient:
    """A client for an event loop; `settings` are httpx's."""
    return httpx.AsyncClient(transport=_ByEnvironment(), trust_env=False, cookies=no_cookies(), **settings)


def sync_client(limits: httpx.Limits, **settings: Any) -> httpx.Client:
    """A client without one, whose connections are limited for each proxy; `settings` are httpx's."""
    return httpx.Client(transport=_ByEnvironmentSync(limits), trust_env=False, cookies=no_cookies(), **settings)


class _ByEnvironment(httpx.AsyncBaseTransport):
    """Sends each request by the proxy that is for it."""

    def __init__(self) -> None:
        self._proxies = Proxies.of_environment()
        self._made: dict[str | None, httpx.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        proxy = self._proxies.of(str(request.url))
        key = None if proxy is None else proxy.url
        if key not in self._made:
            self._made[key] = httpx.AsyncHTTPTransport(verify=tls_context(), proxy=key)
        return await self._made[key].handle_async_request(request)

    async def aclose(self) -> None:
        for transport in self._made.values():
            await transport.aclose()


class _ByEnvironmentSync(httpx.BaseTransport):
    """The same without an event loop."""

    def __init__(self, limits: httpx.Limits) -> None:
        self._proxies = Proxies.of_environment()
        self._limits = limits
        self._made: dict[str | None, httpx.BaseTransport] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        proxy = self._proxies.of(str(request.url))
        key = None if proxy is None else proxy.url
        if key not in self._made:
            self._made[key] = self._transport(key)
        return self._made[key].handle_request(request)

    def _transport(self, proxy: str | None) -> httpx.BaseTransport:
        """Ours limits the whole wait for a head; httpx's, which knows proxies, each read of it."""
        if proxy is None:
            return BlockingLeanTransport(ssl_context=tls_context(), limits=self._limits)
        return httpx.HTTPTransport(verify=tls_context(), proxy=proxy, limits=self._limits)

    def close(self) -> None:
        for transport in self._made.values():
            transport.close()
