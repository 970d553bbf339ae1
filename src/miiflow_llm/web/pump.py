"""Read a stream in a task of its own, and give its items by the batch, with a limit on each wait.

Waiting can then give up without breaking off the read in flight. One slow clock stands beside the reading, not a timer
around each wait. It does not know what the items are.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any, Generic, TypeVar

import anyio
import anyio.lowlevel

from ..core import clock

T = TypeVar("T")

AHEAD = 256
"""Items read before the consumer takes them: more, and the reader waits."""
CLOSING_SECONDS = 1.0
"""How long closing waits for the stream to let its connection go."""

_tasks: set[asyncio.Task[None]] = set()
"""asyncio keeps no reference of its own to a running task."""


class _Shared(Generic[T]):
    """What the reading task and the consumer share; the task does not keep the `Pump` alive."""

    def __init__(self, source: AsyncIterator[T]) -> None:
        self.source = source
        self.items: deque[T] = deque()
        self.error: Exception | None = None
        self.over = False
        self.scope = anyio.CancelScope()
        self.done = anyio.Event()
        self.waiting: anyio.Event | None = None
        self.since = 0.0  # when the consumer began to wait
        self.taken = anyio.Event()

    def wake(self) -> None:
        """Let the consumer look, if it waits."""
        if self.waiting is not None:
            self.waiting.set()


class Pump(Generic[T]):
    """The items of `source`, by the batch. The reading begins with the first `take`.

    A wait ends without an item after `seconds`, `None` for never. A consumer that takes nothing for `patience` seconds
    while items wait for it has gone: the source is closed.
    """

    def __init__(self, source: AsyncIterator[T], seconds: float | None, patience: float | None = None) -> None:
        self._source = source
        self._seconds = seconds
        self._patience = patience
        self._shared: _Shared[T] | None = None

    async def take(self) -> list[T] | None:
        """What has come since, at least one item; `[]` at the end; `None` if nothing came in time.

        Raises:
            Exception: what the source raised, once everything before it has been taken.
        """
        shared = self._shared
        if shared is None:
            shared = self._shared = _Shared(self._source)
            _spawn(_read, shared, self._seconds, self._patience)
        if not shared.items and not shared.over:
            shared.since, shared.waiting = clock.monotonic(), anyio.Event()
            await shared.waiting.wait()
            shared.waiting = None
        return _drained(shared)

    def cancel(self) -> None:
        """Break the reading off, without waiting for it."""
        if self._shared is not None:
            self._shared.scope.cancel()

    async def aclose(self) -> None:
        """Break the reading off and close the source; harmless when done twice."""
        self.cancel()
        with anyio.move_on_after(CLOSING_SECONDS, shield=True):
            if self._shared is None:
                await close(self._source)
            else:
                await self._shared.done.wait()

    def __del__(self) -> None:
        shared = getattr(self, "_shared", None)
        if shared is not None and not shared.over:
            with suppress(RuntimeError):  # the loop is gone, and the task with it
                shared.scope.cancel()


def _drained(shared: _Shared[T]) -> list[T] | None:
    if shared.items:
        batch = list(shared.items)
        shared.items.clear()
        shared.taken.set()
        return batch
    if not shared.over:
        return None
    if shared.error is not None:
        raise shared.error
    return []


async def _read(shared: _Shared[Any], seconds: float | None, patience: float | None) -> None:
    try:
        with shared.scope:
            async with anyio.create_task_group() as group:
                if seconds is not None:
                    group.start_soon(_watch, shared, seconds)
                await _fill(shared, patience)
                group.cancel_scope.cancel()
    finally:
        shared.over = True
        shared.wake()
        with anyio.CancelScope(shield=True):
            await close(shared.source)
        shared.done.set()


async def _fill(shared: _Shared[Any], patience: float | None) -> None:
    try:
        async for item in shared.source:
            shared.items.append(item)
            shared.wake()
            if len(shared.items) >= AHEAD:
                shared.taken = anyio.Event()
                with anyio.fail_after(patience):
                    await shared.taken.wait()
    except Exception as error:  # raised again by `take`
        shared.error = error


async def _watch(shared: _Shared[Any], seconds: float) -> None:
    """Wake the consumer whenever it has waited for so long."""
    while True:
        rest = seconds if shared.waiting is None else shared.since + seconds - clock.monotonic()
        if rest <= 0:
            shared.since = clock.monotonic()
            shared.wake()
        await anyio.sleep(rest if rest > 0 else seconds)


async def close(source: AsyncIterator[Any]) -> None:
    """Let the source go, if it can be closed."""
    leave: Callable[[], Awaitable[None]] | None = getattr(source, "aclose", None)
    if leave is not None:
        with suppress(Exception):  # what closing meets changes nothing for who has left
            await leave()


def _spawn(
    function: Callable[[_Shared[Any], float | None, float | None], Awaitable[None]],
    shared: _Shared[Any],
    seconds: float | None,
    patience: float | None,
) -> None:
    """A task that outlives the call that starts it: no task group may stand open across an iterator's steps."""
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_run():
        trio.lowlevel.spawn_system_task(function, shared, seconds, patience)
        return
    task: asyncio.Task[None] = asyncio.ensure_future(function(shared, seconds, patience))
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)
