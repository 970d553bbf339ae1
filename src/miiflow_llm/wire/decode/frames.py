"""Cut a byte stream into frames: bytes in, `(event name, payload)` out, however the bytes were cut.

Knows SSE (WHATWG HTML 9.2.6) and NDJSON, and nothing of what a payload means. Lines end at LF, CRLF or CR and nowhere
else: U+2028, U+2029 and U+0085 are text. Each byte is looked at once, however large a frame is.
"""

from __future__ import annotations

import re

import msgspec

from ...core.exceptions import StreamProtocolError

MAX_FRAME = 32 * 1024 * 1024
"""The largest frame taken, in bytes, unless a caller says otherwise: Gemini sends images of tens of MB in one line."""

_BOM = b"\xef\xbb\xbf"
_LINE = re.compile(rb"\r\n|\n|\r")
_CR = ord("\r")
_STRAY = (b"{", b"[", b"<")
"""How lines begin that are JSON or markup outside the framing."""
_CLOSING = {b"{": b"}", b"[": b"]"}
_ODD = (b"\n<", b"{\n", b"[\n", b"{\r", b"[\r")
"""What is in JSON lines if one of them begins a page, or an object that goes on in the next line."""


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One event: its payload and its name, `None` where the stream gives none.

    `stray` is a payload that stood outside the framing: a bare JSON object, a page or words of a server in between.
    """

    data: bytes
    event: str | None = None
    stray: bool = False


class _Fragments:
    """Bytes that wait for the rest of their frame. Every thousand are joined, so that tiny reads cost their bytes."""

    __slots__ = ("_joined", "_parts", "size")

    def __init__(self) -> None:
        self.size = 0
        self._parts: list[bytes] = []
        self._joined = 0

    def add(self, data: bytes) -> None:
        self._parts.append(data)
        self.size += len(data)
        if len(self._parts) - self._joined == 1024:
            self._parts[self._joined :] = [b"".join(self._parts[self._joined :])]
            self._joined += 1

    def take(self, last: bytes) -> bytes:
        """All of them and `last`, as one; none is left."""
        self._parts.append(last)
        whole = b"".join(self._parts)
        self._parts.clear()
        self.size = self._joined = 0
        return whole

    def end_with(self, suffix: bytes) -> bool:
        return bool(self._parts) and self._parts[-1].endswith(suffix)


class SSEFramer:
    """Server-sent events, with two kindnesses that real servers need.

    A last event without its blank line is given at the end. Lines that are not fields but JSON, markup or words (errors
    under a 200) are given as one `stray` frame, and a field `error:` counts as an event of that name.
    """

    def __init__(self, max_frame: int = MAX_FRAME) -> None:
        self._max = max_frame
        self._held = _Fragments()
        self._started = False
        self._quiet = True
        self._cr = False
        self._event: str | None = None
        self._data: list[bytes] = []
        self._stray: list[bytes] = []
        self._block = 0

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that `data` completes.

        Raises:
            StreamProtocolError: a frame is larger than `max_frame`.
        """
        if self._quiet and not self._held.size and len(data) <= self._max:
            frame = _single(data)
            if frame is not None:
                self._started = True
                return [frame]
        if not self._quiet or _CR in data:
            return self._feed(data)
        end = data.rfind(b"\n\n") + 2
        if end < 2:  # a frame in the middle, most often: there is nothing to cut
            return self._feed(data)
        closed = data[:end]
        if self._held.size:
            closed = self._held.take(closed)
        frames = _usual(closed) if len(closed) <= self._max else None
        if frames is None:
            frames = self._feed(closed)
        else:
            self._started = True
        return frames if end == len(data) else frames + self._feed(data[end:])

    def _feed(self, data: bytes) -> list[Frame]:
        frames = self._cut(data)
        self._quiet = self._started and not (self._cr or self._block)
        return frames

    def _cut(self, data: bytes) -> list[Frame]:
        if not self._started:
            data = self._after_bom(data)
        if self._cr or b"\r" in data:
            return self._feed_lines(data)
        whole, separator, rest = data.rpartition(b"\n")
        if not separator:
            self._hold(data)
            return []
        frames: list[Frame] = []
        for line in self._released(whole).split(b"\n"):
            self._line(line, frames)
        self._hold(rest)
        return frames

    def finish(self) -> list[Frame]:
        """What the end of the bytes completes: an event without its blank line, a bare object."""
        frames: list[Frame] = []
        tail = self._released(b"")
        if tail:
            self._line(tail.rstrip(b"\r"), frames)
        self._dispatch(frames)
        return frames

    def _after_bom(self, data: bytes) -> bytes:
        data = self._released(data)
        if len(data) < len(_BOM) and _BOM.startswith(data):
            self._hold(data)
            return b""
        self._started = True
        return data.removeprefix(_BOM)

    def _hold(self, data: bytes) -> None:
        if data:
            self._held.add(data)
            if self._held.size + self._block > self._max:
                raise too_large(self._max)

    def _released(self, data: bytes) -> bytes:
        return self._held.take(data) if self._held.size else data

    def _feed_lines(self, data: bytes) -> list[Frame]:
        """The slow way, once a CR was seen: any of the three line ends."""
        self._cr = True
        if _LINE.search(data) is None and not self._held.end_with(b"\r"):
            self._hold(data)
            return []
        whole = self._released(data)
        frames: list[Frame] = []
        start = 0
        for match in _LINE.finditer(whole):
            if match.group() == b"\r" and match.end() == len(whole):
                break
            self._line(whole[start : match.start()], frames)
            start = match.end()
        self._hold(whole[start:])
        return frames

    def _line(self, line: bytes, frames: list[Frame]) -> None:
        if not line:
            self._dispatch(frames)
            return
        self._block += len(line)
        if self._block > self._max:
            raise too_large(self._max)
        name, colon, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if self._stray or line.startswith(_STRAY):
            self._stray.append(line)
        elif name == b"data":
            self._data.append(value)
        elif name == b"event":
            self._event = value.decode("utf-8", "replace")
        elif name == b"error" and colon:
            self._event = "error"
            self._data.append(value)
        elif b" " in name.strip() and is_text(line):  # a field's name is one word
            self._stray.append(line)

    def _dispatch(self, frames: list[Frame]) -> None:
        if self._data:
            payload = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
            if payload:
                frames.append(Frame(payload, self._event))
        if self._stray:
            frames.append(Frame(b"\n".join(self._stray), stray=True))
        self._event = None
        self._data = []
        self._stray = []
        self._block = 0


def _single(data: bytes) -> Frame | None:
    """The frame when `data` is one whole event written in the usual way, as most reads of a live stream are."""
    if not data.endswith(b"\n") or _CR in data:
        return None
    last = len(data) - 2
    line = data.find(b"\n")
    if line == last:
        return Frame(data[6:last]) if line > 6 and data.startswith(b"data: ") else None
    start = line + 7
    if start < last == data.find(b"\n", start) and data.startswith(b"data: ", line + 1) and data.startswith(b"event: "):
        return Frame(data[start:last], data[7:line].decode("utf-8", "replace"))
    return None


def _usual(events: bytes) -> list[Frame] | None:
    """The frames of whole events written in the usual way, all of them cut in a few sweeps of the bytes.

    The usual way is one line of data, with a line of its name before every one of them or none; `None` for any other.
    """
    lines = events.count(b"\n")
    if events.startswith(b"data: "):
        payloads = events[6:-2].split(b"\n\ndata: ")
        if lines == 2 * len(payloads) and b"" not in payloads:
            return list(map(Frame, payloads))
    elif events.startswith(b"event: "):
        blocks = events[7:-2].split(b"\n\nevent: ")
        if lines == 3 * len(blocks):
            return _named(blocks)
    return None


def _named(blocks: list[bytes]) -> list[Frame] | None:
    frames = []
    for block in blocks:
        name, _, payload = block.partition(b"\ndata: ")
        if not payload:
            return None
        frames.append(Frame(payload, name.decode("utf-8", "replace")))
    return frames


class NDJSONFramer:
    """One JSON value a line; empty lines mean nothing, nor does the name of SSE's field before a value.

    A page, or an object written over several lines for people, is given as one `stray` frame: errors come so.
    """

    def __init__(self, max_frame: int = MAX_FRAME) -> None:
        self._max = max_frame
        self._held = _Fragments()
        self._stray = _Fragments()
        self._until = b""

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that `data` completes.

        Raises:
            StreamProtocolError: a line is larger than `max_frame`.
        """
        head, separator, rest = data.rpartition(b"\n")
        if not separator:
            self._hold(data)
            return []
        head = self._held.take(head) if self._held.size else head
        self._hold(rest)
        if self._until or head.startswith(b"<") or head.endswith((b"{", b"[")) or any(odd in head for odd in _ODD):
            return self._with_stray(head)
        return [Frame(line) for raw in head.split(b"\n") if (line := self._clean(raw))]

    def finish(self) -> list[Frame]:
        """A last line without its line end."""
        tail = self._held.take(b"")
        if self._until:
            self._collect(tail)
            return [Frame(self._stray.take(b"").rstrip(b"\n"), stray=True)]
        line = self._clean(tail)
        return [Frame(line)] if line else []

    def _with_stray(self, head: bytes) -> list[Frame]:
        """The slow way, for lines that are not all values."""
        frames: list[Frame] = []
        for raw in head.split(b"\n"):
            line = self._clean(raw)
            if self._until:
                self._collect(raw)
                if line == self._until:
                    frames.append(Frame(self._stray.take(b"").rstrip(b"\n"), stray=True))
                    self._until = b""
            elif line in _CLOSING or line.startswith(b"<"):
                self._collect(raw)
                self._until = _CLOSING.get(line, b"</html")
            elif line:
                frames.append(Frame(line))
        return frames

    def _collect(self, raw: bytes) -> None:
        self._stray.add(raw + b"\n")
        if self._stray.size > self._max:
            raise too_large(self._max)

    def _clean(self, line: bytes) -> bytes:
        line = line.strip(b" \t\r").removeprefix(_BOM)
        return line[5:].lstrip() if line.startswith(b"data:") else line

    def _hold(self, data: bytes) -> None:
        if data:
            self._held.add(data)
            if self._held.size > self._max:
                raise too_large(self._max)


def is_text(data: bytes) -> bool:
    """Whether people could read it: UTF-8 without control characters, apart from white space."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return False
    return all(letter.isprintable() or letter.isspace() for letter in text)


def too_large(limit: int) -> StreamProtocolError:
    """The error for a frame above the limit."""
    return StreamProtocolError(
        f"a frame of the stream is larger than {limit} bytes; raise max_frame_bytes if this is expected"
    )
