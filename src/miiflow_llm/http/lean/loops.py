"""Finds the pool of the event loop that is running: each loop has its own, since a connection cannot leave its loop.

Pools of loops that have gone, and those inherited through fork, are dropped without touching their loop.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
import weakref
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import anyio.lowlevel
import httpx

from ...core import forks
from . import asyncio_dial
from .loop_connection import LoopConnection
from .origin import Origin
from .pool import Pool
from .threads import call_soon_threadsafe

Opener = Callable[[Origin, ssl.SSLContext | None, str | None], Awaitable[LoopConnection]]


class LoopPool(NamedTuple):
    """A pool, how its loop opens connections, and the loop (trio's: its token)."""

    pool: Pool
    open: Opener
    loop: weakref.ref[Any]
    thread: int

    def close(self) -> None:
        """Close the pool: now in its own thread, soon from another."""
        loop = self.loop()
        if threading.get_ident() == self.thread:
            self.pool.close()
        elif loop is None or not call_soon_threadsafe(loop, self.pool.close):
            self.pool.abandon(inherited=False)

    def is_stale(self) -> bool:
        loop = self.loop()
        if isinstance(loop, asyncio.AbstractEventLoop):
            return loop.is_closed()
        return loop is None or not call_soon_threadsafe(loop, _nothing)  # trio has no other way to ask


class LoopPools:
    """The pools of one transport, by event loop. `limits` hold for each loop."""

    def __init__(self, limits: httpx.Limits) -> None:
        self._limits = limits
        self._pools: dict[int, LoopPool] = {}
        self._lock = threading.Lock()
        forks.renew(self)

    def current(self) -> LoopPool:
        """The pool of the running loop, asyncio's or any that anyio knows. Raises RuntimeError outside one."""
        loop = anyio.lowlevel.current_token().native_token
        found = self._pools.get(id(loop))
        if found is None or found.loop() is not loop:
            found = self._add(loop)
        return found

    def take_all(self) -> list[LoopPool]:
        """Every live pool; none of them is known here any longer."""
        with self._lock:
            self._drop_stale()
            pools = list(self._pools.values())
            self._pools.clear()
        return pools

    def _add(self, loop: object) -> LoopPool:
        added = LoopPool(Pool(self._limits), _opener(loop), weakref.ref(loop), threading.get_ident())
        with self._lock:
            self._drop_stale()
            self._pools[id(loop)] = added
        return added

    def _drop_stale(self) -> None:
        for key, found in list(self._pools.items()):
            if found.is_stale():
                del self._pools[key]
                found.pool.abandon(inherited=False)

    def begin_anew(self) -> None:
        """In a forked child: the pools are the parent's."""
        inherited, self._pools = self._pools, {}
        self._lock = threading.Lock()
        for found in inherited.values():
            found.pool.abandon(inherited=True)


def _opener(loop: object) -> Opener:
    if isinstance(loop, asyncio.AbstractEventLoop):
        return asyncio_dial.open_connection
    from . import trio_dial  # trio may not be installed

    return trio_dial.open_connection


def _nothing() -> None:
    pass
