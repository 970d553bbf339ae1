"""Equal calls at the same time: one upstream call, whoever comes late, leaves early, reads slowly or is killed."""

from __future__ import annotations

import random
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from miiflow_llm.caching import Cache, FellOffError
from miiflow_llm.core.exceptions import (
    InvalidRequestError,
    MiiflowLLMError,
    ServiceUnavailableError,
    TimeoutError,
)

from .ours import TEXT, WORDS, Upstream, until

pytestmark = pytest.mark.anyio


async def turn() -> None:
    """Let others go on."""
    await anyio.lowlevel.checkpoint()


def never(place: int) -> BaseException | None:
    """Nothing breaks."""


async def read(cache: Cache, **said: Any) -> str:
    """All text of a stream, checked for its laws."""
    chunks = []
    async with cache.stream_chat("Why?", **said) as stream:
        async for chunk in stream:
            chunks.append(chunk)
            assert chunk.content == "".join(one.delta for one in chunks)
        assert [one.finish_reason for one in chunks] == [*[None] * (len(chunks) - 1), "stop"]
        assert stream.response.content == chunks[-1].content
        assert chunks[-1].usage == stream.response.usage
    return chunks[-1].content


async def test_a_thousand_streams_are_one_call() -> None:
    """1,000 equal streams at once make one upstream call, and each has the whole answer."""
    upstream, texts = Upstream(turn, never), list[str]()

    async def one() -> None:
        texts.append(await read(cache))

    async with Cache(upstream) as cache, anyio.create_task_group() as group:
        for _ in range(1000):
            group.start_soon(one)
    assert texts == [TEXT] * 1000
    assert (upstream.calls, upstream.open) == (1, 0)
    assert cache.statistics.joined == 999


async def test_whole_calls_and_streams_join() -> None:
    """`chat` joins a stream, and streams join a `chat`: either way one call is made."""
    for streams_first in (True, False):
        upstream, found = Upstream(turn, never), list[str]()

        async def streamed(cache: Cache, found: list[str]) -> None:
            found.append(await read(cache))

        async def whole(cache: Cache, found: list[str]) -> None:
            found.append((await cache.chat("Why?")).content)

        async with Cache(upstream) as cache, anyio.create_task_group() as group:
            for ask in (streamed, whole, streamed) if streams_first else (whole, streamed, whole):
                group.start_soon(ask, cache, found)
                await turn()
        assert found == [TEXT] * 3
        assert upstream.calls == 1


@pytest.mark.parametrize("killed_at", range(len(WORDS) + 1))
async def test_the_leader_may_leave(killed_at: int) -> None:
    """Whenever the one who began leaves or is cancelled, the others have the whole answer, of the same call."""
    upstream, texts = Upstream(turn, never), list[str]()

    async def leader(scope: anyio.CancelScope) -> None:
        with scope:
            seen = 0
            async with cache.stream_chat("Why?") as stream:
                if not killed_at:
                    scope.cancel()
                async for _ in stream:
                    seen += 1
                    if seen == killed_at:
                        scope.cancel()

    async def follower() -> None:
        texts.append(await read(cache))

    async with Cache(upstream) as cache, anyio.create_task_group() as group:
        group.start_soon(leader, anyio.CancelScope())
        await turn()
        await turn()
        for _ in range(3):
            group.start_soon(follower)
    assert texts == [TEXT] * 3
    assert upstream.open == 0
    assert upstream.calls <= 2


@pytest.mark.parametrize("finishes", [False, True])
async def test_the_last_reader_ends_the_call(finishes: bool) -> None:
    """When nobody reads any more the upstream stream is closed, unless it is to be finished for the store."""
    upstream = Upstream(turn, never)
    async with Cache(upstream, finish_abandoned=finishes) as cache:
        async with cache.stream_chat("Why?") as stream:
            await stream.__anext__()
        await until(lambda: not upstream.open)
        assert cache.statistics.stored == finishes


async def test_errors_are_shared_only_if_they_are_everybodys() -> None:
    """A refused request is refused for all at one call; after an outage one of the others asks anew, one at a time."""
    refused = Upstream(turn, lambda place: InvalidRequestError("bad"))
    errors = list[BaseException]()

    async def one(cache: Cache) -> None:
        try:
            await read(cache)
        except MiiflowLLMError as error:
            errors.append(error)

    async with Cache(refused) as cache, anyio.create_task_group() as group:
        for _ in range(50):
            group.start_soon(one, cache)
    assert [type(error) for error in errors] == [InvalidRequestError] * 50
    assert len({id(error) for error in errors}) == 50
    assert refused.calls == 1

    down = Upstream(turn, lambda place: ServiceUnavailableError("down") if down.calls < 3 else None)
    errors.clear()
    async with Cache(down) as cache, anyio.create_task_group() as group:
        for _ in range(50):
            group.start_soon(one, cache)
    assert down.calls == 3
    assert len(errors) == 2


async def test_what_came_is_not_taken_back() -> None:
    """An outage after the first words reaches every reader, with what it has had in `partial`."""
    upstream = Upstream(turn, lambda place: ServiceUnavailableError("died") if place == 4 else None)
    partials = list[str]()

    async def one() -> None:
        with pytest.raises(ServiceUnavailableError) as caught:
            await read(cache)
        assert caught.value.partial is not None
        partials.append(caught.value.partial.content)

    async with Cache(upstream) as cache, anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(one)
    assert partials == ["the sea is salty "] * 5
    assert cache.statistics.stored == 0


async def test_a_slow_reader_slows_nobody() -> None:
    """A reader that stops does not hold the others; too far behind it has an error that says why, with its partial."""
    upstream, texts = Upstream(turn, never), list[str]()

    async def quick() -> None:
        texts.append(await read(cache))

    async with Cache(upstream, max_flight_bytes=2500) as cache, cache.stream_chat("Why?") as slow:
        first = await slow.__anext__()
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(quick)
        assert texts
        assert all(text == TEXT for text in texts)
        with pytest.raises(FellOffError, match="behind") as caught:
            async for _ in slow:
                pass
        assert caught.value.partial is not None
        assert caught.value.partial.content.startswith(first.delta)


async def test_each_reader_has_its_own_limits() -> None:
    """A follower's own deadline ends only its own waiting."""
    gate = anyio.Event()

    async def held() -> None:
        await gate.wait()

    upstream, texts = Upstream(held, never), list[str]()

    async def patient() -> None:
        texts.append(await read(cache))

    async with Cache(upstream) as cache, anyio.create_task_group() as group:
        group.start_soon(patient)
        await turn()
        with pytest.raises(TimeoutError) as caught:
            await read(cache, timeout=0.01)
        assert caught.value.phase in ("first_output", "total")
        gate.set()
    assert texts == [TEXT]
    assert upstream.calls == 1


async def reader(cache: Cache, chance: random.Random, pause: Any) -> None:
    """One reader of a schedule."""
    leaves_at = chance.choice([None, None, None, 0, 1, 5])
    text, whole = "", False
    with anyio.CancelScope() as scope:
        try:
            if chance.random() < 0.2:
                assert (await cache.chat("Why?")).content == TEXT
                return
            async with cache.stream_chat("Why?") as stream:
                async for chunk in stream:
                    text, whole = text + chunk.delta, chunk.finish_reason is not None
                    assert chunk.content == text
                    if leaves_at is not None and len(text.split()) > leaves_at:
                        scope.cancel() if chance.random() < 0.5 else await stream.aclose()
                        return
                    await pause()
        except (ServiceUnavailableError, FellOffError):
            return
    assert whole
    assert text == TEXT
