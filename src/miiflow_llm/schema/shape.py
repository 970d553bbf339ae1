"""Tell `PartialJSON` by a JSON Schema which strings of a value are shown only when they are finished.

It reads no text, and of Python types it knows nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .refs import target

_WORDS = frozenset(("enum", "const", "format", "contentEncoding"))
"""Keywords of a string that half of it does not follow: one of some words, a date, base64."""

_UNIONS = ("anyOf", "oneOf", "allOf")


class SchemaShape:
    """What a schema says of one place; its alternatives, and what it refers to, are looked through.

    Where one alternative is a word and another free text, a string is taken for a word.
    """

    def __init__(self, options: list[Mapping[str, Any]], root: Any) -> None:
        self.whole = any(not _WORDS.isdisjoint(option) for option in options)
        """Whether a string at this place is shown only when it is finished."""
        self._options = options
        self._root = root
        self._names = {name for option in options for name in _named(option)}
        self._places = max((len(option.get("prefixItems", ())) for option in options), default=0)
        self._children: dict[str | int | None, SchemaShape | None] = {}

    @classmethod
    def of(cls, schema: Any) -> SchemaShape:
        """The shape of a whole document that follows the schema."""
        return cls(_options([schema], schema), schema)

    def child(self, key: str | int) -> SchemaShape | None:
        """The shape of a member or element; `None` where the schema says nothing of it."""
        known: str | int | None = key
        if isinstance(key, int):
            known = min(key, self._places)
        elif key not in self._names:
            known = None
        if known not in self._children:
            self._children[known] = self._child(known)
        return self._children[known]

    def _child(self, key: str | int | None) -> SchemaShape | None:
        inner = _element if isinstance(key, int) else _member
        found = [part for option in self._options for part in inner(option, key)]
        options = _options(found, self._root)
        return SchemaShape(options, self._root) if options else None


def _options(schemas: list[Any], root: Any) -> list[Mapping[str, Any]]:
    """The schemas, what they refer to and what they choose from; each once."""
    found: dict[int, Mapping[str, Any]] = {}
    waiting = list(schemas)
    while waiting:
        schema = waiting.pop()
        if not isinstance(schema, Mapping) or id(schema) in found:
            continue
        found[id(schema)] = schema
        waiting += [option for key in _UNIONS for option in schema.get(key, ())]
        if isinstance(schema.get("$ref"), str):
            waiting.append(target(schema["$ref"], root))
    return list(found.values())


def _named(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    named: Mapping[str, Any] = schema.get("properties") or {}
    return named


def _member(schema: Mapping[str, Any], name: Any) -> list[Any]:
    if name in _named(schema):
        return [_named(schema)[name]]
    return [schema.get("additionalProperties"), *(schema.get("patternProperties") or {}).values()]


def _element(schema: Mapping[str, Any], place: Any) -> list[Any]:
    first = schema.get("prefixItems", ())
    return [first[place]] if place < len(first) else [schema.get("items")]
