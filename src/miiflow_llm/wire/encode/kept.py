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
from threading import Lock
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from ...core.messages import Message, ToolCall
from ...core.request import ChatRequest
from ...tables.request_words import BLOCKS
from ...tables.template import NOTHING
from .json_bytes import JSON_ERRORS, json_bytes

MOST_BYTES = 16 << 20
"""After so many bytes were written, what has not been used since is forgotten."""

ENTRY_BYTES = 600
"""What an entry takes beside its bytes: the copy of the message, and the bookkeeping."""


class Sized(Protocol):
    """Something kept, of which it is known how many bytes it takes."""

    size: int


Key = TypeVar("Key")
Kind = TypeVar("Kind")
Entry = TypeVar("Entry", bound=Sized)


class Shelf(Generic[Key, Entry]):
    """Entries in two generations: what is used moves to the young one, and at each turn the old one is thrown away."""

    def __init__(self, budget: Budget) -> None:
        self.young: dict[Key, Entry] = {}
        self.old: dict[Key, Entry] = {}
        self._budget = budget

    def get(self, key: Key) -> Entry | None:
        """The entry, if there is one."""
        found = self.young.get(key)
        if found is None and self.old:
            found = self.old.pop(key, None)
            if found is not None:
                self.put(key, found)
        return found

    def put(self, key: Key, entry: Entry) -> None:
        """Keep the entry in place of any other of the key."""
        self._budget.spend(entry.size)
        self.young[key] = entry

    def drop(self, key: Key, alive: Any) -> None:
        """Let go of the entry of an object that is gone."""
        for generation in (self.young, self.old):
            found: Any = generation.get(key)
            if found is not None and found.alive is alive:
                generation.pop(key, None)

    def turn(self) -> None:
        """Throw the old generation away; the young one is the old one now."""
        self.old, self.young = self.young, {}


class Budget:
    """How many bytes all shelves together may take in before they turn."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self.most = most
        self.spent = 0
        self._shelves: weakref.WeakSet[Shelf[Any, Any]] = weakref.WeakSet()
        self._lock = Lock()

    def shelf(self) -> Shelf[Any, Any]:
        """A new shelf."""
        shelf = Shelf[Any, Any](self)
        with self._lock:
            self._shelves.add(shelf)
        return shelf

    def spend(self, size: int) -> None:
        """Count what is put on a shelf."""
        self.spent += size
        if self.spent > self.most:
            with self._lock:
                self.spent = size
                for shelf in list(self._shelves):
                    shelf.turn()

    def held(self) -> int:
        """The bytes that are kept."""
        with self._lock:
            shelves = list(self._shelves)
        return sum(entry.size for shelf in shelves for part in (shelf.young, shelf.old) for entry in [*part.values()])


BUDGET = Budget()
"""That of the process."""


class Written(msgspec.Struct, kw_only=True):
    """What became of a message: `items` on the wire, `notes`, and the `calls` that later results are results of.

    `copy` is the message as it was, `answers` are the calls that it gave results of, by id, and `weight` is that of its
    media.
    """

    copy: Message
    items: list[Any]
    notes: list[str]
    calls: list[ToolCall]
    answers: list[tuple[str, ToolCall | None]]
    weight: int
    size: int
    alive: Any = None


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
        """What `make` makes of the request, if that depends on the values `of` alone; written once for each."""
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
