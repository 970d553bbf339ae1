"""What the routes take and give, as OpenAPI describes it, made from the same structs that are read and written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from ..core.messages import ToolCall
from ..core.price import Cost
from ..core.response import Cached, FinishReason
from ..core.usage import TokenCount
from .body import ChatBody
from .framing import NDJSON, SSE, Piece, ToolFinishedFrame, ToolStartedFrame
from .preferences import Mark, Preference
from .safe_errors import SafeError

Described = dict[str, Any]


class Told(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What is told of an answer, whole or streamed. Times in milliseconds; a fact is absent if it is not known."""

    message: dict[str, Any]
    finish_reason: FinishReason
    usage: TokenCount
    provider: str
    model: str
    served_by: str | None = None
    cache: Cached | None = None
    cost: Cost | None = None
    call_id: str | None = None
    rounds: int | None = None
    messages: list[dict[str, Any]] | None = None
    structured_output: Any = None
    latency_ms: float | None = None
    time_to_first_token_ms: float | None = None


class Answer(Told, kw_only=True, omit_defaults=True):
    """The whole answer."""

    content: str
    tool_calls: list[ToolCall]
    citations: list[Any] | None = None
    logprobs: list[Any] | None = None


class Finished(Told, kw_only=True, omit_defaults=True):
    """The last frame of an answer that is whole."""

    type: Literal["finished"]
    seq: int


class Failed(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A failure: the body of the answer, or the last frame of a stream."""

    type: Literal["error"]
    error: SafeError
    seq: int | None = None


class Models(msgspec.Struct):
    """What may be asked for, and whether preferences are kept."""

    providers: list[dict[str, Any]]
    preferences: bool


FAILURES = {
    400: "The model's provider refused the request.",
    401: "Sign in first.",
    413: "The request is too large.",
    415: "The body is not sent as JSON.",
    422: "The request is wrong; `place` says where.",
    429: "Too many requests; `Retry-After` says how long to wait.",
    502: "The model's provider failed.",
    503: "The model's provider is overloaded.",
    504: "The model took too long.",
}
"""What else may be answered, by HTTP status."""


def chat() -> Described:
    """`POST /chat`."""
    return _route(ChatBody, "The whole answer.", {"application/json": Answer})


def stream() -> Described:
    """`POST /chat/stream`."""
    frame = (Piece, ToolStartedFrame, ToolFinishedFrame, Finished, Failed)
    return _route(ChatBody, "The answer's frames, one JSON object each.", {SSE.kind: frame, NDJSON.kind: frame})


def ui_stream() -> Described:
    """`POST /chat/ui`."""
    body = {"type": "object", "required": ["messages"], "properties": {"messages": {"type": "array"}}}
    described = _route(
        None, "The AI SDK's UI message stream, version 1.", {SSE.kind: dict[str, Any]}, kind="text/plain"
    )
    described["openapi_extra"] = _takes(body)
    return described


def preferences() -> Described:
    """`POST /preferences`."""
    return _route(Preference, "Kept.", {}, status=204)


def scores() -> Described:
    """`POST /scores`."""
    return _route(Mark, "Kept.", {}, status=204)


def models() -> Described:
    """`GET /models`."""
    return _route(None, "What may be asked for.", {"application/json": Models})


def _route(
    body: Any, words: str, gives: Mapping[str, Any], *, status: int = 200, kind: str = "application/json"
) -> Described:
    content = {name: {"schema": schema_of(each)} for name, each in gives.items()}
    failure = {"schema": schema_of(Failed) if kind == "application/json" else {"type": "string"}}
    answers: dict[int | str, Any] = {status: {"description": words, **({"content": content} if content else {})}}
    answers |= {each: {"description": why, "content": {kind: failure}} for each, why in FAILURES.items()}
    described: Described = {"responses": answers, "status_code": status}
    return described | ({} if body is None else {"openapi_extra": _takes(schema_of(body))})


def _takes(schema: Described) -> Described:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def schema_of(kind: Any) -> Described:
    """The JSON Schema of a type, whole, as it stands inside another document; of several types in a tuple, any."""
    if isinstance(kind, tuple):
        return {"oneOf": [schema_of(each) for each in kind]}
    (found,), parts = msgspec.json.schema_components([kind])
    schema: Described = _inlined(found, parts)
    return schema


def _inlined(value: Any, parts: Mapping[str, Any]) -> Any:
    """The schema with what it refers to in place."""
    if isinstance(value, list):
        return [_inlined(item, parts) for item in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        return _inlined(parts[value["$ref"].rpartition("/")[2]], parts)
    return {name: _inlined(item, parts) for name, item in value.items() if name != "discriminator"}
