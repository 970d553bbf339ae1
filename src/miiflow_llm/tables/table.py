"""Moved to `miiflow_llm.tables`; this name forwards to it."""

from . import *  # noqa: F403  every public name of the room, typed
