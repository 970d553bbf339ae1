"""Fetch what a block points to, only when asked, and put the bytes in place of its URL.

For providers that take no URLs. Nothing else in the library fetches a URL that stands in a message.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TypeVar, cast

import httpx

from ..core.exceptions import ConfigurationError, NetworkError
from ..core.messages import DocumentBlock, ImageBlock
from ..http.plain_clients import async_client

B = TypeVar("B", bound=ImageBlock | DocumentBlock)

MAX_BYTES = 20 * 1024 * 1024
"""The most that is fetched for one block, in bytes, unless a caller says otherwise."""


async def inline(block: B, *, client: httpx.AsyncClient | None = None, max_bytes: int = MAX_BYTES) -> B:
    """The block with its bytes in place of its https URL; a block that has them already comes back as it is.

    Redirects are not followed. Do not call it with URLs that strangers choose: it reaches what this machine reaches.

    Raises:
        ConfigurationError: the URL is not https, or what it gives is too large or of the wrong kind.
        NetworkError: it could not be fetched.
    """
    url = block.image_url if isinstance(block, ImageBlock) else block.document_url
    if url.startswith("data:"):
        return block
    if not url.startswith("https://"):
        raise ConfigurationError(f"inline: {url[:100]!r} is not an https URL")
    if client is not None:
        return _with(block, await _fetched(client, url, max_bytes))
    async with async_client() as own:
        return _with(block, await _fetched(own, url, max_bytes))


async def _fetched(client: httpx.AsyncClient, url: str, most: int) -> bytes:
    parts, size = list[bytes](), 0
    try:
        async with client.stream("GET", url, follow_redirects=False) as response:
            if response.status_code != httpx.codes.OK:
                raise NetworkError(f"inline: {url[:100]!r} answered {response.status_code}")
            async with aclosing(cast("AsyncGenerator[bytes, None]", response.aiter_bytes())) as pieces:
                async for data in pieces:
                    size += len(data)
                    if size > most:
                        raise ConfigurationError(f"inline: {url[:100]!r} gives more than {most} bytes")
                    parts.append(data)
    except (httpx.HTTPError, httpx.InvalidURL) as reason:
        raise NetworkError(f"inline: {url[:100]!r} could not be fetched: {reason}") from None
    return b"".join(parts)


def _with(block: B, data: bytes) -> B:
    made = _made(block, data)
    made.cache = block.cache
    return cast("B", made)


def _made(block: ImageBlock | DocumentBlock, data: bytes) -> ImageBlock | DocumentBlock:
    if isinstance(block, ImageBlock):
        return ImageBlock.from_bytes(data, detail=block.detail)
    return DocumentBlock.from_bytes(data, filename=block.filename)
