"""Let another thread end the sleep of a thread that waits between two attempts, as a cancel scope does in a loop."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Self


class _LeftError(BaseException):
    """The sleep was ended; it gets no further than its scope."""


class _Here(threading.local):
    scope: ThreadScope | None = None


_here = _Here()


class ThreadScope:
    """Around the waits of one thread: `cancel`, from any thread, ends a sleep inside."""

    def __init__(self) -> None:
        self.cancelled_caught = False
        self._ended = threading.Event()
        self._outer: ThreadScope | None = None

    def cancel(self) -> None:
        """End the sleep inside, now or when it begins."""
        self._ended.set()

    def __enter__(self) -> Self:
        self._outer, _here.scope = _here.scope, self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        _here.scope = self._outer
        self.cancelled_caught = kind is _LeftError and self._ended.is_set()
        return self.cancelled_caught

    def sleep(self, seconds: float) -> None:
        """Sleep, unless the scope was ended."""
        if self._ended.wait(seconds):
            raise _LeftError


def sleep(seconds: float) -> None:
    """Sleep until the time is over, or another thread ends the scope that stands around it."""
    if _here.scope is None:
        time.sleep(seconds)
    else:
        _here.scope.sleep(seconds)
