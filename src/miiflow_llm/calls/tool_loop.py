"""Run the calls that a model asks for, and go on until it stops.

No agent framework: one bounded loop, its calls made side by side, their errors told to the model. `ToolSteps` is the
loop, whoever waits and whether its answers are streamed; `run_tools` takes its steps to the end.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeAlias

import msgspec

from ..core import clock
from ..core.exceptions import ConfigurationError, MiiflowLLMError
from ..core.messages import Message, ToolCall
from ..core.price import Cost, total
from ..core.response import ChatResponse, StreamChunk
from ..core.tool_events import ToolFinished, ToolStarted
from ..core.usage import TokenCount
from .crews import Crew, LoopCrew, ThreadCrew
from .exchange import log
from .parameters import ToolChoice
from .players import played
from .tool_calls import Approve, by_name, refusal, result_of
from .tool_content import without_media

Ask = Callable[[list[Message], bool], Awaitable[ChatResponse]]
"""Asks for the next answer to the messages; the flag says whether it is the first."""
ToolEvent: TypeAlias = StreamChunk | ToolStarted | ToolFinished
Ended: TypeAlias = tuple[int, Message, float]
"""A call's place in its answer, what the model is told of it, and how long it ran, in milliseconds."""


class Answering(Protocol):
    """One answer as it comes: chunks until `None`, and then the response."""

    async def next(self) -> StreamChunk | None:
        """The next chunk; `None` once the answer is whole."""

    @property
    def response(self) -> ChatResponse:
        """The answer."""

    async def close(self) -> None:
        """Leave it."""


class ToolRun(msgspec.Struct):
    """How it went. `response` is the last answer, `messages` the whole conversation with it, `usage` the sum of all
    answers, `rounds` their number, `cost` what they cost together (`None` if that of any is not known). `finished` is
    false where `max_rounds` ended the loop while the model wanted more.
    """

    response: ChatResponse
    messages: list[Message]
    usage: TokenCount
    rounds: int
    finished: bool
    cost: Cost | None = None


def choice_of(round_is_first: bool, tool_choice: ToolChoice | None) -> ToolChoice | None:
    """The choice of one answer: a call is forced in the first only, or no answer would ever be the last."""
    return tool_choice if round_is_first or tool_choice in (None, "none") else "auto"


class Conversation:
    """What has been said so far, and whether to go on."""

    def __init__(self, messages: list[Message], *, max_rounds: int) -> None:
        self.max_rounds = max_rounds
        self.messages = list(messages)
        self.usage = TokenCount()
        self.costs: list[Cost | None] = []
        self.rounds = 0
        self.response: ChatResponse | None = None
        self.finished = False

    def took(self, response: ChatResponse) -> list[ToolCall]:
        """An answer came; the calls to run before the next one, none if there is no next one."""
        self.rounds += 1
        self.usage += response.usage
        self.costs.append(response.cost)
        self.messages.append(response.message)
        self.response = response
        self.finished = not response.message.tool_calls
        if self.finished or self.rounds < self.max_rounds:
            return response.message.tool_calls
        log.warning(
            "%s/%s: max_rounds=%d answers were had and the model asks for more calls; they were not run",
            response.provider,
            response.model,
            self.max_rounds,
        )
        return []

    def run(self) -> ToolRun:
        """How it went until now.

        Raises:
            ConfigurationError: no answer has come yet.
        """
        if self.response is None:
            raise ConfigurationError("no answer has come yet: iterate the stream first")
        cost = None if None in self.costs else total(self.costs)
        return ToolRun(self.response, self.messages, self.usage, self.rounds, self.finished, cost)

    def shows_no_media(self) -> bool:
        """Take images and documents out of the last results, for a model that takes none; whether there were any."""
        told = [without_media(message) if message.role == "tool" else message for message in self.messages]
        changed = self.rounds > 0 and any(new is not old for new, old in zip(told, self.messages, strict=True))
        self.messages = told if changed else self.messages
        return changed

    def failed(self, error: MiiflowLLMError) -> None:
        """Give the error what the caller needs to go on."""
        partial = error.partial.usage if error.partial is not None else TokenCount()
        error.messages, error.usage = self.messages, self.usage + partial


class ToolSteps:
    """The loop, event by event. `open_` begins the next answer, as `Ask` does."""

    def __init__(
        self,
        conversation: Conversation,
        tools: Sequence[Any],
        open_: Callable[[list[Message], bool], Answering],
        crew: Crew[Ended],
        approve: Approve | None,
    ) -> None:
        self.conversation = conversation
        self._tools = by_name(tools)
        self._open = open_
        self._crew = crew
        self._approve = approve
        self._answer: Answering | None = None
        self._events: deque[ToolStarted | ToolFinished] = deque()
        self._calls: list[ToolCall] = []
        self._results: dict[int, Message] = {}
        self._to_start: list[int] = []
        self._over = False

    async def next(self) -> ToolEvent | None:
        """What happens next; `None` once the last answer is whole."""
        while not self._over:
            if self._events:
                return self._events.popleft()
            if len(self._results) < len(self._calls):
                return await self._ended()
            if self._calls:
                self._tell_results()
            chunk = await self._chunk()
            if chunk is not None:
                return chunk
            await self._answered()
        return None

    async def close(self) -> None:
        """Leave: the answer that comes and the calls that run are broken off."""
        self._over = True
        answer, self._answer = self._answer, None
        if answer is not None:
            await answer.close()
        await self._crew.leave()

    def stop(self) -> None:
        """Cancel the calls that run, without waiting."""
        self._over = True
        self._crew.stop()

    @property
    def response(self) -> ChatResponse | None:
        """The answer that comes, or the last one."""
        return self.conversation.response if self._answer is None else self._answer.response

    async def _chunk(self) -> StreamChunk | None:
        """The next chunk of the answer, which is begun if it was not; `None` at its end."""
        try:
            return await (self._begun() if self._answer is None else self._answer.next())
        except MiiflowLLMError as error:
            self._over = True
            self.conversation.failed(error)
            raise

    async def _begun(self) -> StreamChunk | None:
        """The first chunk of the next answer. What cannot be sent for an image in a result is asked without it."""
        said = self.conversation.messages
        try:
            return await self._begin()
        except ConfigurationError as refused:
            if not self.conversation.shows_no_media():
                raise
            reason = refused
        try:
            return await self._begin()
        except ConfigurationError:
            self.conversation.messages = said
            raise reason from None

    async def _begin(self) -> StreamChunk | None:
        self._answer = self._open(self.conversation.messages, self.conversation.rounds == 0)
        return await self._answer.next()

    async def _answered(self) -> None:
        """The answer is whole: see which of its calls may run."""
        answer, self._answer = self._answer, None
        assert answer is not None  # noqa: S101  its last chunk has just come
        self._calls = self.conversation.took(answer.response)
        self._over = not self._calls
        for place, call in enumerate(self._calls):
            refused = None if self._approve is None else refusal(call, await self._crew.ask(self._approve, call))
            if refused is None:
                self._to_start.append(place)
                self._events.append(ToolStarted(round=self.conversation.rounds, call=call))
            else:
                self._events.append(self._finished(place, refused, 0.0, approved=False))

    async def _ended(self) -> ToolFinished:
        """The call that ends next, of those that run."""
        if self._to_start:
            works = [functools.partial(self._timed, place, self._calls[place]) for place in self._to_start]
            self._to_start = []
            await self._crew.start(works)
        place, message, duration = await self._crew.next()
        return self._finished(place, message, duration, approved=True)

    async def _timed(self, place: int, call: ToolCall) -> Ended:
        began = clock.monotonic()
        message = await result_of(call, self._tools)
        return place, message, round((clock.monotonic() - began) * 1000, 3)

    def _finished(self, place: int, message: Message, duration: float, *, approved: bool) -> ToolFinished:
        self._results[place] = message
        call, number = self._calls[place], self.conversation.rounds
        return ToolFinished(round=number, call=call, message=message, duration_ms=duration, approved=approved)

    def _tell_results(self) -> None:
        """The results follow the answer in the order of its calls, however long each took."""
        self.conversation.messages = [
            *self.conversation.messages,
            *map(self._results.__getitem__, sorted(self._results)),
        ]
        self._calls, self._results = [], {}


class _Whole:
    """An answer that comes all at once."""

    response: ChatResponse

    def __init__(self, ask: Awaitable[ChatResponse]) -> None:
        self._ask = ask

    async def next(self) -> None:
        self.response = await self._ask

    async def close(self) -> None:
        """Nothing is open."""


async def run_tools(
    ask: Ask,
    messages: list[Message],
    tools: Sequence[Any],
    *,
    max_rounds: int,
    max_concurrency: int,
    approve: Approve | None = None,
    crew: Crew[Ended] | None = None,
) -> ToolRun:
    """Ask, run the calls, ask again, until an answer holds no call.

    Raises:
        ConfigurationError: a tool has no function to run, or a bound is below 1.
        MiiflowLLMError: an answer could not be had; `messages` and `usage` of the error are what was said until then.
    """
    check_bounds(max_rounds, max_concurrency)
    conversation = Conversation(messages, max_rounds=max_rounds)
    crew = crew or LoopCrew(max_concurrency, apart=False)
    steps = ToolSteps(conversation, tools, lambda said, first: _Whole(ask(said, first)), crew, approve)
    try:
        while await steps.next() is not None:
            pass
    finally:
        steps.stop()
    return conversation.run()


def run_tools_sync(
    ask: Callable[[list[Message], bool], ChatResponse],
    messages: list[Message],
    tools: Sequence[Any],
    *,
    max_rounds: int,
    max_concurrency: int,
    approve: Approve | None = None,
) -> ToolRun:
    """`run_tools` for synchronous code: the calls run in threads, each in an event loop of its own."""

    async def asked(said: list[Message], first: bool) -> ChatResponse:
        return ask(said, first)

    crew = ThreadCrew[Ended](max(max_concurrency, 1))
    return played(
        run_tools(
            asked,
            messages,
            tools,
            max_rounds=max_rounds,
            max_concurrency=max_concurrency,
            approve=approve,
            crew=crew,
        )
    )


def check_bounds(max_rounds: int, max_concurrency: int) -> None:
    """See that both allow something.

    Raises:
        ConfigurationError: one is below 1.
    """
    if max_rounds < 1 or max_concurrency < 1:
        raise ConfigurationError("max_rounds and max_concurrency: 1 or more")
