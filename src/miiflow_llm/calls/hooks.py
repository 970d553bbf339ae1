"""Event hooks: the caller's functions by event's name, checked when they are given and called when it happens.

What a hook raises is logged and goes no further: a fault in telemetry never breaks a call.
"""

from __future__ import annotations

import difflib
import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from ..core.events import EVENTS, CallEvent
from ..core.exceptions import ConfigurationError

log = logging.getLogger("miiflow_llm")

Hook: TypeAlias = Callable[[CallEvent], Any]
"""A plain function of one event; it runs where the call runs, so it must not block."""

Hooks: TypeAlias = dict[str, list[Hook]]
"""Every event's hooks, in the order in which they are called."""


def as_hooks(given: Mapping[str, Sequence[Hook]] | None = None, events: Sequence[str] = EVENTS) -> Hooks:
    """The hooks of every event in `events`, of those that the caller gave.

    Raises:
        ConfigurationError: no such event, or something that is not a plain function.
    """
    hooks: Hooks = {event: [] for event in events}
    if not isinstance(given, Mapping | None):
        raise ConfigurationError("event_hooks is a mapping of an event's name to a list of functions, as in httpx")
    for event, functions in (given or {}).items():
        if event not in hooks:
            near = difflib.get_close_matches(str(event), events, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(events)}"
            raise ConfigurationError(f"event_hooks: no event {event!r}; {hint}")
        listed: object = functions
        if callable(listed) or isinstance(listed, str) or not isinstance(listed, Sequence):
            raise ConfigurationError(f"event_hooks[{event!r}] is a list of functions, as in httpx")
        hooks[event] = [_checked(f"{event!r}][{place}", function) for place, function in enumerate(functions)]
    return hooks


def _checked(place: str, function: Any) -> Hook:
    if not callable(function):
        raise ConfigurationError(f"event_hooks[{place}]: {function!r} cannot be called")
    if inspect.iscoroutinefunction(function):
        raise ConfigurationError(f"event_hooks[{place}]: hooks are plain functions, not async ones, for both clients")
    result: Hook = function
    return result


def call_hooks(hooks: Sequence[Hook], event: CallEvent) -> None:
    """Tell each hook; what one raises is logged, and the next is told."""
    for hook in tuple(hooks):
        try:
            result = hook(event)
        except Exception:
            log.exception("a hook for %r failed; the call goes on", event.event)
            continue
        if inspect.iscoroutine(result):
            result.close()
            log.error("a hook for %r is an async function and was not run; hooks are plain functions", event.event)
