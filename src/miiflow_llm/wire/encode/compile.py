"""Compile the tables that write: make functions of a dialect, for one model.

How it goes. A table says what a request looks like: `{"role": take("role"), "content": take("content")}`. To walk that
for every message of every round of an agent would be the greater part of a call, so it is walked once, at the first
request to a model, and what the walk would have done is written down as Python (`templates`): an attribute for a hole,
an `if` for one that may be empty, a literal for the wire's own words. Nothing of the table is left in
the functions but the converters that it names.

Three steps lead there, and each has one file:

- `of_model` makes the choices by model, so that no name is matched with a pattern while a message is written. Models
  that make the same choices share their functions.
- `names` says what a name is in its place: `role` is `shell.role` in a message and an argument in a block.
- `templates` turns a template over such names into lines.

This file joins them to functions: one for the body, one for a message, and for each type of block one that puts it into
its place, one for its values inside a tool's result, and one for each of its templates. The place is code too: whether
the block is refused, left out or someone else's is decided in the order in which `interpret` decides it.

`interpret` reads the same tables by walking them; tests hold what the two write equal to the byte. Whoever adds a word
to the grammar teaches it to both. `scripts/explain DIALECT` prints the functions, and tracebacks show them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...core.messages import AudioBlock, DocumentBlock, ImageBlock, TextBlock
from ...tables.dialect import Dialect
from ...tables.request_words import BLOCKS, Place
from ...tables.template import takes
from ..generated import run
from .block_values import arguments_object, arguments_text, text_only
from .code import Code
from .conversation import OF_ANOTHER, Writer, not_in_result
from .keeping import keeping, kept_value, values_of
from .names import OfBlock, OfBody, OfMessage
from .places import elsewhere
from .templates import HELPERS, Expression, TemplateWriter
from .tool_names import legal_name

_HELPERS = {
    **HELPERS,
    "OF_ANOTHER": OF_ANOTHER,
    "arguments_object": arguments_object,
    "arguments_text": arguments_text,
    "kept_value": kept_value,
    "legal_name": legal_name,
    "not_in_result": not_in_result,
    "text_only": text_only,
}
_MEDIA = (ImageBlock, DocumentBlock, AudioBlock)


def compiled(name: str, dialect: Dialect) -> Writer:
    """What writes requests of a dialect in which the choices by model are made; `name` shows in tracebacks."""
    code = Code(**_HELPERS)
    _body(code, dialect.body)
    _message(code, dialect)
    for kind in BLOCKS:
        _Block(code, dialect, kind).functions()
    made = run(name, code.source, code.constants)
    return Writer(
        body=made["body"],
        message=made["message"],
        places={kind: made[f"place_{kind.__name__}"] for kind in BLOCKS},
        results={kind: made[f"values_of_{kind.__name__}"] for kind in BLOCKS},
        source=code.source,
        **keeping(dialect),
    )


def _body(code: Code, body: Any) -> None:
    """The function for the body, and one for each of its keys that is written once for equal values."""
    keys = dict(body) if isinstance(body, Mapping) else {}
    for place, (key, template) in enumerate(keys.items()):
        of = values_of(template)
        if of is not None:
            name = f"body_{key}" if str(key).isidentifier() else f"body_{place}"
            code.function(f"{name}(request)")
            TemplateWriter(code, OfBody()).returned(template)
            code.end()
            values = ", ".join(f"request.{one}" for one in of)
            keys[key] = Expression(f"kept_value(kept, {place}, {name}, request, ({values},))")
    code.function("body(request, messages, kept)")
    TemplateWriter(code, OfBody()).returned(keys or body)
    code.end()


def _message(code: Code, dialect: Dialect) -> None:
    code.function("message(shell, last, request)")
    TemplateWriter(code, OfMessage(dialect)).returned(dialect.message)
    code.end()


class _Block:
    """Writes the functions for one type of block."""

    def __init__(self, code: Code, dialect: Dialect, kind: type) -> None:
        self.code = code
        self.kind = kind
        self.name = kind.__name__
        self.fields: tuple[str, ...] = getattr(kind, "__struct_fields__", ())
        self.names = OfBlock(code, kind, dialect)
        row = dialect.parts.get(kind)
        self.row = Place("refused", reason="it has no place in this wire format") if row is None else row
        self.fills: list[tuple[Any, str]] = []

    def functions(self) -> None:
        """The functions for its templates, for its place, and for its values inside a tool's result."""
        for place in self._places():
            if place.where in ("inside", "beside", "apart"):
                self._fill(place.template)
        self.code.function(f"place_{self.name}(block, turn, shell)")
        self.code.line("role = turn.role")
        self._by_place(self._placed)
        self.code.end()
        self.code.function(f"values_of_{self.name}(block, turn)")
        self.code.line("role = turn.role")
        self._by_place(self._in_result)
        self.code.end()

    def _places(self) -> list[Place]:
        return [self.row] if isinstance(self.row, Place) else [*self.row.places.values()]

    def _fill(self, template: Any) -> None:
        if any(known == template for known, _ in self.fills):
            return
        name = f"fill_{self.name}_{len(self.fills) + 1}"
        self.code.function(f"{name}(block, turn, role)")
        TemplateWriter(self.code, self.names).returned(template)
        self.code.end()
        self.fills.append((template, name))

    def _fill_of(self, place: Place) -> str:
        return next(name for template, name in self.fills if template == place.template)

    def _by_place(self, write: Callable[[Place], None]) -> None:
        """The lines for whichever place the block has."""
        if isinstance(self.row, Place):
            write(self.row)
            return
        places = dict(self.row.places)
        otherwise = places.pop(..., None) or elsewhere(self.row)
        value = "role" if self.row.name == "role" else self.names.field(self.row.name)
        chosen = self.code.held(f"{self.code.constant({one: at for at, one in enumerate(places)})}.get({value})")
        for at, place in enumerate(places.values()):
            self.code.begin(f"if {chosen} == {at}:")
            write(place)
            self.code.end()
        write(otherwise)

    def _placed(self, place: Place) -> None:
        """The lines that put it there, in the order in which `interpret` decides."""
        line = self.code.line
        if place.where == "refused":
            line(f"turn.refuse(block, {place.reason!r})")
            return
        if self.kind is TextBlock:
            line("if not block.text and not turn.owns(block, 'model'): return shell")
        if place.where == "left_out":
            line("turn.left_out(block)")
            line("return shell")
            return
        if place.origin:
            self.code.begin(f"if not turn.owns(block, {place.origin!r}):")
            line("turn.left_out(block, OF_ANOTHER)")
            line("return shell")
            self.code.end()
        if self.kind in _MEDIA and not place.joined:
            line(f"value = turn.of_media({self._fill_of(place)}, block, role)")
        else:
            line(f"value = {self._fill_of(place)}(block, turn, role)")
        line("if value is NOTHING: return shell")
        self._put(place, self._marked(place))

    def _marked(self, place: Place) -> str:
        """Whether the block's mark of the cache is in its value: an expression."""
        if "cache" not in self.fields:
            return "False"
        if takes(place.template, "cache"):
            return "bool(block.cache)"
        self.code.line("if block.cache: turn.not_marked(block)")
        return "False"

    def _put(self, place: Place, marked: str) -> None:
        if place.where == "apart":
            self.code.line("turn.out.append(value)")
            self.code.line("return None")
        elif place.where == "beside":
            self.code.line(f"return turn.put_beside(shell, {place.key!r}, value, joined={place.joined})")
        else:
            values = "value" if isinstance(place.template, list) else "[value]"
            self.code.line(f"return turn.put(shell, block, {values}, marked={marked})")

    def _in_result(self, place: Place) -> None:
        line = self.code.line
        if place.where == "refused":
            line(f"turn.refuse(block, {place.reason!r})")
        elif place.where != "inside":
            line("not_in_result(block)")
        else:
            if self.kind in _MEDIA:
                line("turn.weigh(block)")
            line(f"value = {self._fill_of(place)}(block, turn, role)")
            line(f"return [] if value is NOTHING else {'value' if isinstance(place.template, list) else '[value]'}")
