"""Turn structs and exceptions into plain values that JSON has, for logs and stores.

What is private (`_…`) is left out, and so are raw bytes unless they are asked for; then they are a text.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

_RAW = ("raw", "body")
"""Fields that hold a provider's bytes."""


def plain_struct(struct: msgspec.Struct, *, raw: bool = False, defaults: bool = True) -> dict[str, Any]:
    """The public fields of a struct; without `defaults` only those that say something."""
    fields = msgspec.structs.fields(struct)
    values = {field.name: getattr(struct, field.name) for field in fields}
    if not defaults:
        values = {name: value for name, value in values.items() if not _says_nothing(value)}
    return plain_values(values, raw=raw)


def _says_nothing(value: Any) -> bool:
    return value is None or value is False or (isinstance(value, (str, bytes, list, dict)) and not value)


def plain_values(values: Mapping[str, Any], *, raw: bool = False) -> dict[str, Any]:
    """Values by name, each plain."""
    return {
        name: plain(value, raw=raw)
        for name, value in values.items()
        if not name.startswith("_") and (raw or name not in _RAW)
    }


def plain(value: Any, *, raw: bool = False) -> Any:
    """A value as JSON has it; what JSON has no form for is its words."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, (list, tuple)):
        return [plain(one, raw=raw) for one in value]
    if callable(to_dict := getattr(value, "to_dict", None)) and isinstance(value, msgspec.Struct):
        return to_dict(raw=raw) if _takes_raw(value) else to_dict()
    try:
        return _strict(msgspec.to_builtins(value, str_keys=True, enc_hook=_in_words))
    except (TypeError, ValueError, RecursionError):
        return _words(value)


def _strict(value: Any) -> Any:
    """The value with lists for tuples, and `None` for numbers that JSON does not have."""
    if isinstance(value, (list, tuple)):
        return [_strict(one) for one in value]
    if isinstance(value, dict):
        return {name: _strict(one) for name, one in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _takes_raw(value: Any) -> bool:
    return bool({"raw"} & set(type(value).__struct_fields__))


def _in_words(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)
    if callable(dump) and not isinstance(value, type):
        return dump(mode="json")
    return list(value) if isinstance(value, Iterable) and not isinstance(value, type) else _words(value)


def _words(value: Any) -> str:
    try:
        return str(value)
    except Exception:  # a value's own words are the caller's code
        return f"<{type(value).__name__}>"
