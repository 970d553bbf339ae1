"""Find an object whose members may have any name (`dict[str, int]`) in a schema.

Strict modes close every object, and an open one that is closed can only be empty.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from ..core.json_text import path_text
from .merge import merged
from .refs import target

_TYPED = frozenset(("type", "anyOf", "oneOf", "allOf", "$ref", "enum", "const", "properties", "items", "prefixItems"))


def open_object(schema: Mapping[str, Any], *, anything: bool = False) -> str | None:
    """The place in a value (`$.counts`, `$.rows[]`) of an object with members of any name, `None` if there is none.

    With `anything` also the place of a value that may be anything (`Any`, a bare `list`), and so such an object.
    """
    waiting: deque[tuple[str, Any]] = deque([("$", schema)])
    seen: set[str] = set()
    while waiting:
        path, part = waiting.popleft()
        if not isinstance(part, Mapping):
            continue
        part = merged(part, schema)
        if is_open(part) or (anything and takes_anything(part)):
            return path
        reference = part.get("$ref")
        if isinstance(reference, str) and reference not in seen:
            seen.add(reference)
            waiting.append((path, target(reference, schema)))
        waiting.extend(_within(path, part))
    return None


def is_open(schema: Mapping[str, Any]) -> bool:
    """Whether closing the object would leave out what it is for."""
    others = schema.get("additionalProperties")
    if schema.get("patternProperties") or others is True or (isinstance(others, Mapping) and others):
        return True
    return is_object(schema) and "properties" not in schema and others is not False


def takes_anything(schema: Mapping[str, Any]) -> bool:
    """Whether the schema says nothing of its values, or of the elements of a list."""
    lists = schema.get("type") == "array" and not isinstance(schema.get("items"), Mapping)
    return _TYPED.isdisjoint(schema) or (lists and "prefixItems" not in schema)


def is_object(schema: Mapping[str, Any]) -> bool:
    """Whether the schema says that its values are objects, or may be."""
    kinds = schema.get("type")
    return kinds == "object" or (isinstance(kinds, list) and "object" in kinds) or "properties" in schema


def _within(path: str, schema: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, part in (schema.get("properties") or {}).items():
        yield path + path_text((name,))[1:], part
    for part in (schema.get("items"), *schema.get("prefixItems", ())):
        yield f"{path}[]", part
    for part in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        yield path, part
