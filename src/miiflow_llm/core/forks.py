"""What becomes of locks and open connections in a forked child: locks are free, connections belong to the parent.

A socket that two processes share gives one the other's answers, so nothing that was open at a fork is used after it.
A lock that a thread of the parent had at the fork would never be free in the child, where that thread is not.
Everything here happens in the child before its first own act, while it has one thread.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from typing import Any, Protocol


class Inherited(Protocol):
    """What holds connections, or locks around them."""

    def begin_anew(self) -> None:
        """Forget everything that is the parent's, without touching it."""


_inherited: weakref.WeakSet[Inherited] = weakref.WeakSet()
_locks: weakref.WeakSet[Any] = weakref.WeakSet()


def lock() -> threading.Lock:
    """A lock that is free in every forked child, whoever had it in the parent."""
    made = threading.Lock()
    _locks.add(made)
    return made


def renew(holder: Inherited) -> None:
    """Have `holder` begin anew in every forked child."""
    _inherited.add(holder)


def in_child(callback: Callable[[], object]) -> None:
    """Call `callback` in every forked child, where the system has forks."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=callback)


def _begin_anew() -> None:
    for held in list(_locks):
        held._at_fork_reinit()  # as the standard library does with its own
    for holder in list(_inherited):
        holder.begin_anew()


in_child(_begin_anew)
