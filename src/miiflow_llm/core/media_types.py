"""Tell the media type of bytes by how the formats begin."""

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
    (0, b"II*\x00", "image/tiff"),
    (0, b"MM\x00*", "image/tiff"),
    (0, b"\x00\x00\x01\x00", "image/x-icon"),
    (0, b"\xff\x0a", "image/jxl"),
    (0, b"\x00\x00\x00\x0cJXL ", "image/jxl"),
    (0, b"\x00\x00\x00\x0cjP  ", "image/jp2"),
    (0, b"fLaC", "audio/flac"),
    (0, b"OggS", "audio/ogg"),
    (0, b"#!AMR", "audio/amr"),
    (0, b"caff", "audio/x-caf"),
    (0, b"MThd", "audio/midi"),
    (0, b"\x1a\x45\xdf\xa3", "video/webm"),
)
"""How the formats begin: the place, the bytes there, the media type."""
_PATTERNS = (
    (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), "image/webp"),
    (re.compile(rb"RIFF.{4}WAVE", re.DOTALL), "audio/wav"),
    (re.compile(rb"FORM.{4}AIF[FC]", re.DOTALL), "audio/aiff"),
    (re.compile(rb"BM(?:.{4}\x00{4}|[^A-Za-z\s])", re.DOTALL), "image/bmp"),
    (re.compile(rb"ID3(?![A-Za-z ])"), "audio/mp3"),
)
"""Those that a few letters do not tell from a text."""
_BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"), "image/heic"),
    **dict.fromkeys((b"mif1", b"msf1"), "image/heif"),
    **dict.fromkeys((b"avif", b"avis"), "image/avif"),
    **dict.fromkeys((b"M4A ", b"M4B ", b"M4P "), "audio/m4a"),
    **dict.fromkeys((b"isom", b"iso2", b"iso4", b"iso5", b"iso6", b"mp41", b"mp42", b"avc1", b"M4V "), "video/mp4"),
    b"qt  ": "video/quicktime",
}
"""The brands of the format that begins with `ftyp` at its fifth byte."""
_SAMPLE = 4096
"""Bytes that tell the kind of the whole."""
_SVG = re.compile(
    rb"\s*(?:<\?xml.*?\?>\s*)?(?:<!--.*?-->\s*)*(?:<!DOCTYPE svg.*?>\s*)?<svg[\s>]", re.DOTALL | re.IGNORECASE
)
_ADDRESS = re.compile(r"(https?|gs|s3|data):", re.IGNORECASE)


def media_type(data: bytes) -> str | None:
    """The media type that the bytes begin like, `text/plain` for UTF-8 text, `None` if they are neither."""
    for place, beginning, kind in _BEGINNINGS:
        if data.startswith(beginning, place):
            return kind
    start = bytes(data[:_SAMPLE])
    for pattern, kind in _PATTERNS:
        if pattern.match(start):
            return kind
    if start[4:8] == b"ftyp":
        return _of_brands(start)
    if b"%PDF-" in start[:1024]:  # readers take some junk before it
        return "application/pdf"
    if len(start) > 1 and start[0] == 0xFF and start[1] & 0xE0 == 0xE0:
        return _of_frame(start[1])
    if _SVG.match(start.removeprefix(b"\xef\xbb\xbf")):
        return "image/svg+xml"
    return "text/plain" if _is_text(start) else None


def _of_brands(start: bytes) -> str | None:
    """The type by the brands: the major one, then those that it is compatible with."""
    length = int.from_bytes(start[:4])
    brands = [start[8:12], *(start[at : at + 4] for at in range(16, min(length, len(start)), 4))]
    known = [_BRANDS[brand] for brand in brands if brand in _BRANDS]
    # many HEIC and AVIF files call themselves mif1 first
    return next((kind for kind in known if kind != "image/heif"), known[0] if known else None)


def _of_frame(second: int) -> str | None:
    """The type of MPEG sound without a header, by the layer in its first frame."""
    layer = second >> 1 & 3
    return "audio/aac" if layer == 0 else "audio/mp3" if layer == 1 else None


def _is_text(start: bytes) -> bool:
    if not start or b"\x00" in start:
        return False
    try:
        start.decode()
    except UnicodeDecodeError as reason:
        return reason.start >= len(start) - 3  # a character cut by the sample's end
    return True


def checked_bytes(data: Any, what: str) -> bytes:
    """Return the bytes.

    Raises:
        ConfigurationError: they are not bytes; the message says what to write.
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
    """Return the address.

    Raises:
        ConfigurationError: it is not an https or data URL; the message says what to write.
    """
    if isinstance(url, str) and _ADDRESS.match(url):
        return url
    given = repr(url[:60]) if isinstance(url, str) else f"a {type(url).__name__}"
    raise ConfigurationError(
        f"{what}.from_url takes an https or data URL, not {given}: for a file's name write {what}.from_path(...), for "
        f"bytes {what}.from_bytes(...)"
    )


def as_sound(kind: str | None) -> str | None:
    """The type of what is said to be sound: a container of videos holds only sound then."""
    return {"video/mp4": "audio/m4a", "video/webm": "audio/webm"}.get(kind or "", kind)


def checked_type(data: bytes, wanted: str, what: str) -> str:
    """The media type of the bytes, which must begin with `wanted` (`image/`, `audio/`).

    Raises:
        ConfigurationError: they are something else; the message says what.
    """
    found = media_type(checked_bytes(data, what))
    found = as_sound(found) if wanted == "audio/" else found
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
