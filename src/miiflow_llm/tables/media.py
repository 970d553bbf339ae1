"""Take an image, document or sound apart: its URL or bytes, media type and format."""

from __future__ import annotations

import base64
import re

import msgspec

from ..core.exceptions import ConfigurationError
from ..core.media_types import media_type
from ..core.messages import AudioBlock, Block, DocumentBlock, ImageBlock

_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(?:;[\w.-]+=[^;,]*)*;base64,(.*)", re.DOTALL)
_AUDIO_TYPES = {
    "wav": "audio/wav",
    "mp3": "audio/mp3",
    "ogg": "audio/ogg",
    "flac": "audio/flac",
    "aac": "audio/aac",
}


class Media(msgspec.Struct, frozen=True):
    """`url` as the caller gave it; of a data URL also `data` (base64) and `type`, told by the bytes if they can tell.

    `link` is the URL if it is not a data URL. `format` is the second half of the media type.
    """

    url: str
    link: str | None = None
    data: str | None = None
    type: str | None = None
    format: str | None = None


def media(block: Block) -> Media:
    """The parts of a block that holds media.

    Raises:
        ConfigurationError: the URL is neither https, http nor a base64 data URL.
    """
    if isinstance(block, ImageBlock):
        return _from_url(block.image_url, "image_url", "image/png")
    if isinstance(block, DocumentBlock):
        default = "text/plain" if block.document_type in ("text", "txt") else "application/pdf"
        return _from_url(block.document_url, "document_url", default)
    if isinstance(block, AudioBlock):
        type_ = _AUDIO_TYPES.get(block.format, f"audio/{block.format}")
        return Media(f"data:{type_};base64,{block.data}", None, block.data, type_, block.format)
    raise ConfigurationError(f"{type(block).__name__} holds no media")


def _type_of(data: str) -> str | None:
    """What kind of media some base64 is by how it begins, whatever it was said to be; `None` for text and unknown."""
    try:
        found = media_type(base64.b64decode(data[:64]))
    except ValueError:
        return None
    return None if found == "text/plain" else found


def _from_url(url: str, field: str, default: str) -> Media:
    match = _DATA_URL.fullmatch(url)
    if match:
        kind = _type_of(match.group(2)) or match.group(1) or default
        return Media(url, None, match.group(2), kind, kind.partition("/")[2])
    if re.match(r"(https?|gs|s3)://", url):
        return Media(url, url, None, default)
    raise ConfigurationError(f"{field}={url[:60]!r}: an https URL or a base64 data URL is needed")
