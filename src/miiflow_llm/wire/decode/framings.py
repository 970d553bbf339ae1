"""The framings by the name that a dialect uses, each with its media type; and which of them a body is in."""

from __future__ import annotations

from typing import Literal

from .eventstream import EventStreamFramer
from .frames import NDJSONFramer, SSEFramer

FRAMINGS: dict[str, type[SSEFramer | NDJSONFramer | EventStreamFramer]] = {
    "sse": SSEFramer,
    "ndjson": NDJSONFramer,
    "aws_eventstream": EventStreamFramer,
}

MEDIA_TYPES = {
    "sse": "text/event-stream",
    "ndjson": "application/x-ndjson",
    "aws_eventstream": "application/vnd.amazon.eventstream",
}

Framing = Literal["sse", "ndjson", "aws_eventstream"]

_FIELDS = (b"data:", b"event:", b"id:", b"retry:", b":")


def framing_of(begun: bytes, own: Framing, *, whole: bool) -> Framing | Literal["document"] | None:
    """The framing of a body that begins with `begun`, not empty; `None` while that does not tell.

    `own` is the dialect's. With `whole` no stream was asked for: then a JSON object is a document, even if the dialect
    streams JSON lines.
    """
    first = begun[:1]
    if first == b"{" and own == "ndjson" and not whole:
        inside = begun[1:].lstrip(b" \t\r")[:1]  # an object in a line goes on in it, one made for people does not
        return ("document" if inside == b"\n" else own) if inside else None
    if first in (b"{", b"[", b"<") or (first == b'"' and (whole or own != "ndjson")):
        return "document"
    if own == "sse":
        return own
    if begun.startswith(_FIELDS):
        return "sse"
    if any(field.startswith(begun) for field in _FIELDS):
        return None
    # a message that begins with a letter would be longer than 500 MB: these are words of a server in between
    return "document" if own == "aws_eventstream" and first >= b" " else own
