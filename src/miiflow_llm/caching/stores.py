"""Where answers are kept: the face of a store, and the store in memory.

A store knows bytes under names, and for how long. It may forget anything at any time. `Guarded` is how the cache asks
it: with a limit on every wait, so that a store that is slow, full, broken or lost costs a call little and never an
error.
"""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from typing import Protocol

from ..core import forks

MEMORY_BYTES = 64 * 1024 * 1024


class Store(Protocol):
    """What keeps bytes; from several threads, its methods may block. Times are in seconds."""

    def get(self, key: str) -> bytes | None:
        """What is kept under the key; `None` if there is nothing, or its time is over."""

    def set(self, key: str, value: bytes, ttl: float) -> None:
        """Keep the value for `ttl` seconds."""

    def delete(self, key: str) -> None:
        """Forget what is kept under the key, if anything is."""

    def clear(self) -> None:
        """Forget everything."""

    def lock(self, key: str, ttl: float) -> str | None:
        """Take the key's lock, for at most `ttl` seconds: a token to give it back with; `None` if another has it."""

    def unlock(self, key: str, token: str) -> None:
        """Give a lock back; harmless if its time is over and another has it."""

    def close(self) -> None:
        """Let go of files and connections. Harmless when done twice."""


class AsyncStore(Protocol):
    """The same for a store that awaits."""

    async def get(self, key: str) -> bytes | None:
        """What is kept under the key."""

    async def set(self, key: str, value: bytes, ttl: float) -> None:
        """Keep the value for `ttl` seconds."""

    async def delete(self, key: str) -> None:
        """Forget what is kept under the key."""

    async def clear(self) -> None:
        """Forget everything."""

    async def lock(self, key: str, ttl: float) -> str | None:
        """Take the key's lock."""

    async def unlock(self, key: str, token: str) -> None:
        """Give a lock back."""

    async def aclose(self) -> None:
        """Let go of connections."""


class MemoryStore:
    """Answers of this process, the least recently used going first once they are more than `max_bytes` together.

    It needs no lock between processes, and calls of this one are joined without a store.
    """

    blocks = False
    """It is asked without a thread between."""

    def __init__(self, max_bytes: int = MEMORY_BYTES) -> None:
        self.max_bytes = max_bytes
        self.bytes = 0
        self._kept: OrderedDict[str, tuple[bytes, float]] = OrderedDict()
        self._lock = forks.lock()

    def get(self, key: str) -> bytes | None:
        """What is kept under the key."""
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                return None
            if found[1] <= time.time():
                self._forget(key)
                return None
            self._kept.move_to_end(key)
            return found[0]

    def set(self, key: str, value: bytes, ttl: float) -> None:
        """Keep the value; one that is larger than the whole store is not kept."""
        with self._lock:
            if key in self._kept:
                self._forget(key)
            if _size(key, value) > self.max_bytes:
                return
            self._kept[key] = (value, time.time() + ttl)
            self.bytes += _size(key, value)
            while self.bytes > self.max_bytes:
                self._forget(next(iter(self._kept)))

    def _forget(self, key: str) -> None:
        value, _ = self._kept.pop(key)
        self.bytes -= _size(key, value)

    def delete(self, key: str) -> None:
        """Forget what is kept under the key."""
        with self._lock:
            if key in self._kept:
                self._forget(key)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._kept.clear()
            self.bytes = 0

    def lock(self, key: str, ttl: float) -> str | None:
        """Nobody else is here to take it."""
        return secrets.token_hex(8)

    def unlock(self, key: str, token: str) -> None:
        """Nobody else waits."""

    def close(self) -> None:
        """Nothing is open."""


def _size(key: str, value: bytes) -> int:
    """What an entry costs: its bytes, and about what Python needs around them."""
    return len(value) + len(key) + 250
