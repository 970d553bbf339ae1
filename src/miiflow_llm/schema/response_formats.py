"""Read the schema that OpenAI's users ask for in their own form: `response_format`, `text.format`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ..core.exceptions import ConfigurationError
from ..core.legal_keys import check_keys

_KEYS = ("name", "description", "schema", "strict")


class ResponseFormat(msgspec.Struct, frozen=True):
    """What such a dict asks for: a schema under a name, or, with `schema=None`, any JSON object."""

    schema: dict[str, Any] | None = None
    name: str = "answer"
    strict: bool = False


def response_format(value: Any) -> ResponseFormat | None:
    """What the dict asks for; `None` if it is a JSON Schema, or no dict.

    Raises:
        ConfigurationError: it has a key that there is not, lacks its schema, or asks for text.
    """
    kind = value.get("type") if isinstance(value, Mapping) else None
    if kind == "json_object":
        check_keys(value, ("type",), "schema", "json_object")
        return ResponseFormat()
    if kind == "text":
        raise ConfigurationError("schema={'type': 'text'} asks for no schema: leave it out")
    return _named(value) if kind == "json_schema" else None


def _named(value: Mapping[str, Any]) -> ResponseFormat:
    """Chat has name and schema under `json_schema`, Responses beside the type."""
    inner = value.get("json_schema")
    if isinstance(inner, Mapping):
        check_keys(value, ("type", "json_schema"), "schema", "json_schema")
        check_keys(inner, _KEYS, "schema.json_schema", "json_schema")
    else:
        inner = value
        check_keys(value, ("type", *_KEYS), "schema", "json_schema")
    schema = inner.get("schema")
    if not isinstance(schema, Mapping):
        raise ConfigurationError("schema: a json_schema needs a schema, e.g. {'type': 'json_schema', 'schema': {...}}")
    words = {"description": inner["description"]} if inner.get("description") else {}
    return ResponseFormat({**words, **schema}, str(inner.get("name") or "answer"), bool(inner.get("strict")))
