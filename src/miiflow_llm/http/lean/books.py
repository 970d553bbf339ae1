"""The books of a pool: which connections are in use, which rest, and who waits for a place.

A place is held by a connection in use or at rest, or by someone who opens one. Nothing here waits, so that whoever is
broken off, even twice in a row, gives back what they held. It knows neither event loops nor threads: `Pool` waits in a
loop, `BlockingPool` in a thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Generic, Literal, TypeVar

import httpx

from ...core import clock
from .connection import Connection
from .origin import Origin

_UNLIMITED = 1 << 62

C = TypeVar("C", bound=Connection)


class Taken(Enum):
    """What `take` gives in place of a connection."""

    PLACE = "a place to open a connection in"
    NOTHING = "nothing: everything is in use, or others wait already"


class Waiter(Generic[C]):
    """Someone who waits for a place. `wake` is called once, when `granted` or `error` stands."""

    __slots__ = ("connection", "error", "granted", "origin", "wake")

    def __init__(self, origin: Origin | None, wake: Callable[[], object]) -> None:
        self.origin = origin
        """Where a used connection may lead to be taken; None takes none."""
        self.wake = wake
        self.granted = False
        self.connection: C | None = None
        self.error: httpx.TransportError | None = None


class Books(Generic[C]):
    """Hands out connections within `limits`, first come, first served."""

    def __init__(self, limits: httpx.Limits) -> None:
        self.limit = _UNLIMITED if limits.max_connections is None else limits.max_connections
        keepalive = limits.max_keepalive_connections
        self._max_idle = _UNLIMITED if keepalive is None else keepalive
        self._expiry = limits.keepalive_expiry
        self._idle: dict[C, None] = {}  # in the order of their release
        self._active: set[C] = set()
        self._opening = 0
        self._waiters: deque[Waiter[C]] = deque()
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

    def take(self, origin: Origin, *, fresh: bool) -> C | Literal[Taken.PLACE, Taken.NOTHING]:
        """A connection that is now in use, or a place, to be ended by `adopt` or `vacate`; `fresh` asks for the latter.

        Raises httpx.ConnectError after `close`.
        """
        if self.closed:
            raise closed()
        if self._waiters:
            return Taken.NOTHING
        connection = None if fresh else self._reuse(origin)
        if connection is not None:
            return connection
        if not self._make_room():
            return Taken.NOTHING
        self._opening += 1
        return Taken.PLACE

    def queue(self, waiter: Waiter[C]) -> None:
        """Put a waiter at the end of the queue."""
        self._waiters.append(waiter)

    def withdraw(self, waiter: Waiter[C]) -> None:
        """A waiter leaves: what it was granted is given back."""
        if not waiter.granted:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
        elif waiter.connection is not None:
            self.release(waiter.connection)
        else:
            self.vacate()

    def accepts(self, connection: C) -> bool:
        """Whether a connection that a waiter was granted is still alive; one that is not is let go."""
        if connection in self._active and connection.is_quiet():
            return True
        connection.abort()
        self.discard(connection)
        return False

    def adopt(self, connection: C) -> None:
        """The place of `take` is now that of a connection in use. Raises httpx.ConnectError after `close`."""
        self._opening -= 1
        if self.closed:
            connection.abort()
            raise closed()
        self._active.add(connection)

    def vacate(self) -> None:
        """The place of `take` is given back: opening a connection failed."""
        self._opening -= 1
        self._pass_on()

    def release(self, connection: C) -> None:
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
        self._rest(connection)

    def discard(self, connection: C) -> None:
        """A connection is closed: its place goes to the first waiter. Harmless when the pool has let go of it."""
        if connection in self._active:
            self._active.remove(connection)
            self._pass_on()
        elif connection in self._idle:
            del self._idle[connection]

    def distrust(self, dead: C) -> None:
        """A used connection turned out to be dead: let go of those to the same place that rested at least as long."""
        for connection in list(self._idle):
            if connection.origin == dead.origin and connection.rested_at <= dead.rested_at:
                self._idle.pop(connection, None)
                connection.abort()

    def close(self) -> None:
        """Close every connection and turn away every waiter."""
        self.closed = True
        for connection in self._let_go():
            connection.abort()
        for waiter in self._drain_waiters():
            waiter.error = closed()
            waiter.wake()

    def abandon(self, *, inherited: bool) -> None:
        """Let go of everything without touching the event loop, which has gone or is another process's."""
        self.closed = True
        for connection in self._let_go():
            connection.abandon(inherited=inherited)
        self._waiters.clear()

    def _reuse(self, origin: Origin) -> C | None:
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

    def _rest(self, connection: C) -> None:
        connection.rested_at = clock.monotonic()
        connection.expires_at = None if self._expiry is None else connection.rested_at + self._expiry
        self._idle[connection] = None

    def _expire(self) -> None:
        now = clock.monotonic()
        while self._idle:
            oldest = next(iter(self._idle))
            if oldest.expires_at is None or oldest.expires_at > now:
                return
            self._idle.pop(oldest, None)
            oldest.abort()

    def _make_room(self) -> bool:
        if self.size >= self.limit and self._idle:
            oldest = next(iter(self._idle))
            del self._idle[oldest]
            oldest.abort()
        return self.size < self.limit

    def _pass_on(self) -> None:
        waiter = self._next_waiter() if self.size < self.limit else None
        if waiter is not None:
            self._opening += 1
            self._grant(waiter, None)

    def _next_waiter(self) -> Waiter[C] | None:
        return self._waiters.popleft() if self._waiters else None

    def _grant(self, waiter: Waiter[C], connection: C | None) -> None:
        waiter.connection = connection
        waiter.granted = True
        waiter.wake()

    def _let_go(self) -> list[C]:
        connections = [*self._idle, *self._active]
        self._idle.clear()
        self._active.clear()
        return connections

    def _drain_waiters(self) -> list[Waiter[C]]:
        waiters = list(self._waiters)
        self._waiters.clear()
        return waiters


def closed() -> httpx.ConnectError:
    return httpx.ConnectError("the transport was closed while the request waited for a connection")


def none_free(limit: int, seconds: float | None) -> httpx.PoolTimeout:
    return httpx.PoolTimeout(f"no connection became free within {seconds} s (the limit is {limit})")
