"""The connections of one event loop: the books, and tasks that wait for a place."""

from __future__ import annotations

import anyio

from .books import Books, Taken, Waiter, none_free
from .loop_connection import LoopConnection
from .origin import Origin


class Pool(Books[LoopConnection]):
    """The books of one event loop, to be used in its thread only."""

    async def acquire(self, origin: Origin, seconds: float | None, *, fresh: bool = False) -> LoopConnection | None:
        """A connection that is now in use, or None: a place to open one, to be ended by `adopt` or `vacate`.

        `fresh` asks for the latter. Raises httpx.PoolTimeout when no place came within `seconds`, and
        httpx.ConnectError when the pool was closed meanwhile.
        """
        taken = self.take(origin, fresh=fresh)
        if taken is Taken.PLACE:
            return None
        if taken is Taken.NOTHING:
            return await self._wait(None if fresh else origin, seconds)
        return taken

    def adopt(self, connection: LoopConnection) -> None:
        super().adopt(connection)
        connection.on_lost = self.discard

    async def _wait(self, origin: Origin | None, seconds: float | None) -> LoopConnection | None:
        event = anyio.Event()
        waiter = Waiter[LoopConnection](origin, event.set)
        self.queue(waiter)
        try:
            with anyio.move_on_after(seconds):
                await event.wait()
        except BaseException:
            self.withdraw(waiter)
            raise
        if waiter.error is not None:
            raise waiter.error
        if not waiter.granted:
            self.withdraw(waiter)
            raise none_free(self.limit, seconds)
        connection = waiter.connection
        if connection is None or self.accepts(connection):
            return connection
        return await self.acquire(connection.origin, seconds)  # it died between its release and our waking

    def _let_go(self) -> list[LoopConnection]:
        connections = super()._let_go()
        for connection in connections:
            connection.on_lost = None
        return connections
