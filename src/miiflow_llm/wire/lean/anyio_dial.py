"""Opens connections through anyio: name look-up, happy eyeballs, and TLS where it is asked for."""

from __future__ import annotations

import ssl

import anyio

from .anyio_connection import AnyioConnection
from .anyio_tls import AnyioTlsConnection
from .origin import Origin


async def open_connection(origin: Origin, context: ssl.SSLContext | None, local_address: str | None) -> AnyioConnection:
    """Connect. Raises what anyio raises: OSError, ssl.SSLError, ClosedResourceError, BrokenResourceError."""
    stream = await anyio.connect_tcp(origin.host, origin.port, local_host=local_address)
    if context is None:
        return AnyioConnection(stream, origin)
    secured = AnyioTlsConnection(stream, origin, context)
    await secured.handshake()
    return secured
