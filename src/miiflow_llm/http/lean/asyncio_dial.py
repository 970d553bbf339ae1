"""Opens connections on an asyncio loop: name look-up, happy eyeballs, and TLS if it is asked for."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from typing import Any

from .asyncio_connection import AsyncioConnection
from .asyncio_tls import AsyncioTlsConnection
from .origin import Origin

_HAPPY_EYEBALLS_DELAY = 0.25  # RFC 8305, section 5


async def open_connection(
    origin: Origin, context: ssl.SSLContext | None, local_address: str | None
) -> AsyncioConnection:
    """Connect on the running asyncio loop. Raises what the loop raises: OSError, ssl.SSLError, ValueError."""
    loop = asyncio.get_running_loop()
    options = _options(loop, origin, local_address)
    if context is None:
        _, connection = await loop.create_connection(
            lambda: AsyncioConnection(loop, origin), origin.host, origin.port, **options
        )
        return connection
    secured = AsyncioTlsConnection(loop, origin, context)
    await loop.create_connection(lambda: secured, origin.host, origin.port, **options)
    await secured.handshake()
    return secured


def _options(loop: asyncio.AbstractEventLoop, origin: Origin, local_address: str | None) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if isinstance(loop, asyncio.BaseEventLoop) and not origin.is_address:
        options["happy_eyeballs_delay"] = _HAPPY_EYEBALLS_DELAY  # uvloop does not know it
    if local_address is not None:
        version = ipaddress.ip_address(local_address).version
        options["local_addr"] = (local_address, 0)
        options["family"] = socket.AF_INET6 if version == 6 else socket.AF_INET
    return options
