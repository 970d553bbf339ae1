"""JSON back as a Python type: text and a type in, a checked value out, or an error that says where it does not fit."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from ..core.exceptions import ParsingError
from ..core.json_text import repair_surrogates
from .pydantic_types import bridged, first_error, is_foreign, read, read_value
from .refs import target

_PATH = re.compile(r" - at `([^`]*)`")


def decode_as(type_: Any, text: str | bytes) -> Any:
    """The JSON in `text` as a value of the type; for a schema given as a dict, the plain JSON value.

    Raises:
        ParsingError: it is no UTF-8, no JSON, or not of the type; the error says where.
        ConfigurationError: no JSON can be read as the type.
    """
    shown = text if isinstance(text, str) else _utf8(text)
    data = repair_surrogates(shown)
    if isinstance(type_, dict):
        return _plain(data, shown)
    type_ = bridged(type_)
    try:
        if is_foreign(type_):
            return read(type_, data)
        return msgspec.json.decode(data, type=type_, dec_hook=read_value)
    except (msgspec.DecodeError, RecursionError) as reason:
        raise _mismatch(shown, str(reason)) from None
    except ValueError as reason:
        words, path = first_error(reason, _plain(data, shown))
        raise _mismatch(shown, f"{words} - at `{path}`") from None


def _utf8(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as reason:
        words = f"the bytes are no UTF-8 from byte {reason.start} on"
        raise _mismatch(data.decode("utf-8", "replace"), words) from None


def _plain(data: str, shown: str) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError) as reason:
        raise _mismatch(shown, str(reason)) from None


def _mismatch(text: str, reason: str) -> ParsingError:
    """The error of a reason that ends in the path; a hook's comes first and is the inner part of msgspec's."""
    inner = [found.removeprefix("$") for found in reversed(_PATH.findall(reason))]
    path = "$" + "".join(inner)
    words = _PATH.sub("", reason)
    return ParsingError(f"the answer does not follow the schema at {path}: {words}", text=text, path=path, reason=words)


def without_nulls(text: str, schema: dict[str, Any]) -> str:
    """The JSON without members that are null where the schema has them optional and not nullable.

    Providers whose strict mode makes every member required say "left out" as null.
    """
    if "null" not in text:
        return text
    try:
        value = msgspec.json.decode(text)
        return msgspec.json.encode(_pruned(value, schema, schema)).decode()
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return text  # what is wrong with it is said when it is decoded


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
    while isinstance(schema, dict) and isinstance(schema.get("$ref"), str) and seen < 100:
        schema = target(schema["$ref"], root)
        seen += 1
    return schema if isinstance(schema, dict) else {}


def _takes_null(schema: Any, root: dict[str, Any]) -> bool:
    schema = _resolved(schema, root)
    kinds = schema.get("type")
    if kinds == "null" or (isinstance(kinds, list) and "null" in kinds) or None in schema.get("enum", ()):
        return True
    options = (*schema.get("anyOf", ()), *schema.get("oneOf", ()))
    return (not kinds and not options and "enum" not in schema) or any(_takes_null(one, root) for one in options)
