"""Pydantic beside msgspec: which types pydantic must read, what their schemas are, and their values.

msgspec knows a pydantic model as a custom type, of which it takes one in a union at most; a union of models is put in
a `Bridge`, a custom type too. pydantic is imported only where such a union, or a model inside another type, is met.
"""

from __future__ import annotations

import functools
import operator
import sys
import types
import typing
from collections.abc import Collection, Iterable
from typing import Annotated, Any, ClassVar, Union, get_args, get_origin

import msgspec

from ..core.exceptions import ConfigurationError
from ..core.json_text import path_text
from .refs import free_name, with_references

_FIELDS = ("__dataclass_fields__", "__struct_fields__", "__required_keys__", "_fields")
"""What dataclasses, Structs, TypedDicts and NamedTuples are told by."""


class _Anything(type):
    def __instancecheck__(cls, instance: object) -> bool:
        """msgspec asks of what its hook gives; pydantic has checked it."""
        return True


class Bridge(metaclass=_Anything):
    """The base of the classes that stand, before msgspec, for a type that only pydantic reads: `hint`."""

    hint: ClassVar[Any]


def is_pydantic(type_: Any) -> bool:
    """Whether the type is a pydantic model, told by what it can do."""
    return isinstance(type_, type) and hasattr(type_, "model_json_schema") and hasattr(type_, "model_validate_json")


def is_foreign(type_: Any) -> bool:
    """Whether pydantic reads the type: a model, or a `Bridge`."""
    return is_pydantic(type_) or (isinstance(type_, type) and issubclass(type_, Bridge))


def bridged(type_: Any) -> Any:
    """The type with a `Bridge` for each part that msgspec cannot read and pydantic can; else the type itself.

    Raises:
        ConfigurationError: such a part is a field of a msgspec Struct, which neither reads.
    """
    return _bridged(type_, ()) if "pydantic" in sys.modules else type_


def _bridged(type_: Any, above: tuple[Any, ...]) -> Any:
    origin, args = get_origin(type_), get_args(type_)
    if origin is Annotated:
        inner = _bridged(args[0], above)
        if inner is args[0]:
            return type_
        hint = type_ if _is_union(args[0]) else args[0]
        return Annotated[(_bridge(hint) if _is_bridge(inner) else inner, *args[1:])]
    if _is_union(type_) and _is_mixed(args):
        return _bridge(type_)
    if origin is None or origin is typing.Literal:
        return _bridge(type_) if _has_bridged_fields(type_, above) else type_
    parts = tuple(_bridged(part, above) for part in args)
    if all(new is old for new, old in zip(parts, args, strict=True)):
        return type_
    return functools.reduce(operator.or_, parts) if _is_union(type_) else origin[parts]


def _is_union(type_: Any) -> bool:
    return get_origin(type_) in (Union, types.UnionType)


def _is_bridge(type_: Any) -> bool:
    return isinstance(type_, type) and issubclass(type_, Bridge)


def _is_mixed(options: Iterable[Any]) -> bool:
    """Whether a union has a model and anything else but None."""
    bare = [get_args(one)[0] if get_origin(one) is Annotated else one for one in options]
    return any(map(is_pydantic, bare)) and len([one for one in bare if one is not types.NoneType]) > 1


def _has_bridged_fields(type_: Any, above: tuple[Any, ...]) -> bool:
    if type_ in above or not isinstance(type_, type) or not any(hasattr(type_, mark) for mark in _FIELDS):
        return False
    is_struct = issubclass(type_, msgspec.Struct)
    try:
        hints = typing.get_type_hints(type_, include_extras=True)
    except (NameError, TypeError):
        return False  # msgspec says what is wrong with it
    found = next((name for name, hint in hints.items() if _bridged(hint, (*above, type_)) is not hint), None)
    if found and is_struct:
        raise ConfigurationError(
            f"{type_.__name__}.{found}: msgspec reads no union of pydantic models in a Struct: "
            "make it a dataclass, or a pydantic model"
        )
    return found is not None


def _bridge(hint: Any) -> type[Bridge]:
    return type(getattr(hint, "__name__", "Union"), (Bridge,), {"hint": hint})


def schemas(types_: Iterable[Any], taken: Collection[str]) -> tuple[dict[Any, dict[str, Any]], dict[str, Any]]:
    """The schemas of models and bridges, and the definitions under `#/$defs` they refer to, under names not taken."""
    from pydantic import TypeAdapter

    inputs = [(type_, typing.cast("Any", "validation"), _adapter_of(type_)) for type_ in types_]
    found, shared = TypeAdapter.json_schemas(inputs)
    definitions = shared.get("$defs", {})
    names: dict[str, str] = {}
    for name in definitions:
        names[name] = free_name(name, {*taken, *names.values(), *(set(definitions) - {name})})

    def renamed(reference: str) -> str:
        name = reference.removeprefix("#/$defs/")
        return f"#/$defs/{names.get(name, name)}"

    return (
        {type_: with_references(schema, renamed) for (type_, _), schema in found.items()},
        {names[name]: with_references(schema, renamed) for name, schema in definitions.items()},
    )


def read(type_: Any, data: str | bytes) -> Any:
    """The JSON as a value of a model, or of what a bridge stands for.

    Raises:
        ValueError: pydantic's own, with `errors()`.
    """
    return type_.model_validate_json(data) if is_pydantic(type_) else _adapter_of(type_).validate_json(data)


def read_value(type_: Any, value: Any) -> Any:
    """A part of a JSON document as a value of a model or a bridge: msgspec's `dec_hook`.

    Raises:
        ValueError: it is not of the type; the words end in the path, as msgspec's do.
    """
    if not is_foreign(type_):
        raise NotImplementedError(f"{type_!r}")
    try:
        return read(type_, msgspec.json.encode(value))
    except ValueError as reason:
        words, path = first_error(reason, value)
        raise ValueError(f"{words} - at `{path}`" if path != "$" else words) from None


def first_error(reason: ValueError, value: Any) -> tuple[str, str]:
    """What pydantic found first, and where in the JSON value."""
    errors = getattr(reason, "errors", None)
    first = next(iter(errors()), None) if callable(errors) else None
    if first is None:
        return str(reason), "$"
    steps: list[str | int] = []
    for step in first["loc"]:
        inside = step in value if isinstance(value, dict) else isinstance(value, list) and _is_index(step, value)
        if inside:
            steps.append(step)
            value = value[step]
    # A step that is no place in the JSON names an alternative of a union, unless it is what is missing.
    if first["type"] == "missing":
        steps.append(first["loc"][-1])
    return first["msg"], path_text(tuple(steps))


def _is_index(step: Any, value: list[Any]) -> bool:
    return isinstance(step, int) and step < len(value)


def _adapter_of(type_: Any) -> Any:
    hint = type_.hint if _is_bridge(type_) else type_
    try:
        return _adapter(hint)
    except TypeError:  # it cannot be hashed
        return _adapter.__wrapped__(hint)


@functools.lru_cache(maxsize=256)
def _adapter(hint: Any) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(hint)
