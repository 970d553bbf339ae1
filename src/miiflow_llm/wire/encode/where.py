"""Say in an error which message, and which part of it, could not be written."""

from __future__ import annotations

from collections.abc import Iterator

from ...core.exceptions import ConfigurationError, UnsupportedParameterError
from ...core.messages import AudioBlock, Block, DocumentBlock, ImageBlock, Message, ToolResult
from ...tables.dialect import Dialect
from ...tables.media import media
from .places import place_of

Media = ImageBlock | DocumentBlock | AudioBlock


def with_place(error: ConfigurationError, dialect: Dialect, messages: list[Message]) -> ConfigurationError:
    """The error with the place of the media that it is about, if it is about media."""
    for place, role, block in _media(messages):
        if _is_about(error, dialect, role, block):
            error.message = f"{place}: {error.message}"
            break
    return error


def _media(messages: list[Message]) -> Iterator[tuple[str, str, Media]]:
    """Every image, document and sound of a conversation with its place and its role."""
    for number, message in enumerate(messages):
        name = "parts" if message.parts else "content"
        listed = message.parts or message.content
        if not isinstance(listed, str):
            yield from _within(listed, f"messages[{number}].{name}", message.role)


def _within(blocks: list[Block], place: str, role: str) -> Iterator[tuple[str, str, Media]]:
    for number, block in enumerate(blocks):
        if isinstance(block, ToolResult):
            yield from _within([*block.content], f"{place}[{number}].content", "tool")
        elif isinstance(block, Media):
            yield f"{place}[{number}]", role, block


def _is_about(error: ConfigurationError, dialect: Dialect, role: str, block: Media) -> bool:
    """Whether this block is what the error is about: the first of its type that cannot be written."""
    try:
        found = media(block)
    except ConfigurationError as reason:
        return reason.message == error.message
    if not isinstance(error, UnsupportedParameterError) or error.parameter != type(block).__name__:
        return False
    taken = dialect.media.get(type(block))
    is_refused = place_of(dialect, block, role).where == "refused"
    return is_refused or taken is None or found.data is None or found.type not in taken
