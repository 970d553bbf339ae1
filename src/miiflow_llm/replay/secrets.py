"""Finds and blots out credentials in bytes and text; it does not know whose they are or where they go.

Two ways: patterns of the providers' documented key formats, and literal values (the key a request was sent with, a
cookie it got, what the caller listed). A replacement is as long as what it replaces, so that the read boundaries
and frame sizes of a recorded body stay true.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from ..core.secrets import (
    BEFORE_A_KEY,
    KEY_FORMATS,
    SHORTEST_KEY,
    in_body,
    is_credential_header,
    is_credential_parameter,
    parts_of,
)

IDENTITY_HEADERS = frozenset(
    (
        "openai-organization",
        "openai-project",
        "anthropic-organization-id",
        "x-goog-user-project",
        "x-ms-client-request-id",
        "x-amzn-account-id",
    )
)
"""Headers whose value names an account, in lower case."""

_PATTERNS = (
    *KEY_FORMATS,
    ("an organisation id", r"org-[A-Za-z0-9]{20,}"),
    ("a project id", r"proj_[A-Za-z0-9]{16,}"),
)
_COMPILED = tuple((kind, re.compile((BEFORE_A_KEY + pattern).encode())) for kind, pattern in _PATTERNS)


def find_secret(data: bytes) -> str | None:
    """What the first credential in `data` looks like ("a Groq key"), or `None`; blotted-out ones do not count."""
    for kind, pattern in _COMPILED:
        if any(not _is_blot(found.group()) for found in pattern.finditer(data)):
            return kind
    return None


class Redactor:
    """Blots out credentials: the known formats, `values` given literally, and those `learn`ed from headers.

    `values` are also found in the form they take inside JSON text and in a URL. A value that a provider sends in
    pieces, over several events of a stream, is not found: give the recorder a body hook for that.
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._literals: set[bytes] = set()
        for value in values:
            self._add(value)

    def learn(self, headers: Mapping[str, str], parameters: Mapping[str, str] | None = None) -> None:
        """Take the values of headers and query parameters that hold credentials or name an account."""
        self.learn_all(headers.items())
        for name, value in (parameters or {}).items():
            if is_credential_parameter(name):
                self._learn(value)

    def learn_body(self, body: Any) -> None:
        """Take the values of a JSON body's fields that hold a credential by their name."""
        for secret in in_body(body):
            self._learn(secret)

    def learn_all(self, headers: Iterable[tuple[str, str]]) -> None:
        """`learn` for headers of which one name may come several times."""
        for name, value in headers:
            if is_credential_header(name) or name.lower() in IDENTITY_HEADERS:
                for part in parts_of(name.lower(), value):
                    self._learn(part)

    def redact(self, data: bytes, *, cut: bool = False) -> bytes:
        """`data` with every credential replaced by as many bytes of `x`; `cut` says that it may end inside of one."""
        for literal in sorted(self._literals, key=len, reverse=True):
            data = data.replace(literal, b"x" * len(literal))
        for _, pattern in _COMPILED:
            data = pattern.sub(lambda found: _blot(found.group()), data)
        return self._without_start(data) if cut else data

    def _without_start(self, data: bytes) -> bytes:
        longest = max(
            (size for literal in self._literals for size in range(1, len(literal)) if data.endswith(literal[:size])),
            default=0,
        )
        return data[: len(data) - longest] + b"x" * longest

    def redact_text(self, text: str) -> str:
        """`redact` for text."""
        return self.redact(text.encode()).decode()

    def holds(self, data: bytes) -> bool:
        """Whether one of the literal values is in `data`."""
        return any(literal in data for literal in self._literals)

    def _learn(self, value: str) -> None:
        # Local servers take any key: blotting out "x" or "ollama" wherever they stand would spoil the answer.
        if len(value) >= SHORTEST_KEY:
            self._add(value)

    def _add(self, value: str) -> None:
        if value:
            inside_json = msgspec.json.encode(value)[1:-1]
            self._literals |= {value.encode(), inside_json, quote(value, safe="").encode()}


def _blot(secret: bytes) -> bytes:
    """The secret with its documented prefix kept, so that a reader sees what stood there."""
    kept = re.match(rb"(?:[Bb]earer |sk-ant-|sk-or-|sk-|AIza|[a-z]+[_-])?", secret)
    prefix = kept.group() if kept else b""
    return prefix + b"x" * (len(secret) - len(prefix))


def _is_blot(found: bytes) -> bool:
    return _blot(found) == found
