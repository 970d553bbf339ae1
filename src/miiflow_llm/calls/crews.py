"""Run the calls of one answer side by side, as tasks of an event loop or in threads.

Their results are had in the order in which they end.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any, Generic, Protocol, TypeVar

import anyio
import anyio.to_thread

T = TypeVar("T")
Work = Callable[[], Awaitable[T]]

LEAVE_SECONDS = 1.0
"""How long leaving waits for works that were cancelled; a function in a thread runs on."""


class Crew(Protocol[T]):
    """Runs works; none of them raises anything but cancellation and what ends a program."""

    async def start(self, works: Sequence[Work[T]]) -> None:
        """Begin to run the works, at most so many at once as the crew is large."""

    async def next(self) -> T:
        """The result of the work that ends next, of those started."""

    async def ask(self, function: Callable[[Any], Any], argument: Any) -> Any:
        """What a function of the caller's says, sync or async."""

    def stop(self) -> None:
        """Cancel what still runs."""

    async def leave(self) -> None:
        """Cancel what still runs, and wait for its end, but not for long."""


class LoopCrew(Generic[T]):
    """Tasks of an event loop. Those `apart` run on while their results are taken, in a task that nobody waits for;
    otherwise `start` ends when all works have.
    """

    def __init__(self, most: int, *, apart: bool) -> None:
        self._most = most
        self._apart = apart
        self._ended: deque[T | BaseException] = deque()
        self._waiting: anyio.Event | None = None
        self._scope: anyio.CancelScope | None = None
        self._over: anyio.Event | None = None

    async def start(self, works: Sequence[Work[T]]) -> None:
        if self._apart:
            self._scope, self._over = anyio.CancelScope(), anyio.Event()
            _spawn(self._run_apart, works, self._scope, self._over)
        else:
            await self._run_all(works)

    async def next(self) -> T:
        while not self._ended:
            self._waiting = anyio.Event()
            await self._waiting.wait()
        ended = self._ended.popleft()
        if isinstance(ended, BaseException):
            raise ended
        return ended

    async def _run_apart(self, works: Sequence[Work[T]], scope: anyio.CancelScope, over: anyio.Event) -> None:
        try:
            with scope:
                await self._run_all(works)
        finally:
            over.set()

    async def _run_all(self, works: Sequence[Work[T]]) -> None:
        limiter = anyio.CapacityLimiter(self._most)
        async with anyio.create_task_group() as group:
            for work in works:
                group.start_soon(self._run, group.cancel_scope, limiter, work)

    async def _run(self, scope: anyio.CancelScope, limiter: anyio.CapacityLimiter, work: Work[T]) -> None:
        ended: T | BaseException
        async with limiter:
            try:
                ended = await work()
            except anyio.get_cancelled_exc_class():
                raise
            except BaseException as reason:  # out of the group, which would wrap it
                ended = reason
                scope.cancel()
        self._ended.append(ended)
        if self._waiting is not None:
            self._waiting.set()

    async def ask(self, function: Callable[[Any], Any], argument: Any) -> Any:
        if inspect.iscoroutinefunction(function):
            return await function(argument)
        said = await anyio.to_thread.run_sync(function, argument)
        return await said if inspect.isawaitable(said) else said

    def stop(self) -> None:
        if self._scope is not None and self._over is not None and not self._over.is_set():
            with contextlib.suppress(RuntimeError):  # the loop is gone, and the tasks with it
                self._scope.cancel()

    async def leave(self) -> None:
        self.stop()
        if self._over is not None:
            with anyio.move_on_after(LEAVE_SECONDS, shield=True):
                await self._over.wait()


_tasks: set[asyncio.Task[None]] = set()
"""asyncio keeps no reference of its own to a running task."""


def _spawn(function: Callable[..., Coroutine[Any, Any, None]], *arguments: Any) -> None:
    """Run the coroutine in a task that outlives the step in which it begins, as a stream needs it."""
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_run():
        trio.lowlevel.spawn_system_task(function, *arguments, context=contextvars.copy_context())
        return
    task = asyncio.get_running_loop().create_task(function(*arguments))
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


class ThreadCrew(Generic[T]):
    """Threads, each with an event loop of its own for its work. Its coroutines block and never suspend."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._threads: ThreadPoolExecutor | None = None
        self._ended: SimpleQueue[T | BaseException] = SimpleQueue()

    async def start(self, works: Sequence[Work[T]]) -> None:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self._most, "miiflow_llm tool")
        for work in works:
            self._threads.submit(contextvars.copy_context().run, self._run, work)

    async def next(self) -> T:
        ended = self._ended.get()
        if isinstance(ended, BaseException):
            raise ended
        return ended

    def _run(self, work: Work[T]) -> None:
        try:
            self._ended.put(anyio.run(work))
        except BaseException as reason:
            self._ended.put(reason)

    async def ask(self, function: Callable[[Any], Any], argument: Any) -> Any:
        said = function(argument)
        return _awaited(said) if inspect.isawaitable(said) else said

    def stop(self) -> None:
        threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown(wait=False, cancel_futures=True)

    async def leave(self) -> None:
        self.stop()


def _awaited(said: Awaitable[T]) -> T:
    """What the awaitable gives, in a loop of its own in a thread: an event loop may run in this one."""

    async def wait() -> T:
        return await said

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(anyio.run, wait).result()
