"""Write messages of AWS's binary event stream, and seal bytes that were changed anew.

It is written apart from the framing that reads them, so that one can be tested by the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from zlib import crc32

import msgspec

from ..wire.decode.framings import MEDIA_TYPES

_TEXT = 7
_PRELUDE, _CRC = 12, 4


def is_event_stream(content_type: str) -> bool:
    """Whether a body of this content type is such messages."""
    return MEDIA_TYPES["aws_eventstream"] in content_type.lower()


def message(payload: bytes, headers: dict[str, str]) -> bytes:
    """A message with its headers, all of which are text."""
    block = b"".join(_header(name, value) for name, value in headers.items())
    total = _PRELUDE + len(block) + len(payload) + _CRC
    prelude = _sealed(_number(total) + _number(len(block)))
    return _sealed(prelude + block + payload)


def event(name: str, payload: object) -> bytes:
    """An event and its JSON."""
    headers = {":event-type": name, ":content-type": "application/json", ":message-type": "event"}
    return message(msgspec.json.encode(payload), headers)


def exception(name: str, payload: object) -> bytes:
    """A failure that ends the stream."""
    headers = {":exception-type": name, ":content-type": "application/json", ":message-type": "exception"}
    return message(msgspec.json.encode(payload), headers)


def ends(body: bytes) -> Iterator[int]:
    """Where the messages of a body end, by the lengths that they begin with; the last may be beyond the body."""
    offset = 0
    while len(body) - offset >= _PRELUDE + _CRC:
        offset += max(int.from_bytes(body[offset : offset + 4]), _PRELUDE + _CRC)
        yield offset


def resealed(body: bytes) -> bytes:
    """The body, some of whose bytes were replaced, with checksums that are right; a cut message stays as it is."""
    out, start = bytearray(body), 0
    for end in ends(body):
        if end <= len(body):
            out[start + 8 : start + _PRELUDE] = _number(crc32(out[start : start + 8]))
            out[end - _CRC : end] = _number(crc32(out[start : end - _CRC]))
        start = end
    return bytes(out)


def _header(name: str, value: str) -> bytes:
    said = value.encode()
    return bytes([len(name.encode())]) + name.encode() + bytes([_TEXT]) + len(said).to_bytes(2) + said


def _sealed(data: bytes) -> bytes:
    return data + _number(crc32(data))


def _number(value: int) -> bytes:
    return value.to_bytes(4)
