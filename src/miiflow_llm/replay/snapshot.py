"""Chunks as readable text, a line each, for snapshots: what a chunk says, in a fixed order, without its raw bytes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from ..core.response import StreamChunk


def chunk_lines(chunks: Iterable[StreamChunk]) -> str:
    """One line of JSON for each chunk, with the fields that say something."""
    return "".join(f"{_line(chunk)}\n" for chunk in chunks)


def _line(chunk: StreamChunk) -> str:
    said: dict[str, Any] = {"restarted": True} if chunk.restarted else {}
    for name in chunk.__struct_fields__:
        value = getattr(chunk, name)
        if not name.startswith("_") and name not in ("raw", "restarted") and value not in (None, "", []):
            said[name] = value
    return msgspec.json.encode(said).decode()
