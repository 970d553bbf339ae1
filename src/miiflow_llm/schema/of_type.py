"""Make the JSON Schema of a Python type.

msgspec makes them for dataclasses, Structs, TypedDicts, enums, unions and all they are made of; a pydantic model makes
its own. How a value is read back is `to_type`'s.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from typing import Any, get_args, get_origin

import msgspec

from ..core.exceptions import ConfigurationError
from .formats import say_formats
from .pydantic_types import is_pydantic, schemas
from .readable import readable
from .refs import check_size, free_name, map_parts, references, tidy, with_references
from .stand_ins import Built, OneOf, is_foreign, is_stand_in, pydantics

WRAPPED = "value"
"""The key of a value that is not an object, for providers that demand an object at the root."""

_ILLEGAL = re.compile(r"[^A-Za-z0-9_-]+")


def schema_of(type_: Any) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a type; a dict is taken for a schema and given back as it is.

    Definitions stand under `$defs`; the root is not a reference.

    Raises:
        ConfigurationError: the type has no JSON form, or the schema is too deep or too large.
    """
    if isinstance(type_, dict):
        check_size(type_)
        return type_
    try:
        if is_pydantic(type_):
            return tidy(type_.model_json_schema())
        schema, definitions = _Schemas(readable(type_)).written()
    except KeyError as reason:  # msgspec's, whose names are by module and class
        raise ConfigurationError(f"{type_!r} has no JSON Schema: two types in it are called {reason}") from None
    except NameError as reason:
        raise ConfigurationError(
            f"{type_!r} has no JSON Schema: {reason}: what its annotations name must stand where they can be read, in "
            "the module and not in a function"
        ) from None
    except (TypeError, RuntimeError, ValueError) as reason:
        lines = str(reason).splitlines()
        # msgspec begins, and pydantic ends, with advice for its own callers
        words = lines[-1] if lines[-1].startswith("type ") else lines[0]
        raise ConfigurationError(f"{type_!r} has no JSON Schema: {words}") from None
    return _inlined_root(schema, definitions)


_PLACE = "#/stands-for/"
"""What a class that stands for a type is referred to by, until the schema of that type takes its place."""


class _Schemas:
    """The schema of one type and its definitions: msgspec's, and pydantic's under names that msgspec leaves free."""

    def __init__(self, type_: Any) -> None:
        self.roots = [type_]
        self.places: list[Any] = []

    def written(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The schema, and the definitions by name."""
        self._gather()
        found, components = self._components()
        if not self.places:
            return found[0], components
        foreign = [one for one in self.places if is_foreign(one)]
        theirs, definitions = schemas([pydantics(one) for one in foreign], components) if foreign else ([], {})
        known = {id(one): schema for one, schema in zip((*self.roots, *foreign), (*found, *theirs), strict=True)}
        put = _Substitution(self.places, known).put
        return put(found[0]), {name: put(part) for name, part in components.items()} | definitions

    def _gather(self) -> None:
        """Find all that stands for something; what is in it is asked for beside the type itself."""
        for root in self.roots:  # it grows meanwhile
            msgspec.json.schema_components([root], schema_hook=self._place)

    def _place(self, type_: Any) -> dict[str, Any]:
        if not is_foreign(type_) and not is_stand_in(type_):
            raise NotImplementedError
        if type_ not in self.places:
            self.places.append(type_)
            self.roots += _inside(type_)
        return {"$ref": f"{_PLACE}{self.places.index(type_)}"}

    def _components(self) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """The schemas of the roots, and the definitions."""
        found, components = msgspec.json.schema_components(
            self.roots, ref_template="#/$defs/{name}", schema_hook=self._place
        )
        for root, schema in zip(self.roots, found, strict=True):
            say_formats(root, schema, components)
        return [_alike(schema) for schema in found], {name: _alike(part) for name, part in components.items()}


def _inside(type_: Any) -> Sequence[Any]:
    """The types that a class that stands for another is made of."""
    if is_stand_in(type_, Built):
        return [type_.struct()]
    return type_.options if is_stand_in(type_, OneOf) else ()


class _Substitution:
    """Puts the schemas of `places` in place of references to them; `known` are those of types, by identity."""

    def __init__(self, places: list[Any], known: Mapping[int, dict[str, Any]]) -> None:
        self.places = places
        self.known = known

    def put(self, schema: Any) -> Any:
        """The schema with every place filled; what stands beside a place has the last word."""
        if not isinstance(schema, Mapping):
            return schema
        out = map_parts(schema, self.put)
        reference = out.get("$ref")
        if not isinstance(reference, str) or not reference.startswith(_PLACE):
            return out
        del out["$ref"]
        return {**self._found(self.places[int(reference.removeprefix(_PLACE))]), **out}

    def _found(self, type_: Any) -> dict[str, Any]:
        if is_foreign(type_):
            return self.known[id(type_)]
        parts = [self.put(self.known[id(one)]) for one in _inside(type_)]
        return {"anyOf": parts} if is_stand_in(type_, OneOf) else parts[0]


def _alike(schema: Any) -> Any:
    """The schema as every supported msgspec writes it: nothing empty said, docstrings without indent."""
    if not isinstance(schema, Mapping):
        return schema
    out = map_parts(schema, _alike)
    for key in ("default", "prefixItems"):  # 0.23 says `"default": []` for `field(default_factory=list)`, 0.22 did not
        if out.get(key) in ([], {}):
            del out[key]
    if isinstance(out.get("description"), str):  # 0.22 left the indent of a docstring's later lines
        out["description"] = inspect.cleandoc(out["description"])
    return out


def _inlined_root(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema with its own definition at the root, the others it needs under `$defs`."""
    reference = schema.get("$ref", "")
    name = reference.rpartition("/")[2]
    if name not in definitions:
        return {**schema, "$defs": definitions} if definitions else schema
    root = definitions[name]
    others = {key: value for key, value in definitions.items() if key != name}
    refers = reference in (*references(root), *references({"$defs": others}))
    used = {**others, name: root} if refers else others
    beside = {key: value for key, value in schema.items() if key != "$ref"}
    return {**root, **beside, "$defs": used} if used else {**root, **beside}


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
    schema = tidy(schema)
    definitions = schema.pop("$defs", {})
    schema, definitions = _named_root(schema, definitions)
    wrapped: dict[str, Any] = {
        "type": "object",
        "properties": {WRAPPED: schema},
        "required": [WRAPPED],
        "additionalProperties": False,
    }
    return ({**wrapped, "$defs": definitions} if definitions else wrapped), WRAPPED


def _named_root(schema: dict[str, Any], definitions: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A root that is referred to (`#`, `#/items`) as a definition, so that it can stand elsewhere."""
    outside = [ref for ref in references({**schema, "$defs": definitions}) if _is_to_root(ref)]
    if not outside:
        return schema, definitions
    name = free_name("root", definitions)

    def moved(reference: str) -> str:
        return f"#/$defs/{name}{reference[1:]}" if _is_to_root(reference) else reference

    parts = {**definitions, name: schema}
    return {"$ref": f"#/$defs/{name}"}, {key: with_references(part, moved) for key, part in parts.items()}


def _is_to_root(reference: str) -> bool:
    return reference == "#" or (reference.startswith("#/") and not reference.startswith("#/$defs/"))
