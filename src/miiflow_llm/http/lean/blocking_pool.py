"""The connections of all threads of a client: the books under a lock, and threads that wait for a place.

The collector may let go of a connection in any thread, inside the lock too. It never waits for it: what it cannot do at
once is left to whoever holds the lock.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

import httpx

from .blocking_connection import BlockingConnection
from .books import Books, Taken, Waiter, none_free
from .origin import Origin


class BlockingPool:
    """Hands out connections to threads within `limits`, first come, first served."""

    def __init__(self, limits: httpx.Limits) -> None:
        self.books: Books[BlockingConnection] = Books(limits)
        self._lock = threading.RLock()
        self._left_to_do: deque[Callable[[], object]] = deque()

    def acquire(self, origin: Origin, seconds: float | None, *, fresh: bool = False) -> BlockingConnection | None:
        """A connection that is now in use, or None: a place to open one, to be ended by `adopt` or `vacate`.

        `fresh` asks for the latter. Raises httpx.PoolTimeout when no place came within `seconds`, and
        httpx.ConnectError when the pool was closed meanwhile.
        """
        gate: threading.Lock | None = None
        with self._lock:
            taken = self.books.take(origin, fresh=fresh)
            if taken is Taken.NOTHING:
                gate = threading.Lock()
                gate.acquire()
                waiter = Waiter[BlockingConnection](None if fresh else origin, gate.release)
                self.books.queue(waiter)
        self._catch_up()
        if gate is not None:
            return self._wait(waiter, gate, seconds)
        return taken if isinstance(taken, BlockingConnection) else None

    def adopt(self, connection: BlockingConnection) -> None:
        """The place of `acquire` is now that of a connection in use. Raises httpx.ConnectError after `close`."""
        with self._lock:
            self.books.adopt(connection)
        self._catch_up()

    def vacate(self) -> None:
        """The place of `acquire` is given back: opening a connection failed."""
        self.do(self.books.vacate)

    def release(self, connection: BlockingConnection) -> None:
        """A connection in use is fit for another request."""
        self.do(lambda: self.books.release(connection))

    def distrust(self, dead: BlockingConnection) -> None:
        """A used connection turned out to be dead: so may be those that rested as long."""
        self.do(lambda: self.books.distrust(dead))

    def discard(self, connection: BlockingConnection) -> None:
        """A connection is closed: its place goes to the first waiter. Never waits, and may be called anywhere."""
        self._left_to_do.append(lambda: self.books.discard(connection))
        self._catch_up()

    def close(self) -> None:
        """Close every connection and turn away every waiter."""
        self.do(self.books.close)

    def do(self, change: Callable[[], object]) -> None:
        """Change the books."""
        with self._lock:
            change()
        self._catch_up()

    def _catch_up(self) -> None:
        """Do what others could not wait to do; whoever has the lock comes here after giving it back."""
        while self._left_to_do and self._lock.acquire(blocking=False):
            try:
                while self._left_to_do:
                    self._left_to_do.popleft()()
            except IndexError:
                pass  # the collector came between
            finally:
                self._lock.release()

    def _wait(
        self, waiter: Waiter[BlockingConnection], gate: threading.Lock, seconds: float | None
    ) -> BlockingConnection | None:
        try:
            gate.acquire(timeout=-1 if seconds is None else min(seconds, threading.TIMEOUT_MAX))
        except BaseException:
            self.do(lambda: self.books.withdraw(waiter))
            raise
        with self._lock:
            granted, connection = waiter.granted, waiter.connection
            if not granted:
                self.books.withdraw(waiter)
            died = connection is not None and not self.books.accepts(connection)
        self._catch_up()
        if waiter.error is not None:
            raise waiter.error
        if not granted:
            raise none_free(self.books.limit, seconds)
        if connection is not None and died:
            return self.acquire(connection.origin, seconds)
        return connection
