"""Say JSON as its schema wants it, if it says the same in other words.

A null for an optional member is a member left out (providers whose strict mode makes every member required say so), and
`5.0` is an integer, as JSON Schema says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from ..core.json_text import escape_controls
from .refs import target

_FLOAT = re.compile(r"\d\.0+(?!\d)|\d[eE]")
_LARGEST: Final = 2.0**63
"""The largest float that is taken for an integer; beyond it no integer field can be meant."""


def conformed(text: str, schema: dict[str, Any]) -> str:
    """The JSON as its schema wants it; what is wrong with it otherwise is said when it is decoded."""
    text = escape_controls(text)
    if "null" not in text and _FLOAT.search(text) is None:
        return text
    try:
        value = msgspec.json.decode(text)
        return msgspec.json.encode(_conformed(value, schema, schema)).decode()
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return text


def _conformed(value: Any, schema: Any, root: dict[str, Any]) -> Any:
    if isinstance(value, float):
        return _number(value, [*_options(schema, root)])
    if isinstance(value, list):
        options = [*_options(schema, root)]
        return [_conformed(item, _element(options, place), root) for place, item in enumerate(value)]
    return _object(value, [*_options(schema, root)], root) if isinstance(value, dict) else value


def _number(value: float, options: list[dict[str, Any]]) -> int | float:
    """The integer that a float is, if the schema takes integers and no other numbers."""
    if not value.is_integer() or abs(value) >= _LARGEST:
        return value
    kinds = {kind for option in options for kind in _kinds(option)}
    values = [one for option in options for one in (*option.get("enum", ()), *_const(option))]
    is_integer = "integer" in kinds or any(type(one) is int and one == value for one in values)
    return int(value) if is_integer and "number" not in kinds else value


def _object(value: dict[str, Any], options: list[dict[str, Any]], root: dict[str, Any]) -> dict[str, Any]:
    members: dict[str, list[Any]] = {}
    for option in options:
        for name, member in (option.get("properties") or {}).items():
            members.setdefault(name, []).append(member)
    others = [one for option in options if isinstance(one := option.get("additionalProperties"), dict)]
    required = {name for option in options for name in option.get("required", ())}
    return {
        key: _conformed(item, {"anyOf": members.get(key, others)}, root)
        for key, item in value.items()
        if item is not None or key in required or key not in members or _takes_null({"anyOf": members[key]}, root)
    }


def _element(options: list[dict[str, Any]], place: int) -> Any:
    """The schema of an element of a list."""
    first = [option["prefixItems"][place] for option in options if place < len(option.get("prefixItems", ()))]
    return {"anyOf": first or [option.get("items") for option in options]}


def _options(schema: Any, root: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The schema, what it refers to and what it chooses from; each once."""
    seen: set[int] = set()
    waiting = [schema]
    while waiting:
        one = waiting.pop()
        if not isinstance(one, dict) or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        if isinstance(one.get("$ref"), str):
            waiting.append(target(one["$ref"], root))
        waiting += [*one.get("allOf", ()), *one.get("oneOf", ()), *one.get("anyOf", ())]


def _kinds(schema: dict[str, Any]) -> list[str]:
    kinds = schema.get("type", ())
    return [kinds] if isinstance(kinds, str) else list(kinds)


def _const(schema: dict[str, Any]) -> list[Any]:
    return [schema["const"]] if "const" in schema else []


_SAYS = ("type", "anyOf", "oneOf", "allOf", "enum", "const", "$ref")


def _takes_null(schema: Any, root: dict[str, Any]) -> bool:
    """Whether null is a value of the schema; what says nothing takes anything."""
    for option in _options(schema, root):
        if "null" in _kinds(option) or None in (*option.get("enum", ()), *_const(option)):
            return True
        if not any(key in option for key in _SAYS) or (option.get("anyOf") == []):
            return True
    return False
