"""Happy eyeballs from a thread (RFC 8305): connect to several addresses, take the one that answers first."""

from __future__ import annotations

import errno
import os
import selectors
import socket
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

from ...core import clock
from .timeouts import Timeouts

DELAY = 0.25
"""Seconds after which another address is tried beside those that have not answered (RFC 8305, section 5)."""

_UNDER_WAY = (0, errno.EINPROGRESS, errno.EWOULDBLOCK, getattr(errno, "WSAEWOULDBLOCK", errno.EWOULDBLOCK))


class Address(NamedTuple):
    """What a name look-up gives: a family, and where to connect to."""

    family: socket.AddressFamily
    where: Any


def first_to_connect(addresses: Sequence[Address], local_address: str | None, timeouts: Timeouts) -> socket.socket:
    """A connected socket. Raises OSError if no address answers, TimeoutError if none does by `timeouts.until`."""
    race = _Race(_in_turns(addresses), local_address, timeouts)
    try:
        return race.run()
    finally:
        race.close_the_others()


def _in_turns(addresses: Sequence[Address]) -> deque[Address]:
    """The families one after another, each in the order of the look-up."""
    first = [address for address in addresses if address.family == addresses[0].family]
    second = [address for address in addresses if address.family != addresses[0].family]
    turns: deque[Address] = deque()
    for place in range(max(len(first), len(second))):
        turns.extend(first[place : place + 1] + second[place : place + 1])
    return turns


class _Race:
    """Sockets that connect at the same time."""

    def __init__(self, waiting: deque[Address], local_address: str | None, timeouts: Timeouts) -> None:
        self._waiting = waiting
        self._local_address = local_address
        self._timeouts = timeouts
        self._selector = selectors.DefaultSelector()
        self._running: set[socket.socket] = set()
        self._next_start = 0.0
        self._error: OSError = OSError("the name has no address")

    def run(self) -> socket.socket:
        while self._waiting or self._running:
            if self._waiting and (not self._running or clock.monotonic() >= self._next_start):
                self._start(self._waiting.popleft())
            elif (winner := self._look()) is not None:
                return winner
        raise self._error

    def close_the_others(self) -> None:
        self._selector.close()
        for sock in self._running:
            sock.close()

    def _start(self, address: Address) -> None:
        sock = socket.socket(address.family, socket.SOCK_STREAM)
        self._running.add(sock)
        try:
            sock.setblocking(False)
            if self._local_address is not None:
                sock.bind((self._local_address, 0))
            code = sock.connect_ex(address.where)
            if code not in _UNDER_WAY:
                raise OSError(code, os.strerror(code))
            self._selector.register(sock, selectors.EVENT_WRITE)
        except OSError as exc:
            self._lost(sock, exc)
            return
        self._next_start = clock.monotonic() + DELAY

    def _look(self) -> socket.socket | None:
        """Wait for the next to happen: a socket has connected or failed, or another is to start."""
        left = self._timeouts.within(None)
        pause = max(self._next_start - clock.monotonic(), 0.0) if self._waiting else None
        waits = [wait for wait in (left, pause) if wait is not None]
        ready = self._selector.select(min(waits) if waits else None)
        if not ready and left is not None and self._timeouts.within(None) == 0:
            raise TimeoutError("no address answered in time")
        for key, _ in ready:
            sock: socket.socket = key.fileobj  # type: ignore[assignment]
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if not code:
                self._running.discard(sock)
                return sock
            self._selector.unregister(sock)
            self._lost(sock, OSError(code, os.strerror(code)))
        return None

    def _lost(self, sock: socket.socket, error: OSError) -> None:
        self._running.discard(sock)
        sock.close()
        self._error = error
        self._next_start = 0.0
