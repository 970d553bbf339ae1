"""The clients against a real server with a real model: on both event loops and in threads, in three wire formats."""

from __future__ import annotations

import itertools
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import anyio
import httpx
import pytest

from miiflow_llm import LLMClient, SyncLLMClient, Timeout
from miiflow_llm.core import ChatResponse, ImageBlock, Message, StreamChunk, TextBlock
from miiflow_llm.core.exceptions import (
    AuthenticationError,
    ContextLengthError,
    InvalidRequestError,
    MiiflowLLMError,
    NetworkError,
    ServiceUnavailableError,
    StreamInterruptedError,
    TimeoutError,
)
from miiflow_llm.replay import record
from miiflow_llm.replay.server import ReplayServer
from miiflow_llm.replay.store import load_folder

from .server import SLOTS, LiveServer

pytestmark = pytest.mark.anyio
DIALECTS = ("openai_chat", "openai_responses", "anthropic_messages")
dialects = pytest.mark.parametrize("dialect", DIALECTS)
ASKED: dict[str, Any] = {"max_tokens": 12, "temperature": 0}


def made(server: LiveServer, dialect: str, **said: Any) -> dict[str, Any]:
    """What a client is made with."""
    return {
        "provider": "openai-compatible",
        "model": "smollm2",
        "base_url": server.api,
        "dialect": dialect,
        "api_key": "the-right-key-of-this-server",
        "timeout": Timeout(total=60),
        **said,
    }


@asynccontextmanager
async def client(server: LiveServer, dialect: str, **said: Any) -> AsyncIterator[LLMClient]:
    """A client of the server."""
    async with LLMClient.create(**made(server, dialect, **said)) as found:
        yield found


def laws(chunks: list[StreamChunk], response: ChatResponse) -> None:
    """What holds for every stream: one end, at the end, with the usage; the whole is the sum of its parts."""
    assert [chunk.finish_reason for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1].finish_reason == response.finish_reason
    assert chunks[-1].usage == response.usage
    assert "".join(chunk.delta for chunk in chunks) == response.content == chunks[-1].content
    assert response.usage.completion_tokens
    assert response.usage.prompt_tokens


@dialects
async def test_streamed_and_whole(server: LiveServer, dialect: str) -> None:
    """A stream and a whole answer to one question are alike in form, length and usage; the server counts as we do."""
    async with client(server, dialect) as ours:
        before = server.metric("tokens_predicted_total")
        async with ours.stream_chat("Name a sea.", **ASKED) as stream:
            chunks = [chunk async for chunk in stream]
        whole = await ours.chat("Name a sea.", **ASKED)
        laws(chunks, stream.response)
        assert whole.content
        assert (whole.finish_reason, whole.model) == (stream.response.finish_reason, stream.response.model)
        assert whole.usage.prompt_tokens == stream.response.usage.prompt_tokens
        counted = (whole.usage.completion_tokens or 0) + (stream.response.usage.completion_tokens or 0)
        assert server.metric("tokens_predicted_total") - before == counted


@dialects
def test_in_threads(server: LiveServer, dialect: str) -> None:
    """Threads that share a synchronous client have whole answers each, more of them than the server has slots."""
    with SyncLLMClient.create(**made(server, dialect)) as ours:

        def one(number: int) -> ChatResponse:
            if number % 2:
                return ours.chat(f"Count to {number}.", **ASKED)
            with ours.stream_chat(f"Count to {number}.", **ASKED) as stream:
                laws(list(stream), stream.response)
                return stream.response

        with ThreadPoolExecutor(3 * SLOTS) as threads:
            found = list(threads.map(one, range(3 * SLOTS)))
    assert all(response.usage.completion_tokens for response in found)


@dialects
async def test_more_streams_than_slots(server: LiveServer, dialect: str) -> None:
    """Streams beyond the server's slots wait for their turn, and every token of all is counted once."""
    responses: list[ChatResponse] = []

    async def one(ours: LLMClient, number: int) -> None:
        async with ours.stream_chat(f"Say {number}.", **ASKED) as stream:
            laws([chunk async for chunk in stream], stream.response)
            responses.append(stream.response)

    before = server.metric("tokens_predicted_total")
    async with client(server, dialect) as ours, anyio.create_task_group() as group:
        for number in range(3 * SLOTS):
            group.start_soon(one, ours, number)
    counted = sum(response.usage.completion_tokens or 0 for response in responses)
    assert len(responses) == 3 * SLOTS
    assert server.metric("tokens_predicted_total") - before == counted


@dialects
async def test_length_stop_and_greedy(server: LiveServer, dialect: str) -> None:
    """A limit of tokens is `length`; a stop word is not shown; greedy answers are the same again."""
    async with client(server, dialect) as ours:
        cut = await ours.chat("Tell a long story.", max_tokens=8, temperature=0, extra_body={"ignore_eos": True})
        said = "stop" if dialect == "openai_responses" else "length"  # there this server says that it is complete
        assert (cut.finish_reason, cut.usage.completion_tokens) == (said, 8)
        again = await ours.chat("Tell a long story.", max_tokens=8, temperature=0, extra_body={"ignore_eos": True})
        assert again.content.split()[:3] == cut.content.split()[:3]
        if dialect != "openai_responses":
            word = cut.content.split()[2]
            stopped = await ours.chat("Tell a long story.", max_tokens=8, temperature=0, stop=[word])
            assert word not in stopped.content
            assert stopped.finish_reason == "stop"


async def test_sampling_and_logprobs(server: LiveServer) -> None:
    """A seed gives the same text again, top-k 1 is greedy at any temperature, logprobs come streamed and whole."""
    async with client(server, "openai_chat") as ours:
        said = {"max_tokens": 8, "temperature": 1.2, "seed": 7}
        texts = {(await ours.chat("Invent a name.", **said)).content for _ in range(2)}
        assert len(texts) == 1
        greedy = await ours.chat("Name a sea.", **ASKED)
        narrow = await ours.chat("Name a sea.", max_tokens=12, temperature=2, top_k=1)
        assert narrow.content.split()[:2] == greedy.content.split()[:2]
        whole = await ours.chat("Name a sea.", logprobs=True, top_logprobs=2, **ASKED)
        async with ours.stream_chat("Name a sea.", logprobs=True, top_logprobs=2, **ASKED) as stream:
            async for _ in stream:
                pass
        assert whole.logprobs
        assert stream.response.logprobs
        assert len(whole.logprobs) >= whole.usage.completion_tokens - 1  # type: ignore[operator]


@dataclass
class Sea:
    """A sea."""

    name: str
    kind: Literal["warm", "cold"]


async def test_structured_answers(server: LiveServer) -> None:
    """A type is held to by the server's grammar, streamed and whole; its value grows piece by piece."""
    async with client(server, "openai_chat") as ours:
        whole = await ours.chat("The Baltic, as JSON.", schema=Sea, max_tokens=60, temperature=0)
        assert isinstance(whole.structured_output, Sea)
        grown: list[Any] = []
        async for chunk in ours.stream_with_schema("The Baltic, as JSON.", Sea, max_tokens=60, temperature=0):
            grown.append(dict(chunk.partial_parse or {}))
        assert all(len(before) <= len(after) for before, after in itertools.pairwise(grown))
        assert isinstance(chunk.structured_output, Sea)


@dialects
async def test_reasoning(thinker: LiveServer, dialect: str) -> None:
    """Thoughts come apart from the text, streamed and whole, and the conversation goes on after them."""
    async with client(thinker, dialect) as ours:
        said = {"max_tokens": 40, "temperature": 0, "extra_body": {"ignore_eos": True}}
        async with ours.stream_chat("Name a sea.", **said) as stream:
            chunks = [chunk async for chunk in stream]
        assert "".join(chunk.reasoning_delta for chunk in chunks) == stream.response.message.reasoning
        assert stream.response.message.reasoning
        whole = await ours.chat("Name a sea.", **said)
        assert whole.message.reasoning
        conversation = [Message.user("Name a sea."), whole.message, Message.user("And another?")]
        assert (await ours.chat(conversation, **ASKED)).usage.completion_tokens


@dialects
async def test_leaving_frees_the_server(server: LiveServer, dialect: str) -> None:
    """Whoever leaves a stream, by a break, a cancelled scope or a deadline, leaves the server idle within a second."""
    said = {"max_tokens": 2000, "temperature": 0, "extra_body": {"ignore_eos": True}}
    async with client(server, dialect) as ours:
        async with ours.stream_chat("Tell a long story.", **said) as stream:
            async for _ in stream:
                break
        assert await anyio.to_thread.run_sync(server.is_idle_within, 3.0)
        with anyio.move_on_after(0.5):
            async for _ in ours.stream_chat("Tell a long story.", **said):
                pass
        assert await anyio.to_thread.run_sync(server.is_idle_within, 3.0)
        with pytest.raises(TimeoutError) as caught:
            async for _ in ours.stream_chat("Tell a long story.", timeout=Timeout(total=0.5), **said):
                pass
        assert caught.value.phase == "total"
        assert await anyio.to_thread.run_sync(server.is_idle_within, 3.0)


@dialects
async def test_errors_have_their_types(server: LiveServer, guarded: LiveServer, dialect: str) -> None:
    """A context that is too long, an image, a wrong key and a wrong path are what they are, and are not tried again."""
    async with client(server, dialect, max_retries=2) as ours:
        with pytest.raises(ContextLengthError) as long:
            await ours.chat("word " * 9000, max_tokens=8)
        assert len(long.value.attempts) == 1
        picture = ImageBlock.from_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64))
        with pytest.raises(InvalidRequestError):
            await ours.chat([Message.user([TextBlock("What is it?"), picture])], max_tokens=8)
    async with client(guarded, dialect, api_key="a-wrong-key-of-no-server") as ours:
        with pytest.raises(AuthenticationError) as refused:
            await ours.chat("Hi", max_tokens=8)
        assert "a-wrong-key-of-no-server" not in str(refused.value)
    async with client(server, dialect, base_url=f"{server.url}/nowhere") as ours:
        with pytest.raises(MiiflowLLMError, match=r"nowhere|404"):
            await ours.chat("Hi", max_tokens=8)


async def test_embeddings_and_counts(guarded: LiveServer, server: LiveServer) -> None:
    """Vectors come in order, one for each text; tokens are counted ahead as they are counted after."""
    async with client(guarded, "openai_chat") as ours:
        found = await ours.embed([f"text {number}" for number in range(12)])
        assert len(found.vectors) == 12
        assert len({len(vector) for vector in found.vectors}) == 1
        assert found.vectors[0] != found.vectors[1]
        with pytest.raises(MiiflowLLMError) as large:
            await ours.embed(["word " * 5000])
        assert len(large.value.attempts) == 1
        assert [model.id for model in await ours.models()]
    for dialect in ("openai_responses", "anthropic_messages"):
        async with client(server, dialect) as ours:
            counted = await ours.count_tokens("How many tokens is this?")
            used = (await ours.chat("How many tokens is this?", **ASKED)).usage.prompt_tokens or 0
            assert abs(counted - used) <= 2


@dialects
async def test_kill_in_the_middle(tmp_path: Path, dialect: str) -> None:
    """A server that dies in mid-stream is a typed error at once, with what came; a whole answer is a network error."""
    server = LiveServer(log=tmp_path / "server.log")
    said = {"max_tokens": 2000, "temperature": 0, "extra_body": {"ignore_eos": True}}
    async with client(server, dialect) as ours:
        seen, killed = "", 0.0
        with pytest.raises(StreamInterruptedError) as caught:
            async for chunk in ours.stream_chat("Tell a long story.", **said):
                seen += chunk.delta
                if len(seen) > 20 and not killed:
                    server.kill()
                    killed = time.monotonic()
        assert time.monotonic() - killed < 5
        assert caught.value.partial is not None
        assert caught.value.partial.content == seen
    async with client(server, dialect, max_retries=0) as ours:
        with pytest.raises(NetworkError):
            await ours.chat("Hi", max_tokens=8)
    server.stop()


async def test_loading(tmp_path: Path) -> None:
    """A server that is still loading is unavailable, and with retries the answer comes once it has loaded."""
    server = LiveServer(log=tmp_path / "server.log", wait=False)
    async with client(server, "openai_chat", max_retries=2) as ours:
        with anyio.fail_after(60):
            while True:
                try:
                    assert (await ours.chat("Hi", **ASKED)).usage.completion_tokens
                    break
                except (ServiceUnavailableError, NetworkError):
                    await anyio.sleep(0.05)
    server.stop()


def test_leaving_and_killing_in_threads(tmp_path: Path) -> None:
    """Without an event loop too: leaving frees the server, a deadline ends the wait, a death is a typed error."""
    server = LiveServer(log=tmp_path / "server.log")
    said = {"max_tokens": 2000, "temperature": 0, "extra_body": {"ignore_eos": True}}
    with SyncLLMClient.create(**made(server, "openai_chat", max_retries=0)) as ours:
        with ours.stream_chat("Tell a long story.", **said) as stream:
            next(iter(stream))
        assert server.is_idle_within(3.0)
        with pytest.raises(TimeoutError), ours.stream_chat("A story.", timeout=Timeout(total=0.5), **said) as stream:
            list(stream)
        assert server.is_idle_within(3.0)
        seen = ""
        with pytest.raises(StreamInterruptedError) as caught, ours.stream_chat("A story.", **said) as stream:
            for chunk in stream:
                seen += chunk.delta
                if len(seen) > 20:
                    server.kill()
        assert caught.value.partial is not None
        assert caught.value.partial.content == seen
        with pytest.raises(NetworkError):
            ours.chat("Hi", max_tokens=8)


async def test_full(tmp_path: Path) -> None:
    """One slot and six callers: whoever waits too long for a first output is told so, the others have their answers."""
    server = LiveServer(log=tmp_path / "server.log", slots=1)
    said = {"max_tokens": 60, "temperature": 0, "extra_body": {"ignore_eos": True}}
    found: list[str] = []

    async def one(ours: LLMClient) -> None:
        try:
            async with ours.stream_chat("Tell a story.", timeout=Timeout(first_output=1.5), **said) as stream:
                laws([chunk async for chunk in stream], stream.response)
            found.append("answered")
        except TimeoutError as error:
            found.append(str(error.phase))

    async with client(server, "openai_chat", max_retries=0) as ours, anyio.create_task_group() as group:
        for _ in range(6):
            group.start_soon(one, ours)
    assert found.count("answered") >= 1
    assert set(found) <= {"answered", "first_output"}
    assert server.is_idle_within(3.0)
    server.stop()


@pytest.mark.parametrize(
    "more",
    [{}, {"schema": Sea, "max_tokens": 60}, {"logprobs": True}, {"stop": ["a"]}],
    ids=["text", "schema", "logprobs", "stop"],
)
@dialects
async def test_recorded_and_replayed(server: LiveServer, dialect: str, tmp_path: Path, more: dict[str, Any]) -> None:
    """What the recorder writes of a real answer replays to the same chunks."""
    if dialect != "openai_chat" and more:
        pytest.skip("this server does it in chat completions only")
    said = {"max_tokens": 10, "temperature": 0, **more}
    with record(tmp_path, provider="openai-compatible", dialect=dialect) as transport:
        http_client = httpx.AsyncClient(transport=transport)
        async with http_client, client(server, dialect, http_client=http_client) as ours:
            live = [chunk async for chunk in ours.stream_chat("Name a sea.", **said)]
    async with ReplayServer(load_folder(tmp_path)) as replay:
        url = replay.url_for("openai-compatible")
        async with LLMClient.create(**{**made(server, dialect), "base_url": url}) as ours:
            again = [chunk async for chunk in ours.stream_chat("Name a sea.", **said)]
    assert [chunk.delta for chunk in again] == [chunk.delta for chunk in live]
    assert again[-1].usage == live[-1].usage
