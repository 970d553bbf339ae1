"""What every backend's connection is to the pool, the stream and the transport: one socket, one exchange at a time.

The backends fill in how bytes are sent and awaited. Nothing here knows which event loop runs.
"""

from __future__ import annotations

import threading
import weakref
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import httpx

from .origin import Origin
from .request import Outgoing
from .response import ResponseReader
from .threads import call_soon_threadsafe
from .timeouts import Timeouts

if TYPE_CHECKING:
    from .stream import ResponseStream

RECEIVE_BYTES = 64 * 1024


class Connection(ABC):
    """An open connection. It belongs to the event loop and thread that made it."""

    def __init__(self, origin: Origin, loop: object) -> None:
        self.origin = origin
        self.expires_at: float | None = None
        """When an idle connection is too old to be used again, on clock.monotonic()'s clock."""
        self.response: ResponseReader | None = None
        self.on_lost: Callable[[Connection], object] | None = None
        """Told once when the peer closes an idle connection, on backends that notice."""
        self.reused = False
        self.backlog = 0
        """Bytes that have been read and not taken; `drained` is owed when this is not 0."""
        self._home = weakref.ref(loop)  # a pool's connections must not keep its loop from being seen as gone
        self._thread = threading.get_ident()
        self._sent = False

    async def exchange(self, method: str, outgoing: Outgoing, timeouts: Timeouts) -> ResponseReader:
        """Send a request and wait for the head of its response.

        Raises httpx.ReadError, RemoteProtocolError, ReadTimeout or WriteTimeout; the connection is then of no use.
        """
        response = self.response = ResponseReader(method)
        self._sent = False
        self._sent = await self._send(outgoing, timeouts.write) and outgoing.keep_alive
        await self._receive_head(response, timeouts.read)
        if response.error is not None and not response.head_done:
            raise response.error
        return response

    def is_spent(self) -> bool:
        """Whether the exchange is over and left the connection fit for another."""
        response = self.response
        return response is not None and response.complete and response.keep_alive and self._sent

    def was_stale(self) -> bool:
        """Whether a failed exchange was on a used connection that the peer had closed before it answered a byte."""
        return self.reused and self.response is not None and not self.response.started

    def settle(self) -> None:
        """Make ready for the pool after an exchange."""
        self.response = None
        self.reused = True

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
    def more(self, stream: ResponseStream) -> Awaitable[None]:
        """Wait until body bytes have come or the response has ended.

        Raises httpx.ReadTimeout when `stream.deadline`, or its `read_timeout` counted from now, has passed.
        """

    @abstractmethod
    def drained(self) -> None:
        """The stream has taken all pieces: reading may go on where it was paused."""

    @property
    @abstractmethod
    def fileno(self) -> int:
        """The socket's descriptor, -1 when it is closed."""

    @abstractmethod
    def is_quiet(self) -> bool:
        """Whether an idle connection is still open with nothing to read: anything else means it is dead."""

    @abstractmethod
    def abort(self) -> None:
        """Close the socket at once, without a wait; for the connection's own thread only."""

    @abstractmethod
    def abandon(self, *, inherited: bool) -> None:
        """Let go of a connection whose event loop has gone (or, `inherited`, is another process's) untouched."""

    @abstractmethod
    async def _send(self, outgoing: Outgoing, timeout: float | None) -> bool:
        """Send; False when the peer hung up, or refused by an early answer, before everything was sent."""

    @abstractmethod
    async def _receive_head(self, response: ResponseReader, timeout: float | None) -> None:
        """Wait until `response.head_done` or `response.ended`."""


def is_refusal(response: ResponseReader) -> bool:
    """Whether a response that has come before its request was sent says that the rest is not wanted."""
    return response.ended or (response.head_done and response.status >= 300)


def read_error(exc: BaseException | None) -> httpx.ReadError:
    return httpx.ReadError(f"the connection broke: {exc or 'closed'}")


def timed_out(error: type[httpx.TimeoutException]) -> httpx.TimeoutException:
    doing = "be sent" if error is httpx.WriteTimeout else "come"
    return error(f"nothing could {doing} within the {'write' if doing == 'be sent' else 'read'} timeout")
