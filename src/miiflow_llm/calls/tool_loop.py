"""Run the calls that a model asks for, and go on until it stops: a conversation and tools in, the last answer out.

No agent framework: one bounded loop, its calls made side by side, their errors told to the model.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import anyio
import msgspec

from ..core.exceptions import ConfigurationError
from ..core.messages import Block, DocumentBlock, ImageBlock, Message, TextBlock, ToolCall
from ..core.response import ChatResponse
from ..core.usage import TokenCount
from ..schema.pydantic_types import is_pydantic
from ..schema.tools import Tool, as_tool, hosted_tool

Ask = Callable[[list[Message], bool], Awaitable[ChatResponse]]
"""Asks for the next answer to the messages; the flag says whether it is the first."""


class ToolRun(msgspec.Struct):
    """How it went. `response` is the last answer, `messages` the whole conversation with it, `usage` the sum of all
    answers, `rounds` their number. `finished` is false where `max_rounds` ended the loop while the model wanted more.
    """

    response: ChatResponse
    messages: list[Message]
    usage: TokenCount
    rounds: int
    finished: bool


def choice_of(round_is_first: bool, tool_choice: str | None) -> str | None:
    """The choice of one answer: a call is forced in the first alone, or no answer would ever be the last."""
    return tool_choice if round_is_first or tool_choice in (None, "none") else "auto"


class _Loop:
    """What happens between two answers, whoever waits for them."""

    def __init__(self, messages: list[Message], tools: Sequence[Any], max_rounds: int, max_concurrency: int) -> None:
        if max_rounds < 1 or max_concurrency < 1:
            raise ConfigurationError("max_rounds and max_concurrency: 1 or more")
        self.tools = _by_name(tools)
        self.max_rounds = max_rounds
        self.messages = list(messages)
        self.usage = TokenCount()
        self.rounds = 0

    def took(self, response: ChatResponse) -> ToolRun | None:
        """An answer came; how it went, where it was the last."""
        self.rounds += 1
        self.usage += response.usage
        self.messages.append(response.message)
        finished = not response.message.tool_calls
        if finished or self.rounds >= self.max_rounds:
            return ToolRun(response, self.messages, self.usage, self.rounds, finished)
        return None


async def run_tools(
    ask: Ask, messages: list[Message], tools: Sequence[Any], *, max_rounds: int, max_concurrency: int
) -> ToolRun:
    """Ask, run the calls, ask again, until an answer holds no call.

    Raises:
        ConfigurationError: a tool has no function to run, or a bound is below 1.
        MiiflowLLMError: an answer could not be had.
    """
    loop = _Loop(messages, tools, max_rounds, max_concurrency)
    while True:
        response = await ask(loop.messages, loop.rounds == 0)
        done = loop.took(response)
        if done is not None:
            return done
        loop.messages += await _results(response.message.tool_calls, loop.tools, max_concurrency)


def run_tools_sync(
    ask: Callable[[list[Message], bool], ChatResponse],
    messages: list[Message],
    tools: Sequence[Any],
    *,
    max_rounds: int,
    max_concurrency: int,
) -> ToolRun:
    """`run_tools` for synchronous code: the calls run in threads, each in an event loop of its own."""
    loop = _Loop(messages, tools, max_rounds, max_concurrency)
    with ThreadPoolExecutor(max_concurrency, "miiflow_llm tool") as pool:
        while True:
            response = ask(loop.messages, loop.rounds == 0)
            done = loop.took(response)
            if done is not None:
                return done
            loop.messages += pool.map(partial(_result_in_thread, loop.tools), response.message.tool_calls)


def _result_in_thread(known: dict[str, Tool], call: ToolCall) -> Message:
    return anyio.run(_result, call, known.get(call.name), list(known))


def _by_name(tools: Sequence[Any]) -> dict[str, Tool]:
    known = {tool.name: tool for tool in map(as_tool, (one for one in tools if hosted_tool(one) is None))}
    missing = [name for name, tool in known.items() if tool.function is None]
    if missing:
        raise ConfigurationError(f"run_tools: {', '.join(missing)} has no function to run; give a function or a @tool")
    return known


async def _results(calls: list[ToolCall], known: dict[str, Tool], most: int) -> list[Message]:
    """The results in the order of the calls, however long each took."""
    results: dict[int, Message] = {}
    limit = anyio.CapacityLimiter(most)

    async def run(place: int, call: ToolCall) -> None:
        async with limit:
            results[place] = await _result(call, known.get(call.name), list(known))

    async with anyio.create_task_group() as group:
        for place, call in enumerate(calls):
            group.start_soon(run, place, call)
    return [results[place] for place in range(len(calls))]


async def _result(call: ToolCall, tool: Tool | None, names: list[str]) -> Message:
    if tool is None:
        words = f"there is no tool {call.name!r}; there are {', '.join(names)}"
        return Message.tool(words, call.id, name=call.name, is_error=True)
    try:
        value = await tool.run(call.arguments)
    except Exception as error:  # whatever a tool raises is the model's to read
        return Message.tool(f"{type(error).__name__}: {error}", call.id, name=call.name, is_error=True)
    return Message.tool(_content(value), call.id, name=call.name)


def _content(value: Any) -> str | list[Block]:
    """What a tool gave back, as a message says it: text, blocks, or JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, (TextBlock, ImageBlock, DocumentBlock)):
        return [value]
    if (
        isinstance(value, list)
        and value
        and all(isinstance(one, (TextBlock, ImageBlock, DocumentBlock)) for one in value)
    ):
        return list(value)
    return msgspec.json.encode(value, enc_hook=_plain).decode()


def _plain(value: Any) -> Any:
    """What JSON has no form for: a pydantic model's own, else its words."""
    return value.model_dump(mode="json") if is_pydantic(type(value)) else str(value)
