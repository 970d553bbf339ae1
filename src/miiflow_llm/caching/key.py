"""The key of a call: whatever changes the request on the wire changes it, but for a short list.

For a client the key is its plan: method, address, body and headers, as they would be sent. For what stands before
several targets (a router, a trial) it is the unified request and the word that the target gives for itself, so that a
hit does not depend on which target served. What does not count is named here and nowhere else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec

from ..calls.parameters import Messages, build_request
from ..core.exceptions import ConfigurationError
from ..core.messages import Message, as_messages
from ..core.request import Plan
from ..core.secrets import HIDDEN, is_credential_parameter
from .answer import VERSION

LEFT_OUT_PARAMETERS = ("user", "metadata", "unit")
"""Parameters that change nothing in an answer: whose call it is, and notes for the provider's own records."""

LEFT_OUT_HEADERS = frozenset(
    {
        "accept",
        "accept-encoding",
        "authorization",
        "baggage",
        "connection",
        "content-length",
        "content-type",
        "cookie",
        "host",
        "idempotency-key",
        "sentry-trace",
        "traceparent",
        "tracestate",
        "user-agent",
        "x-client-request-id",
        "x-correlation-id",
        "x-request-id",
    }
)
"""Headers that change nothing in an answer: traces, ids of one request, and what the transport says of itself."""

_json = msgspec.json.Encoder(order="deterministic").encode


def key_of(client: Any, messages: Messages, parameters: Mapping[str, Any], tenant: str | None) -> str:
    """The key of a chat: 32 hexadecimal digits.

    Raises:
        ConfigurationError: nobody says who owns the answers: give `tenant=`.
        MiiflowLLMError: the request cannot be said.
    """
    counted = {name: value for name, value in parameters.items() if name not in LEFT_OUT_PARAMETERS}
    plain = unmarked(as_messages(messages))
    owned = owner(client, tenant)
    scope = _scope(client, parameters)
    said = _planned(client.plan(plain, **counted)) if scope is None else (_unified(plain, counted, scope),)
    return digest("chat", owned, *said, _schema(parameters.get("schema")))


def embedding_key(client: Any, texts: list[str], model: str | None, dimensions: int | None, tenant: str | None) -> str:
    """The key of an `embed` call."""
    scope = _scope(client, {}) or f"{client.provider}:{model or client.model}"
    return digest("embed", owner(client, tenant), _json([scope, model, dimensions, texts]), b"")


def owner(client: Any, tenant: str | None) -> str:
    """Who may have the answers: the tenant, or in its place the digest of the client's credential.

    Raises:
        ConfigurationError: there is neither.
    """
    if tenant is not None:
        return f"tenant:{tenant}"
    identity: str | None = getattr(client, "identity", None)
    if identity is None:
        raise ConfigurationError(
            "cache: give tenant=...: what it stands before has no credential that could stand in for one, and answers "
            "of different owners must not mix"
        )
    return f"key:{identity}"


def digest(*parts: str | bytes) -> str:
    """One key of many parts; each part's length stands before it."""
    hashed = hashlib.blake2b(digest_size=16)
    for part in (str(VERSION), *parts):
        encoded = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        hashed.update(len(encoded).to_bytes(8, "little"))
        hashed.update(encoded)
    return hashed.hexdigest()


def _scope(client: Any, parameters: Mapping[str, Any]) -> str | None:
    """The word of what stands before several targets; `None` for a client of one."""
    said: Callable[[Mapping[str, Any]], str] | None = getattr(client, "cache_scope", None)
    return said(parameters) if said is not None else None


def _planned(plan: Plan) -> tuple[bytes, ...]:
    """What is said of the request, and its body as it is sent."""
    headers = sorted(
        (name.lower(), value)
        for name, value in plan.headers.items()
        if name.lower() not in LEFT_OUT_HEADERS and HIDDEN not in value
    )
    owner = [plan.owner] if plan.owner else []  # a call's own credentials: what they open, another's do not
    shape = _json([plan.dialect, plan.method, _without_secrets(plan.url), headers, *owner])
    return shape, (b"".join(plan.parts) if plan.parts is not None else _json(plan.body))


@lru_cache(256)
def _without_secrets(url: str) -> str:
    parts = urlsplit(url)
    query = [(name, value) for name, value in parse_qsl(parts.query) if not is_credential_parameter(name)]
    return urlunsplit(parts._replace(query=urlencode(query), fragment=""))


def _unified(messages: list[Message], parameters: Mapping[str, Any], scope: str) -> bytes:
    given = {name: value for name, value in parameters.items() if name != "schema"}
    model = given.pop("model", None)
    request = build_request(messages, given, model=model or "any", stream=False, provider="cache")
    return _json([scope, model, request])


def _schema(schema: Any) -> bytes:
    if schema is None:
        return b""
    from ..calls.structured import Shape

    shape = Shape.of(schema)
    return _json([shape.name, shape.schema])


def unmarked(messages: list[Message]) -> list[Message]:
    """The messages without marks for the provider's own prompt cache, which change no answer."""
    return [_unmarked(message) for message in messages]


def _unmarked(message: Message) -> Message:
    content, parts = message.content, message.parts
    if isinstance(content, list) and any(getattr(block, "cache", False) for block in content):
        content = [_bare(block) for block in content]
    if any(getattr(block, "cache", False) for block in parts):
        parts = [_bare(block) for block in parts]
    if content is message.content and parts is message.parts and not message.cache:
        return message
    return msgspec.structs.replace(message, content=content, parts=parts, cache=False)


def _bare(block: Any) -> Any:
    return msgspec.structs.replace(block, cache=False) if getattr(block, "cache", False) else block
