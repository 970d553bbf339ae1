"""Gives the TLS context that connections share; making it stays off the event loop."""

from __future__ import annotations

import ssl

import anyio.to_thread

from ..trust import made_context, tls_context


def http1_context(context: ssl.SSLContext) -> ssl.SSLContext:
    """Make `context` offer HTTP/1.1, the only protocol spoken here (httpx sets ALPN on a given context too)."""
    context.set_alpn_protocols(["http/1.1"])
    return context


async def default_context() -> ssl.SSLContext:
    """The process's shared context; made in a worker thread, since it takes some 20 ms.

    Raises ConfigurationError if a file that the environment names cannot be used.
    """
    made = made_context()
    return made if made is not None else await anyio.to_thread.run_sync(tls_context, abandon_on_cancel=True)
