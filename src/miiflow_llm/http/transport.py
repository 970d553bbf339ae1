"""Send a request and read its answer: the one place that names httpx.

A URL, headers and a body in; a status, headers and a body to read out; every httpx exception becomes one of ours. It
knows neither providers nor what a body means.
"""

from __future__ import annotations

import builtins
import hashlib
import ipaddress
import logging
import re
import sys
import urllib.request
from collections.abc import Callable, Generator, Mapping
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import anyio
import httpx
import msgspec

from ..core.exceptions import ConfigurationError, MiiflowLLMError, NetworkError, TimeoutError, TimeoutPhase
from ..core.text import clean
from ..core.timeout import Timeout
from .body import Body, body_of
from .content_coding import ACCEPTED
from .loops import LoopClient, LoopClients
from .senders import ClientSender, LeanSender, Order, Sender, is_replaced

if TYPE_CHECKING:
    from .lean import LeanTransport

log = logging.getLogger("miiflow_llm.transport")

MAX_CONNECTIONS = 1000
"""Connections of one client at once; a call above it waits, at most `Timeout.pool` seconds."""

_UNSAFE = re.compile(r"[\x00-\x1f\x7f]")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

SHORTEST_KEY = 8
"""A key of fewer characters, which a local server may have, is a word like others, and looked for in no text."""

TransportName = Literal["auto", "lean", "httpx"]


class Secret(str):
    """A key on its way into a `Credential`: a traceback that shows the values of variables does not show it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


class Credential(httpx.Auth):
    """A key and the header it goes into. It never shows: not in repr, not as a local of ours, not in a pickle."""

    def __init__(self, header: str, prefix: str, key: str) -> None:
        self.header = header
        self.prefix = prefix
        if _UNSAFE.search(key) or not key.isascii():
            raise ConfigurationError("the API key holds characters that no header may hold; was it copied whole?")
        self._key = key

    def __repr__(self) -> str:
        return f"Credential({self.header!r}, '***')"

    def __reduce__(self) -> Any:
        raise TypeError("a credential is not pickled; make the client where it is used")

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Put the key on the request."""
        request.headers[self.header] = self.prefix + self._key
        yield request

    def digest(self) -> str:
        """What tells this key from others without showing it."""
        return hashlib.blake2b(self._key.encode(), digest_size=16).hexdigest()

    def hidden(self) -> str:
        """The header's value as `plan()` shows it."""
        return f"{self.prefix}***"

    def hide(self, text: str) -> str:
        """`text` without the key, which a provider may repeat to say what is wrong with it."""
        return text if len(self._key) < SHORTEST_KEY else text.replace(self._key, "***")


class Answer(msgspec.Struct):
    """The head of an answer, and its body to read; `headers` are by lower-case name."""

    status: int
    headers: Mapping[str, str]
    body: Body

    @property
    def content_type(self) -> str:
        """What the answer says its body is."""
        return self.headers.get("content-type", "")


def checked_headers(headers: Mapping[str, object]) -> dict[str, str]:
    """The headers by lower-case name.

    Raises:
        ConfigurationError: a name or value would break out of its line, or is no ASCII text.
    """
    checked: dict[str, str] = {}
    for name, value in headers.items():
        if not isinstance(value, str) or _UNSAFE.search(value) or not value.isascii() or not _TOKEN.fullmatch(name):
            raise ConfigurationError(f"header {name!r}: names are tokens, values ASCII text without control characters")
        checked[name.lower()] = value
    return checked


def checked_url(url: str, *, with_key: bool, allow_http: bool) -> str:
    """The base URL without a trailing slash.

    Raises:
        ConfigurationError: it is no http(s) URL, or a key would go in the clear to a host that is not this machine.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ConfigurationError(
            f"base_url={url[:200]!r} is no http(s) URL, such as https://api.example.com/v1"
        ) from None
    if parts.scheme not in ("http", "https") or not parts.hostname or _UNSAFE.search(url) or " " in url:
        raise ConfigurationError(f"base_url={url[:200]!r} is no http(s) URL, such as https://api.example.com/v1")
    if parts.query or parts.fragment:
        raise ConfigurationError("base_url holds a query or fragment, but the dialect's path is joined to its end")
    if parts.username or parts.password:
        raise ConfigurationError("base_url holds a user name or password; give the key as api_key")
    if parts.scheme == "http" and with_key and not allow_http and not _is_loopback(parts.hostname):
        raise ConfigurationError(
            f"base_url sends the API key over plain http to {parts.hostname}; use https, or pass allow_http=True"
        )
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


class Transport:
    """Connections of one client, opened when first needed; each event loop has its own.

    A caller's own `client` is used as it is and not closed. `kind` chooses the lean transport or httpx's own; `auto` is
    the lean one but for proxies from the environment, and where httpx's has been replaced from outside (by a mock).
    """

    def __init__(self, client: httpx.AsyncClient | None = None, kind: TransportName = "auto") -> None:
        self._own = client is None
        self._given = client
        self._kind = kind
        self._lean: LeanTransport | None = None
        self._senders: tuple[Sender, Sender]
        self._proxied: bool | None = None
        self._loops = LoopClients(_limits)
        self.closed = False

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None,
        credential: Credential | None,
        timeout: Timeout,
        total: float | None,
    ) -> Answer:
        """Send the request and wait for the head of the answer; `total` is what is left of the whole call, in seconds.

        Raises:
            TimeoutError: a phase took too long.
            NetworkError: the connection could not be made, or broke.
        """
        sender, loop = self._sender()
        headers = {"accept-encoding": ACCEPTED, "connection": "keep-alive", **headers}
        limits = phases(timeout, total)
        limit = at_most(timeout, total)
        give_back: Callable[[], None] | None = None
        failure: MiiflowLLMError
        try:
            with anyio.fail_after(limit):
                if loop is not None:
                    give_back = await loop.place(limits.pool)
                response = await sender.send(Order(method, url, headers, body, credential, limits))
                answer = Answer(response.status_code, lower_headers(response.headers), body_of(response, give_back))
                give_back = None
        except builtins.TimeoutError:
            phase: TimeoutPhase = "total" if limit == total else "first_output"
            failure = timed_out(phase, getattr(timeout, phase))
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError) as reason:
            failure = translated(reason, timeout, total)
        else:
            return answer
        finally:
            if give_back is not None:
                give_back()
        raise failure  # here, since httpx's exception holds the request and its key, and would be this one's context

    def _sender(self) -> tuple[Sender, LoopClient | None]:
        """What to send with, and whose places it takes."""
        if self.closed:
            raise ConfigurationError("this client is closed; make a new one")
        if self._given is not None:
            return ClientSender(self._given), None
        if self._kind == "httpx" or self._choice() == "httpx":
            loop = self._loops.current()
            return ClientSender(loop.client), loop
        if self._lean is None:
            self._lean = _lean_transport()
            self._senders = (
                LeanSender(self._lean),
                ClientSender(httpx.AsyncClient(transport=self._lean, trust_env=False)),
            )
        straight, through_client = self._senders
        return through_client if is_replaced(httpx.AsyncClient, "send") else straight, None

    async def warm(self, url: str, timeout: Timeout) -> None:
        """Do ahead what the first request would wait for: the TLS context, and a connection where ours are lean.

        Raises:
            TimeoutError: connecting took too long.
            NetworkError: the connection could not be made.
        """
        self._sender()
        if self._lean is None:
            return
        try:
            await self._lean.warm(url, timeout=timeout.connect)
        except (httpx.HTTPError, OSError) as reason:
            failure = translated(reason, timeout)
        else:
            return
        raise failure

    def _choice(self) -> str:
        if self._kind == "lean":
            return "lean"
        if self._proxied is None:
            self._proxied = bool(urllib.request.getproxies())  # once, as httpx does
        return "httpx" if self._proxied or _mocked() or not _lean_works() else "lean"

    async def aclose(self) -> None:
        """Close the connections; a client that the caller gave stays open, and so do httpx's of other event loops."""
        self.closed = True
        lean, self._lean = self._lean, None
        if lean is not None:
            await lean.aclose()
        try:
            loop = self._loops.take()
        except anyio.NoEventLoopError:
            return
        if loop is not None:
            await loop.client.aclose()


def _mocked() -> bool:
    """Whether a mock stands in for httpx's transport (pytest-httpx) or for the pool beneath it (respx, VCR.py)."""
    if is_replaced(httpx.AsyncHTTPTransport, "handle_async_request"):
        return True
    core = sys.modules.get("httpcore")  # httpx loads it late: what is not loaded is not replaced
    pooled = getattr(core, "AsyncConnectionPool", None)
    return pooled is not None and is_replaced(pooled, "handle_async_request")


def _lean_works() -> bool:
    try:
        from . import lean  # noqa: F401  the import is the question
    except ImportError:
        log.debug("httptools is not installed: httpx's own transport serves")
        return False
    return True


def _limits() -> httpx.Limits:
    return httpx.Limits(max_connections=MAX_CONNECTIONS, max_keepalive_connections=100, keepalive_expiry=60.0)


def _lean_transport() -> LeanTransport:
    """One for all event loops: it tells them apart, and lets go of those that are gone."""
    from .lean import LeanTransport

    return LeanTransport(limits=_limits(), retry_stale=False)


def phases(timeout: Timeout, total: float | None) -> httpx.Timeout:
    """httpx's form of the limits; none longer than what is left in all."""

    def within(value: float | None) -> float | None:
        return value if total is None else min(value if value is not None else total, max(total, 0.001))

    return httpx.Timeout(
        connect=within(timeout.connect),
        pool=within(timeout.pool),
        write=within(timeout.write),
        read=within(timeout.first_output),
    )


def at_most(timeout: Timeout, total: float | None) -> float | None:
    """The longest that a head may take, all phases together: a bound on servers that trickle it."""
    phases = (timeout.pool, timeout.connect, timeout.write, timeout.first_output)
    known = [phase for phase in phases if phase is not None]
    longest = sum(known) if len(known) == len(phases) else None
    return longest if total is None else min(total, longest if longest is not None else total)


def timed_out(phase: TimeoutPhase, seconds: float | None) -> TimeoutError:
    """The error for a phase that took too long."""
    waited = {
        "connect": "connecting took longer than",
        "pool": "no connection became free within",
        "write": "sending the request paused for more than",
        "first_output": "no output came within",
        "idle": "the answer paused for more than",
        "total": "the whole call took longer than",
    }[phase]
    shown = f"{seconds:g} s" if seconds is not None else "its limit"
    return TimeoutError(f"{waited} {shown} (Timeout({phase}=...))", phase=phase, seconds=seconds)


def translated(reason: BaseException, timeout: Timeout, total: float | None = None) -> MiiflowLLMError:
    """Our error for one of httpx's."""
    if isinstance(reason, httpx.TimeoutException):
        return _phase_of(reason, timeout, total)
    words = clean(_words(reason)) or type(reason).__name__
    if isinstance(reason, httpx.ConnectError):
        return NetworkError(f"could not connect: {words}. Is base_url right, and the server reachable from here?")
    if isinstance(reason, (httpx.UnsupportedProtocol, httpx.InvalidURL, httpx.LocalProtocolError)):
        return ConfigurationError(f"the request could not be sent: {words}")
    return NetworkError(f"the connection broke: {words}")


def _words(reason: BaseException | None) -> str:
    """What the exception says, or those behind it: on trio httpcore's own say nothing."""
    while reason is not None:
        if str(reason):
            return str(reason)
        reason = reason.__cause__ or reason.__context__
    return ""


def _phase_of(reason: httpx.TimeoutException, timeout: Timeout, total: float | None) -> TimeoutError:
    phases: tuple[tuple[type[httpx.TimeoutException], TimeoutPhase], ...] = (
        (httpx.ConnectTimeout, "connect"),
        (httpx.PoolTimeout, "pool"),
        (httpx.WriteTimeout, "write"),
        (httpx.ReadTimeout, "first_output"),
    )
    phase = next(name for kind, name in phases if isinstance(reason, kind))
    limit: float | None = getattr(timeout, phase)
    if total is not None and (limit is None or total < limit):
        return timed_out("total", timeout.total)
    return timed_out(phase, limit)


def lower_headers(headers: httpx.Headers) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
