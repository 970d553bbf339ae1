"""Is a table legal? A dialect in, the same dialect or an error that names what is wrong and what there is, out.

What only the wire can tell (whether a provider sends such a path) is left to the captures.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ..core.exceptions import ConfigurationError
from ..core.messages import AudioBlock, DocumentBlock, ImageBlock, TextBlock, ToolCall, ToolResult
from ..core.request import PARAMETERS, ChatRequest, OutputSchema, ToolSpec
from .dialect import Dialect
from .drops import HOLDS
from .event_words import Each, Rule, RuleLike, paths_of
from .paths import steps
from .request_words import BLOCKS, Place, PlaceBy, Take
from .template import words

_FINISH_WORDS = ("stop", "length", "tool_calls", "content_filter", "unknown", "error")
_STRUCTURED = ("native", "tool", "prompt")
_REQUEST = frozenset(
    [name for name in ChatRequest.__struct_fields__ if not name.startswith("extra_")]
    + [f"schema.{name}" for name in OutputSchema.__struct_fields__]
)
_MESSAGE = _REQUEST | {"role", "content", "parts", "text", "name", "last"}
_OF_ANY_BLOCK = frozenset(["model", "role", "signature", "item_id", "leads"])
_MEDIA = frozenset(["media", "media.url", "media.link", "media.data", "media.type", "media.format"])
_OF_BLOCK: dict[type, frozenset[str]] = {
    ImageBlock: _MEDIA,
    DocumentBlock: _MEDIA,
    AudioBlock: _MEDIA,
    ToolCall: frozenset(["input"]),
    ToolResult: frozenset(["text", "parts", "custom"]),
}

_TOOL = frozenset([".", "model", "payload", "declarations", *ToolSpec.__struct_fields__])
_ELEMENTS = {
    "tools": _TOOL,
    "declarations": _TOOL,
    "system_blocks": frozenset([".", "model", *TextBlock.__struct_fields__]),
}


def checked(dialect: Dialect) -> Dialect:
    """The dialect itself, once its rows are found to be legal.

    Raises:
        ConfigurationError: a block type without a place, or a name (of a value, parameter, counter, word, event or
            path) that does not exist.
    """
    where = f"dialect {dialect.name}"
    _check_blocks(where, dialect)
    _check_template(f"{where}: body", dialect.body, _REQUEST)
    _check_template(f"{where}: message", dialect.message, _MESSAGE)
    _known(f"{where}: finish words are", dialect.finish.values(), _FINISH_WORDS)
    _known(f"{where}: structured is", dialect.structured.values(), _STRUCTURED)
    for row in dialect.drops:
        looked_at = (*(name for name, _ in row.unless), *row.beside)
        named = [*row.parameters, *(name for name in looked_at if not name.startswith("extra_body."))]
        _known(f"{where}: drop names", row.parameters, PARAMETERS)
        _known(f"{where}: drop names", named, (*PARAMETERS, *HOLDS, "stream"))
    _check_events(where, dialect)
    return dialect


def all_rules(rules: tuple[RuleLike, ...]) -> list[Rule]:
    """Every `emit` of the rules, those inside an `each` too."""
    return [one for rule in rules for one in (all_rules(rule.rules) if isinstance(rule, Each) else [rule])]


def _check_blocks(where: str, dialect: Dialect) -> None:
    missing = [block.__name__ for block in BLOCKS if block not in dialect.parts]
    if missing:
        raise ConfigurationError(f"{where}: no place for {', '.join(missing)}; silence is not an answer")
    _known(f"{where}: media names", dialect.media, (ImageBlock, DocumentBlock, AudioBlock))
    for block, place in dialect.parts.items():
        _known(f"{where}: parts names", [block.__name__], [known.__name__ for known in BLOCKS])
        own = frozenset(getattr(block, "__struct_fields__", ())) - {"origin"}
        legal = own | _OF_ANY_BLOCK | _OF_BLOCK.get(block, frozenset())
        for one in _places(place):
            _check_template(f"{where}: {block.__name__}", one.template, legal)


def _places(place: Place | PlaceBy) -> Iterable[Place]:
    return place.places.values() if isinstance(place, PlaceBy) else (place,)


def _check_events(where: str, dialect: Dialect) -> None:
    rules = all_rules((*dialect.events, *dialect.whole))
    counters = {name for rule in rules if rule.kind == "usage" for name in rule.fields}
    summed = (name for row in dialect.usage.values() for name in (*row.names, *row.extra))
    _known(f"{where}: usage sums", summed, counters)
    for path in _paths((*dialect.events, *dialect.whole, *dialect.failure)):
        steps(path)
    if dialect.event is None:
        marks = {"finish", dialect.done} - {None}
        _known(f"{where}: its events have no names, complete and end are", (*dialect.complete, *dialect.end), marks)


def _paths(rules: tuple[RuleLike, ...]) -> Iterator[str]:
    """Every path that the rules look at."""
    for rule in rules:
        if rule.where is not None:
            yield rule.where[0]
        if isinstance(rule, Each):
            yield rule.path
            yield from _paths(rule.rules)
        else:
            yield from paths_of(rule.when)
            for value in rule.fields.values():
                yield from paths_of(value)


def _check_template(what: str, template: Any, legal: frozenset[str]) -> None:
    for word, _ in words(template):
        _known(f"{what} takes", [word.name], legal)
        if isinstance(word, Take) and word.each is not None and word.name in _ELEMENTS:
            _check_template(f"{what} takes of {word.name}", word.each, _ELEMENTS[word.name])


def _known(what: str, names: Iterable[Any], legal: Iterable[Any]) -> None:
    there = frozenset(legal)
    wrong = next((name for name in names if name not in there), None)
    if wrong is not None:
        raise ConfigurationError(f"{what} {wrong!r}; there are {', '.join(sorted(map(str, there)))}")
