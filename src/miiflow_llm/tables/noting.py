"""Hooks that say what they did: a hook that changes a request leaves its words in the plan's notes."""

from __future__ import annotations

from collections.abc import Callable

from ..core.request import ChatRequest

Prepare = Callable[[ChatRequest], ChatRequest]
"""A hook for what a table cannot say: it returns the request as this wire wants it."""

_NOTE = "__note__"


def noting(words: str) -> Callable[[Prepare], Prepare]:
    """Mark a hook with the note that a plan has if the hook changed the request, and not if it gave back the same."""

    def marked(hook: Prepare) -> Prepare:
        setattr(hook, _NOTE, words)
        return hook

    return marked


def note_of(hook: Prepare) -> str | None:
    """The note of a hook that has one."""
    found: str | None = getattr(hook, _NOTE, None)
    return found
