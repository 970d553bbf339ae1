"""Marks of the cache: how long a prompt is kept, and which marks a request may have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from ..core.messages import Cache, Message
from ..core.request import ChatRequest
from .spelling import spelt

MINUTES = {"5m": 5, "30m": 30, "1h": 60, "12h": 720}
MOST_MARKS = 4
"""The most marks of the cache that a request to Anthropic may have."""

Change = Callable[[Cache], Cache]
Marked = TypeVar("Marked", bound=msgspec.Struct)


@spelt
def lifetime(*words: str) -> Callable[[Cache], str | None]:
    """A converter to the shortest of the provider's lifetimes (`words`, in order) that is long enough, or the longest.

    `True` is the provider's usual time, which need not be said.
    """

    def word(cache: Cache) -> str | None:
        if isinstance(cache, bool):
            return None
        return next((one for one in words if MINUTES[one] >= MINUTES[cache]), words[-1])

    return word


def first_and_last_marks(request: ChatRequest) -> ChatRequest:
    """The request with its first cache mark and its last three; more are refused.

    A mark covers all before it: the first is what other conversations share, the last what this one goes on from.
    """
    count = 0

    def counted(cache: Cache) -> Cache:
        nonlocal count
        count += 1
        return cache

    _with_marks(request, counted)
    if count <= MOST_MARKS:
        return request
    kept = iter([place == 0 or place > count - MOST_MARKS for place in range(count)])
    return _with_marks(request, lambda cache: cache if next(kept) else False)


def _with_marks(request: ChatRequest, change: Change) -> ChatRequest:
    """The request with each mark changed, in the order in which the provider reads them: tools, system, messages."""
    tools = _changed(request.tools or (), change) or None
    system = [_message(message, change) if message.role == "system" else message for message in request.messages]
    messages = [message if message.role == "system" else _message(message, change) for message in system]
    return msgspec.structs.replace(request, tools=tools, messages=messages)


def _message(message: Message, change: Change) -> Message:
    parts = _changed(message.parts, change)
    content = message.content
    if not parts and not isinstance(content, str):
        content = _changed(content, change)
    calls = message.tool_calls if parts else _changed(message.tool_calls, change)
    cache = change(message.cache) if message.cache else False
    return msgspec.structs.replace(message, parts=parts, content=content, tool_calls=calls, cache=cache)


def _changed(marked: Sequence[Marked], change: Change) -> list[Marked]:
    return [
        msgspec.structs.replace(one, cache=change(cache)) if (cache := getattr(one, "cache", False)) else one
        for one in marked
    ]
