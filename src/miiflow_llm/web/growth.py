"""Tell what has grown in a value that is still being written, since the last look.

A value grows only at its end: in its last member, in the last member of that, and so on down. So a look costs the
depth of the value and what is new, however long it is. It knows nothing of frames.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

import msgspec


class Change(msgspec.Struct, omit_defaults=True):
    """One change, for the reader to make in its own copy.

    `at` are the names and indexes down to the place, none for the value itself. Either `set` is what now stands
    there, or `add` is what the text there went on with.
    """

    at: list[str | int]
    set: Any = msgspec.UNSET
    add: str | msgspec.UnsetType = msgspec.UNSET


class Growth:
    """Looks at one growing value again and again. It keeps no text of it, so that the text can grow in its place."""

    def __init__(self) -> None:
        self._root: Any = None
        self._seen: list[int] = []  # members of each container down its last members, then a text's characters

    def changes(self, value: Any) -> list[Change]:
        """What is new in `value`. To be written down at once: it shares the value's own objects."""
        found: list[Change] = []
        root = value if isinstance(value, dict | list) else type(value)
        if root is not self._root:
            found.append(Change([], set=value))
        else:
            _grown(value, self._seen, found)
        self._root, self._seen = root, _extent(value)
        return found


def _grown(value: Any, seen: list[int], found: list[Change]) -> None:
    path: list[str | int] = []
    for count in seen:
        more = len(value) - count
        if isinstance(value, str):
            if more > 0:
                found.append(Change(path, add=value[count:]))
            return
        keys = (
            list(islice(reversed(value), more + 1)) if isinstance(value, dict) else range(len(value))[: -more - 2 : -1]
        )
        found.extend(Change([*path, key], set=value[key]) for key in reversed(keys[:more]))
        if count == 0:
            return
        path, value = [*path, keys[more]], value[keys[more]]


def _extent(value: Any) -> list[int]:
    seen: list[int] = []
    while isinstance(value, dict | list | str):
        seen.append(len(value))
        if not value or isinstance(value, str):
            break
        value = value[-1] if isinstance(value, list) else value[next(reversed(value))]
    return seen
