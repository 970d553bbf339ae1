"""Templates as people write them in tables: a word in, the call that makes it out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..tables.request_words import ByModel, Place, PlaceBy, Take, When

WIDTH = 120


def written(template: Any, indent: int = 0, used: int = 0) -> str:
    """The template as it stands in a table; what does not fit into a line is broken at its commas.

    The line is indented by so many spaces, and `used` characters stand in it already.
    """
    opened, parts, closed = _parts(template)
    line = f"{opened}{', '.join(f'{head}{written(part)}' for head, part in parts)}{closed}"
    if not parts or ("\n" not in line and indent + used + len(line) <= WIDTH):
        return line
    inner = indent + 4
    broken = (f"{' ' * inner}{head}{written(part, inner, len(head))},\n" for head, part in parts)
    return f"{opened}\n{''.join(broken)}{' ' * indent}{closed}"


_Parts = tuple[str, list[tuple[str, Any]], str]


def _parts(value: Any) -> _Parts:
    """What a value opens with, what stands inside it (each with what stands before it), and what it closes with."""
    if isinstance(value, (Take, When, ByModel, Place, PlaceBy)):
        name, arguments = _call(value)
        return f"{name}(", arguments, ")"
    if isinstance(value, Mapping):
        return "{", [(f"{_constant(key)}: ", inner) for key, inner in value.items()], "}"
    if isinstance(value, list):
        return "[", [("", inner) for inner in value], "]"
    if callable(value):
        return _function(value), [], ""
    return _constant(value), [], ""


def _constant(value: Any) -> str:
    """As the formatter of the tables writes it: strings in double quotes."""
    if value is ...:
        return "..."
    shown = repr(value)
    return f'"{shown[1:-1]}"' if isinstance(value, str) and '"' not in value and shown[0] == "'" else shown


def _function(value: Any) -> str:
    """A function's name; of one that another made, how that was called is not known any more."""
    maker, _, inner = getattr(value, "__qualname__", type(value).__name__).partition(".<locals>.")
    return f"{maker}(...)" if inner else maker


def _call(word: Take | When | ByModel | Place | PlaceBy) -> tuple[str, list[tuple[str, Any]]]:
    if isinstance(word, Take):
        return "take", [("", word.name), *_given(word, "through", "values", "each", "default")]
    if isinstance(word, When):
        otherwise = [] if word.otherwise is None else [("", word.otherwise)]
        return "when", [("", word.name), ("", word.template), *otherwise]
    if isinstance(word, ByModel):
        return "by_model", [("", word.templates)]
    if isinstance(word, PlaceBy):
        if word.name == "role" and ... not in word.places:
            return "by_role", [(f"{role}=", place) for role, place in word.places.items()]
        return "by_value", [("", word.name), ("", word.places)]
    return _place(word)


def _place(place: Place) -> tuple[str, list[tuple[str, Any]]]:
    if place.where == "left_out":
        return "left_out", []
    if place.where == "refused":
        return "refused", [("", place.reason)]
    key = [("", place.key)] if place.key else []
    own = [("own=", place.origin)] if place.origin else []
    return "joined" if place.joined else place.where, [*key, ("", place.template), *own]


def _given(word: Take, *names: str) -> Iterator[tuple[str, Any]]:
    return ((f"{name}=", value) for name in names if (value := getattr(word, name)) is not None)
