"""Mend a JSON Schema that servers refuse for a trifle.

Objects without `properties` and lists without `items` are refused; so are members that are required and not there, and
a `required` that stands on the member itself. An unknown type, as `str`, is an error here and not at the server.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core.exceptions import ConfigurationError
from ..core.legal_keys import nearest
from ..core.text import sound_json
from .refs import check_size, map_parts

_TYPES = ("string", "number", "integer", "boolean", "object", "array", "null")
_KEYS_OF_ROOT = frozenset(("$ref", "anyOf", "oneOf", "allOf", "enum", "const"))


def mended(schema: Mapping[str, Any], what: str) -> dict[str, Any]:
    """The schema as servers take it; `what` names it in errors.

    Raises:
        ConfigurationError: it is not a schema, is too large, or has an unknown type.
    """
    if not isinstance(schema, Mapping):
        raise ConfigurationError(f"{what}: a JSON Schema is a dict, not a {type(schema).__name__}")
    check_size(schema)
    found: dict[str, Any] = sound_json(_Mender(what).part(schema))
    return found


def mended_parameters(schema: Mapping[str, Any] | None, what: str) -> dict[str, Any]:
    """The schema of a tool's parameters, which are an object; for a tool that takes nothing one without members.

    Raises:
        ConfigurationError: as for `mended`; or it is not an object's.
    """
    given = schema or {}
    found = mended({"type": "object", "properties": {}} if given in ({}, {"type": "object"}) else given, what)
    if not ({"type"} | _KEYS_OF_ROOT) & found.keys():
        found = mended({"type": "object", **found}, what)
    if found.get("type") == "object":
        found.setdefault("properties", {})
    if found.get("type", "object") != "object":
        raise ConfigurationError(f"{what}: parameters are an object, not {found['type']!r}; wrap it in one")
    return found


class _Mender:
    def __init__(self, what: str) -> None:
        self.what = what

    def part(self, schema: Any) -> Any:
        """The schema mended, with all those in it."""
        if not isinstance(schema, Mapping):
            return schema
        kinds = self._kinds(schema)
        out = map_parts({key: value for key, value in schema.items() if not self._is_nothing(key, value)}, self.part)
        if "object" in kinds and not {"properties", "additionalProperties", "patternProperties"} & out.keys():
            out |= {"properties": {}, "additionalProperties": True}
        if "array" in kinds and not {"items", "prefixItems"} & out.keys():
            out["items"] = {}
        return _required(schema, out) if "properties" in out else out

    def _kinds(self, schema: Mapping[str, Any]) -> list[Any]:
        kinds = schema.get("type")
        listed = [kinds] if isinstance(kinds, str) else kinds if isinstance(kinds, list) else []
        wrong = next((kind for kind in listed if kind not in _TYPES), None)
        if wrong is not None or not isinstance(kinds, (str, list, type(None))):
            given = kinds if wrong is None else wrong
            raise ConfigurationError(f"{self.what}: {given!r} is not a type of JSON Schema{_meant(given)}")
        return listed

    def _is_nothing(self, key: str, value: Any) -> bool:
        """Whether a keyword stands there and says nothing, which is refused."""
        return value is None and key in ("properties", "required", "items", "description", "type", "enum")


_PYTHON = {"str": "string", "int": "integer", "float": "number", "bool": "boolean", "dict": "object", "list": "array"}


def _meant(given: Any) -> str:
    word = given.__name__ if isinstance(given, type) else str(given).lower()
    word = _PYTHON.get(word, word)
    return f"; did you mean {word!r}?" if word in _TYPES else nearest(word, _TYPES)


def _required(before: Mapping[str, Any], out: dict[str, Any]) -> dict[str, Any]:
    """The object with those of its required members that there are, also if the members say it themselves."""
    members = out["properties"]
    said = before.get("required")
    names = [name for name in said if name in members] if isinstance(said, (list, tuple)) else []
    own = [name for name, part in members.items() if isinstance(part, Mapping) and part.get("required") is True]
    if any(isinstance(part, Mapping) and isinstance(part.get("required"), bool) for part in members.values()):
        out["properties"] = {name: _without_flag(part) for name, part in members.items()}
    if "required" in out or own:
        out["required"] = list(dict.fromkeys([*names, *own]))
    return out


def _without_flag(part: Any) -> Any:
    if not isinstance(part, Mapping) or not isinstance(part.get("required"), bool):
        return part
    return {key: value for key, value in part.items() if key != "required"}
