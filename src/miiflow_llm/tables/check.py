"""Check a dialect, and raise an error that names what is wrong and what there is.

What only the wire can tell (whether a provider sends such a path) is left to the captures.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, get_args

from ..core.batches import BatchStatus
from ..core.exceptions import ConfigurationError
from ..core.messages import ROLES, AudioBlock, DocumentBlock, ImageBlock, TextBlock, ToolCall, ToolResult
from ..core.request import PARAMETERS, ChatRequest, OutputSchema, ToolSpec
from ..core.response import RateLimit
from ..core.usage import TokenCount
from .batch import BATCH_VALUES, LINE_VALUES
from .check_values import containers, known, patterns
from .dialect import Dialect
from .drops import HOLDS
from .event_words import Each, Rule, RuleLike, paths_of
from .paths import steps
from .request_words import BLOCKS, ByModel, Place, PlaceBy, Take
from .template import inner, words

_FINISH_WORDS = ("stop", "length", "tool_calls", "content_filter", "unknown", "error")
_STRUCTURED = ("native", "tool", "prompt")
_FRAMINGS = ("sse", "ndjson", "aws_eventstream")
_SYSTEM = ("inline", "hoist")
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
    """The dialect itself, if its rows are legal.

    Raises:
        ConfigurationError: a block type without a place, or a name (of a value, parameter, counter, word, event or
            path) that does not exist.
    """
    where = f"dialect {dialect.name}"
    _check_blocks(where, dialect)
    _check_template(f"{where}: body", dialect.body, _REQUEST)
    _check_template(f"{where}: message", dialect.message, _MESSAGE)
    _check_words(where, dialect)
    _check_drops(where, dialect)
    _check_patterns(where, dialect)
    _check_events(where, dialect)
    _check_endpoints(where, dialect)
    _check_batch(where, dialect)
    return dialect


def _check_words(where: str, dialect: Dialect) -> None:
    containers(where, dialect)
    known(f"{where}: framing is", [dialect.framing], _FRAMINGS)
    known(f"{where}: system is", [dialect.system], _SYSTEM)
    known(f"{where}: roles names", dialect.roles, ROLES)
    known(f"{where}: finish words are", dialect.finish.values(), _FINISH_WORDS)
    known(f"{where}: structured is", dialect.structured.values(), _STRUCTURED)
    known(f"{where}: usage counts", dialect.usage, TokenCount.__struct_fields__)
    known(f"{where}: limits names", dialect.response_headers.limits, RateLimit.__struct_fields__)


def _check_drops(where: str, dialect: Dialect) -> None:
    for row in dialect.drops:
        looked_at = (*(name for name, _ in row.unless), *row.beside)
        named = [*row.parameters, *(name for name in looked_at if not name.startswith("extra_body."))]
        known(f"{where}: drop names", row.parameters, PARAMETERS)
        known(f"{where}: drop names", named, (*PARAMETERS, *HOLDS, "stream"))


def _check_patterns(where: str, dialect: Dialect) -> None:
    patterns(f"{where}: drop for models", (row.models for row in dialect.drops))
    patterns(f"{where}: structured for models", dialect.structured)
    patterns(f"{where}: continues for models", dialect.continues)
    patterns(f"{where}: fault that says", (row.says for row in dialect.errors))
    patterns(f"{where}: tool_names", [dialect.tool_names])
    patterns(f"{where}: turns", [dialect.turns.call_ids, dialect.turns.after_results or ""])
    if not re.fullmatch(dialect.turns.call_ids, f"call_{'0' * 24}"):
        raise ConfigurationError(f"{where}: turns: call_ids does not take `call_` and 24 hexadecimal digits")
    places = (place.template for one in dialect.parts.values() for place in _places(one))
    for template in (dialect.body, dialect.message, *places):
        patterns(f"{where}: by_model", _by_models(template))


def _by_models(template: Any) -> Iterator[str]:
    """Every pattern by which the template is chosen, in the elements of lists too."""
    if isinstance(template, ByModel):
        yield from template.templates
    if isinstance(template, Take):
        yield from _by_models(template.each)
    for part, _ in inner(template):
        yield from _by_models(part)


def _check_endpoints(where: str, dialect: Dialect) -> None:
    for name in ("model_list", "embeddings", "token_count"):
        row = getattr(dialect, name)
        taken = [one for one in row.takes if not one.startswith("chat.")]
        known(f"{where}: {name} takes", taken, (".", "model", "texts", "dimensions"))
        for path in filter(None, (row.items, row.value, row.tokens)):
            steps(path)


def _check_batch(where: str, dialect: Dialect) -> None:
    row = dialect.batch
    if row.absent:
        return
    named = (row.id, row.status, row.key, row.answer, row.error, row.ending, row.refusal, *row.counts.values())
    for path in (
        *(path for paths in named for path in paths),
        *row.signs,
        *(at for one in row.outcomes for at in one.at),
    ):
        steps(path or ".")
    _check_template(f"{where}: batch", row.body, frozenset(BATCH_VALUES))
    _check_template(f"{where}: batch line", row.line, frozenset(LINE_VALUES))
    known(f"{where}: batch counts", row.counts, ("total", "succeeded", "failed", "pending"))
    known(f"{where}: batch words are", (*row.words.values(), *row.signs.values()), get_args(BatchStatus))
    patterns(f"{where}: batch keys", [row.keys])


def all_rules(rules: tuple[RuleLike, ...]) -> list[Rule]:
    """Every `emit` of the rules, those inside an `each` too."""
    return [one for rule in rules for one in (all_rules(rule.rules) if isinstance(rule, Each) else [rule])]


def _check_blocks(where: str, dialect: Dialect) -> None:
    missing = [block.__name__ for block in BLOCKS if block not in dialect.parts]
    if missing:
        raise ConfigurationError(f"{where}: no place for {', '.join(missing)}; silence is not an answer")
    known(f"{where}: media names", dialect.media, (ImageBlock, DocumentBlock, AudioBlock))
    for block, place in dialect.parts.items():
        known(f"{where}: parts names", [block.__name__], [one.__name__ for one in BLOCKS])
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
    known(f"{where}: usage sums", summed, counters)
    known(f"{where}: costs are", dialect.costs, counters)
    for path in _paths((*dialect.events, *dialect.whole, *dialect.failure)):
        steps(path)
    if dialect.event is None:
        marks = {"finish", dialect.done} - {None}
        known(f"{where}: its events have no names, complete and end are", (*dialect.complete, *dialect.end), marks)


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
        known(f"{what} takes", [word.name], legal)
        if isinstance(word, Take) and word.each is not None and word.name in _ELEMENTS:
            _check_template(f"{what} takes of {word.name}", word.each, _ELEMENTS[word.name])
