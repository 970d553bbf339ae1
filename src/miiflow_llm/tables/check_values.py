"""Check the values of a table: words are known, patterns compile, tuples and mappings are what they should be."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, get_origin, get_type_hints

import msgspec

from ..core.exceptions import ConfigurationError


def known(what: str, names: Iterable[Any], legal: Iterable[Any]) -> None:
    """Check that each of the names is legal.

    Raises:
        ConfigurationError: one is not; the message has the nearest legal one, and all.
    """
    there = frozenset(legal)
    wrong = next((name for name in names if name not in there), None)
    if wrong is not None:
        shown = sorted(map(str, there))
        near = difflib.get_close_matches(str(wrong), shown, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ConfigurationError(f"{what} {wrong!r}; {hint}there are {', '.join(shown)}")


def patterns(what: str, found: Iterable[str]) -> None:
    """Check that each pattern compiles.

    Raises:
        ConfigurationError: one does not compile; the message says why.
    """
    for pattern in found:
        try:
            re.compile(pattern)
        except re.error as reason:
            raise ConfigurationError(f"{what} {pattern!r}: {reason}") from None


def containers(what: str, value: msgspec.Struct) -> None:
    """Check that fields of several values hold a tuple or a mapping; a forgotten comma makes a string of a tuple.

    Raises:
        ConfigurationError: one does not.
    """
    for name, origin in _containers(type(value)):
        found = getattr(value, name)
        if origin is tuple and not isinstance(found, tuple):
            raise ConfigurationError(f"{what}: {name}={found!r} is not a tuple; write ({found!r},)")
        if origin is Mapping and not isinstance(found, Mapping):
            raise ConfigurationError(f"{what}: {name}={found!r} is not a mapping, as {{...: ...}}")


@cache
def _containers(kind: type[msgspec.Struct]) -> list[tuple[str, Any]]:
    """The fields of a kind of struct that hold a tuple or a mapping, with which of the two."""
    origins = ((name, get_origin(hint)) for name, hint in get_type_hints(kind).items())
    return [(name, origin) for name, origin in origins if origin in (tuple, Mapping)]
