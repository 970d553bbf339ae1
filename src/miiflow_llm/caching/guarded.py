"""How the cache asks its store: every wait has a limit, and nothing that goes wrong there reaches a call.

After three failures in a row the store is not asked for five seconds, as if it held nothing.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any, Final, Generic, TypeVar

import anyio
import anyio.to_thread

from ..core import clock, forks
from .stores import AsyncStore, Store

log = logging.getLogger("miiflow_llm.caching")

SECONDS = 0.05
"""What a store may cost a call, at most, each time it is asked."""
_FAILURES, _REST = 3, 5.0

T = TypeVar("T")

_inherited: list[object] = []
"""What a forked child keeps from the collector, which would end it."""


class Unavailable:
    """The answer of a store that gave none in time."""


UNAVAILABLE: Final = Unavailable()


class _Breaker(Generic[T]):
    """Counts what went wrong. `failures` are all there were; `store` is who is asked."""

    def __init__(self, store: Any, seconds: float = SECONDS) -> None:
        self.store = store
        self.seconds = seconds
        self.failures = 0
        self._in_a_row = 0
        self._rests_until = 0.0

    @property
    def rests(self) -> bool:
        """Whether the store is not asked just now."""
        return clock.monotonic() < self._rests_until

    def worked(self) -> None:
        self._in_a_row = 0

    def failed(self, what: str, reason: object) -> Unavailable:
        self.failures += 1
        self._in_a_row += 1
        if self._in_a_row >= _FAILURES:
            self._in_a_row = 0
            self._rests_until = clock.monotonic() + _REST
            log.warning("the cache's store failed %d times (%s: %s) and is not asked for %g s; calls go on without it",
                        _FAILURES, what, reason, _REST)  # fmt: skip
        else:
            log.debug("the cache's store failed: %s: %s", what, reason)
        return UNAVAILABLE


class Guarded(_Breaker[Store | AsyncStore]):
    """For event loops: a store that blocks is asked in a thread."""

    def __init__(self, store: Store | AsyncStore, seconds: float = SECONDS) -> None:
        super().__init__(store, seconds)
        self._awaits = inspect.iscoroutinefunction(store.get)
        self._blocks = not self._awaits and getattr(store, "blocks", True)
        self._limiter: anyio.CapacityLimiter | None = None

    async def ask(self, what: str, *arguments: Any, seconds: float | None = None) -> Any:
        """What the store's method of this name returns; `UNAVAILABLE` if it fails or takes too long."""
        if self.rests:
            return UNAVAILABLE
        method = getattr(self.store, what)
        try:
            if not self._blocks and not self._awaits:
                found = method(*arguments)
            else:
                with anyio.fail_after(self.seconds if seconds is None else seconds):
                    found = await (method(*arguments) if self._awaits else self._in_thread(method, arguments))
        except TimeoutError:
            return self.failed(what, "no answer in time")
        except Exception as reason:
            return self.failed(what, reason)
        self.worked()
        return found

    async def _in_thread(self, method: Callable[..., T], arguments: tuple[Any, ...]) -> T:
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(8)
        return await anyio.to_thread.run_sync(method, *arguments, abandon_on_cancel=True, limiter=self._limiter)

    async def aclose(self) -> None:
        """Close the store."""
        if self._awaits:
            await self.store.aclose()
        else:
            self.store.close()


class SyncGuarded(_Breaker[Store | AsyncStore]):
    """For threads: a store that blocks is asked in a thread beside, one that awaits in a loop of its own."""

    def __init__(self, store: Store | AsyncStore, seconds: float = SECONDS) -> None:
        super().__init__(store, seconds)
        self._awaits = inspect.iscoroutinefunction(store.get)
        self._blocks = not self._awaits and getattr(store, "blocks", True)
        self._threads: ThreadPoolExecutor | None = None
        self._portal: Any = None
        self._open = ExitStack()
        forks.renew(self)

    def begin_anew(self) -> None:
        """In a forked child: the threads of the parent are not in it, nor does it end what they hold open."""
        _inherited.append((self._threads, self._portal, self._open))
        self._threads, self._portal, self._open = None, None, ExitStack()

    def ask(self, what: str, *arguments: Any, seconds: float | None = None) -> Any:
        """What the store's method of this name returns; `UNAVAILABLE` if it fails or takes too long."""
        if self.rests:
            return UNAVAILABLE
        method = getattr(self.store, what)
        try:
            if not self._blocks and not self._awaits:
                found = method(*arguments)
            else:
                found = self._started(method, arguments).result(self.seconds if seconds is None else seconds)
        except TimeoutError:
            return self.failed(what, "no answer in time")
        except Exception as reason:
            return self.failed(what, reason)
        self.worked()
        return found

    def _started(self, method: Callable[..., Any], arguments: tuple[Any, ...]) -> Future[Any]:
        if not self._awaits:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(8, thread_name_prefix="miiflow-llm cache")
            return self._threads.submit(method, *arguments)
        if self._portal is None:
            from anyio.from_thread import start_blocking_portal

            self._portal = self._open.enter_context(start_blocking_portal())
        started: Future[Any] = self._portal.start_task_soon(method, *arguments)
        return started

    def close(self) -> None:
        """Close the store, the threads and the loop."""
        if self._awaits:
            if self._portal is not None:
                self._started(self.store.aclose, ()).result(5)
                self._portal = None
        else:
            self.store.close()
        self._open.close()
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None
