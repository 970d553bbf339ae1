"""Virtual time: where every task waits, the next timer's moment is now, so that a stream of minutes takes milliseconds.

An event loop for asyncio, and trio's own `MockClock`. Seconds are counted from 0.0, and what is awaited happens in the
same order as in real time. Only waiting is skipped: work takes no virtual time at all.
"""

from __future__ import annotations

import asyncio
import selectors
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple, Unpack

import anyio

from ..core import clock

if TYPE_CHECKING:
    import trio.testing

Args = TypeVarTuple("Args")
T = TypeVar("T")


def virtual_time(backend: str = "asyncio", *, autojump_threshold: float = 0.0) -> tuple[str, dict[str, Any]]:
    """The backend's name and its options for `anyio.run` and for a fixture `anyio_backend`, with a clock of its own.

    `backend` is "asyncio" or "trio". `autojump_threshold` is how many seconds of real time nothing must happen before
    time jumps: 0.0 if a test does no I/O, some hundredths for sockets and threads, which time does not wait for.
    The client's timeouts, its retries' waits and its latencies are counted in virtual time too.
    """
    follow_virtual_time()
    if backend == "asyncio":
        return backend, {"loop_factory": lambda: VirtualTimeLoop(autojump_threshold)}
    if backend == "trio":
        from trio.testing import MockClock

        return backend, {"clock": MockClock(autojump_threshold=autojump_threshold)}
    raise ValueError(f'backend={backend!r}: "asyncio" or "trio"')


def run_virtual(
    function: Callable[[Unpack[Args]], Awaitable[T]],
    *args: *Args,
    backend: str = "asyncio",
    autojump_threshold: float = 0.0,
) -> T:
    """Run an asynchronous function in virtual time, as `anyio.run` with the options of `virtual_time`.

    anyio 4.11 passes options on to trio only in its pytest plugin: with its `anyio.run` time would be real.
    """
    name, options = virtual_time(backend, autojump_threshold=autojump_threshold)
    if name == "trio":
        import trio

        found: T = trio.run(function, *args, **options)
        return found
    return anyio.run(function, *args, backend=name, backend_options=options)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An asyncio event loop whose `time()` begins at 0.0 and jumps to the next timer when nothing is ready.

    The class is a `loop_factory` (`asyncio.Runner`, `asyncio.run` from Python 3.12 on). A wait without any timer, for
    I/O or a thread, is a real one. `autojump_threshold` is `virtual_time`'s.
    """

    def __init__(self, autojump_threshold: float = 0.0) -> None:
        self._now = 0.0
        super().__init__(_JumpingSelector(self, autojump_threshold))
        follow_virtual_time()

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now

    def jump(self, seconds: float) -> None:
        """Move time forward."""
        self._now += seconds


class _JumpingSelector(selectors.BaseSelector):
    """The real selector, but where it would wait until a timer is due, it moves the loop's time there."""

    def __init__(self, loop: VirtualTimeLoop, autojump_threshold: float) -> None:
        self._loop = loop
        self._threshold = autojump_threshold
        self._inner = selectors.DefaultSelector()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0:
            return self._inner.select(timeout)
        ready = self._inner.select(self._threshold)
        if not ready:
            self._loop.jump(timeout)
        return ready

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._inner.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._inner.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._inner.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._inner.get_map()

    def close(self) -> None:
        self._inner.close()


def follow_virtual_time() -> None:
    """From now on the client's clock is the running loop's own wherever that is virtual, and the real one elsewhere."""
    clock.monotonic = _now


def is_virtual() -> bool:
    """Whether the event loop that runs here has virtual time."""
    return _virtual_now() is not None


def _now() -> float:
    virtual = _virtual_now()
    return time.monotonic() if virtual is None else virtual


def _virtual_now() -> float | None:
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:  # none of asyncio's
        mock = _mock_clock()
        return None if mock is None else mock.current_time()
    return loop.time() if isinstance(loop, VirtualTimeLoop) else None


def _mock_clock() -> trio.testing.MockClock | None:
    """The clock of the trio run under way, if it is one of trio's for tests."""
    lowlevel, testing = sys.modules.get("trio.lowlevel"), sys.modules.get("trio.testing")
    if lowlevel is None or testing is None:  # not imported: there is no such clock
        return None
    try:
        running = lowlevel.current_clock()
    except RuntimeError:  # not in a trio run
        return None
    return running if isinstance(running, testing.MockClock) else None
