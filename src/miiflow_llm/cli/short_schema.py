"""The schema of an answer as the command line takes it: a file, JSON, or a short form such as `name, age int`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec

from ..core.exceptions import ConfigurationError

TYPES = {
    "str": {"type": "string"},
    "string": {"type": "string"},
    "int": {"type": "integer"},
    "integer": {"type": "integer"},
    "float": {"type": "number"},
    "number": {"type": "number"},
    "bool": {"type": "boolean"},
    "boolean": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
}
"""The types of the short form."""
_FIELD = re.compile(r"(?P<name>\w+)(?P<optional>\?)?(?:\s+(?P<type>\w+)(?P<many>\[\])?)?(?:\s*:\s*(?P<words>.+))?")
_LIKE_A_PATH = re.compile(r"[^\s,]*([/\\]|\.json$)[^\s,]*")
EXAMPLE = "'name, age int, tags str[], note?: what it is about'"


def schema_of(given: str) -> dict[str, Any]:
    """The JSON Schema of a file's path, of JSON, or of the short form.

    In the short form fields stand between commas or on lines: a name, `?` if it may be left out, a type (`str` if none
    is named, `[]` behind it for a list of them), and a colon before words for the model. In brackets,
    `[name, age int]`, it is a list of such objects.

    Raises:
        ConfigurationError: it is something else.
    """
    text = given.strip()
    if text.startswith("{"):
        return _json(text.encode(), "--schema")
    if Path(text).is_file() or _LIKE_A_PATH.fullmatch(text):
        try:
            return _json(Path(text).read_bytes(), f"--schema {text}")
        except OSError as reason:
            raise ConfigurationError(f"--schema {text}: {reason.strerror}") from None
    if text.startswith("[") and text.endswith("]"):
        return {"type": "array", "items": _object(text[1:-1])}
    return _object(text)


def _json(data: bytes, place: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(data, type=dict[str, Any])
    except msgspec.MsgspecError as reason:
        raise ConfigurationError(f"{place}: it is not a JSON object: {reason}") from None


def _object(text: str) -> dict[str, Any]:
    properties, required = dict[str, Any](), list[str]()
    parts = text.splitlines() if "\n" in text.strip() else text.split(",")
    for part in filter(None, (part.strip().rstrip(",") for part in parts)):
        found = _FIELD.fullmatch(part)
        if found is None or (found["type"] or "str") not in TYPES:
            kinds = "str, int, float, bool, date"
            raise ConfigurationError(f"--schema: {part!r} is not a field: write {EXAMPLE}; types are {kinds}")
        schema: dict[str, Any] = dict(TYPES[found["type"] or "str"])
        schema = {"type": "array", "items": schema} if found["many"] else schema
        properties[found["name"]] = {**schema, **({"description": found["words"]} if found["words"] else {})}
        if not found["optional"]:
            required.append(found["name"])
    if not properties:
        raise ConfigurationError(f"--schema: it has no field: write {EXAMPLE}, or a file with a JSON Schema")
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
