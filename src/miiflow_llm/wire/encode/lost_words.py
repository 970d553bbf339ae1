"""Note what a caller said of a message, or of a part of it, for which the wire has no place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...core.messages import DocumentBlock, ImageBlock, Message, ToolResult
from ...tables.dialect import Dialect
from ...tables.request_words import Place
from ...tables.template import words
from .places import place_of

Note = Callable[[str], None]

_SAID: dict[type, tuple[str, ...]] = {ImageBlock: ("detail",), DocumentBlock: ("filename", "citations")}
"""What may be said of a part and is not its content."""


def note_lost_words(dialect: Dialect, message: Message, note: Note) -> None:
    """Note a name, a detail, the mark of an error and the like that are not sent."""
    if message.name and message.role != "tool" and "name" not in _names(dialect.message):
        _note(note, "name", f"{message.role} message")
    if message.role == "tool":
        result = dialect.parts[ToolResult]
        if message.is_error and isinstance(result, Place) and "is_error" not in _names(result.template):
            _note(note, "is_error", "tool's result; its text has to say it")
    if isinstance(message.content, str):
        return
    for block in message.content:
        for name in _SAID.get(type(block), ()):
            if getattr(block, name) and not _has_place(dialect, block, message.role, name):
                _note(note, name, type(block).__name__)


def _has_place(dialect: Dialect, block: Any, role: str, name: str) -> bool:
    place = place_of(dialect, block, role)
    return place.where in ("left_out", "refused") or name in _names(place.template)


def _names(template: Any) -> set[str]:
    return {word.name for word, _ in words(template)}


def _note(note: Note, name: str, what: str) -> None:
    note(f"left out: {name} of a {what} (there is no place for it here)")
