"""Tables of a configuration for rooms above the client: a struct, filled from a table and checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from ..core.exceptions import ConfigurationError
from .config import check_keys, converted

T = TypeVar("T")


def settled(table: Mapping[str, Any], kind: type[T], place: str) -> T:
    """The table as the struct.

    Raises:
        ConfigurationError: a key that is not one, with the nearest that is, or a value of the wrong kind.
    """
    legal: tuple[str, ...] = kind.__struct_fields__  # type: ignore[attr-defined]
    check_keys(table, legal, f"{place}.")
    return converted(dict(table), kind, place)


def named(tables: Mapping[str, Mapping[str, Any]], name: str, place: str) -> Mapping[str, Any]:
    """The table of that name.

    Raises:
        ConfigurationError: there is none.
    """
    if name not in tables:
        have = ", ".join(tables) or "none"
        raise ConfigurationError(f"configuration: there is no {place}.{name}; there are: {have}")
    return tables[name]
