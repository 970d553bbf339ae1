"""Whoever leaves gets out: a call is left at each of its waits, in each way, and nothing is left behind."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from miiflow_llm import Router
from miiflow_llm.core.exceptions import ConfigurationError
from miiflow_llm.replay import virtual_time

from .fakes import FakeChat
from .leaving import SCRIPTS, WAYS, Way, left_at, left_behind, made, tasks

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """No sockets: time jumps as soon as all wait."""
    return virtual_time(request.param)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("name", SCRIPTS)
async def test_left_at_every_wait(way: Way, name: str) -> None:
    """Cancelled at each wait: no stream open, no task, nothing in flight, and no target is blamed for it."""
    step, ended = 0, False
    while not ended:
        ended, left = await left_at(step, way, SCRIPTS[name])
        assert left == [], f"left at wait {step}"
        step += 1
    assert step > 10


async def test_closed_by_another_task() -> None:
    """`aclose` from another task ends the reader's wait at once, whatever it waits for: an attempt, two, or a pause."""
    for delay in (0.1, 0.35, 1.0):
        router, chats = made(([20.0, "a"], [20.0, "b"]))
        stream = router.stream_chat("Hello")
        got: list[object] = []
        known = tasks()

        async def read(stream=stream, got=got) -> None:
            got.append([chunk async for chunk in stream])

        async with anyio.create_task_group() as group:
            group.start_soon(read)
            await anyio.sleep(delay)
            began = anyio.current_time()
            await stream.aclose()
        assert anyio.current_time() - began < 0.1
        assert got == [[]]
        assert left_behind(router, chats, known) == []


async def begin(stream: Any) -> None:
    """Ask for the first chunk."""
    await anext(stream, None)


async def test_closed_during_a_pause() -> None:
    """A call that waits for a target to return is closed at once."""
    from miiflow_llm.core.exceptions import RateLimitError

    chat = FakeChat("only", [RateLimitError("429", retryable=True, retry_after=30.0)])
    stream = Router([chat]).stream_chat("Hello")
    async with anyio.create_task_group() as group:
        group.start_soon(begin, stream)
        await anyio.sleep(5)
        await stream.aclose()
    assert chat.calls == 1


async def test_two_readers() -> None:
    """Two tasks that read one stream are told so."""
    router, _ = made(([1.0, "a"], ["b"]))
    stream = router.stream_chat("Hello")
    async with anyio.create_task_group() as group:
        group.start_soon(begin, stream)
        await anyio.sleep(0.05)
        with pytest.raises(ConfigurationError, match="two tasks"):
            await anext(stream)
    await stream.aclose()
