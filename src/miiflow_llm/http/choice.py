"""Which way a request takes: by a lean transport, or by a client of httpx's."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, Literal

import httpx

from ..core import forks
from ..core.exceptions import ConfigurationError
from .environment import Proxies, Proxy

TransportName = Literal["auto", "lean", "httpx"]


class Choice:
    """`auto` is the lean transport, unless the environment has a proxy or httpx's transport has been replaced."""

    def __init__(self, kind: TransportName, is_mocked: Callable[[], bool]) -> None:
        if kind not in ("auto", "lean", "httpx"):
            raise ConfigurationError(f"transport={kind!r}: 'auto', 'lean' or 'httpx'")
        self._kind = kind
        self._is_mocked = is_mocked
        self._proxies: Proxies | None = None

    def is_lean(self, proxy: Proxy | None) -> bool:
        """Whether a request by `proxy` goes by the lean transport."""
        if self._kind != "auto":
            return self._kind == "lean"
        return proxy is None and not self._is_mocked()

    def proxy(self, url: str) -> Proxy | None:
        """The environment's proxy for `url`; the environment is read once, as httpx does.

        Raises:
            ConfigurationError: it names one that cannot be used.
        """
        if self._kind == "lean":
            return None
        if self._proxies is None:
            self._proxies = Proxies.of_environment()
        return self._proxies.of(url) if self._proxies else None


_used: weakref.WeakSet[Any] = weakref.WeakSet()
_inherited: weakref.WeakSet[Any] = weakref.WeakSet()


class Lent:
    """A client of the caller's own, which several of ours may share.

    What it opened before a fork cannot be told apart from what it opens after.
    """

    def __init__(self, client: httpx.Client | httpx.AsyncClient | None) -> None:
        self._client = client

    def use(self) -> None:
        """A request goes by the client.

        Raises:
            ConfigurationError: a request went by it before this process was forked.
        """
        if self._client in _inherited:
            raise ConfigurationError(
                "http_client was used before this process was forked, and its connections are the parent's: "
                "make one in each process"
            )
        _used.add(self._client)


def _inherit() -> None:
    """In a forked child: a client that was used has connections of the parent's."""
    for client in list(_used):
        _inherited.add(client)
    _used.clear()


forks.in_child(_inherit)
