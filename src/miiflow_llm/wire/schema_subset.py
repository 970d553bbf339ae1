"""Rewrite a JSON Schema to the part of it that a wire takes: a schema and a table of keywords in, a schema out.

One walker for all; what differs is a `SchemaSubset`. What a keyword said and the wire cannot is moved into the
description, where the model still reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ..core.exceptions import ConfigurationError

_KINDS = {str: "string", bool: "boolean", int: "integer", float: "number"}
_NESTED = ("items", "additionalProperties", "not", "contains", "propertyNames", "if", "then", "else")
_NESTED_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_NESTED_MAPS = ("properties", "$defs", "definitions", "patternProperties", "dependentSchemas")


class SchemaSubset(msgspec.Struct, frozen=True, kw_only=True):
    """What a wire takes of JSON Schema.

    `keep` are its keywords (`None` for all); of those left out, the ones in `told` go into the description, the others
    vanish. `formats` are the values of `format` that it knows. `closed` puts `additionalProperties: false` on every
    object; `all_required` lists every member as required, an optional one as nullable. `any_of` writes `oneOf` as
    `anyOf`, `enum_for_const` a `const` as an enum of one. `inline` puts definitions where they are used. With
    `lone_refs` nothing stands beside a `$ref`.
    """

    keep: frozenset[str] | None = None
    told: frozenset[str] = frozenset()
    formats: frozenset[str] | None = None
    closed: bool = False
    all_required: bool = False
    any_of: bool = False
    enum_for_const: bool = False
    inline: bool = False
    lone_refs: bool = False


def rewrite(schema: Mapping[str, Any], subset: SchemaSubset) -> dict[str, Any]:
    """The schema as the wire takes it.

    Raises:
        ConfigurationError: definitions that must be inlined refer to themselves.
    """
    definitions = {**schema.get("definitions", {}), **schema.get("$defs", {})}
    walker = _Walker(subset, definitions)
    root = {key: value for key, value in schema.items() if not (subset.inline and key in ("$defs", "definitions"))}
    written: dict[str, Any] = walker.schema(root, ())
    return written


class _Walker:
    def __init__(self, subset: SchemaSubset, definitions: Mapping[str, Any]) -> None:
        self.subset = subset
        self.definitions = definitions

    def schema(self, schema: Any, open_refs: tuple[str, ...]) -> Any:
        if not isinstance(schema, Mapping):
            return schema
        if "$ref" in schema:
            return self._reference(schema, open_refs)
        out = {key: self._value(key, value, open_refs) for key, value in self._renamed(schema).items()}
        if _is_object(out):
            self._object(schema, out)
        return self._kept(self._typed(out))

    def _reference(self, schema: Mapping[str, Any], open_refs: tuple[str, ...]) -> Any:
        name = str(schema["$ref"]).rpartition("/")[2]
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        if self.subset.inline:
            if name in open_refs:
                raise ConfigurationError(f"the schema refers to {name} within itself, which this provider cannot take")
            target = self.definitions.get(name)
            if target is not None:
                return self.schema({**target, **beside}, (*open_refs, name))
        if beside and self.subset.lone_refs:
            words = {key: value for key, value in beside.items() if key == "description"}
            return {"anyOf": [{"$ref": schema["$ref"]}], **words}
        return {"$ref": schema["$ref"], **beside}

    def _renamed(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        out = dict(schema)
        if self.subset.enum_for_const and "const" in out:
            out["enum"] = [out.pop("const")]
        if self.subset.any_of and "oneOf" in out:
            out["anyOf"] = [*out.get("anyOf", ()), *out.pop("oneOf")]
        return out

    def _value(self, key: str, value: Any, open_refs: tuple[str, ...]) -> Any:
        if key in _NESTED_MAPS and isinstance(value, Mapping):
            return {name: self.schema(one, open_refs) for name, one in value.items()}
        if key in _NESTED_LISTS and isinstance(value, list):
            return [self.schema(one, open_refs) for one in value]
        return self.schema(value, open_refs) if key in _NESTED else value

    def _object(self, before: Mapping[str, Any], out: dict[str, Any]) -> None:
        if self.subset.closed:
            out["additionalProperties"] = False
        if self.subset.all_required:
            members = out.setdefault("properties", {})
            required = before.get("required", ())
            out["properties"] = {name: one if name in required else _nullable(one) for name, one in members.items()}
            out["required"] = list(members)

    def _kept(self, out: dict[str, Any]) -> dict[str, Any]:
        subset = self.subset
        lost = {}
        if subset.formats is not None and out.get("format") not in (None, *subset.formats):
            lost["format"] = out.pop("format")
        if subset.keep is not None:
            lost.update({key: out.pop(key) for key in list(out) if key not in subset.keep})
        said = {key: value for key, value in lost.items() if key in subset.told and value is not None}
        told = ", ".join(f"{key}: {_shown(value)}" for key, value in said.items())
        if told:
            words = out.get("description")
            out["description"] = f"{words} ({told})" if words else told
        return out

    def _typed(self, schema: dict[str, Any]) -> dict[str, Any]:
        """An enum with its type, which strict modes demand and msgspec leaves out."""
        if "enum" in schema and "type" not in schema:
            kinds = {_KINDS.get(type(value)) for value in schema["enum"]}
            if len(kinds) == 1 and None not in kinds:
                return {"type": kinds.pop(), **schema}
        return schema


def _is_object(schema: Mapping[str, Any]) -> bool:
    kinds = schema.get("type")
    return kinds == "object" or (isinstance(kinds, list) and "object" in kinds) or "properties" in schema


def _nullable(schema: Any) -> Any:
    """The schema, and null too; what a member is when it is left out goes into no keyword."""
    if not isinstance(schema, Mapping):
        return schema
    schema = {key: value for key, value in schema.items() if key != "default"}
    options = schema.get("anyOf")
    if isinstance(options, list):
        return schema if {"type": "null"} in options else {**schema, "anyOf": [*options, {"type": "null"}]}
    kinds = schema.get("type")
    if isinstance(kinds, str) and "enum" not in schema:
        return schema if kinds == "null" else {**schema, "type": [kinds, "null"]}
    if isinstance(kinds, list):
        return schema if "null" in kinds else {**schema, "type": [*kinds, "null"]}
    words = {"description": schema["description"]} if "description" in schema else {}
    inner = {key: value for key, value in schema.items() if key != "description"}
    return {"anyOf": [inner, {"type": "null"}], **words} if inner else schema


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
