"""The head of an answer, with its body still to be read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

import msgspec

from .body import Body


class SyncBody(Protocol):
    """An answer's body in plain synchronous code. `deadline` is a time of `clock.monotonic`, set by assignment."""

    deadline: float | None

    def read(self) -> bytes:
        """What came since the last read; `b""` at the end. Raises httpx.HTTPError, ReadTimeout past the deadline."""

    def close(self) -> None:
        """Let go: the connection is kept when the body is complete."""

    def abort(self) -> None:
        """Close the connection now, without waiting for anything; from any thread, and from the collector."""


class Answer(msgspec.Struct):
    """The head of an answer, and its body to read; `headers` are by lower-case name."""

    status: int
    headers: Mapping[str, str]
    body: Body

    @property
    def content_type(self) -> str:
        """What the answer says its body is."""
        return self.headers.get("content-type", "")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.status})"  # a header may repeat the key


class SyncAnswer(msgspec.Struct):
    """The same without an event loop."""

    status: int
    headers: Mapping[str, str]
    body: SyncBody

    @property
    def content_type(self) -> str:
        """What the answer says its body is."""
        return self.headers.get("content-type", "")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.status})"  # a header may repeat the key


def by_name(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Raw headers by lower-case name; what comes several times is joined by commas (RFC 9110, section 5.3)."""
    found: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").lower(), _text(raw_value)
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
