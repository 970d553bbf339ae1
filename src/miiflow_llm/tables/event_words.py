"""The words with which a table says how an event is read: paths and conditions, `emit` and `each` (laws 3 to 7).

The laws stand at the head of the package, through which dialects and providers use these words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec

from ..core import exceptions, pieces
from .request_words import Word


class First(Word, frozen=True):
    """The first of several paths that is present."""

    paths: tuple[str, ...]


class Json(Word, frozen=True):
    """The JSON at a path as the provider wrote it; with `skip_empty` an empty object is nothing."""

    path: str
    skip_empty: bool = False


class Const(Word, frozen=True):
    """A value that the rule itself says."""

    value: Any


class Position(Word, frozen=True):
    """Where in the list of the innermost `each` the element stands, from 0."""


class Exists(Word, frozen=True):
    """Present when not null, even if empty."""

    path: str


class Absent(Word, frozen=True):
    """None of the paths is there."""

    paths: tuple[str, ...]


class Other(Word, frozen=True):
    """In a `where`: any value but these."""

    values: tuple[str, ...]


def other_than(*values: str) -> Other:
    """In a `where`: any value but these, an absent one included; what is new on the wire passes."""
    return Other(values)


Value: TypeAlias = str | First | Json | Const | Position
Condition: TypeAlias = str | First | Exists | Absent


def first(*paths: str) -> First:
    """The first of `paths` that is present."""
    return First(paths)


def json(path: str, *, skip_empty: bool = False) -> Json:
    """The value at `path` as JSON text, for arguments that come as an object; `skip_empty`: `{}` only holds a place."""
    return Json(path, skip_empty)


def merge(*keys: str, joined: tuple[str, ...]) -> Const:
    """For an `opaque` that comes in pieces: pieces with the same values under `keys` are one.

    Strings under `joined` are concatenated; of other fields the last that is not null counts.
    """
    return Const(pieces.Merge(keys, joined))


def const(value: Any) -> Const:
    """A constant."""
    return Const(value)


def position() -> Position:
    """The place of the element in the list of the innermost `each`, for parts and calls that have no other name."""
    return Position()


def exists(path: str) -> Exists:
    """A condition: the path is there and not null, even if empty."""
    return Exists(path)


def absent(*paths: str) -> Absent:
    """A condition: nothing, or null, is at any of `paths`; for what no other rule reads."""
    return Absent(paths)


PIECES: dict[str, type[msgspec.Struct]] = {
    "text": pieces.Text,
    "reasoning": pieces.Reasoning,
    "refusal": pieces.Refusal,
    "tool_call": pieces.ToolCallPiece,
    "opaque": pieces.Opaque,
    "fill": pieces.Fill,
    "finish": pieces.Finish,
    "usage": pieces.Usage,
    "failure": pieces.Failure,
    "meta": pieces.Meta,
    "logprobs": pieces.Logprobs,
    "citation": pieces.Citation,
    "progress": pieces.Progress,
}
"""What a rule can emit. `usage` takes counters under any names; the others their piece's fields."""


class Rule(msgspec.Struct, frozen=True):
    """One `emit`. `row` is the name that a provider replaces it by; `unproven` says why no capture fires it."""

    kind: str
    fields: Mapping[str, Value]
    when: Condition | None
    where: tuple[str, Any] | None
    on: tuple[str, ...]
    row: str
    unproven: str = ""


class Each(msgspec.Struct, frozen=True):
    """Rules run for each element of the list at `path` that `where` allows."""

    path: str
    rules: tuple[Rule | Each, ...]
    where: tuple[str, Any] | None
    on: tuple[str, ...]


RuleLike: TypeAlias = Rule | Each


def emit(
    kind: str,
    value: Value | None = None,
    *,
    when: Condition | None = None,
    where: tuple[str, Any] | None = None,
    on: tuple[str, ...] | str = (),
    row: str = "",
    unproven: str = "",
    **fields: Value,
) -> Rule:
    """Say `kind` with `fields`; `value` is the kind's first field and, without `when`, the condition.

    Raises:
        ConfigurationError: no such kind or field; the message names the legal ones.
    """
    if kind not in PIECES:
        raise exceptions.ConfigurationError(f"emit({kind!r}): no such kind; there are {', '.join(PIECES)}")
    legal = PIECES[kind].__struct_fields__
    if value is not None:
        fields = {legal[0]: value, **fields}
    wrong = next((field for field in fields if kind != "usage" and field not in legal), None)
    if wrong:
        raise exceptions.ConfigurationError(f"emit({kind}): no field {wrong!r}; it has {', '.join(legal)}")
    if when is None:
        when = first_condition(fields)
    return Rule(kind, fields, when, where, (on,) if isinstance(on, str) else on, row or kind, unproven)


def first_condition(fields: Mapping[str, Value]) -> Condition | None:
    """The condition of a rule that gives none: its first value that is read from the wire."""
    return next((_condition(field) for field in fields.values() if not isinstance(field, (Const, Position))), None)


def _condition(value: Value) -> str | First | Exists:
    if isinstance(value, Json):
        return Exists(value.path)
    assert not isinstance(value, (Const, Position))  # noqa: S101  the caller passes none
    return value


def each(path: str, *rules: RuleLike, where: tuple[str, Any] | None = None, on: tuple[str, ...] | str = ()) -> Each:
    """Run `rules` for each element of the list at `path`."""
    return Each(path, rules, where, (on,) if isinstance(on, str) else on)


def paths_of(value: Value | Condition | None) -> tuple[str, ...]:
    """The paths that a value looks at, in order."""
    if value is None or isinstance(value, (Const, Position)):
        return ()
    if isinstance(value, (First, Absent)):
        return value.paths
    return (value.path,) if isinstance(value, (Json, Exists)) else (value,)
