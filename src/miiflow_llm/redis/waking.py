"""How another thread wakes a task of asyncio or trio."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import anyio


def waker(event: anyio.Event) -> Callable[[], None]:
    """A function that any thread may call to set an event of the running loop; harmless once that loop has ended."""
    soon = _soon()

    def wake() -> None:
        with suppress(RuntimeError):  # the loop has ended
            soon(event.set)

    return wake


def _soon() -> Callable[[Callable[[], None]], object]:
    try:
        return asyncio.get_running_loop().call_soon_threadsafe
    except RuntimeError:
        import trio

        return trio.lowlevel.current_trio_token().run_sync_soon
