"""Rows that a provider replaces in, or adds to, a dialect; and the dialect as that provider speaks it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeVar

import msgspec

from ..core.exceptions import ConfigurationError
from .batch import Batch
from .check import checked
from .continuation import Continuation
from .counters import Counter
from .dialect import Dialect, Structured
from .drops import Drop
from .endpoint import Endpoint
from .event_words import Each, RuleLike
from .faults import Fault
from .noting import Prepare
from .request_words import Place, PlaceBy
from .response_headers import ResponseHeaders
from .turns import Turns

Row = TypeVar("Row")


class Rows(msgspec.Struct, kw_only=True):
    """Rows that a provider replaces in, or adds to, the dialect it speaks; each is named as in `Dialect`.

    `events` and `whole` replace rules by name (`None` removes) wherever they stand; `more_events` and `more_whole` are
    added at the end. Mappings are merged key by key, and a key of `body` or `message` that is `None` is taken out.
    `takes` names the dialect's `optional` bundles that the provider takes; their objects are joined with the body's,
    and `body` stands above them.
    `errors`, `drops` and patterns of `structured` and `continues` come before the dialect's, as `prepare` does.
    """

    path: str | None = None
    stream_path: str | None = None
    headers: Mapping[str, str] = {}
    takes: tuple[str, ...] = ()
    body: Mapping[str, Any] = {}
    message: Mapping[str, Any] = {}
    parts: Mapping[type, Place | PlaceBy] = {}
    media: Mapping[type, tuple[str, ...]] = {}
    max_media: int | None = None
    turns: Turns | None = None
    text_results: bool | None = None
    roles: Mapping[str, str] = {}
    prepare: tuple[Prepare, ...] = ()
    events: Mapping[str, RuleLike | None] = {}
    whole: Mapping[str, RuleLike | None] = {}
    more_events: tuple[RuleLike, ...] = ()
    more_whole: tuple[RuleLike, ...] = ()
    ignored: tuple[str, ...] = ()
    finish: Mapping[str, str] = {}
    usage: Mapping[str, Counter] = {}
    costs: Mapping[str, float] = {}
    complete: tuple[str, ...] | None = None
    end: tuple[str, ...] | None = None
    errors: tuple[Fault, ...] = ()
    drops: tuple[Drop, ...] = ()
    structured: Mapping[str, Structured] = {}
    continues: Mapping[str, Continuation] = {}
    response_headers: ResponseHeaders | None = None
    model_list: Endpoint | None = None
    embeddings: Endpoint | None = None
    token_count: Endpoint | None = None
    batch: Batch | None = None


_REPLACED = (
    "path",
    "stream_path",
    "max_media",
    "turns",
    "text_results",
    "complete",
    "end",
    "response_headers",
    "model_list",
    "embeddings",
    "token_count",
    "batch",
)


def with_rows(dialect: Dialect, *layers: Rows) -> Dialect:
    """The dialect with the rows of each layer replaced, a later one above an earlier, and the result checked.

    Raises:
        ConfigurationError: a row names something that does not exist; the message lists what does.
    """
    for rows in layers:
        dialect = _with_layer(dialect, rows)
    return checked(dialect)


def _with_layer(dialect: Dialect, rows: Rows) -> Dialect:
    given = {name: value for name in _REPLACED if (value := getattr(rows, name)) is not None}
    return msgspec.structs.replace(
        dialect,
        headers={**dialect.headers, **rows.headers},
        body=_merged(dialect, "body", {**_taken(dialect, rows.takes), **rows.body}),
        message=_merged(dialect, "message", rows.message) or None,
        parts={**dialect.parts, **rows.parts},
        media={**dialect.media, **rows.media},
        roles={**dialect.roles, **rows.roles},
        prepare=(*rows.prepare, *dialect.prepare),
        events=(*_replaced(dialect.events, rows.events, dialect.name), *rows.more_events),
        whole=(*_replaced(dialect.whole, rows.whole, dialect.name), *rows.more_whole),
        ignored=(*dialect.ignored, *rows.ignored),
        finish={**dialect.finish, **rows.finish},
        usage={**dialect.usage, **rows.usage},
        costs={**dialect.costs, **rows.costs},
        errors=(*rows.errors, *dialect.errors),
        drops=(*rows.drops, *dialect.drops),
        structured=_before(rows.structured, dialect.structured),
        continues=_before(rows.continues, dialect.continues),
        **given,
    )


def _before(rows: Mapping[str, Row], own: Mapping[str, Row]) -> dict[str, Row]:
    """The rows by pattern, and behind them the dialect's own."""
    return {**rows, **{pattern: row for pattern, row in own.items() if pattern not in rows}}


def _taken(dialect: Dialect, bundles: tuple[str, ...]) -> dict[str, Any]:
    """The body rows of the optional bundles that are taken."""
    wrong = next((name for name in bundles if name not in dialect.optional), None)
    if wrong:
        legal = ", ".join(dialect.optional) or "none"
        raise ConfigurationError(f"takes: {dialect.name} has no optional bundle {wrong!r}; there are {legal}")
    out: dict[str, Any] = {}
    for key, row in (pair for name in bundles for pair in dialect.optional[name].items()):
        out[key] = _together(out.get(key, dialect.body.get(key)), row)
    return out


def _together(base: Any, more: Any) -> Any:
    """Two templates of one object as one; of anything else the second."""
    if not (isinstance(base, Mapping) and isinstance(more, Mapping)):
        return more
    return {**base, **{key: _together(base.get(key), row) for key, row in more.items()}}


def _merged(dialect: Dialect, name: Literal["body", "message"], rows: Mapping[str, Any]) -> dict[str, Any]:
    base = getattr(dialect, name) or {}
    optional = {key for bundle in dialect.optional.values() for key in bundle} if name == "body" else set()
    wrong = next((key for key, value in rows.items() if value is None and key not in {*base, *optional}), None)
    if wrong:
        raise ConfigurationError(f"{dialect.name} has no {name} key {wrong!r} to take out; it has {', '.join(base)}")
    return {key: value for key, value in {**base, **rows}.items() if value is not None}


def _replaced(rules: tuple[RuleLike, ...], rows: Mapping[str, RuleLike | None], dialect: str) -> tuple[RuleLike, ...]:
    known = row_names(rules)
    wrong = next((name for name in rows if name not in known), None)
    if wrong:
        raise ConfigurationError(f"{dialect} has no rule {wrong!r} to replace; it has {', '.join(sorted(known))}")
    return _swap(rules, rows)


def _swap(rules: tuple[RuleLike, ...], rows: Mapping[str, RuleLike | None]) -> tuple[RuleLike, ...]:
    out: list[RuleLike] = []
    for rule in rules:
        if isinstance(rule, Each):
            out.append(Each(rule.path, _swap(rule.rules, rows), rule.where, rule.on))
        elif rule.row not in rows:
            out.append(rule)
        elif (new := rows[rule.row]) is not None:
            out.append(new)
    return tuple(out)


def row_names(rules: tuple[RuleLike, ...]) -> frozenset[str]:
    """The names by which the rules can be replaced."""
    return frozenset(
        name for rule in rules for name in (row_names(rule.rules) if isinstance(rule, Each) else (rule.row,))
    )
