"""Replace rows: a dialect and a provider's rows in, the dialect as that provider speaks it out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ..core.exceptions import ConfigurationError
from .table import BLOCKS, Dialect, Each, Rows, Rule, RuleLike

_WORDS = ("stop", "length", "tool_calls", "content_filter", "unknown", "error")


def with_rows(dialect: Dialect, rows: Rows) -> Dialect:
    """The dialect with the rows replaced, checked.

    Raises:
        ConfigurationError: a row names what is not there; the message lists what is.
    """
    given: dict[str, Any] = {
        name: value
        for name in ("path", "stream_path", "complete", "end", "hints", "model_list", "embeddings", "token_count")
        if (value := getattr(rows, name)) is not None
    }
    return checked(
        msgspec.structs.replace(
            dialect,
            headers={**dialect.headers, **rows.headers},
            body=_merged(dialect.body, rows.body),
            message=_merged(dialect.message or {}, rows.message) or None,
            parts={**dialect.parts, **rows.parts},
            roles={**dialect.roles, **rows.roles},
            events=(*_replaced(dialect.events, rows.events, dialect.name), *rows.more_events),
            whole=(*_replaced(dialect.whole, rows.whole, dialect.name), *rows.more_whole),
            ignored=(*dialect.ignored, *rows.ignored),
            finish={**dialect.finish, **rows.finish},
            usage={**dialect.usage, **rows.usage},
            errors=(*rows.errors, *dialect.errors),
            drops=(*rows.drops, *dialect.drops),
            structured={**rows.structured, **{k: v for k, v in dialect.structured.items() if k not in rows.structured}},
            **given,
        )
    )


def _merged(base: Mapping[str, Any], rows: Mapping[str, Any]) -> dict[str, Any]:
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


def all_rules(rules: tuple[RuleLike, ...]) -> list[Rule]:
    """Every `emit` of the rules, those inside an `each` too."""
    return [one for rule in rules for one in (all_rules(rule.rules) if isinstance(rule, Each) else [rule])]


def checked(dialect: Dialect) -> Dialect:
    """The dialect itself, once its rows are found to be legal.

    Raises:
        ConfigurationError: a block type without a place, a finish word or count that does not exist.
    """
    missing = [block.__name__ for block in BLOCKS if block not in dialect.parts]
    if missing:
        raise ConfigurationError(f"{dialect.name}: no place for {', '.join(missing)}; silence is not an answer")
    wrong = [f"{word!r} -> {ours!r}" for word, ours in dialect.finish.items() if ours not in _WORDS]
    if wrong:
        raise ConfigurationError(f"{dialect.name}: finish {', '.join(wrong)}; there are {', '.join(_WORDS)}")
    counted = {
        name for rule in all_rules((*dialect.events, *dialect.whole)) if rule.kind == "usage" for name in rule.fields
    }
    summed = {name for row in dialect.usage.values() for name in (*row.names, *row.extra)}
    if summed - counted:
        missing = sorted(summed - counted)
        raise ConfigurationError(f"{dialect.name}: usage sums {missing}; the counters are {sorted(counted)}")
    return dialect
