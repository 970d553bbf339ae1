"""Run one call of a tool, and tell the model the result, whatever goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, TypeAlias

from ..core.exceptions import ConfigurationError
from ..core.messages import Message, ToolCall
from ..schema.tools import Tool, as_tool, hosted_tool
from .tool_content import content_of, error_words

Verdict: TypeAlias = bool | str
Approve: TypeAlias = Callable[[ToolCall], Verdict | Awaitable[Verdict]]
"""Asked before a call is run, one call at a time: `True` lets it run; `False`, or words for the model, refuse it."""

REFUSED = "the user did not allow this call"


def by_name(tools: Any) -> dict[str, Tool]:
    """The tools that have a function to run, by their names; a provider's own are left to it.

    Raises:
        ConfigurationError: one has no function.
    """
    if isinstance(tools, (str, Mapping)) or not isinstance(tools, Iterable):
        raise ConfigurationError(f"tools={tools!r}: a list of functions is needed")
    known: dict[str, Tool] = {}
    for place, one in enumerate(tools):
        try:
            found = None if hosted_tool(one) is not None else as_tool(one)
        except ConfigurationError as error:
            error.message = f"tools[{place}]: {error.message}"
            error.args = (error.message,)
            raise
        if found is not None and found.function is None:
            raise ConfigurationError(f"tools[{place}]: {found.name} has no function to run; give a function or a @tool")
        if found is not None:
            known[found.name] = found
    return known


async def result_of(call: ToolCall, known: dict[str, Tool]) -> Message:
    """What the model is told of the call: its result, or what went wrong. Nothing but cancellation gets out."""
    tool = known.get(call.name)
    if tool is None:
        return failed(call, f"there is no tool {call.name!r}; there are {', '.join(known)}")
    try:
        return Message.tool(content_of(await tool.run(call.arguments)), call.id, name=call.name)
    except (Exception, SystemExit) as error:  # whatever a tool raises is the model's to read
        return failed(call, error_words(error))
    except asyncio.CancelledError as error:
        if _is_cancelled():
            raise
        return failed(call, error_words(error))


def _is_cancelled() -> bool:
    """Whether the task is cancelled from outside, and the tool did not raise the cancellation itself."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def failed(call: ToolCall, words: str) -> Message:
    """The result of a call that went wrong."""
    return Message.tool(words, call.id, name=call.name, is_error=True)


def refusal(call: ToolCall, verdict: object) -> Message | None:
    """What the model is told of a call that may not run; `None` if it may.

    Raises:
        ConfigurationError: the verdict is neither a truth value nor words.
    """
    if verdict is True:
        return None
    if verdict is False or isinstance(verdict, str):
        return failed(call, verdict or REFUSED)
    raise ConfigurationError(f"approve() returned {verdict!r}: return True, or False or words for the model to refuse")
