"""The framings by the name that a dialect uses, each with the media type that a stream in it is asked for by."""

from __future__ import annotations

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
