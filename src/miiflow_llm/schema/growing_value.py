"""A JSON value under construction: members and elements in as they begin, live containers out.

It knows where the next one goes, and of text nothing.
"""

from __future__ import annotations

from typing import Any, Final, Protocol, TypeAlias, final

Key: TypeAlias = str | int | None
"""Where the open value stands in its container: a member's name, an index, or None before a name was read."""


@final
class Nothing:
    """The type of `NOTHING`; it is false."""

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "NOTHING"


NOTHING: Final = Nothing()
"""What `PartialJSON.value` is before anything can be shown; not None, which is a JSON value."""


class Shape(Protocol):
    """What a reader asks about the place of a value."""

    @property
    def whole(self) -> bool:
        """Whether a string at this place is shown only when it is finished (an enum member, a date)."""
        ...

    def child(self, key: str | int) -> Shape | None:
        """The shape of a member or element; None if nothing is known."""
        ...


class GrowingValue:
    """One value that fills from its beginning to its end; `PartialJSON` reads it.

    `shape` is what is known of the whole value.
    """

    def __init__(self, shape: Shape | None) -> None:
        self.complete = False
        """Whether the value has ended. A number that is the whole text ends with `finish`."""
        self._shape = shape
        self._clear()

    def _clear(self) -> None:
        """Begin anew."""
        self._root: list[Any] = []
        self._stack: list[Any] = [self._root]
        self._keys: list[Key] = [0]
        self._shapes: list[Shape | None] = [None]

    @property
    def value(self) -> Any:
        """The value so far, `NOTHING` before any: live objects, which go on filling as more is fed.

        Costs nothing. Only what is on `open_path` changes, and only by growing; do not change it yourself.
        """
        return self._root[0] if self._root else NOTHING

    def snapshot(self) -> Any:
        """The value so far as it stands: what is fed later does not change it.

        Copies the containers on `open_path`, one level each, and shares all that is finished: the cost is the
        number of members of the open containers (a pointer each), not the size of what is in them.
        """
        if len(self._stack) == 1:
            return self.value
        copies = [container.copy() for container in self._stack[1:]]
        for outer, inner, key in zip(copies, copies[1:], self._keys[1:], strict=False):
            outer[key] = inner
        return copies[0]

    @property
    def open_path(self) -> tuple[str | int, ...] | None:
        """Names and indexes down to where the next character goes; None when the value is complete.

        Everything that stands beside this path in `value` is finished.
        """
        if self.complete:
            return None
        return tuple(key for key in self._keys[1:] if key is not None)

    def _put(self, value: Any) -> None:
        container = self._stack[-1]
        if type(container) is list:
            container.append(value)
        else:
            container[self._keys[-1]] = value

    def _next_shape(self) -> Shape | None:
        if len(self._stack) == 1:
            return self._shape
        shape, key = self._shapes[-1], self._keys[-1]
        return None if shape is None or key is None else shape.child(key)

    def _enter(self, opened: dict[str, Any] | list[Any], key: Key) -> None:
        """Put a container, whose next part stands at `key`, and go on within it."""
        if self._shape is not None:
            self._shapes.append(self._next_shape())
        self._put(opened)
        self._stack.append(opened)
        self._keys.append(key)

    def _leave(self) -> None:
        """The open container has ended."""
        self._stack.pop()
        self._keys.pop()
        if self._shape is not None:
            self._shapes.pop()

    def _lengthen(self, piece: str) -> None:
        """Lengthen the string put last; out of its place it has one reference, so CPython appends without a copy."""
        container, key = self._stack[-1], self._keys[-1]
        tail = container[key]
        container[key] = None
        tail += piece
        container[key] = tail
