"""What is attached to a question: a path, a URL or standard input becomes a block of its kind."""

from __future__ import annotations

import sys
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from ..core.exceptions import ConfigurationError
from ..core.media_types import media_type
from ..core.messages import AudioBlock, Block, DocumentBlock, ImageBlock

MOST = 50_000_000
"""Bytes of an attachment; providers take less."""
WAIT = 30.0
"""Seconds to wait for the server of a URL."""
IMAGES = frozenset(("png", "jpg", "jpeg", "gif", "webp"))
"""Endings of images; they and PDFs are read by the provider itself, by their URL. Others are fetched."""


def attached(place: str) -> Block:
    """The block of a path, a URL, a data URL, or standard input (`-`), told by its bytes.

    Raises:
        ConfigurationError: it cannot be read, or is of a kind that no model reads.
    """
    if place == "-":
        return block_of(sys.stdin.buffer.read(MOST + 1), "standard input")
    if place.startswith("data:"):
        return ImageBlock.from_url(place)
    if place.startswith(("http://", "https://")):
        return _by_url(place)
    try:
        data = Path(place).expanduser().read_bytes()
    except OSError as reason:
        raise ConfigurationError(f"-a {place}: {reason.strerror}") from None
    return block_of(data, place)


def _by_url(url: str) -> Block:
    ending = urlsplit(url).path.rpartition(".")[2].lower()
    if ending == "pdf":
        return DocumentBlock.from_url(url)
    return ImageBlock.from_url(url) if ending in IMAGES else block_of(_fetched(url), url)


def _fetched(url: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=WAIT) as answer:  # noqa: S310  http and https only
            data: bytes = answer.read(MOST + 1)
    except (OSError, ValueError) as reason:
        words = getattr(reason, "reason", None) or reason
        raise ConfigurationError(f"-a {url}: it cannot be fetched: {words}") from None
    return data


def block_of(data: bytes, place: str) -> Block:
    """The block of bytes, by the kind of file that they are; `place` is their origin.

    Raises:
        ConfigurationError: they are too many, or of a kind that no model reads.
    """
    if len(data) > MOST:
        raise ConfigurationError(f"-a {place}: more than {MOST // 1_000_000} MB")
    kind = media_type(data) if data else None
    name = urlsplit(place).path.rpartition("/")[2] or None
    if kind is not None and kind.startswith("image/") and kind != "image/svg+xml":
        return ImageBlock.from_bytes(data)
    if kind is not None and kind.startswith("audio/"):
        return AudioBlock.from_bytes(data)
    if kind == "application/pdf":
        return DocumentBlock.from_bytes(data, filename=name)
    if kind in ("text/plain", "image/svg+xml"):
        return DocumentBlock.from_text(data.decode("utf-8", "replace"), filename=name)
    what = f"is of the type {kind}" if kind else "is empty" if not data else "is not of a known type"
    raise ConfigurationError(f"-a {place}: it {what}; images, PDFs, sound and text can be attached")
