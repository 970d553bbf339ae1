"""Opens connections from a thread: name look-up, happy eyeballs, and TLS if it is asked for, all within one limit."""

from __future__ import annotations

import ipaddress
import queue
import socket
import ssl
import threading
from typing import Any

from .blocking_connection import BlockingConnection
from .blocking_tls import BlockingTlsConnection
from .eyeballs import Address, first_to_connect
from .origin import Origin
from .sockets import keep_alive
from .timeouts import Timeouts


def open_connection(
    origin: Origin, context: ssl.SSLContext | None, local_address: str | None, timeouts: Timeouts
) -> BlockingConnection:
    """Connect within `timeouts.until`. Raises OSError (TimeoutError, ssl.SSLError) or ValueError."""
    addresses = _looked_up(origin, _family(local_address), timeouts)
    sock = first_to_connect(addresses, local_address, timeouts)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        keep_alive(sock.fileno())
        if context is None:
            return BlockingConnection(origin, sock)
        secured = BlockingTlsConnection(origin, sock, context)
        secured.handshake(timeouts)
        return secured
    except BaseException:
        sock.close()
        raise


def _looked_up(origin: Origin, family: int, timeouts: Timeouts) -> list[Address]:
    seconds = timeouts.within(None)
    if seconds is None or origin.is_address:
        return _look_up(origin, family)
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            answers.put(_look_up(origin, family))
        except Exception as exc:
            answers.put(exc)

    # The system's resolver cannot be told a limit. A thread that it keeps waiting is left to it.
    threading.Thread(target=look_up, name=f"look-up of {origin.host}", daemon=True).start()
    try:
        found = answers.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError("the name was not found in time") from None
    if isinstance(found, Exception):
        raise found
    return found  # type: ignore[no-any-return]


def _look_up(origin: Origin, family: int) -> list[Address]:
    found = socket.getaddrinfo(origin.host, origin.port, family=family, type=socket.SOCK_STREAM)
    return [Address(socket.AddressFamily(kind), where) for kind, _, _, _, where in found]


def _family(local_address: str | None) -> int:
    if local_address is None:
        return socket.AF_UNSPEC
    return socket.AF_INET6 if ipaddress.ip_address(local_address).version == 6 else socket.AF_INET
