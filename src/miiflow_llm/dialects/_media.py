"""Small converters for `take(..., through=...)`: media in, the piece of wire JSON that a dialect wants out."""

from __future__ import annotations

import base64
from typing import Any

from ..wire.media import Media


def anthropic_source(media: Media) -> dict[str, Any]:
    """A `source`: by URL, as base64, or as text, which is all plain to this wire."""
    if media.link:
        return {"type": "url", "url": media.link}
    if (media.type or "").startswith("text/"):
        text = base64.b64decode(media.data or "").decode("utf-8", "replace")
        return {"type": "text", "media_type": "text/plain", "data": text}
    return {"type": "base64", "media_type": media.type, "data": media.data}
