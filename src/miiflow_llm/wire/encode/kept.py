"""What was written, kept for the next time: a message in, its bytes again for as long as it is the same.

An agent sends its whole conversation in every round, and all but the end of it was sent before. So the bytes of each
message are kept, and joined. This must never send a message as it was before it was changed, and messages can be
changed in every place: an attribute is set, a block's text is, a list is appended to. Nothing tells when that happens.
Therefore:

- *What was written is compared, not trusted.* Beside the bytes stands a copy of the message, made when they were
  written (`frozen`), down to its last list and block; only what cannot change, strings and the like, is shared with it.
  The bytes count if the copy equals the message as it is now. msgspec compares two structs in C, field by field, and
  two strings that are one object without reading them: 40 ns for a message, whatever its length.
- *The address of a message is only a hint* where to look. Should another message come to live at that address, the
  comparison says so. Likewise for the calls that a tool's result belongs to: their names are in its bytes, so they are
  compared too.
- *What cannot be copied so is not kept*: a message of a subclass, a field that holds something else than its type says.
- *Nothing is kept for longer than the message lives.* Its entry holds no reference to it but a weak one, with which it
  goes. Of what lives there are at most 32 MB of bytes in a process: what was not used for 16 MB is forgotten.
- *Each model at each provider keeps its own*: a message is written by the tables of one and by whose it is.

Tools and schemas are dicts of any depth, often made anew for each call. They are known by their JSON, which msgspec
writes in a fraction of the time that rewriting a schema for a wire takes. An image is kept by its block, so that its
base64 is taken apart and encoded once, whatever message it comes to stand in.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from ...core.messages import Message, ToolCall
from ...core.request import ChatRequest
from ...core.shelf import Budget, Shelf
from ...tables.request_words import BLOCKS
from ...tables.template import NOTHING
from .json_bytes import JSON_ERRORS, json_bytes

MOST_BYTES = 16 << 20
"""Once so many bytes have been written, everything that was not used in the meantime is forgotten."""

ENTRY_BYTES = 600
"""What an entry takes beside its bytes: the copy of the message, and the bookkeeping."""


Kind = TypeVar("Kind")

BUDGET = Budget(MOST_BYTES)
"""That of the process."""


class Facts(msgspec.Struct, kw_only=True):
    """What a message is like by itself: whether it is `sound`, the ids of its `calls`, and of the call it `answers`.

    `notes` are what is said of it, though nothing is to be mended.
    """

    sound: bool
    calls: tuple[str, ...] = ()
    answers: str | None = None
    notes: tuple[str, ...] = ()
    simple: bool = False

    def __post_init__(self) -> None:
        self.simple = not (self.calls or self.notes) and self.answers is None


class Written(msgspec.Struct, kw_only=True):
    """What became of a message: `items` on the wire, `notes`, and the `calls` that later results are results of.

    `copy` is the message as it was, `answers` are the calls that it gave results of, by id, and `weight` is that of its
    media. It is `simple` if it depends on nothing that came before, and nothing after depends on it. `facts`
    are what `settled` wants to know of it.
    """

    copy: Message
    items: list[Any]
    notes: list[str]
    calls: list[ToolCall]
    answers: list[tuple[str, ToolCall | None]]
    weight: int
    size: int
    simple: bool = False
    facts: Facts | None = None
    alive: Any = None

    def __post_init__(self) -> None:
        self.simple = not (self.notes or self.calls or self.answers or self.weight)


class WrittenMedia(msgspec.Struct, kw_only=True):
    """What became of a block of media in a message of the `role`: its `value`, and the `weight` of its base64."""

    copy: Any
    role: str
    value: Any
    weight: int
    size: int
    alive: Any = None


class WrittenValue(msgspec.Struct):
    """What became of a part of the body, `NOTHING` if there is none of it."""

    value: Any
    size: int


class Kept:
    """What one model's writer has written. `messages` are by what else of the request is in their bytes."""

    def __init__(self, budget: Budget = BUDGET) -> None:
        self._budget = budget
        self._messages: dict[tuple[bool, ...], Shelf[int, Written]] = {}
        self.media: Shelf[int, WrittenMedia] = budget.shelf()
        self._values: Shelf[tuple[int, bytes], WrittenValue] = budget.shelf()

    def messages(self, ambient: tuple[bool, ...]) -> Shelf[int, Written]:
        """Messages as they are written if the request's values are so."""
        shelf = self._messages.get(ambient)
        if shelf is None:
            shelf = self._messages.setdefault(ambient, self._budget.shelf())
        return shelf

    def value(self, place: int, make: Callable[[ChatRequest], Any], request: ChatRequest, of: tuple[Any, ...]) -> Any:
        """What `make` makes of the request, if that depends on nothing but the values `of`; written once for each."""
        try:
            key = (place, msgspec.json.encode(of))
        except JSON_ERRORS:
            return make(request)
        found = self._values.get(key)
        if found is None:
            value = raw(make(request))
            size = len(key[1]) + size_of(value)
            found = WrittenValue(value, size + ENTRY_BYTES)
            self._values.put(key, found)
        return found.value


def raw(value: Any) -> Any:
    """The value as its JSON; nothing stays nothing."""
    return value if value is NOTHING else msgspec.Raw(json_bytes(value))


def size_of(value: Any) -> int:
    """The bytes of what is kept as JSON."""
    if isinstance(value, list):
        return sum(size_of(one) for one in value)
    return 0 if value is NOTHING else memoryview(value).nbytes


class _Alive(weakref.ref[Any]):
    """A weak reference that knows what goes with its object."""

    __slots__ = ("key", "shelf")

    key: int
    shelf: Shelf[int, Any]


def _gone(alive: Any) -> None:
    alive.shelf.drop(alive.key, alive)


def keep(shelf: Shelf[int, Any], of: Any, entry: Any) -> None:
    """Put what was written `of` an object on the shelf, for as long as that lives."""
    alive = _Alive(of, _gone)
    alive.key, alive.shelf = id(of), shelf
    entry.alive = alive
    shelf.put(id(of), entry)


class NotKept(Exception):
    """A value of which it cannot be told whether it was changed."""


_FLAGS: dict[Any, frozenset[str]] = {
    kind: frozenset(field.name for field in msgspec.structs.fields(kind) if isinstance(field.default, bool))
    for kind in (Message, *BLOCKS)
}
"""The fields of messages and blocks that are true or false. Anywhere else a value that equals another may be written
otherwise, as 1 and true."""


def frozen(value: Kind) -> Kind:
    """A copy that no change of `value` reaches, and that equals it for as long as it is written alike.

    Raises:
        NotKept: it holds something else than messages, blocks, lists and texts.
    """
    kind: Any = type(value)
    if kind is str or value is None:
        return value
    copy: Kind
    if kind in _FLAGS:
        copy = _frozen_struct(value, _FLAGS[kind])
    elif isinstance(value, (list, tuple)) and kind in (list, tuple):
        copy = kind([frozen(one) for one in value])
    elif isinstance(value, msgspec.Raw):
        copy = kind(bytes(value))
    else:
        raise NotKept
    return copy


def _frozen_struct(value: Any, flags: frozenset[str]) -> Any:
    copy = value.__copy__()
    for name in value.__struct_fields__:
        field = getattr(value, name)
        if not (type(field) is str or field is None or (type(field) is bool and name in flags)):
            setattr(copy, name, frozen(field))
    return copy
