"""A key on its way into a request's headers. It shows nowhere: not in repr, in a traceback's variables or a pickle."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Generator, Mapping
from typing import Any, NamedTuple

import httpx

from ..core.exceptions import ConfigurationError
from ..core.secrets import Sealed, Secret

_UNSAFE = re.compile(r"[\x00-\x1f\x7f]")


class SecretBytes(bytes):
    """Bytes that hold a key, such as a request's head; they do not show either."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "b'***'"


class Unsigned(NamedTuple):
    """A request as a credential sees it: `target` is the path and query as they go over the wire."""

    method: str
    host: str
    target: str
    content_type: str
    body: bytes


class Credential(httpx.Auth):
    """A key and the header it goes into."""

    def __init__(self, header: str, prefix: str, key: str) -> None:
        self.header = header
        self.prefix = prefix
        if _UNSAFE.search(key) or not key.isascii():
            raise ConfigurationError("the API key holds characters that no header may hold; was it copied whole?")
        self._key = Secret(key)

    def __repr__(self) -> str:
        return f"Credential({self.header!r}, '***')"

    def __reduce__(self) -> Any:
        raise TypeError("a credential is not pickled; make a client in each process")

    def headers(self, request: Unsigned) -> Mapping[str, str]:
        """The headers that let `request` in, by lower-case name."""
        return Sealed({self.header.lower(): self.prefix + self._key})

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Put the key on a request of httpx's."""
        target, kind = request.url.raw_path.decode("ascii"), request.headers.get("content-type", "")
        unsigned = Unsigned(request.method, request.headers["host"], target, kind, request.read())
        request.headers.update(self.headers(unsigned))
        yield request

    def digest(self) -> str:
        """What tells this key from others without showing it."""
        return hashlib.blake2b(self._key.encode(), digest_size=16).hexdigest()

    def hidden(self) -> str:
        """The header's value as `plan()` shows it."""
        return f"{self.prefix}***"

    def secrets(self) -> tuple[str, ...]:
        """What must show nowhere, though a provider repeats it to say what is wrong with it."""
        return (self._key,)
