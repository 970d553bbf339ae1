"""Gives the one TLS context that connections share; making it (reading the certificates) stays off the event loop.

The context verifies as httpx does: certifi's roots, or SSL_CERT_FILE / SSL_CERT_DIR where they are set.
"""

from __future__ import annotations

import ssl
import threading

import anyio.to_thread
import httpx

_lock = threading.Lock()
_default: ssl.SSLContext | None = None


def http1_context(context: ssl.SSLContext) -> ssl.SSLContext:
    """Make `context` offer HTTP/1.1, the only protocol spoken here (httpx sets ALPN on a given context too)."""
    context.set_alpn_protocols(["http/1.1"])
    return context


async def default_context() -> ssl.SSLContext:
    """The process's shared context; made once, in a worker thread, since it takes some 10 ms."""
    if _default is not None:
        return _default
    return await anyio.to_thread.run_sync(_make_default, abandon_on_cancel=True)


def _make_default() -> ssl.SSLContext:
    global _default  # noqa: PLW0603 - the process-wide cache is the point
    with _lock:
        if _default is None:
            _default = http1_context(httpx.create_ssl_context())
        return _default
