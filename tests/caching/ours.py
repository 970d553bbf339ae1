"""A client without a network, for schedules: streams whose every step a test decides."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Self

import anyio
import msgspec

from miiflow_llm.calls.metrics import MetricsRecorder
from miiflow_llm.core.messages import Message, as_messages
from miiflow_llm.core.pieces import Text
from miiflow_llm.core.request import Plan
from miiflow_llm.core.response import ChatResponse, StreamChunk
from miiflow_llm.core.transcript import Transcript
from miiflow_llm.core.usage import TokenCount

WORDS = ["the", "sea", "is", "salty", "since", "rivers", "bring", "it", "salt"]
USAGE = TokenCount(prompt_tokens=3, completion_tokens=9, total_tokens=12)


class Upstream:
    """Counts what it is asked; each stream takes its steps through `pause`, and breaks off where `breaks` says."""

    provider, model, identity = "ours", "m", "me"

    def __init__(self, pause: Callable[[], Awaitable[None]], breaks: Callable[[int], BaseException | None]) -> None:
        self.pause = pause
        self.breaks = breaks
        self.calls = 0
        self.open = 0

    def plan(self, messages: Any, **parameters: Any) -> Plan:
        """A request that holds all that was said."""
        body = {"messages": [msgspec.to_builtins(message) for message in as_messages(messages)], **parameters}
        return Plan("POST", "https://ours.example/v1", {}, body, [], "ours")

    def stream_chat(self, messages: Any, **parameters: Any) -> UpstreamStream:
        """A stream of ten words."""
        self.calls += 1
        return UpstreamStream(self, self.calls)

    async def chat(self, messages: Any, **parameters: Any) -> ChatResponse:
        """The same words at once."""
        async with self.stream_chat(messages) as stream:
            async for _ in stream:
                pass
            return stream.response

    def get_metrics(self) -> Any:
        """Nothing was measured."""
        return MetricsRecorder().summary()

    async def aclose(self) -> None:
        """Nothing is open."""


class UpstreamStream:
    """One stream."""

    def __init__(self, upstream: Upstream, number: int) -> None:
        self.upstream = upstream
        self.number = number
        self.log = Transcript()
        self.closed = False
        upstream.open += 1

    @property
    def response(self) -> ChatResponse:
        """The answer so far."""
        whole = len(self.log.entries) == len(WORDS)
        parts = self.log.parts()
        message = Message("assistant", self.log.text(), parts=parts)
        return ChatResponse(
            message=message, usage=USAGE, finish_reason="stop" if whole else None, provider="ours", model="m"
        )

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> StreamChunk:
        await self.upstream.pause()
        place = len(self.log.entries)
        reason = self.upstream.breaks(place)
        if reason is not None:
            raise reason
        if place == len(WORDS):
            raise StopAsyncIteration
        self.log.entries.append(Text(f"{WORDS[place]} "))
        chunk = StreamChunk(f"{WORDS[place]} ", _log=self.log, _seen=place + 1)
        if place + 1 == len(WORDS):
            chunk.finish_reason, chunk.usage = "stop", USAGE
        return chunk

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Count that it was closed."""
        if not self.closed:
            self.closed = True
            self.upstream.open -= 1


async def until(done: Callable[[], bool]) -> None:
    """Wait, not for ever, until something is so."""
    with anyio.fail_after(20):
        while not done():  # noqa: ASYNC110  what is waited for has no event
            await anyio.sleep(0.002)


TEXT = "".join(f"{word} " for word in WORDS)
