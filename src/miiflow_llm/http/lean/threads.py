"""Runs a callback in an event loop from any thread, asyncio's loop or trio's token; says when the loop has gone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def call_soon_threadsafe(loop: Any, callback: Callable[[], object]) -> bool:
    """Have `callback` run soon in `loop`. False when the loop has gone, and nothing will run in it."""
    schedule = getattr(loop, "call_soon_threadsafe", None) or loop.run_sync_soon
    try:
        schedule(callback)
    except RuntimeError:  # asyncio: the loop is closed; trio.RunFinishedError is one too
        return False
    return True
