"""The TLS context that connections share: certifi's roots, or those that SSL_CERT_FILE or SSL_CERT_DIR name.

Making one reads the certificates, which takes some 20 ms, so it is made once for what the environment says.
"""

from __future__ import annotations

import os
import ssl
from pathlib import Path

import httpx

from ..core import forks
from ..core.exceptions import ConfigurationError

VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")
"""What of the environment goes into a context: roots of trust, and where its keys are logged for debugging."""

_contexts: dict[tuple[str | None, ...], ssl.SSLContext] = {}
_lock = forks.lock()


def made_context() -> ssl.SSLContext | None:
    """The context, if it has been made: asking takes no time."""
    return _contexts.get(_said())


def tls_context() -> ssl.SSLContext:
    """The context, made if it has not been; it offers HTTP/1.1.

    Raises:
        ConfigurationError: a file that the environment names cannot be used.
    """
    with _lock:
        context = made_context()
        if context is None:
            context = _contexts[_said()] = _made()
        return context


def _made() -> ssl.SSLContext:
    try:
        context = httpx.create_ssl_context()
        context.set_alpn_protocols(["http/1.1"])
        return context
    except (OSError, ValueError) as reason:  # ssl.SSLError is an OSError
        problem = reason.strerror if isinstance(reason, OSError) and reason.strerror else str(reason)
    raise ConfigurationError(f"{_culprits()} cannot be used: {problem}; name a readable file, or unset the variable")


def _culprits() -> str:
    """The variables that may be to blame: those that are set, a file that is missing before all."""
    known = {name: value for name, value in zip(VARIABLES, _said(), strict=True) if value}
    missing = {name: value for name, value in known.items() if not _usable(name, value)}
    return " or ".join(f"{name}={value}" for name, value in (missing or known).items()) or "the roots of certifi"


def _usable(name: str, value: str) -> bool:
    path = Path(value)
    if name == "SSLKEYLOGFILE":
        return path.parent.is_dir() and not path.is_dir()
    return path.is_dir() if name == "SSL_CERT_DIR" else path.is_file()


def _said() -> tuple[str | None, ...]:
    return tuple(map(os.environ.get, VARIABLES))
