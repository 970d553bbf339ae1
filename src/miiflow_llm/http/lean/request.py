"""Write a request: the bytes of its head, and its body framed for the wire.

Everything that could split a request in two (CR, LF, NUL or other control characters, two lengths) is refused with
httpx.LocalProtocolError before a byte is sent. Header values are never quoted in an error: they hold credentials.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Iterable
from typing import NamedTuple

import httpx

from ..credentials import SecretBytes

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_TARGET = re.compile(rb"[\x21-\x7e]+")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_LENGTH = re.compile(rb"[0-9]{1,18}")
_JOIN_LIMIT = 64 * 1024  # up to here one write of head and body is cheaper than two


class Outgoing(NamedTuple):
    """A request ready to be sent.

    `parts` are wire bytes that are at hand; `rest` frames an async body as it is produced, or is None.
    `replayable` says whether `parts` are all there is, so that they may be sent again.
    """

    parts: tuple[bytes, ...]
    rest: AsyncGenerator[bytes, None] | None
    keep_alive: bool

    @property
    def replayable(self) -> bool:
        return self.rest is None


class _Framing(NamedTuple):
    length: int | None
    chunked: bool


def outgoing(request: httpx.Request) -> Outgoing:
    """Check `request` and write it. Raises httpx.LocalProtocolError when it cannot be said in HTTP/1.1."""
    headers = request.headers.raw
    framing = _framing(headers)
    head = _head(request, headers)
    keep_alive = b"close" not in request.headers.get("connection", "").lower().encode()
    stream = request.stream
    if isinstance(stream, httpx.ByteStream):
        body = b"".join(stream)
        return Outgoing(_joined(head, _framed(body, framing)), None, keep_alive)
    if not isinstance(stream, httpx.AsyncByteStream):
        raise httpx.LocalProtocolError("an async transport cannot send a body that is read synchronously")
    return Outgoing((head,), _framed_stream(stream, framing), keep_alive)


def written(method: str, target: bytes, lines: bytes, body: bytes | None, *, keep_alive: bool) -> Outgoing:
    """A request of `header_lines`, the Host header among them, and a body whose length is added."""
    length = b"" if body is None else b"content-length: %d\r\n" % len(body)
    head = SecretBytes(b"".join((_request_line(method, target), lines, length, b"\r\n")))
    return Outgoing(_joined(head, body or b""), None, keep_alive)


def header_lines(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The headers as they go over the wire. Raises httpx.LocalProtocolError for what would break out of its line."""
    lines = []
    for name, value in headers:
        if not _TOKEN.fullmatch(name):
            raise httpx.LocalProtocolError(f"{name!r} is not a legal header name")
        if _CONTROL.search(value):
            raise httpx.LocalProtocolError(f"the value of header {name!r} holds a control character")
        lines.append(b"%s: %s\r\n" % (name, value))
    return b"".join(lines)


def _head(request: httpx.Request, headers: list[tuple[bytes, bytes]]) -> bytes:
    line = _request_line(request.method, request.extensions.get("target", request.url.raw_path))
    lines = header_lines(headers)
    hosts = sum(name.lower() == b"host" for name, _ in headers)
    if hosts != 1:
        raise httpx.LocalProtocolError(f"a request has one Host header, this one has {hosts}")
    return SecretBytes(line + lines + b"\r\n")


def _request_line(method: str, target: bytes) -> bytes:
    name = method.encode("ascii", "replace")
    if not _TOKEN.fullmatch(name) or name == b"CONNECT":
        raise httpx.LocalProtocolError(f"{method!r} is not a method that this transport can send")
    if not _TARGET.fullmatch(target):
        raise httpx.LocalProtocolError("the request target holds a space, a control or a non-ASCII character")
    return b"%s %s HTTP/1.1\r\n" % (name, target)


def _framing(headers: list[tuple[bytes, bytes]]) -> _Framing:
    lengths = [value for name, value in headers if name.lower() == b"content-length"]
    codings = [value for name, value in headers if name.lower() == b"transfer-encoding"]
    if len(lengths) + len(codings) > 1:
        raise httpx.LocalProtocolError("a request has one Content-Length or one Transfer-Encoding header, not more")
    if codings and codings[0].lower() != b"chunked":
        raise httpx.LocalProtocolError("the only transfer-encoding that can be sent is `chunked`")
    if lengths and not _LENGTH.fullmatch(lengths[0]):
        raise httpx.LocalProtocolError("the Content-Length of the request is not a number")
    return _Framing(int(lengths[0]) if lengths else None, bool(codings))


def _framed(body: bytes, framing: _Framing) -> bytes:
    if framing.chunked:
        return (b"%x\r\n%s\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"
    if len(body) != (framing.length or 0):
        raise _wrong_length(framing)
    return body


async def _framed_stream(stream: httpx.AsyncByteStream, framing: _Framing) -> AsyncGenerator[bytes, None]:
    left = framing.length or 0
    parts = aiter(stream)
    try:
        async for part in parts:
            if framing.chunked:
                if part:
                    yield b"%x\r\n%s\r\n" % (len(part), part)
                continue
            left -= len(part)
            if left < 0:
                raise _wrong_length(framing)
            yield part
    finally:
        if isinstance(parts, AsyncGenerator):
            await parts.aclose()
    if left:
        raise _wrong_length(framing)
    if framing.chunked:
        yield b"0\r\n\r\n"


def _joined(head: bytes, body: bytes) -> tuple[bytes, ...]:
    if len(body) <= _JOIN_LIMIT:
        return (SecretBytes(head + body),)
    return (head, body)


def _wrong_length(framing: _Framing) -> httpx.LocalProtocolError:
    announced = "no length" if framing.length is None else f"{framing.length} bytes"
    return httpx.LocalProtocolError(f"the request announces {announced}, but its body has another length")
