"""A connection that an event loop waits for. The backends fill in how bytes are sent and awaited."""

from __future__ import annotations

import threading
import weakref
from abc import abstractmethod
from collections.abc import Awaitable, Callable

from .connection import Connection
from .origin import Origin
from .request import Outgoing
from .response import ResponseReader
from .threads import call_soon_threadsafe
from .timeouts import Timeouts


class LoopConnection(Connection):
    """An open connection. It belongs to the event loop and thread that made it."""

    def __init__(self, origin: Origin, loop: object) -> None:
        super().__init__(origin)
        self.on_lost: Callable[[LoopConnection], object] | None = None
        """Told once when the peer closes an idle connection, on backends that notice."""
        self.backlog = 0
        """Bytes that have been read and not taken; `drained` is owed when this is not 0."""
        self._home = weakref.ref(loop)  # a pool's connections must not keep its loop from being seen as gone
        self._thread = threading.get_ident()

    async def exchange(self, method: str, outgoing: Outgoing, timeouts: Timeouts) -> ResponseReader:
        """Send a request and wait for the head of its response.

        Raises httpx.ReadError, RemoteProtocolError, ReadTimeout or WriteTimeout; the connection is then of no use.
        """
        response = self.response = ResponseReader(method)
        self._sent = False
        self._sent = await self._send(outgoing, timeouts) and outgoing.keep_alive
        await self._receive_head(response, timeouts)
        if response.error is not None and not response.head_done:
            raise response.error
        return response

    def run_at_home(self, callback: Callable[[], object]) -> None:
        """Run `callback` now in the connection's own thread, soon from another; abandon it when its loop has gone."""
        if threading.get_ident() == self._thread:
            callback()
        elif (loop := self._home()) is None or not call_soon_threadsafe(loop, callback):
            self.abandon(inherited=False)

    @abstractmethod
    def follow(self, deadline: Callable[[], float | None]) -> None:
        """Ask `deadline` for the stream's deadline when a wait seems to be over, since it may have moved."""

    @abstractmethod
    def more(self, response: ResponseReader, seconds: float | None, deadline: float | None) -> Awaitable[None]:
        """Wait until body bytes have come or the response has ended.

        Raises httpx.ReadTimeout when `deadline`, or `seconds` counted from now, has passed.
        """

    @abstractmethod
    def drained(self) -> None:
        """The stream has taken all pieces: reading may go on where it was paused."""

    @abstractmethod
    async def _send(self, outgoing: Outgoing, timeouts: Timeouts) -> bool:
        """Send; False when the peer hung up, or refused by an early answer, before everything was sent."""

    @abstractmethod
    async def _receive_head(self, response: ResponseReader, timeouts: Timeouts) -> None:
        """Wait until `response.head_done` or `response.ended`."""
