"""Who waits for a cache: an event loop or a thread. The code of the cache names its waits through `Waits`, as calls do.

`LoopWaits` suspends; `ThreadWaits` has coroutines that block and never suspend, so that `played` runs them to their
end.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

import anyio
import anyio.abc

from ..calls.players import played
from ..core import forks
from ..core.exceptions import ConfigurationError
from ..core.response import StreamChunk
from .flight import Flight
from .guarded import Guarded, SyncGuarded

log = logging.getLogger("miiflow_llm.caching")

_SETTLING = 0.5
"""Seconds that closing waits for answers that have come whole to be kept."""

Pump = Callable[[], Coroutine[Any, Any, None]]


class Waits(Protocol):
    """The waits of a cache."""

    @property
    def store(self) -> Guarded | SyncGuarded:
        """How the store is asked."""

    async def ask(self, what: str, *arguments: Any) -> Any:
        """Ask the store, within its limit."""

    async def call(self, method: Callable[..., Any], *arguments: Any, **parameters: Any) -> Any:
        """Call a method of the client, which is a coroutine function or one that blocks."""

    async def next(self, stream: Any) -> StreamChunk | None:
        """The next chunk of the client's stream; `None` at its end."""

    async def close(self, stream: Any) -> None:
        """Leave the client's stream."""

    def start(self, pump: Pump, flight: Flight) -> bool:
        """Let a call go on beside its readers; `False` if nothing owns it."""

    async def wait(self, flight: Flight, came: int, seconds: float | None) -> None:
        """Wait until more than `came` chunks have come, or the call is over.

        Raises:
            TimeoutError: nothing changed for `seconds`.
        """

    async def sleep(self, seconds: float) -> None:
        """Wait."""

    async def shut(self) -> None:
        """Close the store."""


class LoopWaits:
    """The waits of an event loop. Calls that go on beside their readers belong to the task group of `enter`."""

    def __init__(self, store: Guarded) -> None:
        self.store = store
        self._group: anyio.abc.TaskGroup | None = None
        self._changed: dict[int, anyio.Event] = {}
        self._running: list[Flight] = []

    async def enter(self) -> None:
        """Begin to own calls."""
        if self._group is not None:
            raise ConfigurationError("this cache is entered already; enter it once, around all that uses it")
        self._group = anyio.create_task_group()
        await self._group.__aenter__()
        if hasattr(self.store.store, "connect"):
            await self.store.store.connect()

    async def leave(self) -> None:
        """End the calls that still go on. None of them raises, so what ends the caller's block goes on as it is."""
        group, self._group = self._group, None
        if group is not None:
            with anyio.move_on_after(_SETTLING, shield=True):
                while any(flight.settling for flight in self._running):  # noqa: ASYNC110  each ends by itself
                    await anyio.sleep(0.001)
            group.cancel_scope.cancel()
            await group.__aexit__(None, None, None)

    async def ask(self, what: str, *arguments: Any) -> Any:
        return await self.store.ask(what, *arguments)

    async def call(self, method: Callable[..., Awaitable[Any]], *arguments: Any, **parameters: Any) -> Any:
        return await method(*arguments, **parameters)

    async def next(self, stream: Any) -> StreamChunk | None:
        try:
            chunk: StreamChunk = await stream.__anext__()
        except StopAsyncIteration:
            return None
        return chunk

    async def close(self, stream: Any) -> None:
        await stream.aclose()

    def start(self, pump: Pump, flight: Flight) -> bool:
        if self._group is None:
            return False
        scope = anyio.CancelScope()
        self._changed[id(flight)] = anyio.Event()
        flight.stop = scope.cancel
        flight.wake = lambda: self._wake(flight)
        self._group.start_soon(self._run, pump, flight, scope)
        return True

    async def _run(self, pump: Pump, flight: Flight, scope: anyio.CancelScope) -> None:
        self._running.append(flight)
        try:
            with scope:
                await pump()
        finally:
            self._running.remove(flight)
            flight.fail(anyio.ClosedResourceError())
            self._changed.pop(id(flight)).set()

    def _wake(self, flight: Flight) -> None:
        if id(flight) in self._changed:
            self._changed[id(flight)].set()
            self._changed[id(flight)] = anyio.Event()

    async def wait(self, flight: Flight, came: int, seconds: float | None) -> None:
        changed = self._changed.get(id(flight))
        if changed is not None and flight.came <= came and not flight.over:
            with anyio.fail_after(seconds):
                await changed.wait()

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(seconds)

    async def shut(self) -> None:
        await self.store.aclose()


class ThreadWaits:
    """The waits of a thread. A call that goes on beside its readers has a thread of its own."""

    def __init__(self, store: SyncGuarded) -> None:
        self.store = store
        self._entered = False
        self.begin_anew()
        forks.renew(self)

    def begin_anew(self) -> None:
        """Begin, and in a forked child again: the threads of the parent are not in it."""
        self._running: dict[Flight, threading.Thread] = {}
        self._changed = threading.Condition()

    def enter(self) -> None:
        """Begin to own calls."""
        self._entered = True

    def leave(self) -> None:
        """Begin no more of them; those that go on end when their answers do, whole ones are kept before."""
        self._entered = False
        for flight, thread in list(self._running.items()):
            if flight.settling:
                thread.join(_SETTLING)

    async def ask(self, what: str, *arguments: Any) -> Any:
        return self.store.ask(what, *arguments)

    async def call(self, method: Callable[..., Any], *arguments: Any, **parameters: Any) -> Any:
        return method(*arguments, **parameters)

    async def next(self, stream: Any) -> StreamChunk | None:
        return next(stream, None)

    async def close(self, stream: Any) -> None:
        stream.close()

    def start(self, pump: Pump, flight: Flight) -> bool:
        if not self._entered:
            return False
        flight.wake = self._wake
        thread = threading.Thread(target=self._run, args=(pump, flight), name="miiflow-llm cache call", daemon=True)
        self._running[flight] = thread
        thread.start()
        return True

    def _run(self, pump: Pump, flight: Flight) -> None:
        try:
            played(pump())
        finally:
            del self._running[flight]
            flight.fail(anyio.ClosedResourceError())

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    async def wait(self, flight: Flight, came: int, seconds: float | None) -> None:
        with self._changed:
            if not self._changed.wait_for(lambda: flight.came > came or flight.over, seconds):
                raise TimeoutError

    async def sleep(self, seconds: float) -> None:
        time.sleep(seconds)  # noqa: ASYNC251  it blocks on purpose

    async def shut(self) -> None:
        self.store.close()
