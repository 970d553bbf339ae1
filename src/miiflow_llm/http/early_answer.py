"""An answer that comes before its request is sent: 413 and 429 say that the rest is not wanted."""

from __future__ import annotations

from .lean.connection import is_refusal
from .lean.response import ResponseReader

LISTEN_ABOVE = 64 * 1024
"""A request of up to so many bytes is sent without listening: the system takes it at once."""

SLICE = 16 * 1024
"""So many bytes fit into a socket that says it can be written."""

_HIGH_WATER = 256 * 1024


class EarlyAnswer:
    """What came on a connection while a request was sent, kept for whoever reads the connection then."""

    def __init__(self) -> None:
        self._data = b""
        self._reader: ResponseReader | None = None

    @property
    def is_wanted(self) -> bool:
        """Whether more may be read now: what comes of a long answer waits in the socket."""
        return len(self._data) < _HIGH_WATER

    def __bool__(self) -> bool:
        return bool(self._data)

    def begin(self) -> None:
        """A request begins to be sent."""
        self._reader = ResponseReader("POST")

    def feed(self, data: bytes) -> bool:
        """Bytes came, `b""` for the end of the connection; whether they say that the rest is not wanted."""
        self._data += data
        reader = self._reader
        if reader is None:
            return False
        if data:
            reader.feed(data)
        else:
            reader.feed_eof()
        return is_refusal(reader)

    def take(self, most: int) -> bytes:
        """The next bytes, at most so many."""
        data, self._data = self._data[:most], self._data[most:]
        return data
