"""Cut AWS's binary event stream (`application/vnd.amazon.eventstream`) into frames: bytes in, `(name, payload)` out.

A message is a prelude (its length, that of its headers, a checksum of both), headers, a payload and a checksum of all,
in big-endian order. Both checksums are looked at, and a message's size before it is waited for. An exception or error
has its type in the headers; it is put into the payload under `__type`, where AWS's JSON errors have it.
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple
from zlib import crc32

import msgspec

from ...core.exceptions import StreamProtocolError
from .frames import MAX_FRAME, Frame, too_large

_PRELUDE = struct.Struct(">III")
_CRC = struct.Struct(">I")
_SMALLEST = _PRELUDE.size + _CRC.size
_SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Bytes of a header's value by its type; 6 and 7, bytes and text, begin with their length."""

_MOST_KINDS = 32
"""So many sets of headers are remembered; a stream has about five, all the same but for the event's name."""


class BrokenStreamError(Exception):
    """A malformed message, with the frames before it in the same read."""

    def __init__(self, frames: list[Frame], error: StreamProtocolError) -> None:
        super().__init__(str(error))
        self.frames = frames
        self.error = error


class _Kind(NamedTuple):
    """What a message's headers say: its event's name; of a failure, what is to be put into its payload."""

    event: str | None
    failure: dict[str, str] | None


class EventStreamFramer:
    """AWS's event stream. What is left over when the bytes end is a message that was cut short: it gives no frame."""

    def __init__(self, max_frame: int = MAX_FRAME) -> None:
        self._max = max_frame
        self._held = bytearray()
        self._wanted = _PRELUDE.size
        self._kinds: dict[bytes, _Kind] = {}

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that `data` completes.

        Raises:
            BrokenStreamError: a checksum is wrong, lengths contradict each other, or a message is larger than
                `max_frame`.
        """
        if self._held:
            self._held += data
            if len(self._held) < self._wanted:
                return []
            data = bytes(self._held)
            self._held.clear()
        frames: list[Frame] = []
        start = 0
        try:
            while (end := self._end(data, start)) <= len(data):
                self._message(data, start, end, frames)
                start = end
        except StreamProtocolError as error:
            raise BrokenStreamError(frames, error) from None
        self._wanted = end - start
        self._held += data[start:] if start else data
        return frames

    def finish(self) -> list[Frame]:
        """Nothing: a message without its end is no frame."""
        return []

    def _end(self, data: bytes, start: int) -> int:
        """Where the message at `start` ends; while its prelude is not whole, where that does."""
        if len(data) - start < _PRELUDE.size:
            return start + _PRELUDE.size
        total, headers, checksum = _PRELUDE.unpack_from(data, start)
        if crc32(data[start : start + 8]) != checksum:
            raise _broken("the checksum of a message's prelude is wrong", data[start:])
        if total - _SMALLEST < headers:
            raise _broken(f"a message of {total} bytes says that {headers} are headers", data[start:])
        if total > self._max:
            raise too_large(self._max)
        return start + int(total)

    def _message(self, data: bytes, start: int, end: int, frames: list[Frame]) -> None:
        last = end - _CRC.size
        if crc32(memoryview(data)[start:last]) != _CRC.unpack_from(data, last)[0]:
            raise _broken("the checksum of a message is wrong", data[start:])
        begin = start + _PRELUDE.size
        payload = begin + int.from_bytes(data[start + 4 : start + 8])
        event, failure = self._kind(data[begin:payload])
        said = data[payload:last]
        if failure is not None:
            said = _with_type(said, failure)
        if said:
            frames.append(Frame(said, event))

    def _kind(self, block: bytes) -> _Kind:
        kind = self._kinds.get(block)
        if kind is None:
            kind = _kind_of(_headers(block))
            if len(self._kinds) < _MOST_KINDS:
                self._kinds[block] = kind
        return kind


def _kind_of(headers: dict[str, str]) -> _Kind:
    match headers.get(":message-type"):
        case "exception":
            name = headers.get(":exception-type", "")
            return _Kind(name, {"__type": name})
        case "error":
            code = headers.get(":error-code", "")
            message = headers.get(":error-message")
            return _Kind(code, {"__type": code, **({"message": message} if message else {})})
    return _Kind(headers.get(":event-type"), None)


def _headers(block: bytes) -> dict[str, str]:
    """The headers that are text, by name."""
    found: dict[str, str] = {}
    at = 0
    try:
        while at < len(block):
            name_end = at + 1 + block[at]
            kind, value = block[name_end], name_end + 1
            if kind in (6, 7):
                value += 2
                end = value + int.from_bytes(block[value - 2 : value])
            else:
                end = value + _SIZES[kind]
            if end > len(block):
                raise IndexError
            if kind == 7:
                found[block[at + 1 : name_end].decode("utf-8", "replace")] = block[value:end].decode("utf-8", "replace")
            at = end
    except (IndexError, KeyError):
        raise _broken("the headers of a message cannot be read", block) from None
    return found


def _with_type(payload: bytes, failure: dict[str, str]) -> bytes:
    """A failure's payload with its type; what is no JSON object is its message."""
    said: Any
    try:
        said = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        said = None
    if not isinstance(said, dict):
        said = {"message": payload.decode("utf-8", "replace")} if payload else {}
    return msgspec.json.encode({**said, **failure})


def _broken(why: str, data: bytes) -> StreamProtocolError:
    return StreamProtocolError(
        f"the bytes are not an AWS event stream: {why}. Does a proxy change or cut them?", payload=repr(data[:50])
    )
