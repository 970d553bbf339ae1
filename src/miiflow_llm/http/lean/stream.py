"""The body of one response: what httpx iterates over, and the faster seam beside it (`miiflow_stream`).

Gets its bytes from a connection, whichever backend that has, and gives the connection back when the body is over.
"""

from __future__ import annotations

import warnings
import weakref
from collections.abc import AsyncIterator, Callable

import httpx

from .loop_connection import LoopConnection
from .pool import Pool
from .response import ResponseReader


class ResponseStream(httpx.AsyncByteStream):
    """A response body, read by one task at a time.

    `deadline`, on clock.monotonic()'s clock, may be stored at any time: a `read` that waits when it has passed raises
    httpx.ReadTimeout. A store that moves it later is honoured by a wait under way, one that moves it earlier by
    the next wait. `read_timeout` is httpx's: seconds that one wait may last. For both None means no limit.
    """

    def __init__(self, connection: LoopConnection, response: ResponseReader, pool: Pool, read_timeout: float | None):
        self.deadline: float | None = None
        self.read_timeout = read_timeout
        self.response = response
        self._connection = connection
        self._pool = pool
        self._closed = False
        connection.follow(_deadline_of(weakref.ref(self)))

    async def read(self) -> bytes:
        """All body bytes that have come since the last call, waiting when there are none; b"" at the end.

        They are the bytes as sent: transfer coding is taken off, a content-encoding (gzip) is not.
        A cancelled read loses nothing and may be repeated. Raises httpx.ReadTimeout; httpx.ReadError when the
        connection breaks or has been closed by us; httpx.RemoteProtocolError when the body is cut short or malformed.
        """
        response = self.response
        pieces = response.pieces
        if not pieces:
            try:
                while not (pieces or response.ended):
                    await self._connection.more(response, self.read_timeout, self.deadline)
            except httpx.TimeoutException:
                self.abort()
                raise
            if not pieces:
                return self._end()
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        if self._connection.backlog:
            self._connection.drained()
        return data

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while data := await self.read():
                yield data
        except BaseException:
            self.abort()
            raise

    def abort(self) -> None:
        """Close the socket at once and free the pool's slot. Needs no await, event loop or particular thread."""
        if not self._closed:
            self._closed = True
            self.response.pieces.clear()
            self._connection.run_at_home(self._drop)

    async def aclose(self) -> None:
        """Give the connection back when the body is complete, else close it; what was not read is dropped."""
        self._finish()

    def _end(self) -> bytes:
        error = self.response.error
        self._finish()
        if error is not None:
            raise error.with_traceback(None)
        return b""

    def _finish(self) -> None:
        if self._closed:
            return
        if not self._connection.is_spent():
            self.abort()
            return
        self._closed = True
        self.response.pieces.clear()
        self._connection.settle()
        self._pool.release(self._connection)

    def _drop(self) -> None:
        self._connection.abort()
        self._pool.discard(self._connection)

    def __del__(self) -> None:
        if not self._closed:
            warnings.warn(f"unclosed response body {self!r}", ResourceWarning, source=self, stacklevel=2)
            self.abort()


def _deadline_of(stream: weakref.ref[ResponseStream]) -> Callable[[], float | None]:
    """The stream's deadline, without holding the stream: one that is dropped must be collected, to free its slot."""

    def deadline() -> float | None:
        alive = stream()
        return None if alive is None else alive.deadline

    return deadline
