"""Rewrite a JSON Schema to the part of it that a wire takes, by a table of keywords.

One walker for all; what differs is a `SchemaSubset`. What a keyword said and the wire cannot is moved into the
description, where the model still reads it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from ..core.exceptions import ConfigurationError
from .merge import merged
from .open_objects import is_object, open_object
from .refs import MAX_LEVELS, check_size, map_parts, target, tidy

MAX_INLINED: Final = 10_000
"""The most schemas in a schema with its definitions written out: about half a megabyte."""

_KINDS = {str: "string", bool: "boolean", int: "integer", float: "number"}
_LOOK_AROUND = re.compile(r"\(\?<?[=!]")
_SCALAR: dict[str, Any] = {"type": ["string", "number", "boolean", "null"]}
_TYPED = frozenset(("type", "anyOf", "$ref", "enum", "const"))


class SchemaSubset(msgspec.Struct, frozen=True, kw_only=True):
    """What a wire takes of JSON Schema.

    `keep` are its keywords (`None` for all); of those left out, the ones in `told` go into the description, the
    others vanish. `formats` are the values of `format` that it knows. `closed` puts `additionalProperties: false` on
    every object; `all_required` lists every member as required, an optional one as nullable. `any_of` writes `oneOf`
    as `anyOf`, `enum_for_const` a `const` as an enum of one; an `allOf` is always written as one schema. `inline`
    puts definitions in place of references, within themselves no more than their type. With `lone_refs` nothing
    stands beside a `$ref`. With `typed` every schema has a type: what says nothing takes any scalar. With
    `no_look_around` a pattern that looks around is lost. `max_optional` and `max_unions` are the most members that
    need not be there, and places of several types, that it takes in all.
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
    typed: bool = False
    no_look_around: bool = False
    max_optional: int | None = None
    max_unions: int | None = None


def rewrite(schema: Mapping[str, Any], subset: SchemaSubset, *, of: str = "the schema") -> dict[str, Any]:
    """The schema as the wire takes it; `of` names it in errors.

    Raises:
        ConfigurationError: definitions that must be inlined refer to themselves where the wire is strict, or grow too
            large; an object with free names must be closed; the schema is too deep or too large.
    """
    check_size(schema)
    document = tidy(schema)
    place = open_object(document) if subset.closed else None
    if place is not None:
        raise ConfigurationError(
            f"{of} has an object with members of any name at {place}: this provider's strict form closes every object. "
            "A list of objects with a key and a value works, and so do named members"
            + (", or the tool without strict=True" if of.startswith("tool") else "")
        )
    try:
        written: dict[str, Any] = _Walker(subset, document, of).written()
    except RecursionError:
        raise ConfigurationError(f"{of} is nested too deep for this provider") from None
    return written


def can_say(schema: Mapping[str, Any], subset: SchemaSubset) -> bool:
    """Whether the wire can take the schema whole: no open object closed, no reference to itself, not too large."""
    if subset.closed and open_object(schema, anything=True):
        return False
    try:
        optional, unions = _tally(rewrite(schema, subset))
    except ConfigurationError:
        return False
    return optional <= (subset.max_optional or optional) and unions <= (subset.max_unions or unions)


def _tally(schema: Mapping[str, Any]) -> tuple[int, int]:
    """The total numbers of optional members and of places with several types."""
    optional = len((schema.get("properties") or {}).keys() - set(schema.get("required", ())))
    unions = int("anyOf" in schema or isinstance(schema.get("type"), list))

    def add(part: Any) -> Any:
        nonlocal optional, unions
        if isinstance(part, Mapping):
            more = _tally(part)
            optional, unions = optional + more[0], unions + more[1]
        return part

    map_parts(schema, add)
    return optional, unions


class _Walker:
    def __init__(self, subset: SchemaSubset, document: dict[str, Any], of: str) -> None:
        self.subset = subset
        self.document = document
        self.of = of
        self.count = 0

    def written(self) -> Any:
        inline = self.subset.inline
        root = {key: value for key, value in self.document.items() if not (inline and key == "$defs")}
        return self.schema(root, ("#",), 0)

    def schema(self, schema: Any, open_refs: tuple[str, ...], level: int) -> Any:
        if not isinstance(schema, Mapping):
            return schema
        self._check(level)
        schema = self._renamed(merged(schema, self.document))
        if "$ref" in schema:
            return self._reference(schema, open_refs, level)
        out = map_parts(schema, lambda one: self.schema(one, open_refs, level + 1))
        if is_object(out):
            self._object(schema, out)
        return self._kept(self._typed(out))

    def _check(self, level: int) -> None:
        self.count += 1
        if self.count > MAX_INLINED and self.subset.inline:
            raise ConfigurationError(
                f"{self.of} has more than {MAX_INLINED} parts when its definitions are written out at each "
                "use, as this provider needs them: use them in fewer places"
            )
        if level > MAX_LEVELS // 2:
            raise ConfigurationError(f"{self.of} is nested more than {MAX_LEVELS // 2} schemas deep")

    def _reference(self, schema: Mapping[str, Any], open_refs: tuple[str, ...], level: int) -> Any:
        reference = str(schema["$ref"])
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        if self.subset.inline:
            if reference in open_refs:
                return self._again(reference)
            found = target(reference, self.document)
            if isinstance(found, Mapping):
                return self.schema({**found, **beside}, (*open_refs, reference), level)
        if beside and self.subset.lone_refs:
            words = {key: value for key, value in beside.items() if key == "description"}
            return {"anyOf": [{"$ref": reference}], **words}
        return {"$ref": reference, **beside}

    def _again(self, reference: str) -> dict[str, Any]:
        """A definition within itself, without end: no more than its type, where the wire is not strict."""
        what, found = reference.rpartition("/")[2], target(reference, self.document)
        if self.subset.closed:
            hint = "; leave out strict=True" if self.of.startswith("tool") else ""
            raise ConfigurationError(
                f"{self.of} refers to {what} within itself, which this provider's strict form cannot take{hint}"
            )
        kind = found.get("type") if isinstance(found, Mapping) else None
        words = f"{what}, as above"
        return {"type": kind, "description": words} if kind else {"description": words}

    def _renamed(self, schema: dict[str, Any]) -> dict[str, Any]:
        out = dict(schema)
        if self.subset.enum_for_const and "const" in out:
            out["enum"] = [out.pop("const")]
        if self.subset.any_of and "oneOf" in out:
            out["anyOf"] = [*out.get("anyOf", ()), *out.pop("oneOf")]
        if "prefixItems" in out and not self._keeps("prefixItems") and not out.get("items"):
            options = [one for at, one in enumerate(out["prefixItems"]) if one not in out["prefixItems"][:at]]
            out["items"] = options[0] if len(options) == 1 else {"anyOf": options}
        return out

    def _keeps(self, key: str) -> bool:
        return self.subset.keep is None or key in self.subset.keep

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
        if subset.no_look_around and _LOOK_AROUND.search(str(out.get("pattern", ""))):
            lost["pattern"] = out.pop("pattern")
        if subset.keep is not None:
            lost.update({key: out.pop(key) for key in list(out) if key not in subset.keep})
        said = {key: value for key, value in lost.items() if key in subset.told and value is not None}
        told = ", ".join(f"{key}: {_shown(value)}" for key, value in said.items())
        if told:
            words = out.get("description")
            out["description"] = f"{words} ({told})" if words else told
        return out

    def _typed(self, schema: dict[str, Any]) -> dict[str, Any]:
        """The schema with the types that strict modes demand: an enum's, which msgspec leaves out, a list's items'."""
        values = schema.get("enum", [schema["const"]] if "const" in schema else [])
        kinds = {_KINDS.get(type(value)) for value in values}
        if "type" not in schema and len(kinds) == 1 and None not in kinds:
            return {"type": kinds.pop(), **schema}
        if not self.subset.typed:
            return schema
        if _is_array(schema) and not isinstance(schema.get("items"), Mapping):
            return {**schema, "items": dict(_SCALAR)}
        return {**schema, **_SCALAR} if _TYPED.isdisjoint(schema) else schema


def _is_array(schema: Mapping[str, Any]) -> bool:
    kinds = schema.get("type")
    return kinds == "array" or (isinstance(kinds, list) and "array" in kinds)


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
