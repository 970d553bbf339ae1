"""What kind of media some bytes are: bytes in, their media type out, told by how the formats begin."""

from __future__ import annotations

import mimetypes
import re
from pathlib import Path
from typing import Any

from .exceptions import ConfigurationError

_BEGINNINGS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (8, b"WAVE", "audio/wav"),
    (4, b"ftypheic", "image/heic"),
    (4, b"ftypheix", "image/heic"),
    (4, b"ftypmif1", "image/heif"),
    (0, b"BM", "image/bmp"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"fLaC", "audio/flac"),
    (0, b"OggS", "audio/ogg"),
    (0, b"ID3", "audio/mp3"),
    (0, b"\xff\xfb", "audio/mp3"),
    (0, b"\xff\xf3", "audio/mp3"),
    (0, b"\xff\xf1", "audio/aac"),
    (0, b"\xff\xf9", "audio/aac"),
    (4, b"ftypM4A", "audio/m4a"),
)
_ADDRESS = re.compile(r"(https?|gs|s3|data):", re.IGNORECASE)
IMAGE_TYPES = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/heic", "image/heif", "image/bmp")


def media_type(data: bytes) -> str | None:
    """The media type that the bytes begin like, `text/plain` for UTF-8 text, `None` for what is none of them."""
    for place, beginning, kind in _BEGINNINGS:
        if data.startswith(beginning, place):
            return kind
    return "text/plain" if _is_text(data[:4096]) else None


def _is_text(start: bytes) -> bool:
    if not start or b"\x00" in start:
        return False
    try:
        start.decode()
    except UnicodeDecodeError as reason:
        return reason.start >= len(start) - 3  # a character cut by the sample's end
    return True


def checked_bytes(data: Any, what: str) -> bytes:
    """The bytes themselves.

    Raises:
        ConfigurationError: they are none; the message says what to write.
    """
    if isinstance(data, (bytearray, memoryview)):
        return bytes(data)
    if isinstance(data, bytes):
        return data
    other = "AudioBlock(data, format)" if what == "AudioBlock" else f"{what}.from_url(...), which takes a data URL too"
    raise ConfigurationError(
        f"{what}.from_bytes takes bytes, not a {type(data).__name__}: for a file's name write {what}.from_path(...), "
        f"for an address or base64 {other}"
    )


def checked_url(url: Any, what: str) -> str:
    """The address itself.

    Raises:
        ConfigurationError: it is none; the message says what to write.
    """
    if isinstance(url, str) and _ADDRESS.match(url):
        return url
    given = repr(url[:60]) if isinstance(url, str) else f"a {type(url).__name__}"
    raise ConfigurationError(
        f"{what}.from_url takes an https or data URL, not {given}: for a file's name write {what}.from_path(...), for "
        f"bytes {what}.from_bytes(...)"
    )


def checked_type(data: bytes, wanted: str, what: str) -> str:
    """The media type of the bytes, which must begin with `wanted` (`image/`, `audio/`).

    Raises:
        ConfigurationError: they are something else; the message says what.
    """
    found = media_type(checked_bytes(data, what))
    if found is None or not found.startswith(wanted):
        kind = found or "nothing that is known"
        raise ConfigurationError(f"{what}: the bytes are {kind}, not {wanted.rstrip('/')}")
    return found


def type_of_url(url: str) -> str | None:
    """The media type that the URL's path ends like, `None` where it says nothing."""
    return mimetypes.guess_type(url.partition("?")[0].partition("#")[0])[0]


def read_file(path: str | Path) -> bytes:
    """The bytes of a file that the caller names.

    Raises:
        ConfigurationError: it cannot be read.
    """
    try:
        return Path(path).expanduser().read_bytes()
    except TypeError:
        kind = type(path).__name__
        raise ConfigurationError(
            f"from_path takes a file's name, not a {kind}: for bytes write from_bytes(...)"
        ) from None
    except (OSError, ValueError, RuntimeError) as reason:  # a NUL in the name, no home
        words = getattr(reason, "strerror", None) or reason
        raise ConfigurationError(f"cannot read {str(path)!r}: {words}") from None
