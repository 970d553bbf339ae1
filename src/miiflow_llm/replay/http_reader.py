"""Requests out of the bytes of an HTTP/1.1 connection, cut anywhere; it knows no captures and does no I/O."""

from __future__ import annotations

from collections import deque
from typing import Any

import httptools
import msgspec

MAX_REQUEST = 64 * 1024 * 1024
"""Bytes of one request's head and body together; a larger one is refused."""


class HttpRequest(msgspec.Struct):
    """One request: the target as sent (path and query), headers by lower-case name, the whole body."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    keep_alive: bool


class RequestReader:
    """Feed it what a connection received; whole requests gather in `requests`.

    `wants_continue` is set while a client waits for `100 Continue` before it sends its body.
    """

    def __init__(self) -> None:
        self.requests: deque[HttpRequest] = deque()
        self.wants_continue = False
        self._parser = httptools.HttpRequestParser(self)
        self._begin()

    def _begin(self) -> None:
        self._target = b""
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> None:
        """Take the next bytes.

        Raises:
            ValueError: they are not an HTTP request, or it is too large.
        """
        self._size += len(data)
        if self._size > MAX_REQUEST:
            raise ValueError(f"the request is larger than {MAX_REQUEST} bytes")
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            raise ValueError(f"this is not an HTTP request: {error}") from None

    def on_url(self, url: bytes) -> None:
        """A piece of the target."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """The head is there."""
        self.wants_continue = self._headers.get("expect", "").lower() == "100-continue"

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self.wants_continue = False
        self.requests.append(
            HttpRequest(
                method=self._parser.get_method().decode(),
                target=self._target.decode("latin-1"),
                headers=self._headers,
                body=b"".join(self._body),
                keep_alive=self._parser.should_keep_alive(),
            )
        )
        self._begin()


def json_of(body: bytes) -> Any:
    """The body as a JSON value, `None` if it is not JSON."""
    try:
        return msgspec.json.decode(body) if body else None
    except msgspec.DecodeError:
        return None
