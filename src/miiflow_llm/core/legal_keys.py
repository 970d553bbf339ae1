"""Check the keys of a dict that a user wrote; an error names the nearest legal key.

So nothing that is given is dropped without a word.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from .exceptions import ConfigurationError


def check_keys(data: Mapping[Any, Any], legal: Collection[str], place: str, what: str) -> None:
    """See that every key that has a value is a legal one; `None` says nothing. `place` may be empty.

    Raises:
        ConfigurationError: one is not.
    """
    for key, value in data.items():
        if key not in legal and value is not None:
            where = f"{place}: " if place else ""
            raise ConfigurationError(f"{where}{what} has no {key!r}{nearest(key, legal)}")


def nearest(word: Any, legal: Iterable[str]) -> str:
    """The end of a sentence: the legal word that is meant, or all of them."""
    known = sorted(set(legal))
    near = [one for one in known if one.lower() == str(word).lower()]
    near = near or difflib.get_close_matches(str(word), known, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(known)}"
