"""Small converters for `take(..., through=...)` that turn media into the wire JSON of a dialect."""

from __future__ import annotations

import base64

from ..core.exceptions import UnsupportedParameterError
from .media import Media
from .request_words import Place, PlaceBy, by_value, inside, refused, take


def file_name(media: Media) -> str:
    """A name for a file that came without one, after its type."""
    endings = {"text/plain": "txt", "text/markdown": "md"}
    return f"document.{endings.get(media.type or '', media.format or 'pdf')}"


def document_text(media: Media) -> str:
    """The words of a text document, for wires that take it as text like any other.

    Raises:
        UnsupportedParameterError: it is a link.
    """
    if media.data is None:
        raise UnsupportedParameterError(
            "a text document by URL is not taken here: send its text (DocumentBlock.from_text, or miiflow_llm.inline)",
            parameter="DocumentBlock",
        )
    return base64.b64decode(media.data).decode("utf-8", "replace")


def data_url(media: Media) -> str:
    """The data URL of an image, for wires that fetch none.

    Raises:
        UnsupportedParameterError: it is a link.
    """
    if media.link:
        raise UnsupportedParameterError(
            "an image by URL is not taken here: send its bytes (ImageBlock.from_bytes, or miiflow_llm.inline)",
            parameter="ImageBlock",
        )
    return media.url


def text_or(place: Place, kind: str = "text") -> PlaceBy:
    """The place of documents where those of text can only be parts of text; `kind` is the word for such a part."""
    words = inside({"type": kind, "text": take("media", through=document_text)})
    return by_value("document_type", {"text": words, "txt": words, ...: place})


DOCUMENTS_AS_TEXT = text_or(refused("documents are not taken here; send their text, or pages as images"))
"""The place of documents on wires that take only their text."""

NO_AUDIO = refused("sound is not taken here; send a transcript as text")
"""The place of sound on wires that take none."""


def linked(media: Media) -> str:
    """The https URL of a document, for wires that take no bytes.

    Raises:
        UnsupportedParameterError: there is none.
    """
    if not media.link:
        raise UnsupportedParameterError(
            "a document's bytes are not taken here: give an https URL, or send its text", parameter="DocumentBlock"
        )
    return media.link
