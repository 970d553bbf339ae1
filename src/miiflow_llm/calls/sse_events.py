"""Turn bytes into server-sent events of httpx-sse's type, for a stream that no table speaks.

By the rules of https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation, but that an
event without its blank line is given at the end of the stream. Lines end at LF, CRLF or CR and nowhere else.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..wire.decode.frames import too_large

if TYPE_CHECKING:
    from httpx_sse import ServerSentEvent

_LINE = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"


class EventDecoder:
    """The events of one stream, each of at most `most` bytes. Each byte is looked at once, however it comes."""

    def __init__(self, most: int) -> None:
        from httpx_sse import ServerSentEvent

        self._made = ServerSentEvent
        self._most = most
        self._held: list[bytes] = []  # of a line that has not ended
        self._size = 0
        self._begun = False
        self._after_cr = False
        self._fields: dict[str, str] = {}
        self._data: list[str] = []
        self._last_id = ""

    def feed(self, data: bytes) -> list[ServerSentEvent]:
        """The events that `data` completes.

        Raises:
            StreamProtocolError: an event is too large.
        """
        if not data:
            return []
        if self._after_cr and data.startswith(b"\n"):
            data = data[1:]
        self._after_cr = data.endswith(b"\r")
        first, *lines = _LINE.split(data)
        if not lines:
            self._hold(first)
            return []
        whole = [b"".join([*self._held, first]), *lines[:-1]]
        self._held = []
        events = [event for line in whole if (event := self._line(line)) is not None]
        self._hold(lines[-1])
        return events

    def finish(self) -> list[ServerSentEvent]:
        """The event that the end of the bytes completes, if there is one."""
        line, self._held = b"".join(self._held), []
        events = [self._line(line), self._dispatched()]
        return [event for event in events if event is not None]

    def _hold(self, piece: bytes) -> None:
        if piece:
            self._held.append(piece)
            self._count(len(piece))

    def _count(self, size: int) -> None:
        self._size += size
        if self._size > self._most:
            raise too_large(self._most)

    def _line(self, line: bytes) -> ServerSentEvent | None:
        if not self._begun:
            self._begun, line = True, line.removeprefix(_BOM)
        if not line:
            return self._dispatched()
        self._count(len(line))
        name, _, value = line.decode("utf-8", "replace").partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "id" and "\0" not in value:
            self._last_id = value
        elif name == "event" or (name == "retry" and value.isascii() and value.isdigit()):
            self._fields[name] = value
        return None

    def _dispatched(self) -> ServerSentEvent | None:
        data, fields = self._data, self._fields
        self._data, self._fields, self._size = [], {}, 0
        if not data:
            return None
        retry = int(fields["retry"]) if "retry" in fields else None
        return self._made(fields.get("event"), "\n".join(data), self._last_id, retry)
