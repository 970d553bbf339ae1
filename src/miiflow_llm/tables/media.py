"""Take an image, document or sound apart: its URL or bytes, media type and format.

The bytes say what they are, whatever they were said to be; base64 is clean when it leaves here.
"""

from __future__ import annotations

import base64
import re
from urllib.parse import unquote_to_bytes

import msgspec

from ..core.exceptions import ConfigurationError
from ..core.media_types import as_sound, media_type
from ..core.messages import AudioBlock, Block, DocumentBlock, ImageBlock

_DATA_URL = re.compile(r"\s*data:([^;,\s]*)((?:;[^;,]*)*),(.*)", re.DOTALL | re.IGNORECASE)
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_LINK = re.compile(r"(https?|gs|s3)://", re.IGNORECASE)
_MARKUP = re.compile(rb"\s*(<|\{)")
"""How a page or an error begins that stands for what was to be fetched."""
_SAMPLE = 4096
"""Characters of base64 that tell the kind of the whole."""
_NAMES = {
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/x-png": "image/png",
    "image/svg": "image/svg+xml",
    "application/x-pdf": "application/pdf",
    "audio/mpeg": "audio/mp3",
    "audio/x-mp3": "audio/mp3",
    "audio/x-wav": "audio/wav",
    "audio/wave": "audio/wav",
    "audio/vnd.wave": "audio/wav",
    "audio/x-m4a": "audio/m4a",
    "audio/mp4": "audio/m4a",
    "audio/x-flac": "audio/flac",
    "audio/x-aac": "audio/aac",
    "audio/x-aiff": "audio/aiff",
}
"""Other names of media types."""
_NO_TYPES = ("", "application/octet-stream", "binary/octet-stream", "application/binary", "application/unknown")
"""What is said of bytes of which nothing is known."""


class Media(msgspec.Struct, frozen=True):
    """`url` as it may be sent; of a data URL also `data` (base64) and `type`, told by the bytes if they can tell.

    `link` is the URL if it is not a data URL. `format` is the second half of the media type. Of a file that is known by
    its id there is nothing.
    """

    url: str
    link: str | None = None
    data: str | None = None
    type: str | None = None
    format: str | None = None


def media(block: Block) -> Media:
    """The parts of a block that holds media.

    Raises:
        ConfigurationError: the URL is neither https, http nor a data URL, its base64 cannot be read, or its bytes are
            of another kind than the block.
    """
    if getattr(block, "file_id", None):
        return Media("")
    if isinstance(block, ImageBlock):
        return _from_url(block.image_url, "image_url", "", "ImageBlock")
    if isinstance(block, DocumentBlock):
        default = "text/plain" if block.document_type in ("text", "txt") else "application/pdf"
        return _from_url(block.document_url, "document_url", default, "DocumentBlock")
    if isinstance(block, AudioBlock):
        said = block.format.lower().removeprefix("audio/")
        inside = _DATA_URL.fullmatch(block.data[:200])
        url = block.data if inside else f"data:audio/{said};base64,{block.data}"
        return _from_url(url, "data", f"audio/{said}", "AudioBlock")
    raise ConfigurationError(f"{type(block).__name__} holds no media")


def _from_url(url: str, field: str, default: str, what: str) -> Media:
    if _LINK.match(url):
        return Media(url, url, None, default or "image/png")
    match = _DATA_URL.fullmatch(url)
    if match is None:
        raise ConfigurationError(
            f"{what}: {field}={url[:60]!r}: an https URL or a data URL is needed; for a file write "
            f"{what}.from_path(...), for bytes {what}.from_bytes(...)"
        )
    said, settings, data = match.groups()
    clean = _clean(data, what) if "base64" in settings.lower() else _encoded(data)
    kind = _kind(clean, _NAMES.get(said.lower(), said.lower()), default, what)
    head = f"data:{kind};base64,"
    is_clean = clean is data and url.startswith(head)
    return Media(url if is_clean else head + clean, None, clean, kind, kind.partition("/")[2])


def _clean(data: str, what: str) -> str:
    """Clean base64, as every server takes it: one line, the usual alphabet, padded.

    Raises:
        ConfigurationError: it is not base64, or holds nothing.
    """
    if not _is_base64(data):
        data = "".join((unquote_to_bytes(data).decode("latin-1") if "%" in data else data).split())
        data = data.replace("-", "+").replace("_", "/").rstrip("=")
        data += "=" * (-len(data) % 4)
        if not _is_base64(data):
            wrong = re.search(r"[^A-Za-z0-9+/=]", data)
            found = f"{wrong.group()!r} at {wrong.start()}" if wrong else f"{len(data)} characters"
            words = f"it is not base64 ({found})" if data else "it holds no bytes"
            raise ConfigurationError(f"{what}: {words}; for bytes write {what}.from_bytes(...)")
    return data


def _is_base64(data: str) -> bool:
    return len(data) % 4 == 0 and _BASE64.fullmatch(data) is not None


def _encoded(data: str) -> str:
    """The bytes of a data URL that is not base64, as base64."""
    return base64.b64encode(unquote_to_bytes(data)).decode()


def _kind(data: str, said: str, default: str, what: str) -> str:
    """The media type of some base64: what its bytes say, or else what was said of them.

    Raises:
        ConfigurationError: nobody says it, or it is not one of this block.
    """
    start = base64.b64decode(data[:_SAMPLE])
    told = media_type(start)
    if told == "text/plain" and (what == "DocumentBlock" or not _MARKUP.match(start)):
        told = None  # a text may be of any kind, as CSV
    if what == "AudioBlock":
        told = as_sound(told)
    kind = told or ("" if said in _NO_TYPES else said) or default
    if not kind:
        raise ConfigurationError(f"{what}: its bytes tell no media type: say it, as in data:image/png;base64,...")
    _check_block(kind, what)
    return kind


def _check_block(kind: str, what: str) -> None:
    wanted = {"image": "ImageBlock", "audio": "AudioBlock"}.get(kind.partition("/")[0], "DocumentBlock")
    if kind.startswith("video/"):
        raise ConfigurationError(f"{what}: the bytes are {kind}; there is no block for videos, see OpaqueBlock.of")
    if wanted != what and not (what == "DocumentBlock" and kind == "image/svg+xml"):
        article = "a" if wanted == "DocumentBlock" else "an"
        raise ConfigurationError(f"{what}: the bytes are {kind}: give {article} {wanted}")
