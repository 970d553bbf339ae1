"""Print templates, places, rules and rows as people write them in tables.

What is written so and read again by Python is the same table: a test holds that for every table of ours.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from ..core.pieces import Merge
from .drops import Drop
from .event_words import PIECES, Absent, Const, Each, Exists, First, Json, Other, Position, Rule, first_condition
from .request_words import ByModel, Place, PlaceBy, Take, When
from .spelling import SPELLING

STEP = "    "


class _Call(NamedTuple):
    """Brackets and what stands between them, each with the words before it (`each=`, `"key": `)."""

    opening: str
    inner: list[tuple[str, Any]]
    closing: str


def written(value: Any, *, width: int = 100, indent: str = "") -> str:
    """The source text of a value; what does not fit into `width` stands on lines of its own."""
    return "\n".join(_lines(value, "", indent, width))


def _lines(value: Any, before: str, indent: str, width: int) -> Iterator[str]:
    found = _parts(value)
    flat = before + _flat(found)
    if isinstance(found, str) or not found.inner or len(indent) + len(flat) < width:
        yield indent + flat
        return
    yield indent + before + found.opening
    for words, inner in found.inner:
        *lines, last = _lines(inner, words, indent + STEP, width)
        yield from lines
        yield f"{last},"
    yield indent + found.closing


def _flat(found: str | _Call) -> str:
    if isinstance(found, str):
        return found
    inner = ", ".join(words + _flat(_parts(one)) for words, one in found.inner)
    lone = "," if found.opening == "(" and len(found.inner) == 1 else ""
    return f"{found.opening}{inner}{lone}{found.closing}"


def _parts(value: Any) -> str | _Call:
    known = next((spell for kind, spell in _KINDS.items() if isinstance(value, kind)), None)
    if known is not None:
        return known(value)
    return _function(value) if callable(value) else _atom(value)


def _atom(value: Any) -> str:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, type):
        return value.__name__
    return "..." if value is ... else repr(value)


def _text(value: str) -> str:
    """A text in double quotes, raw if it holds backslashes."""
    if '"' in value or not value.isprintable() or value.endswith("\\"):
        return repr(value)
    return f'r"{value}"' if "\\" in value else f'"{value}"'


def _function(value: Callable[..., Any]) -> str | _Call:
    spelling = getattr(value, SPELLING, None)
    if spelling is not None:
        name, arguments, keywords = spelling
        return _call(name, *arguments, **{key: _marked(one) for key, one in keywords.items()})
    if isinstance(value, functools.partial):
        return _call("partial", value.func, *value.args, **value.keywords)
    return getattr(value, "__name__", repr(value))


def _call(name: str, /, *arguments: Any, **keywords: Any) -> _Call:
    """A call; keywords without a value are left out."""
    given = [(f"{key}=", value) for key, value in keywords.items() if value not in (None, "", (), False)]
    return _Call(f"{name}(", [*(("", one) for one in arguments), *given], ")")


def _take(word: Take) -> _Call:
    return _call(
        "take", word.name, through=word.through, values=word.values, each=word.each, default=_marked(word.default)
    )


class _Said(NamedTuple):
    """A value that is written even if it is empty."""

    value: Any


def _marked(value: Any) -> Any:
    """`default=False` and its like, which `_call` would take for nothing."""
    return _Said(value) if value is not None and value in ("", (), False) else value


def _place(place: Place) -> _Call:
    own = {"own": place.origin}
    if place.where == "refused":
        return _call("refused", place.reason)
    if place.where == "left_out":
        return _call("left_out")
    if place.where == "beside":
        return _call("joined" if place.joined else "beside", place.key, place.template, **own)
    return _call(place.where, place.template, **own)


def _place_by(places: PlaceBy) -> _Call:
    if places.name == "role" and ... not in places.places:
        return _call("by_role", **dict(places.places))
    return _call("by_value", places.name, places.places)


def _const(word: Const) -> _Call:
    if isinstance(word.value, Merge):
        return _call("merge", *word.value.keys, joined=word.value.joined)
    return _call("const", word.value)


def _rule(rule: Rule) -> _Call:
    row = "" if rule.row == rule.kind else rule.row
    when = None if first_condition(rule.fields) == rule.when else rule.when
    first_field = PIECES[rule.kind].__struct_fields__[0]
    fields = dict(rule.fields)
    value = [fields.pop(first_field)] if first_field in fields else []
    on = rule.on[0] if len(rule.on) == 1 else rule.on
    more = {"when": when, "where": rule.where, "on": on, "row": row, "unproven": rule.unproven}
    return _call("emit", rule.kind, *value, **fields, **more)


def _drop(row: Drop) -> _Call:
    more = {"models": row.models, "unless": dict(row.unless), "beside": row.beside}
    return _call("drop", *row.parameters, reason=row.reason, **{name: value for name, value in more.items() if value})


def _struct(value: msgspec.Struct) -> _Call:
    """Any other struct: what differs from its defaults."""
    fields = msgspec.structs.fields(value)
    given = {
        field.encode_name: _marked(found)
        for field in fields
        if (found := getattr(value, field.name)) != field.default or field.required
    }
    return _call(type(value).__name__, **given)


_KINDS: Mapping[type, Callable[[Any], str | _Call]] = {
    _Said: lambda said: _atom(said.value),
    Take: _take,
    When: lambda word: _call("when", word.name, word.template, *([] if word.otherwise is None else [word.otherwise])),
    ByModel: lambda word: _call("by_model", word.templates),
    Place: _place,
    PlaceBy: _place_by,
    First: lambda word: _call("first", *word.paths),
    Json: lambda word: _call("json", word.path, skip_empty=word.skip_empty),
    Const: _const,
    Exists: lambda word: _call("exists", word.path),
    Absent: lambda word: _call("absent", *word.paths),
    Other: lambda word: _call("other_than", *word.values),
    Position: lambda word: _call("position"),
    Each: lambda word: _call("each", word.path, *word.rules, where=word.where, on=word.on),
    Rule: _rule,
    Drop: _drop,
    msgspec.Struct: _struct,
    Mapping: lambda found: _Call("{", [(f"{_flat(_parts(key))}: ", one) for key, one in found.items()], "}"),
    list: lambda found: _Call("[", [("", one) for one in found], "]"),
    tuple: lambda found: _Call("(", [("", one) for one in found], ")"),
    type: _atom,
}
"""How each kind of value is spelt; the first that fits counts."""
