"""A Python type as JSON Schema, and JSON back as the type: types in, schemas and checked values out.

msgspec does both for dataclasses, Structs, TypedDicts, enums, unions and all they are made of; a pydantic model does
its own. pydantic is never imported: a model brings its own methods.
"""

from __future__ import annotations

import re
from typing import Any, get_args, get_origin

import msgspec

from .exceptions import ConfigurationError, ParsingError
from .json_text import repair_surrogates

WRAPPED = "value"
"""The key under which a value that is no object stands, where providers demand an object at the root."""

_ILLEGAL = re.compile(r"[^A-Za-z0-9_-]+")
_PATH = re.compile(r" - at `([^`]*)`")


def schema_of(type_: Any) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a type; a dict is taken for a schema and given back as it is.

    Definitions stand under `$defs`; the root is not a reference.

    Raises:
        ConfigurationError: the type has no JSON form.
    """
    if isinstance(type_, dict):
        return type_
    if is_pydantic(type_):
        schema: dict[str, Any] = type_.model_json_schema()
        return schema
    try:
        schema, components = _split(type_)
    except (TypeError, RuntimeError, ValueError) as reason:
        raise ConfigurationError(f"{type_!r} has no JSON Schema: {reason}") from None
    return _inlined_root(schema, components)


def _split(type_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    (schema,), components = msgspec.json.schema_components(
        [type_], ref_template="#/$defs/{name}", schema_hook=_pydantic_schema
    )
    return schema, components


def _pydantic_schema(type_: type) -> dict[str, Any]:
    if is_pydantic(type_):
        schema: dict[str, Any] = type_.model_json_schema()  # type: ignore[attr-defined]
        return schema
    raise NotImplementedError


def _inlined_root(schema: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    """The schema with its own definition at the root, the others it needs under `$defs`."""
    reference = schema.get("$ref", "")
    name = reference.rpartition("/")[2]
    root = dict(components[name]) if name in components else dict(schema)
    used = {key: value for key, value in components.items() if key != name or _mentions(components, reference)}
    return {**root, "$defs": used} if used else root


def _mentions(value: Any, reference: str) -> bool:
    if isinstance(value, dict):
        return value.get("$ref") == reference or any(_mentions(one, reference) for one in value.values())
    return isinstance(value, list) and any(_mentions(one, reference) for one in value)


def is_pydantic(type_: Any) -> bool:
    """Whether the type is a pydantic model, told by what it can do."""
    return isinstance(type_, type) and hasattr(type_, "model_json_schema") and hasattr(type_, "model_validate_json")


def name_of(type_: Any) -> str:
    """A name for the schema that providers take: letters, digits, `_` and `-`, at most 64."""
    if isinstance(type_, dict):
        name = str(type_.get("title") or "answer")
    elif get_origin(type_) is not None:
        inner = "_".join(name_of(part) for part in get_args(type_) if isinstance(part, type))
        name = f"{getattr(get_origin(type_), '__name__', 'union')}_{inner}"
    else:
        name = getattr(type_, "__name__", "answer")
    return _ILLEGAL.sub("_", name).strip("_-")[:64] or "answer"


def wrap_root(schema: dict[str, Any]) -> tuple[dict[str, Any], str | None]:
    """The schema with an object at its root, and the key that the value stands under where it had to be wrapped."""
    if schema.get("type") == "object":
        return schema, None
    inner = {key: value for key, value in schema.items() if key != "$defs"}
    wrapped: dict[str, Any] = {
        "type": "object",
        "properties": {WRAPPED: inner},
        "required": [WRAPPED],
        "additionalProperties": False,
    }
    if "$defs" in schema:
        wrapped["$defs"] = schema["$defs"]
    return wrapped, WRAPPED


def decode_as(type_: Any, text: str | bytes) -> Any:
    """The JSON in `text` as a value of the type; for a schema given as a dict, the plain JSON value.

    Raises:
        ParsingError: it is no JSON, or not of the type; the error says where.
    """
    shown = text if isinstance(text, str) else text.decode("utf-8", "replace")
    data = repair_surrogates(shown)
    try:
        if isinstance(type_, dict):
            return msgspec.json.decode(data)
        if is_pydantic(type_):
            return type_.model_validate_json(data)
        return msgspec.json.decode(data, type=type_, dec_hook=_pydantic_value)
    except (msgspec.DecodeError, RecursionError) as reason:
        raise _mismatch(shown, str(reason)) from None
    except ValueError as reason:
        raise _pydantic_mismatch(shown, reason) from None


def _pydantic_value(type_: type, value: Any) -> Any:
    if is_pydantic(type_):
        return type_.model_validate(value)  # type: ignore[attr-defined]
    raise NotImplementedError(f"{type_!r}")


def _mismatch(text: str, reason: str) -> ParsingError:
    found = _PATH.search(reason)
    path = found.group(1) if found else "$"
    words = _PATH.sub("", reason)
    return ParsingError(f"the answer does not follow the schema at {path}: {words}", text=text, path=path, reason=words)


def _pydantic_mismatch(text: str, reason: ValueError) -> ParsingError:
    """pydantic says what and where in `errors()`."""
    errors = getattr(reason, "errors", None)
    first = next(iter(errors()), None) if callable(errors) else None
    if first is None:
        return _mismatch(text, str(reason))
    steps = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in first["loc"])
    return _mismatch(text, f"{first['msg']} - at `${steps}`")


def without_nulls(text: str, schema: dict[str, Any]) -> str:
    """The JSON without members that are null where the schema has them optional and not nullable.

    Providers whose strict mode makes every member required say "left out" as null.
    """
    if "null" not in text:
        return text
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text
    return msgspec.json.encode(_pruned(value, schema, schema)).decode()


def _pruned(value: Any, schema: Any, root: dict[str, Any]) -> Any:
    schema = _resolved(schema, root)
    if isinstance(value, list):
        return [_pruned(item, schema.get("items", {}), root) for item in value]
    if not isinstance(value, dict):
        return value
    members = _members(schema, root)
    required = schema.get("required", ())
    return {
        key: _pruned(item, members.get(key, {}), root)
        for key, item in value.items()
        if item is not None or key in required or key not in members or _takes_null(members[key], root)
    }


def _members(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    """The members of an object, those of a union's alternatives too."""
    members: dict[str, Any] = dict(schema.get("properties", {}))
    for option in (*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())):
        members = {**_resolved(option, root).get("properties", {}), **members}
    return members


def _resolved(schema: Any, root: dict[str, Any]) -> dict[str, Any]:
    seen = 0
    while isinstance(schema, dict) and "$ref" in schema and seen < 100:
        schema = root.get("$defs", {}).get(str(schema["$ref"]).rpartition("/")[2], {})
        seen += 1
    return schema if isinstance(schema, dict) else {}


def _takes_null(schema: Any, root: dict[str, Any]) -> bool:
    schema = _resolved(schema, root)
    kinds = schema.get("type")
    if kinds == "null" or (isinstance(kinds, list) and "null" in kinds) or None in schema.get("enum", ()):
        return True
    options = (*schema.get("anyOf", ()), *schema.get("oneOf", ()))
    return (not kinds and not options and "enum" not in schema) or any(_takes_null(one, root) for one in options)
