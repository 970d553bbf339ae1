"""The connections of one event loop: which are in use, which wait for use, and which tasks wait for a place.

A place is held by a connection in use or idle, or by a task that opens one. Everything that changes the books is
synchronous, so that a cancelled task, even one cancelled twice, gives back what it held. It does not know backends.
"""

from __future__ import annotations

from collections import deque

import anyio
import httpx

from ...core import clock
from .connection import Connection
from .origin import Origin

_UNLIMITED = 1 << 62


class _Waiter:
    """A task that waits for a place; `connection` may come with it."""

    __slots__ = ("connection", "error", "event", "granted", "origin")

    def __init__(self, origin: Origin | None) -> None:
        self.origin = origin  # None takes no used connection
        self.event = anyio.Event()
        self.granted = False
        self.connection: Connection | None = None
        self.error: httpx.TransportError | None = None


class Pool:
    """Hands out connections within `limits`, first come, first served."""

    def __init__(self, limits: httpx.Limits) -> None:
        self._max = _UNLIMITED if limits.max_connections is None else limits.max_connections
        keepalive = limits.max_keepalive_connections
        self._max_idle = _UNLIMITED if keepalive is None else keepalive
        self._expiry = limits.keepalive_expiry
        self._idle: dict[Connection, None] = {}  # in the order of their release
        self._active: set[Connection] = set()
        self._opening = 0
        self._waiters: deque[_Waiter] = deque()
        self.closed = False

    @property
    def size(self) -> int:
        """Places taken: connections in use, idle and being opened."""
        return len(self._idle) + len(self._active) + self._opening

    @property
    def idle(self) -> int:
        return len(self._idle)

    @property
    def waiting(self) -> int:
        return len(self._waiters)

    async def acquire(self, origin: Origin, timeout: float | None, *, fresh: bool = False) -> Connection | None:
        """A connection that is now in use, or None: a place to open one, to be ended by `adopt` or `vacate`.

        `fresh` asks for the latter. Raises httpx.PoolTimeout when no place came within `timeout` seconds, and
        httpx.ConnectError when the pool was closed meanwhile.
        """
        if self.closed:
            raise _closed()
        if not self._waiters:
            connection = None if fresh else self._reuse(origin)
            if connection is not None:
                return connection
            if self._make_room():
                self._opening += 1
                return None
        return await self._wait(None if fresh else origin, timeout)

    def adopt(self, connection: Connection) -> None:
        """The place of `acquire` is now that of a connection in use. Raises httpx.ConnectError after `close`."""
        self._opening -= 1
        if self.closed:
            connection.abort()
            raise _closed()
        connection.on_lost = self.discard
        self._active.add(connection)

    def vacate(self) -> None:
        """The place of `acquire` is given back: opening a connection failed."""
        self._opening -= 1
        self._pass_on()

    def release(self, connection: Connection) -> None:
        """A connection in use is fit for another request: to the first waiter, or to rest."""
        if connection not in self._active:
            return
        self._expire()
        waiter = self._next_waiter()
        if waiter is not None and waiter.origin == connection.origin:
            self._grant(waiter, connection)
            return
        if waiter is not None or len(self._idle) >= self._max_idle:
            self._active.remove(connection)
            connection.abort()
            if waiter is not None:
                self._opening += 1
                self._grant(waiter, None)
            return
        self._active.remove(connection)
        connection.expires_at = None if self._expiry is None else clock.monotonic() + self._expiry
        self._idle[connection] = None

    def discard(self, connection: Connection) -> None:
        """A connection is closed: its place goes to the first waiter. Harmless when the pool has let go of it."""
        if connection in self._active:
            self._active.remove(connection)
            self._pass_on()
        elif connection in self._idle:
            del self._idle[connection]

    def close(self) -> None:
        """Close every connection and turn away every waiter; for the loop's own thread."""
        self.closed = True
        for connection in self._let_go():
            connection.abort()
        for waiter in self._drain_waiters():
            waiter.error = _closed()
            waiter.event.set()

    def abandon(self, *, inherited: bool) -> None:
        """Let go of everything without touching the event loop, which has gone or is another process's."""
        self.closed = True
        for connection in self._let_go():
            connection.abandon(inherited=inherited)
        self._waiters.clear()

    def _reuse(self, origin: Origin) -> Connection | None:
        self._expire()
        for connection in reversed(list(self._idle)) if self._idle else ():
            if connection.origin != origin:
                continue
            self._idle.pop(connection, None)
            if connection.is_quiet():
                self._active.add(connection)
                return connection
            connection.abort()
        return None

    def _expire(self) -> None:
        now = clock.monotonic()
        while self._idle:
            oldest = next(iter(self._idle))
            if oldest.expires_at is None or oldest.expires_at > now:
                return
            self._idle.pop(oldest, None)
            oldest.abort()

    def _make_room(self) -> bool:
        if self.size >= self._max and self._idle:
            oldest = next(iter(self._idle))
            del self._idle[oldest]
            oldest.abort()
        return self.size < self._max

    async def _wait(self, origin: Origin | None, timeout: float | None) -> Connection | None:
        waiter = _Waiter(origin)
        self._waiters.append(waiter)
        try:
            with anyio.move_on_after(timeout):
                await waiter.event.wait()
        except BaseException:
            self._withdraw(waiter)
            raise
        if waiter.error is not None:
            raise waiter.error
        if not waiter.granted:
            self._withdraw(waiter)
            raise httpx.PoolTimeout(f"no connection became free within {timeout} s (the limit is {self._max})")
        connection = waiter.connection
        if connection is None or (connection in self._active and connection.is_quiet()):
            return connection
        connection.abort()  # it died between its release and our waking
        self.discard(connection)
        return await self.acquire(connection.origin, timeout)

    def _withdraw(self, waiter: _Waiter) -> None:
        if not waiter.granted:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
        elif waiter.connection is not None:
            self.release(waiter.connection)
        else:
            self.vacate()

    def _pass_on(self) -> None:
        waiter = self._next_waiter() if self.size < self._max else None
        if waiter is not None:
            self._opening += 1
            self._grant(waiter, None)

    def _next_waiter(self) -> _Waiter | None:
        return self._waiters.popleft() if self._waiters else None

    def _grant(self, waiter: _Waiter, connection: Connection | None) -> None:
        waiter.granted = True
        waiter.connection = connection
        waiter.event.set()

    def _let_go(self) -> list[Connection]:
        connections = [*self._idle, *self._active]
        self._idle.clear()
        self._active.clear()
        for connection in connections:
            connection.on_lost = None
        return connections

    def _drain_waiters(self) -> list[_Waiter]:
        waiters = list(self._waiters)
        self._waiters.clear()
        return waiters


def _closed() -> httpx.ConnectError:
    return httpx.ConnectError("the transport was closed while the request waited for a connection")
