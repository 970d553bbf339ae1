"""What is a credential, and how it is kept from sight: the one list for clients, hooks, telemetry and the recorder.

A credential is known by the name of its header, query parameter or field, by its format, or because a request was sent
with it. `blot` looks for the latter in what a provider repeats.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

HIDDEN = "***"
SHORTEST_KEY = 8
"""A key of fewer characters, which a local server may have, is too short to look for in texts."""

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

CREDENTIAL_PARAMETERS = frozenset(
    (
        "access_token",
        "api-key",
        "api_key",
        "key",
        "sig",
        "signature",
        "token",
        "x-amz-security-token",
        "x-amz-signature",
        "x-goog-signature",
    )
)
"""Query parameters whose value is a credential, in lower case; others are by the words that their names end in."""

# Headers, parameters and fields of a body (an MCP server's `authorization`, say) that hold one by their name's end.
_NAMES = (
    r"(?:authorization(?:[-_]?token)?|api[-_]?key|client[-_]?secret|secret[-_]?(?:key|access[-_]?key)|password"
    r"|(?:access|auth|refresh|security|bearer|session|id)[-_]?token|access[-_]?key|subscription[-_]?key"
    r"|secret|passwd|credentials?|jwt)"
)
_CREDENTIAL_NAME = re.compile(rf"(?:^|[-_]){_NAMES}$", re.IGNORECASE)
_FIELD = re.compile(rf'["_-]{_NAMES}$'.encode(), re.IGNORECASE)
_FIELD_ENDS = tuple(b"authorization token key secret password passwd credential credentials jwt".split())
_LONGEST_END = max(map(len, _FIELD_ENDS))
_CREDENTIAL_HEADER = re.compile(r"-(?:key|token|auth|secret|bearer)$", re.IGNORECASE)

KEY_FORMATS: tuple[tuple[str, str], ...] = (
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
)
"""The documented formats of keys: what each is called, and a regular expression for it."""

BEFORE_A_KEY = r"(?<![A-Za-z0-9_+/-])"
"""No such character stands before a key: base64 text is full of look-alikes."""

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9-]* +(?=\S)")
_BASIC = re.compile(r"basic +([A-Za-z0-9+/=_-]+)$", re.IGNORECASE)


class Secret(str):
    """A text that a traceback with the values of variables does not show."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"'{HIDDEN}'"


class Sealed(dict[str, Any]):
    """Headers, or a JSON body, whose credentials a traceback with the values of variables does not show."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(_unseen(dict(self)))


def _unseen(value: Any) -> Any:
    """The value with everything hidden that a header's or a field's name makes a credential."""
    if isinstance(value, dict):
        return {
            name: HIDDEN
            if isinstance(one, str) and (is_credential_header(str(name)) or is_credential_field(name))
            else _unseen(one)
            for name, one in value.items()
        }
    return [_unseen(one) for one in value] if isinstance(value, list) else value


@lru_cache(maxsize=512)
def is_credential_header(name: str) -> bool:
    """Whether a header's value is a credential, by the known names and by the words that such names end in."""
    lowered = name.lower()
    known = lowered in CREDENTIAL_HEADERS or lowered.endswith("-auth")
    return known or bool(_CREDENTIAL_HEADER.search(name) or _CREDENTIAL_NAME.search(name))


def is_credential_parameter(name: str) -> bool:
    """Whether a query parameter's value is a credential."""
    plain = unquote(name)
    return plain.lower() in CREDENTIAL_PARAMETERS or bool(_CREDENTIAL_NAME.search(plain))


def is_credential_field(name: object) -> bool:
    """Whether a field of a JSON body holds a credential."""
    return isinstance(name, str) and bool(_CREDENTIAL_NAME.search(name))


def hide(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers with every credential replaced by `***`, names in lower case."""
    return {name.lower(): HIDDEN if is_credential_header(name) else value for name, value in headers.items()}


def hide_values(body: Any) -> Any:
    """A JSON body with the values of fields that hold a credential by their name replaced by `***`."""
    if isinstance(body, dict):
        return {
            name: HIDDEN if isinstance(value, str) and is_credential_field(name) else hide_values(value)
            for name, value in body.items()
        }
    return [hide_values(value) for value in body] if isinstance(body, list) else body


def hide_query(query: str) -> str:
    """The query with the value of every parameter that holds a credential replaced by `***`."""
    names = [(pair, pair.partition("=")[0]) for pair in query.split("&")]
    return "&".join(f"{name}={HIDDEN}" if is_credential_parameter(name) else pair for pair, name in names)


def without_credentials(query: str) -> str:
    """The query without the parameters that hold a credential."""
    return "&".join(pair for pair in query.split("&") if not is_credential_parameter(pair.partition("=")[0]))


def in_headers(headers: Iterable[tuple[str, str]]) -> Iterator[str]:
    """The credentials in headers, each without what stands around it: a scheme, a cookie's name."""
    for name, value in headers:
        if is_credential_header(name):
            yield from parts_of(name.lower(), value)


def parts_of(name: str, value: str) -> list[str]:
    """The credentials in the value of one header, whose name is in lower case."""
    if name == "set-cookie":
        return [value.partition(";")[0].partition("=")[2]]
    if name == "cookie":
        return [part.partition("=")[2].strip() for part in value.split(";")]
    scheme = _SCHEME.match(value)
    return [value[scheme.end() :] if scheme else value, *_of_basic(value)]


def _of_basic(value: str) -> list[str]:
    """The password of HTTP's Basic scheme (RFC 7617)."""
    found = _BASIC.match(value)
    if found is None:
        return []
    try:
        return [base64.b64decode(found[1]).decode().partition(":")[2]]
    except (binascii.Error, UnicodeDecodeError):
        return []


def in_body(body: Any) -> Iterator[str]:
    """The credentials in a JSON body, known by their fields' names."""
    if isinstance(body, dict):
        for name, value in body.items():
            if isinstance(value, str) and is_credential_field(name):
                yield value
                yield value.partition(" ")[2]
            else:
                yield from in_body(value)
    elif isinstance(body, list):
        for value in body:
            yield from in_body(value)


def names_credentials(parts: Iterable[bytes]) -> bool:
    """Whether a field of a JSON body, given as its bytes, may hold a credential: so it need not be read to look.

    The bytes are those of our own encoder, which writes a colon just after a name: long texts are passed over by a
    search for that, which costs next to nothing.
    """
    return any(_names_one(part) for part in parts)


def _names_one(part: bytes) -> bool:
    at = part.find(b'":')
    while at >= 0:
        end = part[max(at - _LONGEST_END, 0) : at].lower()
        if end.endswith(_FIELD_ENDS) and _FIELD.search(part[max(at - 48, 0) : at]):
            return True
        at = part.find(b'":', at + 2)
    return False
