"""How a routed call waits: in an event loop, or in threads that block. The call itself is written once.

A call costs no task until a second attempt is due: the first is read in the task that waits, and only the second gets a
task (a thread) of its own. No task outlives its call: whoever starts one waits for its end.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from queue import Empty, SimpleQueue
from typing import Any, Protocol

import anyio
import anyio.lowlevel

from ..calls.players import played
from ..core import clock
from ..http.lean.trio_timers import TrioTimers
from .sources import CLOSE_SECONDS

Run = Callable[[], Awaitable[None]]
"""What an attempt does until its first output or its failure; it raises nothing but what breaks off the caller."""


class Race(Protocol):
    """Two attempts at one answer.

    `hedge_at` is after how many seconds the second is due, `None` for never. `decided` says that one has won.
    """

    @property
    def hedge_at(self) -> float | None: ...

    @property
    def decided(self) -> bool: ...

    async def first(self) -> None:
        """Run the first attempt until its first output or its failure."""

    def second(self) -> Run | None:
        """What runs the second, if there is to be one."""

    async def stop(self) -> None:
        """End whatever runs: the caller leaves."""


class Waits(Protocol):
    """The waits of a routed call."""

    async def sleep(self, seconds: float, call: object) -> None:
        """Pause, until `wake` at the latest."""

    def wake(self, call: object) -> None:
        """End the pause of a call."""

    def shielded(self) -> AbstractContextManager[object]:
        """Around what is done though the caller is cancelled, for a short time."""

    async def checkpoint(self) -> None:
        """Give others their turn."""

    async def both(self, race: Race) -> None:
        """Run the first attempt, and the second beside it once that is due; until one is decided for, or both end."""


class LoopWaits:
    """Waits in asyncio or trio."""

    def __init__(self) -> None:
        self._pauses: dict[int, anyio.CancelScope] = {}

    async def sleep(self, seconds: float, call: object) -> None:
        """Pause, until `wake` at the latest."""
        with anyio.CancelScope() as self._pauses[id(call)]:
            try:
                await anyio.sleep(seconds)
            finally:
                del self._pauses[id(call)]

    def wake(self, call: object) -> None:
        """End the pause of a call."""
        if id(call) in self._pauses:
            self._pauses[id(call)].cancel()

    def shielded(self) -> AbstractContextManager[object]:
        """Around what is done though the caller is cancelled, for a second at most."""
        return anyio.move_on_after(CLOSE_SECONDS, shield=True)

    async def checkpoint(self) -> None:
        """Give others their turn."""
        await anyio.lowlevel.checkpoint()

    async def both(self, race: Race) -> None:
        """Run the first here, and the second in a task of its own once it is due."""
        if race.hedge_at is None:
            return await race.first()
        tasks: list[_Task] = []

        def due() -> None:
            run = race.second()
            if run is not None:
                tasks.append(_Task(run))

        timer = _call_later(race.hedge_at, due)
        try:
            await race.first()
        except BaseException:
            for task in tasks:
                await _stopped(race, task)
            raise
        finally:
            timer.cancel()
        for task in tasks:
            await task.end(race)
        return None


async def _stopped(race: Race, task: _Task) -> None:
    with anyio.CancelScope(shield=True):
        await race.stop()
        await task.over.wait()


class _Task:
    """A task beside the caller's, on either loop; started from a callback, which has no task of its own."""

    def __init__(self, run: Run) -> None:
        self.over = anyio.Event()
        self._run = run
        self._error: BaseException | None = None
        self._task: Any = _spawn(self._whole)  # asyncio keeps no strong reference

    async def _whole(self) -> None:
        try:
            await self._run()
        except Exception as error:
            self._error = error  # raised by whoever waits
        finally:
            self.over.set()

    async def end(self, race: Race) -> None:
        """Wait for its end; if the caller is cancelled meanwhile, it is stopped first."""
        try:
            await self.over.wait()
        except BaseException:
            await _stopped(race, self)
            raise
        if self._error is not None:
            raise self._error


def _is_asyncio() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _call_later(seconds: float, callback: Callable[[], object]) -> Any:
    if _is_asyncio():
        return asyncio.get_running_loop().call_later(seconds, callback)
    return TrioTimers.current().call_later(seconds, _in_context(callback))


def _in_context(callback: Callable[[], object]) -> Callable[[], object]:
    """As asyncio's callbacks, with the context of whoever set the timer."""
    context = contextvars.copy_context()
    return lambda: context.run(callback)


def _spawn(run: Run) -> Any:
    if _is_asyncio():
        return asyncio.get_running_loop().create_task(run())  # type: ignore[arg-type]  # a coroutine function's
    import trio

    return trio.lowlevel.spawn_system_task(run, context=contextvars.copy_context())


class ThreadWaits:
    """Waits that block. A second attempt, and then the first too, run in threads."""

    async def sleep(self, seconds: float, call: object) -> None:
        """Pause."""
        time.sleep(seconds)  # noqa: ASYNC251  it blocks on purpose

    def wake(self, call: object) -> None:
        """A thread sleeps until it wakes."""

    def shielded(self) -> AbstractContextManager[object]:
        """Threads are not cancelled."""
        return nullcontext()

    async def checkpoint(self) -> None:
        """Threads take their turns by themselves."""

    async def both(self, race: Race) -> None:
        """Run the first in a thread, and the second in another once it is due.

        The one that loses may still wait for the head of its answer, which nothing ends: its thread closes it then.
        """
        if race.hedge_at is None:
            return await race.first()
        ends: SimpleQueue[BaseException | None] = SimpleQueue()
        due: float | None = clock.monotonic() + race.hedge_at
        _thread(race.first, ends)
        running = 1
        try:
            while running and not race.decided:
                error = _next_end(ends, due)
                if error is not _DUE:
                    running, due = running - 1, None
                    if error is not None:
                        raise error
                    continue
                due, run = None, race.second()
                if run is not None:
                    _thread(run, ends)
                    running += 1
        except BaseException:
            await race.stop()
            raise
        return None


_DUE = TimeoutError()
"""In place of an end: the time of the second attempt has come."""


def _next_end(ends: SimpleQueue[BaseException | None], due: float | None) -> BaseException | None:
    """How the next attempt ended, or that the second is due."""
    try:
        return ends.get(timeout=None if due is None else max(due - clock.monotonic(), 0.0))
    except Empty:
        return _DUE


def _thread(run: Run, ends: SimpleQueue[BaseException | None]) -> None:
    def whole() -> None:
        try:
            played(run())  # type: ignore[arg-type]  # a coroutine function's
        except BaseException as error:
            ends.put(error)
        else:
            ends.put(None)

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(whole,), name="miiflow_llm attempt", daemon=True).start()
