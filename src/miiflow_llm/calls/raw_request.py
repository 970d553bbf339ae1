"""Make a request that no table speaks, with the client's key and policy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypedDict
from urllib.parse import urlencode, urlsplit

import msgspec

from .._version import __version__
from ..core.exceptions import ConfigurationError, MiiflowLLMError
from ..core.request import Plan
from ..core.response import RawResponse
from ..core.secrets import Sealed
from ..core.timeout import Timeout
from .exchange import Exchange, Setup
from .players import Player
from .sending import whole

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD")
_UNSAFE = re.compile(r"[\x00-\x20\x7f\\\\#]|[^\x00-\x7f]")
_DOTS = re.compile(r"(?:^|/)(?:\.|%2e){1,2}(?:/|$)", re.IGNORECASE)


class RawParts(TypedDict, total=False):
    """What is sent. `json` is any value, `content` bytes as they are; `params` are put into the query."""

    json: Any
    content: bytes | None
    params: Mapping[str, Any] | None
    headers: Mapping[str, str] | None


class RawExchange(Exchange):
    """An exchange whose body is not looked into."""

    operation = "request"

    def __init__(
        self, setup: Setup, model: str | None, method: str, path: str, parts: RawParts, timeout: Timeout | None
    ) -> None:
        for name in parts:
            if name not in RawParts.__annotations__:
                raise ConfigurationError(f"{name} is not taken here; there are {', '.join(RawParts.__annotations__)}")
        route = setup.target.route(model or "")
        method, json = _method(method), parts.get("json")
        self._content = _encoded(json, parts.get("content"))
        url = _url(route.base_url, path, parts.get("params"))
        extra = setup.target.extra_headers(route.base_url, parts.get("headers"))
        headers = _headers(setup, has_json=json is not None, extra=extra)
        body = json if isinstance(json, dict) else None
        plan = Plan(method, url, headers, body, [], route.engine.dialect.name)
        super().__init__(setup, route.engine, model or "", plan, timeout)

    def content(self) -> bytes | None:
        """The body to send."""
        return self._content


async def request(player: Player, exchange: RawExchange) -> RawResponse:
    """Send until the whole body of an answer with a status of 2xx has come.

    Raises:
        MiiflowLLMError: no attempt gave one.
    """
    try:
        answer, body = await whole(player, exchange)
    except MiiflowLLMError:
        raise
    except BaseException:
        exchange.abandoned()
        raise
    exchange.answered(None)
    return RawResponse(answer.status, answer.headers, body, exchange.attempts[-1].request_id, exchange.attempts)


def _method(method: object) -> str:
    if not isinstance(method, str) or method.upper() not in METHODS:
        raise ConfigurationError(f"method={method!r}: one of {', '.join(METHODS)}")
    return method.upper()


def _encoded(json: Any, content: bytes | None) -> bytes | None:
    if json is not None and content is not None:
        raise ConfigurationError("give json or content, not both")
    if content is not None and not isinstance(content, (bytes, bytearray)):
        raise ConfigurationError(f"content={type(content).__name__}: bytes are needed; json= takes values")
    if json is None:
        return None if content is None else bytes(content)
    try:
        return msgspec.json.encode(json)
    except (UnicodeEncodeError, RecursionError, TypeError, ValueError, OverflowError) as reason:
        raise ConfigurationError(f"json cannot be written as JSON: {reason}") from None


def _url(base: str, path: Any, params: Mapping[str, Any] | None) -> str:
    """The address: the path joined to the base URL as it stands, or a whole URL of the same server.

    Raises:
        ConfigurationError: it would mean another server, to which the key does not go, or is not an address.
    """
    if not isinstance(path, str) or _UNSAFE.search(path) or _DOTS.search(path.partition("?")[0]):
        raise ConfigurationError(f"path={path!r}: write an ASCII path without spaces, '..' or '#', others quoted")
    if "://" in path.partition("?")[0] or path.startswith("//"):
        if _origin(path) != _origin(base):
            raise ConfigurationError(f"path={path[:200]!r} is on another server than {base}; its key is not sent there")
        url = path
    else:
        url = f"{base}/{path.removeprefix('/')}"
    if not params:
        return url
    query = urlencode({name: value for name, value in params.items() if value is not None}, doseq=True)
    return f"{url}{'&' if '?' in url else '?'}{query}" if query else url


def _origin(url: str) -> tuple[str, str, int | None]:
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        raise ConfigurationError(f"path={url[:200]!r} is not a URL") from None
    if "@" in parts.netloc:
        raise ConfigurationError("path holds a user name or password")
    return parts.scheme, (parts.hostname or "").lower(), port


def _headers(setup: Setup, *, has_json: bool, extra: Mapping[str, str]) -> dict[str, str]:
    kind = {"content-type": "application/json"} if has_json else {}
    ours = {"accept": "*/*", **kind, "user-agent": f"miiflow-llm/{__version__}"}
    return Sealed({**ours, **setup.target.headers, **extra})
