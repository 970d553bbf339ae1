"""Shelves: what was made and may be wanted again is kept, within a budget of bytes."""

from __future__ import annotations

import weakref
from typing import Any, Generic, Protocol, TypeVar

from . import forks


class Sized(Protocol):
    """Something kept, of which it is known how many bytes it takes."""

    size: int


Key = TypeVar("Key")
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

    def __init__(self, most: int) -> None:
        self.most = most
        self.spent = 0
        self._shelves: weakref.WeakSet[Shelf[Any, Any]] = weakref.WeakSet()
        self._lock = forks.lock()

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
