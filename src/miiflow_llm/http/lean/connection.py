"""What a connection is to the pool's books, whoever waits for it: one socket, one exchange at a time.

It knows no event loop and no thread; `LoopConnection` and `BlockingConnection` send and wait.
"""

from __future__ import annotations

import weakref
from abc import ABC, abstractmethod

import httpx

from ...core import forks
from .origin import Origin
from .response import ResponseReader

RECEIVE_BYTES = 64 * 1024


class Connection(ABC):
    """An open connection."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.rested_at = 0.0
        """When it last came to rest in the pool, on clock.monotonic()'s clock."""
        self.expires_at: float | None = None
        """When an idle connection is too old to be used again, on clock.monotonic()'s clock."""
        self.response: ResponseReader | None = None
        self.reused = False
        self._sent = False
        _open.add(self)

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

    @property
    @abstractmethod
    def fileno(self) -> int:
        """The socket's descriptor, -1 when it is closed."""

    @abstractmethod
    def is_quiet(self) -> bool:
        """Whether an idle connection is still open with nothing to read: anything else means it is dead."""

    @abstractmethod
    def abort(self) -> None:
        """Close the socket at once, without a wait."""

    @abstractmethod
    def abandon(self, *, inherited: bool) -> None:
        """Let go of a connection whose event loop has gone (or, `inherited`, is another process's) untouched."""


_open: weakref.WeakSet[Connection] = weakref.WeakSet()


def _disinherit() -> None:
    """In a forked child: no connection of the parent's can be read, written or shut."""
    for connection in list(_open):
        if connection.response is not None:
            connection.response.fail(
                httpx.ReadError("the process was forked while this answer came: it is the parent's")
            )
        connection.abandon(inherited=True)
    _open.clear()


forks.in_child(_disinherit)


def is_refusal(response: ResponseReader) -> bool:
    """Whether a response that has come before its request was sent says that the rest is not wanted."""
    return response.ended or (response.head_done and response.status >= 300)


def read_error(exc: BaseException | None) -> httpx.ReadError:
    return httpx.ReadError(f"the connection broke: {exc or 'closed'}")


def timed_out(error: type[httpx.TimeoutException]) -> httpx.TimeoutException:
    doing = "be sent" if error is httpx.WriteTimeout else "come"
    return error(f"nothing could {doing} within the {'write' if doing == 'be sent' else 'read'} timeout")
