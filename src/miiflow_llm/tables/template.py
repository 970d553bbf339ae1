"""Fill the holes of a template from a view of the values, which gives wire JSON (law 1).

A view is a function from a name to a value, `None` for no value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from ..core.exceptions import ConfigurationError
from .request_words import ByModel, Take, When

View = Callable[[str], Any]


class _Nothing:
    def __repr__(self) -> str:
        return "NOTHING"


NOTHING: Final = _Nothing()
"""What a hole without a value gives: it vanishes. As a template, one that always does."""


def fill(template: Any, view: View) -> Any:
    """The template with its holes filled; `NOTHING` if nothing is left of it.

    Raises:
        ConfigurationError: a value has no place in the hole's `values`.
    """
    filler = _fillers[type(template)]
    return template if filler is None else filler(template, view)


def _when(template: When, view: View) -> Any:
    return fill(template.template if view(template.name) else or_nothing(template.otherwise), view)


def _by_model(template: ByModel, view: View) -> Any:
    return fill(or_nothing(choose(template.templates, view("model"))), view)


def _object(template: Mapping[str, Any], view: View) -> Any:
    filled = {key: value for key, inner in template.items() if (value := fill(inner, view)) is not NOTHING}
    return filled if filled or not template else NOTHING


def _list(template: list[Any], view: View) -> Any:
    items = [value for item in template if (value := fill(item, view)) is not NOTHING]
    return items if items or not template else NOTHING


def or_nothing(template: Any) -> Any:
    """`NOTHING` for the `None` with which a table says that there is no template."""
    return NOTHING if template is None else template


def choose(templates: Mapping[str, Any], model: str | None) -> Any:
    """The first of `templates` whose pattern matches the start of the model's name."""
    return next((found for pattern, found in templates.items() if re.match(pattern, model or "")), None)


def _take(take: Take, view: View) -> Any:
    value = view(take.name)
    if value is None:
        return NOTHING if take.default is None else fill(take.default, view)
    if take.through is not None:
        value = take.through(value)
        if value is None:
            return NOTHING
    if take.each is not None:
        filled = [fill(take.each, item_view(item, view)) for item in value]
        return [one for some in filled for one in neighbours(take.each, some)]
    return value if take.values is None else _mapped(take, value, view)


_Filler = Callable[[Any, View], Any]


class _Fillers(dict[type, _Filler | None]):
    """What fills a template, by its type, `None` for a constant: a look-up costs less than the tests it remembers."""

    def __missing__(self, kind: type) -> _Filler | None:
        known = ((Take, _take), (When, _when), (ByModel, _by_model), (Mapping, _object), (list, _list))
        found = self[kind] = next((filler for base, filler in known if issubclass(kind, base)), None)
        return found


_fillers = _Fillers()


def neighbours(template: Any, value: Any) -> list[Any]:
    """What a template made, as the values that stand side by side: none, one, or several if it is a list itself."""
    if value is NOTHING:
        return []
    return value if isinstance(template, list) else [value]


def _mapped(take: Take, value: Any, view: View) -> Any:
    values = take.values
    assert values is not None  # noqa: S101  the caller looked
    if value in values:
        return fill(or_nothing(values[value]), view)
    if ... in values:
        return fill(or_nothing(values[...]), view)
    raise not_mapped(take, value)


def not_mapped(take: Take, value: Any) -> ConfigurationError:
    """The error for a value that the table has no word for."""
    legal = ", ".join(str(key) for key in take.values or ())
    return ConfigurationError(f"{take.name}={value!r} is not one of {legal}")


OUTER = ("model", "dimensions")
"""Values of the whole call that the template of an element may take too."""


def item_view(item: Any, outer: View) -> View:
    """A view of an element: `.` is itself, what is of the whole call comes from outside, all else is its own."""

    def view(name: str) -> Any:
        if name == ".":
            return item
        return outer(name) if name in OUTER else attribute(item, name)

    return view


def attribute(value: Any, name: str) -> Any:
    """The attribute (or key) at a dotted name, `None` if there is none."""
    for part in name.split("."):
        if value is None:
            return None
        value = value.get(part) if isinstance(value, dict) else getattr(value, part, None)
    return value


def holes(template: Any) -> Iterator[tuple[str, str]]:
    """Every hole of a template as (name of the value, place on the wire)."""
    return ((word.name, path) for word, path in words(template))


def words(template: Any, path: str = "") -> Iterator[tuple[Take | When, str]]:
    """Every word of a template that names a value, with its place on the wire; not those of a list's elements."""
    if isinstance(template, (Take, When)):
        yield template, path
    for part, place in inner(template, path):
        yield from words(part, place)


def takes(template: Any, name: str) -> bool:
    """Whether the template takes `name`, of its elements too."""
    return any(word.name == name or (isinstance(word, Take) and takes(word.each, name)) for word, _ in words(template))


def inner(template: Any, path: str = "") -> Iterator[tuple[Any, str]]:
    """The templates that a template is made of, each with its place on the wire."""
    if isinstance(template, Take):
        yield template.default, path
        yield from ((value, path) for value in (template.values or {}).values())
    elif isinstance(template, When):
        yield template.template, path
        yield template.otherwise, path
    elif isinstance(template, ByModel):
        yield from ((option, path) for option in template.templates.values())
    elif isinstance(template, Mapping):
        yield from ((value, f"{path}.{key}" if path else str(key)) for key, value in template.items())
    elif isinstance(template, list):
        yield from ((value, f"{path}[]") for value in template)
