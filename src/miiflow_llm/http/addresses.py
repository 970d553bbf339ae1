"""Checks where requests go, and what headers say, before anything is sent."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import urlsplit

import httpx

from ..core.exceptions import ConfigurationError
from ..core.secrets import Sealed

_UNSAFE = re.compile(r"[\x00-\x1f\x7f]")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def checked_headers(headers: Mapping[str, object]) -> dict[str, str]:
    """The headers by lower-case name, sealed.

    Raises:
        ConfigurationError: a name or value would break out of its line, or is not ASCII text.
    """
    wrong = next((name for name, value in headers.items() if not _fits(name, value)), None)
    if wrong is not None:
        raise ConfigurationError(f"header {wrong!r}: names are tokens, values ASCII text without control characters")
    return Sealed({name.lower(): value for name, value in headers.items()})


def _fits(name: object, value: object) -> bool:
    """Whether a header stays in its line."""
    if not isinstance(name, str) or not isinstance(value, str) or not _TOKEN.fullmatch(name):
        return False
    return value.isascii() and not _UNSAFE.search(value)


@lru_cache(maxsize=1024)
def checked_url(url: str, *, with_key: bool, allow_http: bool) -> str:
    """The base URL without a trailing slash.

    Raises:
        ConfigurationError: it is not an http(s) URL, or a key would go in the clear to a host that is not this machine.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise _not_a_url(url) from None
    if parts.scheme not in ("http", "https") or not parts.hostname or _UNSAFE.search(url) or " " in url:
        raise _not_a_url(url)
    why = _unusable(parts.scheme, parts.netloc)
    if why:
        raise ConfigurationError(f"base_url={_shown(url)!r} does not lead to a host: {why}")
    if parts.query or parts.fragment:
        raise ConfigurationError("base_url holds a query or fragment, but the dialect's path is joined to its end")
    if parts.username or parts.password:
        raise ConfigurationError("base_url holds a user name or password; give the key as api_key")
    if parts.scheme == "http" and with_key and not allow_http and not is_loopback(parts.hostname):
        raise ConfigurationError(
            f"base_url sends the API key over plain http to {parts.hostname}; use https, or pass allow_http=True"
        )
    return url.rstrip("/")


@lru_cache(maxsize=256)
def _unusable(scheme: str, netloc: str) -> str:
    """Why nothing can be sent to a host and port; `""` if it can."""
    try:
        url = httpx.URL(f"{scheme}://{netloc.rpartition('@')[2]}")
        return "" if url.host and urlsplit(f"//{netloc}").port != 0 else "there is no port 0"
    except (httpx.InvalidURL, ValueError) as reason:  # a name that is not one is a UnicodeError
        return str(reason)


def _shown(url: str) -> str:
    """The URL for a message, without what may be a password or a key."""
    return re.sub(r"(?<=//)[^/?#]*@|[?#].*", "***", url[:200], flags=re.DOTALL)


def _not_a_url(url: str) -> ConfigurationError:
    return ConfigurationError(f"base_url={_shown(url)!r} is not an http(s) URL, such as https://api.example.com/v1")


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by its address or name (RFC 6761, section 6.3)."""
    try:
        address = ipaddress.ip_address(host)
        mapped = getattr(address, "ipv4_mapped", None)
        return address.is_loopback or (mapped is not None and mapped.is_loopback)
    except ValueError:
        name = host.lower().rstrip(".")
        return name == "localhost" or name.endswith(".localhost")
