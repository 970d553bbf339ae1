"""What becomes of open connections in a forked child: nothing. They belong to the parent.

A socket that two processes share gives one the other's answers, so nothing that was open at a fork is used after it.
Everything here happens in the child before its first own act, while it has one thread: no lock of the parent is waited
for, which a thread that was not copied may hold for ever.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from typing import Protocol


class Inherited(Protocol):
    """What holds connections, or locks around them."""

    def begin_anew(self) -> None:
        """Forget everything that is the parent's, without touching it."""


_inherited: weakref.WeakSet[Inherited] = weakref.WeakSet()


def renew(holder: Inherited) -> None:
    """Have `holder` begin anew in every forked child."""
    _inherited.add(holder)


def in_child(callback: Callable[[], object]) -> None:
    """Call `callback` in every forked child, where the system has forks."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=callback)


def _begin_anew() -> None:
    for holder in list(_inherited):
        holder.begin_anew()


in_child(_begin_anew)
