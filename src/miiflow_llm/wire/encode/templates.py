"""Turn templates into code: the lines that fill them.

What `fill` does by walking a template for every message, the lines do directly. A template becomes an expression for
its value, and before it the lines that the expression needs; `{"role": take("role"), "name": take("name")}` becomes

    v1 = shell.role
    v2 = shell.message.name
    v3 = {}
    if v1 is not None: v3['role'] = v1
    if v2 is not None: v3['name'] = v2
    if not v3: v3 = NOTHING

and with `"type": "text"` first, which is always there, `v3 = {'type': 'text'}` and no last line.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, Protocol

from ...tables.request_words import ByModel, Take, When
from ...tables.template import NOTHING, OUTER, attribute, not_mapped
from .code import Code


class Names(Protocol):
    """What the names of a template mean in its place: an expression for each."""

    def value(self, name: str) -> str:
        """An expression for the value of that name; it is `None` if there is none."""


class Made(NamedTuple):
    """A template's value: an expression for it, and what that is if there is no value."""

    value: str
    absent: Literal["never", "None", "NOTHING"]


class Expression(NamedTuple):
    """A template that is code already."""

    code: str


class OfElement:
    """The names in the template of an element, which is in the variable `item`."""

    def __init__(self, code: Code, item: str, outer: Names) -> None:
        self.code = code
        self.item = item
        self.outer = outer

    def value(self, name: str) -> str:
        """The element itself, what is of the whole call, or the element's own."""
        if name == ".":
            return self.item
        return self.outer.value(name) if name in OUTER else f"attribute({self.item}, {name!r})"


class TemplateWriter:
    """Writes the lines for templates that take `names`. They hold no choice by model: see `of_model`."""

    def __init__(self, code: Code, names: Names) -> None:
        self.code = code
        self.names = names

    def returned(self, template: Any) -> None:
        """The lines that return the template's value, or `NOTHING`."""
        self.code.line(f"return {self._or_nothing(self.made(template))}")

    def made(self, template: Any) -> Made:
        """The template's value, after the lines that make it."""
        if template is NOTHING:
            return Made("NOTHING", "NOTHING")
        if isinstance(template, Expression):
            return Made(self.code.held(template.code), "NOTHING")
        if isinstance(template, Take):
            return self._take(template)
        if isinstance(template, When):
            return self._when(template)
        if isinstance(template, Mapping):
            return self._object(template)
        if isinstance(template, list):
            return self._list(template)
        if isinstance(template, ByModel):
            raise TypeError("the choices by model are made before")
        return Made(self.code.constant(template), "never")

    def _take(self, take: Take) -> Made:
        got = self.code.held(self.names.value(take.name))
        if take.each is None and take.values is None:
            if take.through is not None and take.default is None:
                self._converted(take, got)
            if take.default is None:
                return Made(got, "None")
        return self._worked(take, got)

    def _worked(self, take: Take, got: str) -> Made:
        """A hole with more to it than a value: lines for each thing that may become of it."""
        made = self.code.held("NOTHING")
        if take.default is not None:
            self.code.begin(f"if {got} is None:")
            self._into(made, self.made(take.default))
            self.code.end()
            self.code.begin("else:")
        else:
            self.code.begin(f"if {got} is not None:")
        if take.through is not None:
            self._converted(take, got, known=True)
            self.code.begin(f"if {got} is not None:")
        self._given(take, got, made)
        self.code.depth -= 1 + (take.through is not None)
        return Made(made, "NOTHING")

    def _converted(self, take: Take, got: str, *, known: bool = False) -> None:
        call = f"{got} = {self.code.constant(take.through)}({got})"
        self.code.line(call if known else f"if {got} is not None: {call}")

    def _given(self, take: Take, got: str, made: str) -> None:
        """The value is there: it, its elements, or what stands for it."""
        if take.each is not None:
            self._each(take.each, got, made)
        elif take.values is not None:
            self._mapped(take, got, made)
        else:
            self.code.line(f"{made} = {got}")

    def _each(self, template: Any, got: str, made: str) -> None:
        item = self.code.name()
        inner = TemplateWriter(self.code, OfElement(self.code, item, self.names))
        self.code.line(f"{made} = []")
        self.code.begin(f"for {item} in {got}:")
        start = len(self.code.lines)
        for one in template if isinstance(template, list) else [template]:
            inner.appended(made, one)
        if len(self.code.lines) == start:
            self.code.line("pass")
        self.code.end()

    def appended(self, to: str, template: Any) -> None:
        """The lines that add the template's value, if there is one, to a list."""
        if template is not NOTHING:
            found = self.made(template)
            self._if_there(found, f"{to}.append({found.value})")

    def _mapped(self, take: Take, got: str, made: str) -> None:
        values = dict(take.values or {})
        otherwise = values.pop(..., None)
        places = {value: place for place, value in enumerate(values)}
        chosen = self.code.held(f"{self.code.constant(places)}.get({got})")
        for place, template in enumerate(values.values()):
            self.code.begin(f"{'el' if place else ''}if {chosen} == {place}:")
            self._into(made, self.made(template))
            self.code.end()
        if values:
            self.code.begin("else:")
        if otherwise is None:
            self.code.line(f"raise not_mapped({self.code.constant(take)}, {got})")
        else:
            self._into(made, self.made(otherwise))
        if values:
            self.code.end()

    def _when(self, word: When) -> Made:
        made = self.code.held("NOTHING")
        self.code.begin(f"if {self.names.value(word.name)}:")
        self._into(made, self.made(word.template))
        self.code.end()
        if word.otherwise is not NOTHING:
            self.code.begin("else:")
            self._into(made, self.made(word.otherwise))
            self.code.end()
        return Made(made, "NOTHING")

    def _object(self, template: Mapping[str, Any]) -> Made:
        fields = [(self.code.constant(key), self.made(inner)) for key, inner in template.items()]
        sure = next((at for at, (_, found) in enumerate(fields) if found.absent != "never"), len(fields))
        literal = "{" + ", ".join(f"{key}: {found.value}" for key, found in fields[:sure]) + "}"
        if sure == len(fields):
            return Made(literal, "never")
        made = self.code.held(literal)
        for key, found in fields[sure:]:
            self._if_there(found, f"{made}[{key}] = {found.value}")
        return self._unless_empty(made, [found for _, found in fields])

    def _list(self, template: list[Any]) -> Made:
        items = [self.made(inner) for inner in template]
        if all(found.absent == "never" for found in items):
            return Made(f"[{', '.join(found.value for found in items)}]", "never")
        made = self.code.held("[]")
        for found in items:
            self._if_there(found, f"{made}.append({found.value})")
        return self._unless_empty(made, items)

    def _unless_empty(self, made: str, found: list[Made]) -> Made:
        """What the template holds; nothing at all if its holes left it empty."""
        if any(one.absent == "never" for one in found):
            return Made(made, "never")
        self.code.line(f"if not {made}: {made} = NOTHING")
        return Made(made, "NOTHING")

    def _if_there(self, found: Made, action: str) -> None:
        if found.value != "NOTHING":
            condition = "" if found.absent == "never" else f"if {found.value} is not {found.absent}: "
            self.code.line(condition + action)

    def _into(self, name: str, found: Made) -> None:
        self.code.line(f"{name} = {self._or_nothing(found)}")

    def _or_nothing(self, found: Made) -> str:
        return f"NOTHING if {found.value} is None else {found.value}" if found.absent == "None" else found.value


HELPERS = {"NOTHING": NOTHING, "attribute": attribute, "not_mapped": not_mapped}
"""What the lines call beside the tables' own functions."""
