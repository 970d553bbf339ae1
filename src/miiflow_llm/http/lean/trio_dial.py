"""Opens connections through anyio: name look-up, happy eyeballs, and TLS if it is asked for."""

from __future__ import annotations

import ssl

import anyio

from .origin import Origin
from .trio_connection import TrioConnection
from .trio_tls import TrioTlsConnection


async def open_connection(origin: Origin, context: ssl.SSLContext | None, local_address: str | None) -> TrioConnection:
    """Connect. Raises what anyio raises: OSError, ssl.SSLError, ClosedResourceError, BrokenResourceError."""
    stream = await anyio.connect_tcp(origin.host, origin.port, local_host=local_address)
    if context is None:
        return TrioConnection(stream, origin)
    secured = TrioTlsConnection(stream, origin, context)
    await secured.handshake()
    return secured
