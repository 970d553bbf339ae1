"""A burst that comes in one read is made into chunks little by little, and other tasks get their turns meanwhile."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import httpx
import pytest

from miiflow_llm import LLMClient, SyncLLMClient
from miiflow_llm.calls.streams import CHECKPOINT_EVERY

FRAMES = 5000
FRAME = b'data: {"choices":[{"index":0,"delta":{"content":"word "},"finish_reason":null}]}\n\n'
BODY = FRAME * FRAMES + FRAME.replace(b"null", b'"stop"') + b"data: [DONE]\n\n"

pytestmark = pytest.mark.anyio


def answer(request: httpx.Request) -> httpx.Response:
    """A long answer, all of it at hand."""
    return httpx.Response(200, headers={"content-type": "text/event-stream"}, content=BODY)


async def test_other_tasks_get_their_turn() -> None:
    """However much came at once, another task waits for so many chunks at most."""
    turns = held = longest = 0
    client = LLMClient.create("openai", "m", "k", http_client=httpx.AsyncClient(transport=httpx.MockTransport(answer)))

    async def neighbour() -> None:
        nonlocal turns, held
        while True:
            turns, held = turns + 1, 0
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as group, client, client.stream_chat("x") as stream:
        group.start_soon(neighbour)
        waiting = []
        async for _ in stream:
            held += 1
            longest = max(longest, held)
            waiting.append(stream.ready)
        assert stream.response.message.content == "word " * (FRAMES + 1)
        group.cancel_scope.cancel()
    assert len(waiting) == FRAMES + 1
    assert longest <= 2 * CHECKPOINT_EVERY  # trio shuffles whose turn is first
    assert turns >= FRAMES // CHECKPOINT_EVERY // 2
    assert max(waiting) < FRAMES // 5  # the first chunk did not wait for the last frame to be read


def test_the_first_chunk_of_a_burst_comes_first() -> None:
    """Synchronous code has it as early."""
    client = SyncLLMClient.create("openai", "m", "k", http_client=httpx.Client(transport=httpx.MockTransport(answer)))
    with client, client.stream_chat("x") as stream:
        next(iter(stream))
        assert len(stream.response.message.content) < len("word ") * FRAMES // 5
        assert sum(1 for _ in stream) == FRAMES
