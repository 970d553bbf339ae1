"""The parts of a JSON Schema and the references between them: which keywords hold schemas, and what a `$ref` names.

In come schemas as dicts, out come schemas as new dicts. Which keywords mean what to whom it does not know.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final
from urllib.parse import unquote

from ..core.exceptions import ConfigurationError

MAX_LEVELS: Final = 128
"""Levels of dicts and lists in a schema; providers take ten levels of objects at most."""

MAX_PARTS: Final = 100_000
"""Dicts, lists and values in a schema."""

_ONE = frozenset(
    ("items", "additionalProperties", "additionalItems", "not", "contains", "propertyNames", "if", "then", "else")
)
_LISTS = frozenset(("anyOf", "oneOf", "allOf", "prefixItems", "items"))
_MAPS = frozenset(("properties", "$defs", "definitions", "patternProperties", "dependentSchemas"))


def check_size(schema: Any) -> None:
    """See that a schema is one that can be walked.

    Raises:
        ConfigurationError: it is nested more than `MAX_LEVELS` deep, has more than `MAX_PARTS` parts, or holds itself.
    """
    row, parts = [schema], 0
    for _ in range(MAX_LEVELS):
        row = [inner for outer in row for inner in _inside(outer)]
        parts += len(row)
        if not row:
            return
        if parts > MAX_PARTS:
            raise ConfigurationError(f"the schema has more than {MAX_PARTS} parts")
    raise ConfigurationError(f"the schema is nested more than {MAX_LEVELS} levels deep")


def _inside(value: Any) -> Collection[Any]:
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, (list, tuple)) else ()


def map_parts(schema: Mapping[str, Any], change: Callable[[Any], Any]) -> dict[str, Any]:
    """The schema with each schema directly within it changed; all else as it is."""
    return {key: _mapped(key, value, change) for key, value in schema.items()}


def _mapped(key: str, value: Any, change: Callable[[Any], Any]) -> Any:
    if key in _MAPS and isinstance(value, Mapping):
        return {name: change(one) for name, one in value.items()}
    if key in _LISTS and isinstance(value, list):
        return [change(one) for one in value]
    return change(value) if key in _ONE else value


def target(reference: str, root: Any) -> Any:
    """What a local reference (`#`, `#/$defs/Item`) names in its document; `None` for nothing, or another document."""
    head, _, pointer = reference.partition("#")
    if head or "#" not in reference:
        return None
    found = root
    for step in pointer.split("/")[1:]:
        key = unquote(step).replace("~1", "/").replace("~0", "~")
        if isinstance(found, Mapping):
            found = found.get(key)
        elif isinstance(found, list):
            found = found[int(key)] if key.isdecimal() and int(key) < len(found) else None
        else:
            return None
    return found


def with_references(schema: Any, change: Callable[[str], str]) -> Any:
    """The schema with every `$ref` changed."""
    if not isinstance(schema, Mapping):
        return schema
    out = map_parts(schema, lambda one: with_references(one, change))
    if isinstance(out.get("$ref"), str):
        out["$ref"] = change(out["$ref"])
    return out


def references(schema: Any) -> list[str]:
    """Every `$ref` in a schema, outside of values."""
    found: list[str] = []

    def note(reference: str) -> str:
        found.append(reference)
        return reference

    with_references(schema, note)
    return found


def tidy(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema in today's spelling: `definitions` under `$defs`, and a root that does not refer to one of them."""
    out = dict(schema)
    if isinstance(out.get("definitions"), Mapping):
        out = with_references(out, lambda ref: ref.replace("#/definitions/", "#/$defs/", 1))
        out["$defs"] = {**out.pop("definitions"), **out.get("$defs", {})}
    seen: set[str] = set()
    while isinstance(out.get("$ref"), str) and out["$ref"] not in seen:
        seen.add(out["$ref"])
        found = target(out["$ref"], out)
        if not isinstance(found, Mapping):
            break
        out = {**found, **{key: value for key, value in out.items() if key != "$ref"}}
    return out


def free_name(name: str, taken: Collection[str]) -> str:
    """The name, with a number behind it if it is taken."""
    free, number = name, 2
    while free in taken:
        free, number = f"{name}_{number}", number + 1
    return free
