"""A wire format as the fault tests know it: the bytes of one small answer in parts, and how such bytes are written."""

from __future__ import annotations

import itertools
import json
from typing import Any, NamedTuple

from miiflow_llm.replay import eventstream
from miiflow_llm.replay.eventstream import message

from .server import LAST_CHUNK, Step, chunk, head

STREAM_MODEL = "test-model"
NDJSON = "application/x-ndjson"
BINARY = "application/vnd.amazon.eventstream"
EVENT = {":event-type": "contentBlockDelta", ":content-type": "application/json", ":message-type": "event"}


class Wire(NamedTuple):
    """A dialect's bytes.

    `complete_at` is the first of `finish` and `end` after which the end of the bytes is a finished answer.
    `overload` is an error inside a stream that may be retried, `refusal` one that may not; `silent` are frames that
    carry no output; `quota` is the body of a status 429 or 402 that says that waiting does not help.
    """

    name: str
    provider: str
    kind: str
    opening: bytes
    hel: bytes
    lo: bytes
    reasoning: bytes
    tool: bytes
    finish: bytes
    end: bytes
    complete_at: str
    silent: tuple[bytes, ...]
    unknown: bytes
    overload: bytes
    refusal: bytes
    error: bytes
    quota: bytes
    quota_status: int
    invalid: bytes
    answer: bytes

    @property
    def text(self) -> bytes:
        return self.opening + self.hel + self.lo

    @property
    def stream(self) -> bytes:
        return self.text + self.finish + self.end

    def frame(self, payload: bytes) -> bytes:
        """A frame with this payload."""
        if self.kind == NDJSON:
            return payload + b"\n"
        return message(payload, EVENT) if self.kind == BINARY else b"data: " + payload + b"\n\n"

    def swapped(self, frames: bytes, old: bytes, new: bytes) -> bytes:
        """The frames with other words in them."""
        if self.kind != BINARY:
            return frames.replace(old, new)
        ends = [0, *eventstream.ends(frames)]
        return b"".join(
            message(payload_of(frames[start:end]).replace(old, new), EVENT) for start, end in itertools.pairwise(ends)
        )

    def head(self, *lines: str) -> bytes:
        """The head of a chunked stream."""
        return head(200, self.kind, "transfer-encoding: chunked", *lines)

    def streamed(self, *parts: bytes) -> list[Step]:
        """A whole chunked stream, each part a chunk."""
        return [self.head() + b"".join(map(chunk, parts)) + LAST_CHUNK]

    def begun(self, *parts: bytes) -> list[Step]:
        """A chunked stream that goes on."""
        return [self.head() + b"".join(map(chunk, parts))]


def binary(name: str, payload: Any) -> bytes:
    return message(json.dumps(payload).encode(), {**EVENT, ":event-type": name})


def failed(name: str, payload: Any) -> bytes:
    headers = {":exception-type": name, ":content-type": "application/json", ":message-type": "exception"}
    return message(json.dumps(payload).encode(), headers)


def payload_of(data: bytes) -> bytes:
    """The payload of one binary message."""
    return data[12 + int.from_bytes(data[4:8]) : -4]


def sse(*payloads: Any, line: str = "\n") -> bytes:
    return b"".join(f"data: {json.dumps(payload)}{line}{line}".encode() for payload in payloads)


def named(*payloads: dict[str, Any]) -> bytes:
    return b"".join(f"event: {p['type']}\ndata: {json.dumps(p)}\n\n".encode() for p in payloads)


def lines(*payloads: Any) -> bytes:
    return b"".join(json.dumps(payload).encode() + b"\n" for payload in payloads)
