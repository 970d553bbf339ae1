"""What goes wrong on a connection, as httpx's exceptions."""

from __future__ import annotations

import ssl

import httpx

from .connection import Connection
from .origin import Origin


class StaleConnectionError(httpx.RemoteProtocolError):
    """A used connection turned out to be dead before any byte of an answer came; the server may have read the request.

    Connections die while they rest: a server closes them, a NAT or a load balancer forgets them.
    """


class CertificateError(httpx.ConnectError):
    """The server's certificate is not trusted; nothing was sent."""


def is_stale(exc: BaseException, connection: Connection) -> bool:
    """Whether an exchange failed because its used connection had died before."""
    return isinstance(exc, (httpx.ReadError, httpx.RemoteProtocolError)) and connection.was_stale()


def stale(exc: BaseException) -> StaleConnectionError:
    return StaleConnectionError(f"a kept connection had died: {exc}")


def connect_error(exc: Exception, origin: Origin, seconds: float | None) -> httpx.TransportError:
    """What a failure to open a connection is; `seconds` was the limit."""
    to = f"{origin.host}:{origin.port}"
    if isinstance(exc, httpx.TimeoutException) or (isinstance(exc, TimeoutError) and exc.errno is None):
        return connect_timeout(origin, seconds)
    if isinstance(exc, ssl.SSLCertVerificationError):
        why = f"certificate verify failed: {exc.verify_message or exc}"
        return CertificateError(f"the certificate of {to} is not trusted ({why})")
    return httpx.ConnectError(f"could not connect to {to}: {str(exc) or type(exc).__name__}")


def connect_timeout(origin: Origin, seconds: float | None) -> httpx.ConnectTimeout:
    return httpx.ConnectTimeout(f"could not connect to {origin.host}:{origin.port} within {seconds} s")
