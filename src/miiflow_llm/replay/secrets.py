"""Finds and blots out credentials in bytes and text; it does not know whose they are or where they go.

Two ways: patterns of the providers' documented key formats, and literal values (the key a request was sent with, a
cookie it got, what the caller listed). A replacement is as long as what it replaces, so that the read boundaries
and frame sizes of a recorded body stay true.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, unquote

import msgspec

CREDENTIAL_HEADERS = frozenset(
    (
        "authorization",
        "proxy-authorization",
        "x-api-key",
        "api-key",
        "x-goog-api-key",
        "cookie",
        "set-cookie",
        "x-amz-security-token",
        "x-goog-iam-authorization-token",
        "cf-aig-authorization",
    )
)
"""Headers whose value is a credential, in lower case."""

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

CREDENTIAL_PARAMETERS = frozenset(["key", "api_key", "api-key", "access_token", "token", "x-amz-security-token"])
"""Query parameters whose value is a credential, in lower case."""

HIDDEN = "***"

# Headers and fields of a body (an MCP server's `authorization`, say) that hold a credential by their name's end.
_CREDENTIAL_NAME = re.compile(
    r"(?:^|[-_])(?:authorization(?:[-_]?token)?|api[-_]?key|client[-_]?secret|secret[-_]?(?:key|access[-_]?key)|password"
    r"|(?:access|auth|refresh|security|bearer)[-_]?token|access[-_]?key)$",
    re.IGNORECASE,
)
_CREDENTIAL_HEADER = re.compile(r"-(?:key|token|auth|secret)$", re.IGNORECASE)

# A key begins where no letter, digit, `_`, `-`, `/` or `+` stands before it: base64 text is full of look-alikes.
_PATTERNS: tuple[tuple[str, str], ...] = (
    ("an Anthropic key", r"sk-ant-[A-Za-z0-9_-]{16,}"),
    ("an OpenRouter key", r"sk-or-[A-Za-z0-9_-]{16,}"),
    ("an API key", r"sk-(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{20,}"),
    ("a Google key", r"AIza[A-Za-z0-9_-]{35}"),
    ("a Google access token", r"ya29\.[A-Za-z0-9_-]{20,}"),
    ("a Groq key", r"gsk_[A-Za-z0-9]{20,}"),
    ("a Cerebras key", r"csk-[a-z0-9]{40,}"),
    ("an NVIDIA key", r"nvapi-[A-Za-z0-9_-]{40,}"),
    ("a Fireworks key", r"fw_[A-Za-z0-9]{20,}"),
    ("a Databricks token", r"dapi[0-9a-f]{32}"),
    ("an xAI key", r"xai-[A-Za-z0-9]{20,}"),
    ("a Together key", r"tgp_v1_[A-Za-z0-9_-]{20,}"),
    ("a Perplexity key", r"pplx-[A-Za-z0-9]{20,}"),
    ("a Hugging Face token", r"hf_[A-Za-z0-9]{30,}"),
    ("a GitHub token", r"(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,})"),
    ("an AWS access key", r"A(?:KIA|SIA)[A-Z0-9]{16}(?![A-Za-z0-9+/=])"),
    ("a bearer token", r"[Bb]earer [A-Za-z0-9._~+/-]{20,}"),
    ("a JSON web token", r"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
    ("an organisation id", r"org-[A-Za-z0-9]{20,}"),
    ("a project id", r"proj_[A-Za-z0-9]{16,}"),
)
_BEFORE = r"(?<![A-Za-z0-9_+/-])"
_COMPILED = tuple((kind, re.compile((_BEFORE + pattern).encode())) for kind, pattern in _PATTERNS)
_LEARNED_MINIMUM = 8


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
            if name.lower() in CREDENTIAL_PARAMETERS:
                self._learn(value)

    def learn_body(self, body: Any) -> None:
        """Take the values of a JSON body's fields that hold a credential by their name."""
        for value in _credentials(body):
            for secret in {value, value.partition(" ")[2]}:
                self._learn(secret)

    def learn_all(self, headers: Iterable[tuple[str, str]]) -> None:
        """`learn` for headers of which one name may come several times."""
        for name, value in headers:
            if is_credential_header(name) or name.lower() in IDENTITY_HEADERS:
                for part in _secret_parts(name.lower(), value):
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
        if len(value) >= _LEARNED_MINIMUM:
            self._add(value)

    def _add(self, value: str) -> None:
        if value:
            inside_json = msgspec.json.encode(value)[1:-1]
            self._literals |= {value.encode(), inside_json, quote(value, safe="").encode()}


def _secret_parts(name: str, value: str) -> list[str]:
    if name in ("authorization", "proxy-authorization"):
        return [value.partition(" ")[2] or value]
    if name == "set-cookie":
        return [value.partition(";")[0].partition("=")[2]]
    if name == "cookie":
        return [part.partition("=")[2].strip() for part in value.split(";")]
    return [value]


def _blot(secret: bytes) -> bytes:
    """The secret with its documented prefix kept, so that a reader sees what stood there."""
    kept = re.match(rb"(?:[Bb]earer |sk-ant-|sk-or-|sk-|AIza|[a-z]+[_-])?", secret)
    prefix = kept.group() if kept else b""
    return prefix + b"x" * (len(secret) - len(prefix))


def _is_blot(found: bytes) -> bool:
    return _blot(found) == found


def hide(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers with every credential replaced by `***`, names in lower case."""
    return {name.lower(): HIDDEN if is_credential_header(name) else value for name, value in headers.items()}


def hide_values(body: Any) -> Any:
    """A JSON body with the values of fields that hold a credential by their name replaced by `***`."""
    if isinstance(body, dict):
        return {
            name: HIDDEN if isinstance(value, str) and _CREDENTIAL_NAME.search(name) else hide_values(value)
            for name, value in body.items()
        }
    return [hide_values(value) for value in body] if isinstance(body, list) else body


def _credentials(body: Any) -> Iterator[str]:
    if isinstance(body, dict):
        for name, value in body.items():
            if isinstance(value, str) and _CREDENTIAL_NAME.search(name):
                yield value
            else:
                yield from _credentials(value)
    elif isinstance(body, list):
        for value in body:
            yield from _credentials(value)


def is_credential_header(name: str) -> bool:
    """Whether a header's value is a credential, by the providers' own names and by the words that such names end in."""
    return name.lower() in CREDENTIAL_HEADERS or bool(_CREDENTIAL_HEADER.search(name) or _CREDENTIAL_NAME.search(name))


def hide_query(query: str) -> str:
    """The query with the value of every parameter that holds a credential replaced by `***`."""
    pairs = (f"{pair.partition('=')[0]}={HIDDEN}" if _is_credential(pair) else pair for pair in query.split("&"))
    return "&".join(pairs)


def without_credentials(query: str) -> str:
    """The query without the parameters that hold a credential."""
    return "&".join(pair for pair in query.split("&") if not _is_credential(pair))


def _is_credential(pair: str) -> bool:
    return unquote(pair.partition("=")[0]).lower() in CREDENTIAL_PARAMETERS
