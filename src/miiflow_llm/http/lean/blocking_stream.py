"""The body of one response, read by a thread: what httpx iterates over, and the faster seam beside it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import httpx

from .blocking_connection import BlockingConnection
from .blocking_pool import BlockingPool
from .response import ResponseReader


class BlockingStream(httpx.SyncByteStream):
    """A response body, read by one thread at a time; any thread may close it.

    `deadline`, on clock.monotonic()'s clock, may be stored at any time: a `read` that waits when it has passed raises
    httpx.ReadTimeout. The wait under way keeps the deadline that it began with. `read_timeout` is httpx's: seconds that
    one wait may last. For both None means no limit.
    """

    def __init__(
        self,
        connection: BlockingConnection,
        response: ResponseReader,
        pool: BlockingPool,
        read_timeout: float | None,
    ) -> None:
        self.deadline: float | None = None
        self.read_timeout = read_timeout
        self.response = response
        self._connection = connection
        self._pool = pool
        self._open = [True]  # whoever pops it closes the stream: two threads may try at once

    def read(self) -> bytes:
        """All body bytes that have come since the last call, waiting when there are none; b"" at the end.

        They are the bytes as sent: transfer coding is taken off, a content-encoding (gzip) is not. Whatever breaks a
        wait off, Ctrl-C too, closes the connection. Raises httpx.ReadTimeout; httpx.ReadError when the connection
        breaks or has been closed by us; httpx.RemoteProtocolError when the body is cut short or malformed.
        """
        response = self.response
        pieces = response.pieces
        if not pieces:
            try:
                while not (pieces or response.ended):
                    self._connection.more(response, self.read_timeout, self.deadline)
            except BaseException:
                self.abort()
                raise
            if not pieces:
                return self._end()
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        return data

    def __iter__(self) -> Iterator[bytes]:
        try:
            while data := self.read():
                yield data
        except BaseException:
            self.abort()
            raise

    def abort(self) -> None:
        """Close the socket at once and free the pool's place; from any thread, and from the collector."""
        if self._is_mine_to_close():
            self._drop()

    def close(self) -> None:
        """Give the connection back when the body is complete, else close it; what was not read is dropped."""
        if not self._is_mine_to_close():
            return
        if not self._connection.is_spent():
            self._drop()
            return
        self.response.pieces.clear()
        self._connection.settle()
        self._pool.release(self._connection)

    def _is_mine_to_close(self) -> bool:
        try:
            return self._open.pop()
        except IndexError:
            return False

    def _end(self) -> bytes:
        error = self.response.error
        self.close()
        if error is not None:
            raise error.with_traceback(None)
        return b""

    def _drop(self) -> None:
        self.response.pieces.clear()
        self._connection.abort()
        self._pool.discard(self._connection)

    def __del__(self) -> None:
        if self._open:
            self.abort()  # first: a warning may be an error
            warnings.warn(f"unclosed response body {self!r}", ResourceWarning, source=self, stacklevel=2)
