"""Keep a test on this machine: while it holds, names are not resolved and connections made beyond loopback.

It guards Python's own sockets, which asyncio, trio and httpx use; an event loop with sockets of its own (uvloop) is
caught when it resolves a name.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from .errors import ReplayError


class NetworkBlockedError(ReplayError, OSError):
    """A test that replays tried to reach another machine."""


@contextmanager
def no_network() -> Iterator[None]:
    """Only loopback and local sockets while it holds; any other raises `NetworkBlockedError` when it is tried."""
    resolve, connect, connect_ex = socket.getaddrinfo, socket.socket.connect, socket.socket.connect_ex

    def resolve_here(host: Any, *rest: Any, **options: Any) -> Any:
        _check(host)
        return resolve(host, *rest, **options)

    def connect_here(self: socket.socket, address: Any) -> None:
        _check_address(self, address)
        connect(self, address)

    def connect_ex_here(self: socket.socket, address: Any) -> int:
        _check_address(self, address)
        return connect_ex(self, address)

    with (
        mock.patch.object(socket, "getaddrinfo", resolve_here),
        mock.patch.object(socket.socket, "connect", connect_here),
        mock.patch.object(socket.socket, "connect_ex", connect_ex_here),
    ):
        yield


def _check_address(sock: socket.socket, address: Any) -> None:
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        _check(address[0])


def _check(host: Any) -> None:
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
    if name in (None, "", "localhost") or _is_loopback(str(name)):
        return
    raise NetworkBlockedError(f"this test replays and must not reach {name}; run with --record-mode=once to record")


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name.partition("%")[0]).is_loopback
    except ValueError:
        return name.endswith(".localhost")
