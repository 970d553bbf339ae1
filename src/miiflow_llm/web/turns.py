"""Tell a hook of each turn once it is over: who asked, what was asked, and what came of it."""

from __future__ import annotations

import inspect
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Literal, TypeAlias

import anyio
import msgspec

from ..calls.tool_loop import ToolEvent, ToolRun
from ..core.exceptions import MiiflowLLMError
from ..core.messages import Message
from ..core.response import ChatResponse
from ..core.usage import TokenCount

log = logging.getLogger("miiflow_llm.web")

STORING_SECONDS = 10.0
"""How long the hook may take once the browser has gone."""


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, as `authorize` knows it: all of it goes to the model's provider, none of it comes from the browser.

    `user` and `metadata` are parameters of the call, where the provider takes them; `system` stands before all
    messages.
    """

    user: str | None = None
    metadata: Mapping[str, str] | None = None
    system: str | None = None


class Turn(msgspec.Struct, kw_only=True):
    """One request and what came of it.

    `asked` are the messages that went to the model, those of the service (`Caller.system`) included; `answered` are the
    messages since: the answer, before it the calls and results of the service's tools. `outcome` is `finished`,
    `failed`, or `abandoned` if the browser left; then `response` and `answered` are what had come until then.
    `conversation` is the browser's own name for the conversation. `error` is what was raised, keys and all: it is for
    the service, not for browsers. `usage` is the sum of all answers.
    """

    caller: Caller
    outcome: Literal["finished", "failed", "abandoned"]
    provider: str | None
    model: str | None
    asked: list[Message]
    answered: list[Message] = []
    parameters: dict[str, Any] = {}
    conversation: str | None = None
    response: ChatResponse | None = None
    usage: TokenCount = TokenCount()
    error: Exception | None = None


OnTurn: TypeAlias = Callable[[Turn], Awaitable[None] | None]
"""Told of each turn, before the browser is told that the answer has ended. What it raises is logged."""


class Teller:
    """Tells a hook once how a turn ended."""

    def __init__(self, hook: OnTurn, turn: Turn) -> None:
        self._hook = hook
        self._turn: Turn | None = turn

    async def finished(self, answer: ChatResponse | ToolRun) -> None:
        """The answer is whole."""
        await self._tell("finished", answer, None)

    async def failed(self, error: Exception) -> None:
        """The call raised."""
        await self._tell("failed", getattr(error, "partial", None), error)

    async def abandoned(self, answer: ChatResponse | ToolRun | None) -> None:
        """The browser left. Nothing happens if the turn has ended already."""
        with anyio.move_on_after(STORING_SECONDS, shield=True):
            await self._tell("abandoned", answer, None)

    async def _tell(self, outcome: Any, answer: ChatResponse | ToolRun | None, error: Exception | None) -> None:
        turn, self._turn = self._turn, None
        if turn is None:
            return
        turn.outcome, turn.error = outcome, error
        _add_answer(turn, answer, error)
        try:
            waiting = self._hook(turn)
            if inspect.isawaitable(waiting):
                await waiting
        except Exception:
            log.exception("on_turn raised; the answer goes on")


def _add_answer(turn: Turn, answer: ChatResponse | ToolRun | None, error: Exception | None) -> None:
    said: list[Message] = []
    if isinstance(answer, ToolRun):
        turn.response, turn.usage, said = answer.response, answer.usage, answer.messages
    elif answer is not None:
        turn.response, turn.usage, said = answer, answer.usage, [*turn.asked, answer.message]
    elif isinstance(error, MiiflowLLMError):
        said = list(getattr(error, "messages", None) or ())
    turn.answered = said[len(turn.asked) :]


class TurnStream(AsyncIterator[ToolEvent]):
    """A stream whose end is told. It has all that the stream has."""

    def __init__(self, stream: Any, teller: Teller) -> None:
        self._stream = stream
        self._teller = teller

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    async def __anext__(self) -> ToolEvent:
        try:
            event: ToolEvent = await self._stream.__anext__()
        except StopAsyncIteration:
            await self._teller.finished(self._so_far())
            raise
        except Exception as error:
            await self._teller.failed(error)
            raise
        return event

    async def aclose(self) -> None:
        """Leave the stream."""
        try:
            await self._stream.aclose()
        finally:
            await self._teller.abandoned(self._so_far())

    def _so_far(self) -> Any:
        """The run of tools, or the answer; `None` if nothing has come."""
        for name in ("run", "response"):
            try:
                return getattr(self._stream, name)
            except (AttributeError, MiiflowLLMError):
                continue
        return None
