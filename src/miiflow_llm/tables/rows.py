"""Replace rows: a dialect and a provider's rows in, the dialect as that provider speaks it out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from ..core.exceptions import ConfigurationError
from .check import checked
from .table import Dialect, Each, Rows, RuleLike


def with_rows(dialect: Dialect, rows: Rows) -> Dialect:
    """The dialect with the rows replaced, checked.

    Raises:
        ConfigurationError: a row names what is not there; the message lists what is.
    """
    given: dict[str, Any] = {
        name: value
        for name in (
            "path",
            "stream_path",
            "max_media",
            "complete",
            "end",
            "hints",
            "model_list",
            "embeddings",
            "token_count",
        )
        if (value := getattr(rows, name)) is not None
    }
    return checked(
        msgspec.structs.replace(
            dialect,
            headers={**dialect.headers, **rows.headers},
            body=_merged(dialect, "body", rows.body),
            message=_merged(dialect, "message", rows.message) or None,
            parts={**dialect.parts, **rows.parts},
            media={**dialect.media, **rows.media},
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


def _merged(dialect: Dialect, name: Literal["body", "message"], rows: Mapping[str, Any]) -> dict[str, Any]:
    base = getattr(dialect, name) or {}
    wrong = next((key for key, value in rows.items() if value is None and key not in base), None)
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
