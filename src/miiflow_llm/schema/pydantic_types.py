"""Pydantic beside msgspec: which types pydantic must read, what their schemas are, and their values.

pydantic is imported only if such a type is met.
"""

from __future__ import annotations

import functools
import typing
from collections.abc import Collection, Iterable
from typing import Any

from ..core.json_text import path_text
from .refs import free_name, with_references


def is_pydantic(type_: Any) -> bool:
    """Whether the type is a pydantic model, told by what it can do."""
    return isinstance(type_, type) and hasattr(type_, "model_json_schema") and hasattr(type_, "model_validate_json")


def is_pydantics_own(type_: Any) -> bool:
    """Whether the type is not a model and has checks that only pydantic makes: its dataclass, an address, a secret."""
    own = hasattr(type_, "__get_pydantic_core_schema__") or hasattr(type_, "__pydantic_validator__")
    return own and isinstance(type_, type) and not is_pydantic(type_)


def schemas(types_: Iterable[Any], taken: Collection[str]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The schemas of types, and the definitions under `#/$defs` they refer to, under names not taken."""
    from pydantic import TypeAdapter

    inputs = [(place, typing.cast("Any", "validation"), _adapter_of(type_)) for place, type_ in enumerate(types_)]
    found, shared = TypeAdapter.json_schemas(inputs)
    definitions = shared.get("$defs", {})
    names: dict[str, str] = {}
    for name in definitions:
        names[name] = free_name(name, {*taken, *names.values(), *(set(definitions) - {name})})

    def renamed(reference: str) -> str:
        name = reference.removeprefix("#/$defs/")
        return f"#/$defs/{names.get(name, name)}"

    return (
        [with_references(found[place, mode], renamed) for place, mode, _ in inputs],
        {names[name]: with_references(schema, renamed) for name, schema in definitions.items()},
    )


def read(type_: Any, data: str | bytes) -> Any:
    """The JSON as a value of a type.

    Raises:
        ValueError: pydantic's own, with `errors()`.
    """
    return type_.model_validate_json(data) if is_pydantic(type_) else _adapter_of(type_).validate_json(data)


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
    # A step that is not a place in the JSON names an alternative of a union, unless it is what is missing.
    if first["type"] == "missing":
        steps.append(first["loc"][-1])
    return first["msg"], path_text(tuple(steps))


def _is_index(step: Any, value: list[Any]) -> bool:
    return isinstance(step, int) and step < len(value)


def _adapter_of(hint: Any) -> Any:
    try:
        hash(hint)
    except TypeError:
        return _adapter.__wrapped__(hint)
    return _adapter(hint)


@functools.lru_cache(maxsize=256)
def _adapter(hint: Any) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(hint)
