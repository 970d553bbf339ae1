"""Formats that msgspec leaves out of its schemas: types and their schemas in, the same schemas saying `date-time` and
`time` where the type is one.

msgspec says so only of times with a zone; unsaid, a model writes "tomorrow at noon".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec import inspect as of

Pair = tuple[of.Type, Any]
"""A type and the schema that was made of it."""


def say_formats(type_: Any, schema: dict[str, Any], definitions: Mapping[str, dict[str, Any]]) -> None:
    """Put the formats into the schema of the type, and into the definitions it refers to, in place."""
    waiting: list[Pair] = [(of.type_info(type_), schema)]
    seen: set[str] = set()
    while waiting:
        info, found = waiting.pop()
        while isinstance(info, of.Metadata):
            info = info.type
        if not isinstance(found, dict):
            continue
        name = str(found.get("$ref", "")).rpartition("/")[2]
        if name in definitions and name not in seen:
            seen.add(name)
            found = definitions[name]
        _say(info, found)
        waiting += _within(info, found)


def _say(info: of.Type, schema: dict[str, Any]) -> None:
    if isinstance(info, of.DateTimeType) and info.tz is not False:
        schema.setdefault("format", "date-time")
    elif isinstance(info, of.TimeType):
        schema.setdefault("format", "time")


def _within(info: of.Type, schema: dict[str, Any]) -> Iterable[Pair]:
    if isinstance(info, of.CollectionType):
        return [(info.item_type, schema.get("items"))]
    if isinstance(info, (of.DictType, of.FrozenDictType) if hasattr(of, "FrozenDictType") else of.DictType):
        return [(info.value_type, schema.get("additionalProperties"))]
    if isinstance(info, of.TupleType):
        return zip(info.item_types, schema.get("prefixItems", ()), strict=False)
    if isinstance(info, of.UnionType):
        return zip(_alternatives(info), _options(schema), strict=False)
    return _fields(info, schema)


def _fields(info: of.Type, schema: dict[str, Any]) -> Iterator[Pair]:
    members, places = schema.get("properties", {}), schema.get("prefixItems", ())
    for at, field in enumerate(getattr(info, "fields", ())):
        name = getattr(field, "encode_name", field.name)
        if name in members:
            yield field.type, members[name]
        elif at < len(places):
            yield field.type, places[at]


def _alternatives(union: of.UnionType) -> list[of.Type]:
    """The types of a union in the order in which msgspec writes them: Structs that are objects after all others."""
    kinds = [kind for kind in union.types if not isinstance(_bare(kind), of.NoneType)]
    return sorted(kinds, key=_is_object)


def _bare(kind: of.Type) -> of.Type:
    while isinstance(kind, of.Metadata):
        kind = kind.type
    return kind


def _is_object(kind: of.Type) -> bool:
    kind = _bare(kind)
    return isinstance(kind, of.StructType) and not kind.array_like


def _options(schema: dict[str, Any]) -> Iterator[Any]:
    """The alternatives of a union without null, those of a union of Structs within it too."""
    for option in schema.get("anyOf", ()):
        if option == {"type": "null"}:
            continue  # before msgspec 0.22 it stood among the others, now it is the last
        if "discriminator" in option:
            yield from option["anyOf"]
        else:
            yield option
