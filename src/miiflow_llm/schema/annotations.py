"""Turn what `Annotated` says beside a type (pydantic's `Field`, `annotated_types`, words, `Doc`) into msgspec's `Meta`.

What msgspec has no words for is left to pydantic.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any

import msgspec

_LIMITS = ("ge", "gt", "le", "lt", "multiple_of", "min_length", "max_length", "pattern")


class _ForPydantic(Exception):
    """This cannot be said in msgspec's words."""


class Notes(msgspec.Struct, frozen=True):
    """What the metadata of one type say.

    `metas` are for msgspec, and so is `words`, the description written as a bare string or a `Doc`. `foreign` says that
    pydantic must read the type (a validator, a constraint of its own). `field` is pydantic's `FieldInfo`, if one is
    there.
    """

    metas: tuple[msgspec.Meta, ...] = ()
    words: str | None = None
    foreign: bool = False
    field: Any = None
    is_plain: bool = True
    """Whether msgspec sees all of it as it stands."""

    @property
    def description(self) -> str | None:
        """The description, whoever said it."""
        return self.words or next((meta.description for meta in reversed(self.metas) if meta.description), None)

    def on(self, hint: Any, *, all_of_it: bool = True) -> Any:
        """The type with msgspec's metadata on it; without `all_of_it` only with the bare words."""
        for meta in self.metas if all_of_it else ():
            hint = Annotated[hint, meta]
        return Annotated[hint, msgspec.Meta(description=self.words)] if self.words else hint


def notes_of(metadata: Iterable[Any]) -> Notes:
    """What the metadata say; what is nobody's is passed over, as `Annotated` has it."""
    metas: list[msgspec.Meta] = []
    words: str | None = None
    foreign, field = False, None
    limits: dict[str, Any] = {}
    for one in metadata:
        if isinstance(one, msgspec.Meta):
            metas.append(one)
        elif isinstance(found := getattr(one, "documentation", one), str):
            words = words or found
        else:
            field = one if is_field(one) else field
            try:
                limits.update(_said_by(one))
            except _ForPydantic:
                foreign = True
    if limits and not foreign:
        try:
            metas.insert(0, msgspec.Meta(**limits))
        except (TypeError, ValueError):
            foreign = True  # a limit of dates, say
    is_plain = not (limits or words or foreign or field)
    return Notes(tuple(metas), words, foreign, field, is_plain)


def is_field(value: Any) -> bool:
    """Whether the value is what pydantic's `Field(...)` makes."""
    return type(value).__name__ == "FieldInfo" and _is_of(value, "pydantic")


def default_of(field: Any) -> Sequence[Callable[[], Any]]:
    """What gives the default of a pydantic `Field`, anew each time, as a list of one; empty if it has none."""
    return [] if field.is_required() else [lambda: field.get_default(call_default_factory=True)]


def key_of(field: Any) -> str | None:
    """The key in JSON that a pydantic `Field` names, if it names one."""
    alias = field.validation_alias or field.alias
    return alias if isinstance(alias, str) else None


def _is_of(value: Any, package: str) -> bool:
    return type(value).__module__.partition(".")[0] == package


def _said_by(value: Any) -> dict[str, Any]:
    """What one piece of metadata says, as arguments of `Meta`.

    Raises:
        _ForPydantic: it is a thing of pydantic's own.
    """
    if is_field(value):
        return _said_by_field(value)
    if _is_of(value, "annotated_types"):
        if isinstance(value, Iterable):
            return {key: limit for one in value for key, limit in _said_by(one).items()}
        found = {key: limit for key in _LIMITS if (limit := getattr(value, key, None)) is not None}
        if not found:
            raise _ForPydantic
        return found
    if type(value).__name__ == "PydanticGeneralMetadata" and vars(value).keys() <= set(_LIMITS):
        return {key: _text(limit) for key, limit in vars(value).items() if limit is not None}
    if _is_of(value, "pydantic") or hasattr(value, "__get_pydantic_core_schema__"):
        raise _ForPydantic
    return {}


def _said_by_field(field: Any) -> dict[str, Any]:
    if field.discriminator is not None or callable(field.json_schema_extra):
        raise _ForPydantic
    words = {key: value for key in ("title", "description") if (value := getattr(field, key))}
    extra = dict(field.json_schema_extra or {}) | ({"deprecated": True} if field.deprecated else {})
    said = {**words, "examples": field.examples, "extra_json_schema": extra or None}
    limits = [_said_by(one) for one in field.metadata]
    found = {key: value for one in (said, *limits) for key, value in one.items()}
    return {key: value for key, value in found.items() if value is not None}


def _text(pattern: Any) -> Any:
    return pattern.pattern if isinstance(pattern, re.Pattern) else pattern
