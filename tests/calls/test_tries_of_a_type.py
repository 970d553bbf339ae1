"""An answer that does not follow its type is asked for again if the caller says so: told what is wrong, and counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import anyio
import httpx
import pytest

from miiflow_llm import LLMClient, Message, SyncLLMClient
from miiflow_llm.client.chat import Chat
from miiflow_llm.core.exceptions import ConfigurationError, MiiflowLLMError, ParsingError
from miiflow_llm.core.response import ChatResponse, StreamChunk
from miiflow_llm.routing.router import Router

from .driving import MODELS, PROVIDERS, Script, Turn


@dataclass
class Tide:
    """What is asked for."""

    port: str
    height: float


WRONG = {"text": '{"port": "Oban", "height": "tall"}'}
RIGHT = {"text": '{"port": "Oban", "height": 2.5}'}
pytestmark = pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")  # trio's, of httpx's own

WAYS = [(player, streaming) for player in ("asyncio", "trio", "threads") for streaming in (False, True)]
EVERY = pytest.mark.parametrize(("player", "streaming"), WAYS)


class Asked:
    """One call, its chunks and what came of it."""

    def __init__(self) -> None:
        self.chunks: list[StreamChunk] = []
        self.response: ChatResponse | None = None
        self.error: MiiflowLLMError | None = None
        self.requests: list[Any] = []
        self.finished = self.retries = 0


def ask(
    turns: Sequence[Turn], *, dialect: str = "openai_chat", player: str = "asyncio", streaming: bool, **options: Any
) -> Asked:
    """Ask for a tide."""
    script, asked = Script(dialect, turns, streaming=streaming), Asked()
    asked.requests = script.requests
    provider, settings = PROVIDERS[dialect]
    given = {"schema": Tide, **options}

    def made(kind: Any, http: Any) -> Any:
        return kind.create(provider, MODELS.get(provider, "m"), "k", http_client=http, **settings)

    async def in_a_loop() -> None:
        async with httpx.AsyncClient(transport=httpx.MockTransport(script)) as http:
            client = made(LLMClient, http)
            try:
                await _ask(client, asked, given, streaming=streaming)
            except MiiflowLLMError as error:
                asked.error = error
            metrics = client.get_metrics()
            asked.finished, asked.retries = metrics.finished, metrics.retries

    if player != "threads":
        anyio.run(in_a_loop, backend=player)
        return asked
    with httpx.Client(transport=httpx.MockTransport(script)) as http:
        client = made(SyncLLMClient, http)
        try:
            if streaming:
                with client.stream_chat("x", **given) as stream:
                    asked.chunks.extend(stream)
                asked.response = stream.response
            else:
                asked.response = client.chat("x", **given)
        except MiiflowLLMError as error:
            asked.error = error
        metrics = client.get_metrics()
        asked.finished, asked.retries = metrics.finished, metrics.retries
    return asked


async def _ask(client: Chat, asked: Asked, given: dict[str, Any], *, streaming: bool) -> None:
    if not streaming:
        asked.response = await client.chat("x", **given)
        return
    async with client.stream_chat("x", **given) as stream:
        async for chunk in stream:
            asked.chunks.append(chunk)
        asked.response = stream.response


@EVERY
@pytest.mark.parametrize("dialect", PROVIDERS)
def test_a_second_try(dialect: str, player: str, *, streaming: bool) -> None:
    """In every dialect and on every player: the second answer is the caller's value, and both are counted."""
    asked = ask([WRONG, RIGHT], dialect=dialect, player=player, streaming=streaming, retries_on_parse=1)
    assert asked.error is None, str(asked.error)
    response = asked.response
    assert response is not None
    assert response.structured_output == Tide("Oban", 2.5)
    assert [attempt.reason for attempt in response.attempts] == ["ParsingError", None]
    assert response.attempts[0].usage is not None
    assert response.usage.prompt_tokens == 16
    assert (asked.finished, asked.retries) == (1, 1)
    again = str(asked.requests[1])
    assert "tall" in again
    assert "does not follow the schema" in again
    assert "height" in again


@EVERY
def test_only_when_asked_for(player: str, *, streaming: bool) -> None:
    """Without it one answer is all."""
    asked = ask([WRONG, RIGHT], player=player, streaming=streaming)
    assert isinstance(asked.error, ParsingError)
    assert len(asked.requests) == 1


@EVERY
def test_it_gives_up(player: str, *, streaming: bool) -> None:
    """After so many tries the error has the last answer, all attempts, and the usage of them all."""
    asked = ask([WRONG], player=player, streaming=streaming, retries_on_parse=2)
    error = asked.error
    assert isinstance(error, ParsingError)
    assert len(asked.requests) == 3
    assert [attempt.reason for attempt in error.attempts or error.partial.attempts] == [  # type: ignore[union-attr]
        "ParsingError",
        "ParsingError",
        None,
    ]
    assert error.partial is not None
    assert error.partial.usage.prompt_tokens == 24
    assert [len(request["messages"]) for request in asked.requests] == [1, 3, 5]


@EVERY
@pytest.mark.parametrize("finish", ["length", "content_filter"])
def test_what_a_second_try_cannot_help(finish: Any, player: str, *, streaming: bool) -> None:
    """An answer that was cut off or refused would be so again."""
    asked = ask([{**WRONG, "finish_reason": finish}], player=player, streaming=streaming, retries_on_parse=3)
    assert isinstance(asked.error, ParsingError)
    assert len(asked.requests) == 1


@pytest.mark.parametrize("player", ["asyncio", "trio", "threads"])
def test_chunks_say_where_it_begins_anew(player: str) -> None:
    """The first chunk of the second answer has `restarted`; the last one the value and the usage of both."""
    asked = ask([WRONG, RIGHT], player=player, streaming=True, retries_on_parse=1)
    begun = [place for place, chunk in enumerate(asked.chunks) if chunk.restarted]
    assert len(begun) == 1
    assert "".join(chunk.delta for chunk in asked.chunks[begun[0] :]) == RIGHT["text"]
    assert [chunk.finish_reason for chunk in asked.chunks if chunk.finish_reason] == ["stop"]
    last = asked.chunks[-1]
    assert last.structured_output == Tide("Oban", 2.5)
    assert asked.response is not None
    assert last.usage == asked.response.usage
    assert last.content == RIGHT["text"]


@pytest.mark.parametrize(("wrong", "words"), [(-1, "0 or more"), ("1", "0 or more"), (True, "0 or more")])
def test_numbers_of_tries(wrong: Any, words: str) -> None:
    """It is a number, and needs a schema."""
    client = LLMClient.create("openai", "m", "k")
    with pytest.raises(ConfigurationError, match=words):
        client.plan("x", schema=Tide, retries_on_parse=wrong)
    with pytest.raises(ConfigurationError, match="pass schema"):
        client.plan("x", retries_on_parse=1)
    assert "retries" not in str(client.plan("x", schema=Tide, retries_on_parse=1).body)


@pytest.mark.anyio
async def test_with_tools_and_behind_a_router() -> None:
    """It holds for the last answer of a conversation with tools, and for what has a client's face."""

    def now() -> str:
        return "noon"

    for streaming in (False, True):
        script = Script("openai_chat", [{"tool_calls": [("now", {})]}, WRONG, RIGHT], streaming=streaming)
        async with httpx.AsyncClient(transport=httpx.MockTransport(script)) as http:
            client = LLMClient.create("openai", "m", "k", http_client=http)
            if streaming:
                async with client.stream_tools("x", [now], schema=Tide, retries_on_parse=1) as stream:
                    async for _ in stream:
                        pass
                run = stream.run
            else:
                run = await client.run_tools("x", [now], schema=Tide, retries_on_parse=1)
        assert run.response.structured_output == Tide("Oban", 2.5)
        assert [message.role for message in run.messages] == ["user", "assistant", "tool", "assistant"]
        assert run.usage.prompt_tokens == 24
    script = Script("openai_chat", [WRONG, RIGHT], streaming=True)
    async with httpx.AsyncClient(transport=httpx.MockTransport(script)) as http:
        client = LLMClient.create("openai", "m", "k", http_client=http)
        response = await Router([client]).chat([Message.user("x")], schema=Tide, retries_on_parse=1)
    assert response.structured_output == Tide("Oban", 2.5)
