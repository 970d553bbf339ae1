"""Drives a conversation with tools against scripted answers: in any dialect, on any player, whole or streamed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio
import httpx
import msgspec

from miiflow_llm import LLMClient, SyncLLMClient
from miiflow_llm.calls.tool_loop import ToolRun
from miiflow_llm.core.exceptions import MiiflowLLMError
from miiflow_llm.core.response import StreamChunk
from miiflow_llm.core.tool_events import ToolFinished, ToolStarted
from miiflow_llm.replay.fake import fake_body

PROVIDERS = {
    "openai_chat": ("openai", {}),
    "openai_responses": ("openai", {"dialect": "openai_responses"}),
    "anthropic_messages": ("anthropic", {}),
    "gemini_generate": ("gemini", {}),
    "mistral_chat": ("mistral", {}),
    "ollama_chat": ("ollama", {}),
    "cohere_v2": ("cohere", {}),
    "bedrock_converse": ("bedrock", {"region": "us-east-1"}),
}
MODELS = {"anthropic": "claude-sonnet-4-5", "gemini": "gemini-3-pro", "bedrock": "anthropic.claude-sonnet-4-5-v1:0"}
PLAYERS = ("asyncio", "trio", "threads")
Turn = dict[str, Any]
"""What a turn says: the arguments of `fake_body`."""


@dataclass
class Played:
    """What came of a conversation."""

    run: ToolRun | None = None
    error: MiiflowLLMError | None = None
    events: list[StreamChunk | ToolStarted | ToolFinished] = field(default_factory=list)
    requests: list[Any] = field(default_factory=list)

    @property
    def told(self) -> list[str]:
        """The text of every result that the model was told, in order."""
        messages = self.run.messages if self.run is not None else self.error.messages if self.error is not None else []
        return [message.text for message in messages if message.role == "tool"]

    @property
    def kinds(self) -> list[str]:
        """The events' kinds in order, each run of chunks as one."""
        names = [type(event).__name__ for event in self.events]
        return [name for place, name in enumerate(names) if not place or name != names[place - 1] or "Tool" in name]


class Script:
    """Answers turn by turn, the last one for ever."""

    def __init__(self, dialect: str, turns: Sequence[Turn], *, streaming: bool) -> None:
        self.captures = [fake_body(dialect, streaming=streaming, **turn) for turn in turns]
        self.requests: list[Any] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(msgspec.json.decode(request.content))
        capture = self.captures[min(len(self.requests), len(self.captures)) - 1]
        headers = {"content-type": capture.content_type}
        return httpx.Response(capture.status, headers=headers, stream=Pieces(capture.body))


class Pieces(httpx.AsyncByteStream, httpx.SyncByteStream):
    """A body that comes frame by frame, each in a read of its own."""

    def __init__(self, body: bytes) -> None:
        self._pieces = [piece + b"\n\n" for piece in body.split(b"\n\n")] if b"\n\n" in body else [body]

    def __iter__(self) -> Iterator[bytes]:
        yield from self._pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece

    async def aclose(self) -> None:
        """Nothing is open."""


def play(
    turns: Sequence[Turn],
    tools: Sequence[Any],
    *,
    dialect: str = "openai_chat",
    player: str = "asyncio",
    streaming: bool = False,
    stop_after: Callable[[Any], bool] | None = None,
    **options: Any,
) -> Played:
    """Have the conversation; `stop_after` says at which event of a stream to leave."""
    script, played = Script(dialect, turns, streaming=streaming), Played()
    played.requests = script.requests
    if player == "threads":
        _in_threads(script, played, dialect, tools, streaming, stop_after, options)
    else:
        anyio.run(_in_a_loop, script, played, dialect, tools, streaming, stop_after, options, backend=player)
    return played


def _made(kind: Any, dialect: str, http: Any) -> Any:
    provider, settings = PROVIDERS[dialect]
    model = MODELS.get(provider, "m")
    return kind.create(provider, model, "k", http_client=http, max_retries=0, **settings)


def _in_threads(
    script: Script, played: Played, dialect: str, tools: Any, streaming: bool, stop_after: Any, options: Any
) -> None:
    with httpx.Client(transport=httpx.MockTransport(script)) as http:
        client = _made(SyncLLMClient, dialect, http)
        try:
            if not streaming:
                played.run = client.run_tools("go", tools, **options)
                return
            with client.stream_tools("go", tools, **options) as stream:
                for event in stream:
                    played.events.append(event)
                    if stop_after is not None and stop_after(event):
                        return
                played.run = stream.run
        except MiiflowLLMError as error:
            played.error = error


async def _in_a_loop(
    script: Script, played: Played, dialect: str, tools: Any, streaming: bool, stop_after: Any, options: Any
) -> None:
    async with httpx.AsyncClient(transport=httpx.MockTransport(script)) as http:
        client = _made(LLMClient, dialect, http)
        try:
            if not streaming:
                played.run = await client.run_tools("go", tools, **options)
                return
            async with client.stream_tools("go", tools, **options) as stream:
                async for event in stream:
                    played.events.append(event)
                    if stop_after is not None and stop_after(event):
                        return
                played.run = stream.run
        except MiiflowLLMError as error:
            played.error = error
