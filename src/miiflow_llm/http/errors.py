"""httpx's exceptions as ours: what happened in sending, and what to do about it."""

from __future__ import annotations

import re

import httpx

from ..core import clock
from ..core.exceptions import ConfigurationError, MiiflowLLMError, NetworkError, TimeoutError, TimeoutPhase
from ..core.text import clean
from ..core.timeout import Timeout
from .environment import Proxy
from .lean.errors import CertificateError, StaleConnectionError

_BROKE = "the connection broke: "  # of a lean transport, which says it too
_EARLY = 0.001  # timers may fire a little before their time


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


def timed_out_at(phase: TimeoutPhase, timeout: Timeout, until: float | None) -> TimeoutError:
    """The error for a wait of `phase` that has just ended: by the phase's own limit, or by the whole call's `until`."""
    if until is not None and clock.monotonic() >= until - _EARLY:
        phase = "total"
    return timed_out(phase, getattr(timeout, phase))


def translated(reason: BaseException, timeout: Timeout, until: float | None = None) -> MiiflowLLMError:
    """Our error for one of httpx's; `until` is when the whole call is over, on clock.monotonic()'s clock."""
    if isinstance(reason, httpx.TimeoutException):
        return timed_out_at(phase_of(reason), timeout, until)
    words = clean(_words(reason)) or type(reason).__name__
    if isinstance(reason, httpx.ProxyError):
        return NetworkError(f"{words}. {_PROXY}", retryable=_may_pass_later(words))
    if isinstance(reason, CertificateError) or "CERTIFICATE_VERIFY_FAILED" in words:
        return NetworkError(f"{words}. {_TRUST}", retryable=False)
    if isinstance(reason, httpx.ConnectError):
        what = words if words.startswith("could not connect") else f"could not connect: {words}"
        return NetworkError(f"{what}. Is base_url right, and the server reachable from here?")
    if isinstance(reason, (httpx.UnsupportedProtocol, httpx.InvalidURL, httpx.LocalProtocolError)):
        return ConfigurationError(f"the request could not be sent: {words}")
    stale = isinstance(reason, StaleConnectionError)
    return NetworkError(f"the connection broke: {words.replace(_BROKE, '')}", stale_connection=stale)


_TRUST = (
    "If the server's authority is one of your own (a proxy's that inspects TLS, say), name a file of its certificates "
    "in SSL_CERT_FILE, or pass http_client=httpx.AsyncClient(verify=...), or httpx.Client for SyncLLMClient"
)


_PROXY = (
    "A proxy comes from HTTPS_PROXY, HTTP_PROXY or ALL_PROXY, or from your http_client. If it wants a user name and "
    "password, write it as http://user:password@host:port; a host that needs no proxy goes into NO_PROXY"
)


def refused_by(proxy: Proxy | None, reason: httpx.ProxyError) -> httpx.ProxyError:
    """What a proxy said when it was asked for a connection, with the proxy's name."""
    name = "the proxy" if proxy is None else f"the proxy {proxy.shown} ({proxy.variable})"
    return httpx.ProxyError(f"{name} refused to connect: {reason}")


def unreachable(proxy: Proxy, reason: httpx.ConnectError) -> httpx.ProxyError:
    """The error for a proxy that does not answer."""
    return httpx.ProxyError(f"the proxy {proxy.shown} ({proxy.variable}) cannot be reached: {_words(reason)}")


def _may_pass_later(words: str) -> bool:
    """Whether a proxy may let the same request through later: it said 408, 429 or 5xx, or that nobody answered it."""
    status = re.search(r"refused to connect: ([1-5]\d\d)\b", words)
    if status is not None:
        return int(status[1]) in (408, 429) or int(status[1]) >= 500
    return not re.search(r"username|Requested .* from proxy", words)


def phase_of(reason: httpx.TimeoutException) -> TimeoutPhase:
    """The phase whose wait one of httpx's exceptions ended."""
    phases: tuple[tuple[type[httpx.TimeoutException], TimeoutPhase], ...] = (
        (httpx.ConnectTimeout, "connect"),
        (httpx.PoolTimeout, "pool"),
        (httpx.WriteTimeout, "write"),
        (httpx.ReadTimeout, "first_output"),
    )
    return next(name for kind, name in phases if isinstance(reason, kind))


def _words(reason: BaseException | None) -> str:
    """What the exception says, or those behind it: on trio httpcore's own say nothing."""
    while reason is not None:
        if str(reason):
            return str(reason)
        reason = reason.__cause__ or reason.__context__
    return ""
