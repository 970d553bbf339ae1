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

from ..core.blot import Finder
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

    `values` are found in any case and in every form that JSON, URLs, HTML and base64 have for them; one of fewer than
    eight characters only as it is and in the form it takes inside JSON text and in a URL. A value that a provider sends
    in pieces, over several events of a stream, is not found: give the recorder a body hook for that.
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._values: set[str] = set()
        self._finder = Finder(())
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
        data = self._finder.sub(data, _crossed_out)
        for _, pattern in _COMPILED:
            data = pattern.sub(lambda found: _blot(found.group()), data)
        return self._without_start(data) if cut else data

    def _without_start(self, data: bytes) -> bytes:
        literals = [value.encode() for value in self._values]
        longest = max(
            (size for literal in literals for size in range(1, len(literal)) if data.endswith(literal[:size])),
            default=0,
        )
        longest = max(longest, self._finder.cut_off(data))
        return data[: len(data) - longest] + b"x" * longest

    def redact_text(self, text: str) -> str:
        """`redact` for text."""
        return self.redact(text.encode()).decode()

    def holds(self, data: bytes) -> bool:
        """Whether one of the literal values is in `data`."""
        return self._finder.sub(data, _crossed_out) != data

    def _learn(self, value: str) -> None:
        # Local servers take any key: blotting out "x" or "ollama" wherever they stand would spoil the answer.
        if len(value) >= SHORTEST_KEY:
            self._add(value)

    def _add(self, value: str) -> None:
        if value:
            self._values |= {value, msgspec.json.encode(value)[1:-1].decode(), quote(value, safe="")}
            self._finder = Finder(self._values)


def _crossed_out(found: bytes) -> bytes:
    return b"x" * len(found)


def _blot(secret: bytes) -> bytes:
    """The secret with its documented prefix kept, so that a reader sees what stood there."""
    kept = re.match(rb"(?:[Bb]earer |sk-ant-|sk-or-|sk-|AIza|[a-z]+[_-])?", secret)
    prefix = kept.group() if kept else b""
    return prefix + b"x" * (len(secret) - len(prefix))


def _is_blot(found: bytes) -> bool:
    return _blot(found) == found
