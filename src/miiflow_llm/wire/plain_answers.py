"""Read answers that are plain JSON: values at the places that a table names."""

from __future__ import annotations

from typing import Any

import msgspec

from ..core.exceptions import StreamProtocolError
from ..tables.paths import steps
from .decode.tolerant import decode_leniently


def at(value: Any, path: str) -> Any:
    """What stands at a path; `None` if there is nothing."""
    for step in steps(path):
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and len(value) > step else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value


def read_json(body: bytes, what: str) -> Any:
    """The value of a body.

    Raises:
        StreamProtocolError: it is not JSON; `what` says of which kind of answer.
    """
    try:
        return decode_leniently(body)
    except (msgspec.DecodeError, RecursionError) as reason:
        raise unreadable(body, str(reason), what) from None


def unreadable(body: bytes, detail: str, what: str) -> StreamProtocolError:
    """The error of an answer that is not `what`, with its beginning."""
    shown = body[:200].decode("utf-8", "replace")
    return StreamProtocolError(f"{what}: {detail}; it begins {shown!r}", payload=shown)
