"""The real `Router` in a world, over targets that need no network, in virtual time: it is to agree with the play."""

from __future__ import annotations

from random import Random
from types import TracebackType
from typing import Any, Self

import anyio

from ...choosing.table import Policy
from ...core import clock
from ...core.exceptions import MiiflowLLMError, TimeoutError
from ...core.messages import Message
from ...core.response import Attempt, ChatResponse, StreamChunk
from ...core.timeout import Timeout
from ..router import Router
from ..target import Target
from .play import Figures
from .world import Answer, Weather, World


class Stream:
    """What an attempt meets: silence and then a word and the end, or an error."""

    def __init__(self, server: Server, limit: float | None) -> None:
        self._server = server
        self._limit = limit
        self._answer: Answer | None = None
        self._said = 0
        self._open = False
        self.attempts = [Attempt(server.model)]

    @property
    def response(self) -> ChatResponse:
        """The answer so far."""
        return ChatResponse(message=Message.assistant("word"), model=self._server.model)

    async def __anext__(self) -> StreamChunk:
        if self._answer is None:
            self._answer = self._server.begun()
            self._open = True
        if self._said == 0:
            await self._first(self._answer)
        elif self._said == 1:
            await anyio.sleep(max(self._answer.end - self._answer.first, 0.0))
        else:
            self._close()
            raise StopAsyncIteration
        self._said += 1
        return StreamChunk(delta="word", finish_reason="stop" if self._said == 2 else None)

    async def _first(self, answer: Answer) -> None:
        limit = self._limit
        wait = answer.end if answer.error is not None else answer.first
        if limit is not None and wait > limit:
            await anyio.sleep(limit)
            self._close()
            raise TimeoutError("no output", phase="first_output", seconds=limit)
        await anyio.sleep(wait)
        if answer.error is not None:
            self._close()
            raise type(answer.error)(str(answer.error), retryable=True, status_code=answer.error.status_code)  # type: ignore[call-arg,attr-defined]  # a provider's error

    async def aclose(self) -> None:
        """Leave."""
        self._close()

    def _close(self) -> None:
        if self._open:
            self._open = False
            self._server.ended()


class Server:
    """A server of the world as a target."""

    provider = "world"

    def __init__(self, weather: Weather, place: int) -> None:
        self.model = weather.world.servers[place].name
        self.timeout = Timeout(first_output=weather.world.attempt_limit)
        self._weather = weather
        self._place = place

    def once(self) -> Self:
        """It makes no further attempts."""
        return self

    def stream_chat(self, messages: Any, *, timeout: Timeout | None = None, **_: Any) -> Stream:
        """An answer, not begun."""
        return Stream(self, (timeout or self.timeout).first_output)

    def begun(self) -> Answer:
        """An attempt begins."""
        answer = self._weather.attempt(self._place, clock.monotonic())
        self._weather.in_flight[self._place] += 1
        return answer

    def ended(self) -> None:
        """An attempt ended."""
        self._weather.in_flight[self._place] -= 1

    async def aclose(self) -> None:
        """There is nothing to close."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """There is nothing to close."""


async def really_played(world: World, policy: Policy = "fastest", hedge: bool = True, seed: int = 1) -> Figures:
    """The figures of the real router in that world, on whatever clock the event loop has: see `replay.virtual_time`.

    Some tens of thousands of calls are a matter of seconds.
    """
    random, figures = Random(seed), Figures()  # noqa: S311  a simulation is to be repeatable, not secret
    weather = Weather(world, random)
    servers: list[Any] = [Server(weather, place) for place in range(len(world.servers))]
    limit = Timeout(first_output=world.attempt_limit, total=world.call_limit)
    targets = [Target(server, label=server.model) for server in servers]
    router = Router(targets, policy=policy, hedge=hedge, timeout=limit, draw=random.random)
    async with anyio.create_task_group() as group:
        began = clock.monotonic()
        at = random.expovariate(world.rate)
        while at < world.seconds:
            await anyio.sleep(max(began + at - clock.monotonic(), 0.0))
            group.start_soon(_call, world, router, figures)
            at += random.expovariate(world.rate)
    return figures


async def _call(world: World, router: Router, figures: Figures) -> None:
    began = clock.monotonic()
    measured = world.measured_from <= began < world.measured_to
    try:
        response = await router.chat("?")
        attempts, first = response.attempts, response.time_to_first_token_ms
    except MiiflowLLMError as error:
        attempts, first = error.attempts, None
    if not measured:
        return
    figures.calls += 1
    figures.attempts += len(attempts)
    figures.hedges += sum(one.why == "hedge" for one in attempts)
    if first is not None:
        figures.served += 1
        figures.first.append(first / 1000)
