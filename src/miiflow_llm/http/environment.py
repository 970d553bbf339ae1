"""Which proxy the environment wants for a URL: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, much as in httpx.

Containers, VPNs and desktops write what httpx does not take. An entry of NO_PROXY that cannot be read is passed over;
a proxy that cannot be used is an error only for the requests that it is for.
"""

from __future__ import annotations

import importlib.util
import ipaddress
import os
import urllib.request
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

import httpx

from ..core.exceptions import ConfigurationError
from .addresses import is_loopback

_PORTS = {"http": 80, "https": 443}
_SCHEMES = ("http", "https", "socks5", "socks5h")
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Proxy(NamedTuple):
    """A proxy and the variable that names it; `url` may hold a password, `shown` does not."""

    url: str
    variable: str

    @property
    def shown(self) -> str:
        """The proxy's address for a message."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"

    def __repr__(self) -> str:
        return f"Proxy({self.shown!r}, {self.variable!r})"


class Proxies:
    """The proxies of an environment, read once."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._by_scheme = {scheme: url for scheme in (*_PORTS, "all") if (url := environment.get(scheme, "").strip())}
        self._exceptions = [found for entry in environment.get("no", "").split(",") if (found := _exception(entry))]

    @classmethod
    def of_environment(cls) -> Proxies:
        """Those of this process's environment (and, where it names none, of the system's settings)."""
        return cls(urllib.request.getproxies())

    def __bool__(self) -> bool:
        return bool(self._by_scheme)

    def of(self, url: str) -> Proxy | None:
        """The proxy for `url`, or `None`; this machine itself is never reached by one, which httpx would do.

        Raises:
            ConfigurationError: it cannot be used.
        """
        parts = urlsplit(url)
        key = parts.scheme if parts.scheme in self._by_scheme else "all"
        proxy = self._by_scheme.get(key)
        if proxy is None or parts.hostname is None or is_loopback(parts.hostname):
            return None
        if any(entry.holds(parts) for entry in self._exceptions):
            return None
        return _checked(Proxy(proxy if "://" in proxy else f"http://{proxy}", _variable(key)))


class _Exception(NamedTuple):
    """An entry of NO_PROXY, taken apart; what is None or empty says nothing."""

    scheme: str
    host: str
    port: int | None
    network: Network | None

    def holds(self, url: SplitResult) -> bool:
        """Whether the URL is reached without a proxy."""
        if self.scheme and self.scheme != url.scheme:
            return False
        if self.port is not None and self.port != (url.port or _PORTS.get(url.scheme)):
            return False
        return self._holds_host((url.hostname or "").rstrip("."))

    def _holds_host(self, host: str) -> bool:
        if self.network is not None:
            return _in(host, self.network)
        if self.host == "*":
            return True
        name = self.host.removeprefix("*")
        return host.endswith(name) if name.startswith(".") else host == name or host.endswith(f".{name}")


def _exception(entry: str) -> _Exception | None:
    """An entry of NO_PROXY; `None` if it is empty or cannot be read."""
    text = entry.strip().lower()
    scheme, separator, rest = text.rpartition("://")
    try:
        network = _network(rest)
        if network is not None:
            return _Exception(scheme, "", None, network)
        parts = urlsplit(f"//{rest}")
        port, host = parts.port, (parts.hostname or "").rstrip(".")
        network = _network(host)
    except ValueError:
        return None
    if not host or parts.path or (separator and not scheme):
        return None
    return _Exception(scheme, "" if network else host, port, network)


def _network(text: str) -> Network | None:
    """An address or a network in CIDR form, with or without brackets."""
    bare = text.replace("[", "").replace("]", "") if text.endswith("]") or "]/" in text else text
    try:
        return ipaddress.ip_network(bare, strict=False)
    except ValueError:
        return None


def _in(host: str, network: Network) -> bool:
    try:
        return ipaddress.ip_address(host) in network
    except ValueError:
        return False


def _variable(scheme: str) -> str:
    """The name of the variable that says which proxy is for a scheme, as it is spelt in the environment."""
    name = f"{scheme}_proxy"
    return next((spelt for spelt in (name, name.upper()) if os.environ.get(spelt)), name.upper())


def _checked(proxy: Proxy) -> Proxy:
    try:
        url = httpx.Proxy(proxy.url).url
        usable = bool(url.host) and url.scheme in _SCHEMES and " " not in proxy.url and urlsplit(proxy.url).port != 0
    except (ValueError, httpx.InvalidURL):
        usable = False
    if not usable:
        raise ConfigurationError(
            f"{proxy.variable} does not name a proxy that can be used: write it as http://host:port, https://host:port "
            "or socks5://host:port, or put the provider's host into NO_PROXY"
        )
    if url.scheme.startswith("socks5") and importlib.util.find_spec("socksio") is None:
        raise ConfigurationError(
            f"{proxy.variable}={proxy.shown} is a SOCKS proxy, for which a package is missing: "
            "pip install 'httpx[socks]', or put the provider's host into NO_PROXY"
        )
    return proxy
