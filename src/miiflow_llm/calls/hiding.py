"""Keep what a call was sent with from what is shown of it: plans, errors, ids, log lines."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit, urlunsplit

import msgspec

from ..core.blot import Blot, blot_of
from ..core.exceptions import MiiflowLLMError
from ..core.request import Plan
from ..core.response import Attempt
from ..core.secrets import (
    Sealed,
    Secret,
    hide,
    hide_query,
    hide_values,
    in_body,
    in_headers,
    names_credentials,
)
from ..http.credentials import Credential
from .target import Target

T = TypeVar("T", bound=Mapping[str, Any])

_CONTENT = frozenset(("partial", "messages", "usage", "text", "attempts"))
"""What of an error is the conversation's own, or is blotted as it is written down."""


def seal(parameters: T) -> T:
    """Seal headers, bodies and keys among parameters, in place: our callers' frames hold the same dict."""
    given = cast("dict[str, Any]", parameters)
    for name in ("headers", "extra_headers", "extra_body", "json", "defaults"):
        if name in given:
            given[name] = sealed(given[name])
    if type(given.get("api_key")) is str:
        given["api_key"] = Secret(given["api_key"])
    return parameters


def sealed(value: Any) -> Any:
    """Headers or a body that show no credential in a traceback; anything that is not a mapping stays as it is."""
    return Sealed(value) if isinstance(value, Mapping) and not isinstance(value, Sealed) else value


def blot_for(credential: Credential | None, headers: Mapping[str, str], body: Any = None) -> Blot:
    """What blots out every credential of a request: its key, those in its headers and in its body."""
    known = [] if credential is None else credential.secrets()
    return blot_of((*known, *in_headers(headers.items()), *in_body(body)))


def shown(plan: Plan, target: Target) -> Plan:
    """The plan for other eyes, with `***` for each credential."""
    return _ShownPlan(plan, target)


class _ShownPlan(Plan):
    """A plan whose credentials are hidden; the body is looked through when it is first asked for."""

    __slots__ = ("_hidden", "_of", "_target")

    def __init__(self, plan: Plan, target: Target) -> None:
        self._of, self._target = plan, target
        self._hidden: tuple[bytes, ...] | None = None
        super().__init__(plan.method, _without_keys(plan.url), _hidden_headers(plan, target), None, [], plan.dialect)
        self.notes = plan.notes

    @property
    def parts(self) -> tuple[bytes, ...] | None:
        """The bytes of the body; those that are sent, if there is nothing to hide."""
        if self._hidden is None and self._of.parts is not None:
            bare = not names_credentials(self._of.parts)
            self._hidden = self._of.parts if bare else (msgspec.json.encode(hide_values(self._of.body)),)
        return self._hidden

    @parts.setter
    def parts(self, parts: tuple[bytes, ...] | None) -> None:
        self._hidden = parts

    @property
    def owner(self) -> str:
        brought = sorted(pair for pair in self._of.headers.items() if self._target.headers.get(pair[0]) != pair[1])
        body = self._of.body if names_credentials(self._of.parts or ()) else None
        secrets = [*in_headers(brought), *in_body(body)]
        return hashlib.blake2b("\0".join(secrets).encode(), digest_size=16).hexdigest() if secrets else ""


def _hidden_headers(plan: Plan, target: Target) -> dict[str, str]:
    headers = hide(plan.headers)
    if target.credential is not None:
        headers[target.credential.header.lower()] = target.credential.hidden()
    return headers


def _without_keys(url: str) -> str:
    if "?" not in url:
        return url
    parts = urlsplit(url)
    return urlunsplit(parts._replace(query=hide_query(parts.query)))


def hide_in(error: MiiflowLLMError, attempts: list[Attempt], blot: Blot) -> None:
    """Blot out credentials that the provider's own words repeat, in the error and in the ids of attempts."""
    for name, value in vars(error).items():
        if name not in _CONTENT:
            vars(error)[name] = blot.value(value)
    error.args = (error.message,)
    for attempt in attempts:
        attempt.request_id = blot.value(attempt.request_id)
