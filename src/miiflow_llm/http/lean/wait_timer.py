"""The limit on a connection's waits: one timer, armed lazily, instead of one for each wait.

A wait arms the timer only when none is armed that fires in time; a timer that fires early, because its wait has ended
or the limit has moved, arms itself for the remainder or lets it be. So a stream that flows costs no timer at all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ...core import clock

_NO_LIMIT = 365 * 86400.0
_MIN_DELAY = 0.001  # some loops' clocks are cut to milliseconds: a timer must not fire again and again at once


class Cancellable(Protocol):
    """What arming a timer gives."""

    def cancel(self) -> object: ...


CallLater = Callable[[float, Callable[[], object]], Cancellable]


class WaitTimer:
    """Calls `on_expire` when a wait, from `begin` until `waiting` is set to False, has lasted too long."""

    __slots__ = ("_armed_for", "_began", "_call_later", "_deadline", "_handle", "_on_expire", "_seconds", "waiting")

    def __init__(self, call_later: CallLater, on_expire: Callable[[], object]) -> None:
        self._call_later = call_later
        self._on_expire = on_expire
        self._handle: Cancellable | None = None
        self._armed_for = self._began = 0.0
        self._seconds: float | None = None
        self._deadline: Callable[[], float | None] = _no_deadline
        self.waiting = False

    def begin(self, seconds: float | None, deadline: float | None) -> None:
        """A wait begins: it may last `seconds`, and until `deadline` on clock.monotonic()'s clock."""
        self.waiting = True
        self._seconds = seconds
        if seconds is None and deadline is not None and self._handle is not None and deadline >= self._armed_for:
            return  # what all waits of a stream that flows but the first come to
        self._began = now = clock.monotonic()
        at = now + (_NO_LIMIT if seconds is None else seconds)
        if deadline is not None and deadline < at:
            at = deadline
        if self._handle is None:
            self._arm(at, now)
        elif at < self._armed_for:
            self._handle.cancel()
            self._arm(at, now)

    def follow(self, deadline: Callable[[], float | None]) -> None:
        """Ask `deadline` where it stands when the timer fires, since it may have moved."""
        self._deadline = deadline

    def stop(self) -> None:
        """Forget the timer and what it followed."""
        self.waiting = False
        self._deadline = _no_deadline
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _arm(self, at: float, now: float) -> None:
        self._armed_for = at
        self._handle = self._call_later(max(at - now, _MIN_DELAY), self._fire)

    def _fire(self) -> None:
        self._handle = None
        if not self.waiting:
            return  # the next wait arms the timer again
        now = clock.monotonic()
        at = self._began + (_NO_LIMIT if self._seconds is None else self._seconds)
        deadline = self._deadline()
        if deadline is not None and deadline < at:
            at = deadline
        if at > now:
            self._arm(at, now)
        else:
            self.waiting = False
            self._on_expire()


def _no_deadline() -> float | None:
    return None
