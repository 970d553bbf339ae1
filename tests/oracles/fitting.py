"""Does a JSON value fit a vendor's own type? A value and a TypedDict, pydantic model or signature in, misfits out.

Stricter than the SDKs are with themselves: a key that the type does not name is a misfit.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from functools import cache
from typing import Annotated, Any, Literal, Union

import typing_extensions

_WRAPPERS = (typing.Required, typing.NotRequired, typing_extensions.Required, typing_extensions.NotRequired)
_LISTS = (list, Sequence, Iterable)
_MAPPINGS = (dict, Mapping)
Fields = dict[str, tuple[Any, bool]]
"""Keys with their types, and whether they are required."""


def misfits(value: Any, type_: Any, path: str = "$") -> list[str]:
    """Where the value does not fit the type, and why; of a union's alternatives those of the nearest."""
    origin, args = typing.get_origin(type_), typing.get_args(type_)
    if isinstance(type_, typing_extensions.TypeAliasType):
        return misfits(value, type_.__value__, path)
    if isinstance(origin, typing_extensions.TypeAliasType):
        return misfits(value, origin.__value__[args], path)
    if origin is Annotated or origin in _WRAPPERS:
        return misfits(value, args[0], path)
    if origin in (Union, types.UnionType):
        return min((misfits(value, one, path) for one in args), key=_distance)
    if origin is Literal:
        return [] if value in args else [f"{path}: {value!r} is none of {args}"]
    if origin in _LISTS:
        if not isinstance(value, list):
            return [f"{path}: {value!r} is no list"]
        return [one for at, item in enumerate(value) for one in misfits(item, args[0], f"{path}[{at}]")]
    if origin in _MAPPINGS:
        if not isinstance(value, dict):
            return [f"{path}: {value!r} is no object"]
        return [one for key, item in value.items() for one in misfits(item, args[1], f"{path}.{key}")]
    return _plain(value, type_, path)


def _distance(found: list[str]) -> tuple[bool, int, int]:
    """How far an alternative is from the value: the deeper its first misfit, the more of it fits."""
    where = found[0].partition(":")[0] if found else ""
    return bool(found), -where.count(".") - where.count("["), len(found)


def _plain(value: Any, type_: Any, path: str) -> list[str]:
    if type_ in (Any, object, dict) or isinstance(type_, typing.TypeVar):
        return []
    if type_ is None or type_ is type(None):
        return [] if value is None else [f"{path}: {value!r} is not null"]
    if isinstance(type_, type) and issubclass(type_, Enum):
        known = [one.value for one in type_]
        return [] if value in known else [f"{path}: {value!r} is none of {known}"]
    fields = fields_of(type_)
    if fields is not None:
        return fit(value, fields, path)
    if not isinstance(type_, type):
        return [f"{path}: {value!r} is no {type_}"]
    kinds = {float: (int, float), bytes: str}.get(type_, type_)  # bytes are base64 on every wire
    right = isinstance(value, kinds) and (type_ is bool or not isinstance(value, bool))
    return [] if right else [f"{path}: {value!r} is no {type_}"]


def fit(value: Any, fields: Fields, path: str = "$") -> list[str]:
    """Where an object does not fit its fields."""
    if not isinstance(value, dict):
        return [f"{path}: {value!r} is no object"]
    missing = [f"{path}: {key} is missing" for key, (_, needed) in fields.items() if needed and key not in value]
    unknown = [f"{path}: {key} is not known" for key in value if key not in fields]
    inner = [one for key in value if key in fields for one in misfits(value[key], fields[key][0], f"{path}.{key}")]
    return missing + unknown + inner


@cache
def fields_of(type_: Any) -> Fields | None:
    """The fields of a TypedDict or a pydantic model by their names on the wire; `None` for other types."""
    if hasattr(type_, "__required_keys__"):
        hints = typing_extensions.get_type_hints(type_, include_extras=True)
        return {name: (hint, _is_required(hint, name in type_.__required_keys__)) for name, hint in hints.items()}
    if hasattr(type_, "model_fields"):
        return {
            (one.serialization_alias or one.alias or name): (one.annotation, one.is_required())
            for name, one in type_.model_fields.items()
        }
    return None


def _is_required(hint: Any, listed: bool) -> bool:
    """Whether a key is required; what its annotation says counts, which as a string was not read for the list."""
    origin = typing.get_origin(hint)
    if origin in _WRAPPERS:
        return origin in (typing.Required, typing_extensions.Required)
    return listed


def parameters_of(function: Callable[..., Any]) -> Fields:
    """The keyword arguments of a function as fields."""
    signature = inspect.signature(function).parameters.values()
    return {
        one.name: (one.annotation, one.default is one.empty)
        for one in signature
        if one.name not in ("self", "request_options")
    }
