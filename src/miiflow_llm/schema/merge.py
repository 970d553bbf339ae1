"""Write a schema without `allOf`, its parts as one schema, for wires that do not know it or that close every
object, where one part would forbid the members of the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .refs import target

_WORDS = frozenset(("title", "description", "default", "examples", "deprecated", "$comment"))


def merged(schema: Mapping[str, Any], root: Any) -> dict[str, Any]:
    """The schema with the parts of its `allOf` in it.

    Members and what is required are put together; of any other keyword that several parts have, the first one's is
    kept, so that more may be let through than the parts do. One reference with nothing but words beside it stays one.
    """
    if not isinstance(schema.get("allOf"), list):
        return dict(schema)
    beside = {key: value for key, value in schema.items() if key != "allOf"}
    only = schema["allOf"][0] if len(schema["allOf"]) == 1 else None
    if isinstance(only, Mapping) and "$ref" in only and _WORDS.issuperset(beside):
        return {**only, **beside}
    out: dict[str, Any] = {}
    for part in _parts(schema, root, set()):
        out = _joined(out, part)
    return out


def _parts(schema: Any, root: Any, seen: set[str]) -> Iterator[Mapping[str, Any]]:
    """The schema without its `allOf`, then the parts, each reference once, as a second time adds nothing."""
    reference = schema.get("$ref")
    while isinstance(reference, str):
        if reference in seen:
            return
        seen.add(reference)
        found = target(reference, root)
        if not isinstance(found, Mapping):
            break
        schema = {**found, **{key: value for key, value in schema.items() if key != "$ref"}}
        reference = schema.get("$ref")
    yield {key: value for key, value in schema.items() if key != "allOf"}
    for part in schema.get("allOf", ()):
        if isinstance(part, Mapping):
            yield from _parts(part, root, seen)


def _joined(first: dict[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    out = {**second, **first}
    if "properties" in first and "properties" in second:
        out["properties"] = {**first["properties"], **second["properties"]}
    if "required" in first and "required" in second:
        out["required"] = list(dict.fromkeys((*first["required"], *second["required"])))
    return out
