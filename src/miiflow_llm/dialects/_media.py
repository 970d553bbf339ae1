"""Small converters for `take(..., through=...)`: media in, the piece of wire JSON that a dialect wants out."""

from __future__ import annotations

import base64
from typing import Any

from ..core.exceptions import UnsupportedParameterError
from ..wire.media import Media


def anthropic_source(media: Media) -> dict[str, Any]:
    """A `source`: by URL, as base64, or as text, which is all plain to this wire."""
    if media.link:
        return {"type": "url", "url": media.link}
    if (media.type or "").startswith("text/"):
        text = base64.b64decode(media.data or "").decode("utf-8", "replace")
        return {"type": "text", "media_type": "text/plain", "data": text}
    return {"type": "base64", "media_type": media.type, "data": media.data}


def file_name(media: Media) -> str:
    """A name for a file that came without one, after its type."""
    endings = {"text/plain": "txt", "text/markdown": "md"}
    return f"document.{endings.get(media.type or '', media.format or 'pdf')}"


def embedded(media: Media) -> str:
    """The data URL of a document, for wires that fetch none.

    Raises:
        UnsupportedParameterError: it is a link.
    """
    if media.link:
        raise UnsupportedParameterError(
            "a document by URL is not taken here: send its bytes (DocumentBlock.from_bytes, or miiflow_llm.inline), or "
            "use dialect='openai_responses'",
            parameter="DocumentBlock",
        )
    return media.url


def linked(media: Media) -> str:
    """The https URL of a document, for wires that take no bytes.

    Raises:
        UnsupportedParameterError: it is none.
    """
    if not media.link:
        raise UnsupportedParameterError(
            "a document's bytes are not taken here: give an https URL, or send its text", parameter="DocumentBlock"
        )
    return media.link
