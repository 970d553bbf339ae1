"""The synchronous router: the same call, played by threads, over real sockets and in real time."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from miiflow_llm import SyncLLMClient, SyncRouter
from miiflow_llm.core.exceptions import ServiceUnavailableError, StreamInterruptedError
from miiflow_llm.replay import CutAt, ReplayServer, Stall, StatusFirst, fake_pair, serving

TEXT = "one two three four five six seven eight nine ten"


@pytest.fixture
def servers() -> Iterator[tuple[ReplayServer, ReplayServer]]:
    """Two providers, each with the same answer."""
    answer = fake_pair("openai_chat", text=TEXT)
    with serving(answer) as first, serving(answer) as second:
        yield first, second


@pytest.fixture
def clients(servers: tuple[ReplayServer, ReplayServer]) -> Iterator[list[SyncLLMClient]]:
    """A client of each."""
    made = [
        SyncLLMClient.create("openai", name, "key", base_url=f"{server.url}/v1")
        for name, server in zip("ab", servers, strict=True)
    ]
    yield made
    for client in made:
        client.close()


def test_the_next_target_answers(servers: tuple[ReplayServer, ReplayServer], clients: list[SyncLLMClient]) -> None:
    """A target that fails is replaced by the next, in whole answers and in streams."""
    servers[0].fault = StatusFirst(503, times=99)
    router = SyncRouter(clients)
    response = router.chat("Hello")
    assert (response.content, response.served_by) == (TEXT, "openai/b")
    assert [(one.target, one.why, one.outcome) for one in response.attempts] == [
        ("openai/a", "first", "failed"),
        ("openai/a", "retry", "failed"),
        ("openai/b", "failover", "served"),
    ]
    with router.stream_chat("Hello") as stream:
        assert "".join(chunk.delta for chunk in stream) == TEXT
    assert stream.response.served_by == "openai/b"


def test_a_cut_answer_is_begun_anew(servers: tuple[ReplayServer, ReplayServer], clients: list[SyncLLMClient]) -> None:
    """By `chat` unseen; in a stream the error holds what came, or the chunk that begins anew says so."""
    servers[0].fault = CutAt(len(servers[0].index.get("openai", "fake").body) // 2)
    router = SyncRouter(clients)
    assert router.chat("Hello").content == TEXT
    with pytest.raises(StreamInterruptedError) as caught, router.stream_chat("Hello") as stream:
        shown = [chunk.delta for chunk in stream]
        raise AssertionError(shown)
    assert caught.value.partial is not None
    assert TEXT.startswith(caught.value.partial.content)
    with router.stream_chat("Hello", after_output="restart") as again:
        chunks = list(again)
    begun = next(place for place, chunk in enumerate(chunks) if chunk.restarted)
    assert begun > 0
    assert "".join(chunk.delta for chunk in chunks[begun:]) == TEXT


@pytest.mark.parametrize("after", [None, 0], ids=["before its head", "after its head"])
def test_a_second_request_beside_a_slow_first(
    servers: tuple[ReplayServer, ReplayServer], clients: list[SyncLLMClient], after: int | None
) -> None:
    """With `hedge=True` a target that is silent, before its head or after it, is raced by another; both are told of."""
    servers[0].fault = Stall(after, 20.0)
    router = SyncRouter(clients, hedge=True)
    for _ in range(30):
        router.shared.table.health[0].window.add(0.2)
    began = time.monotonic()
    response = router.chat("Hello")
    assert response.content == TEXT
    assert [(one.target, one.why, one.outcome) for one in response.attempts] == [
        ("openai/a", "first", "lost"),
        ("openai/b", "hedge", "served"),
    ]
    assert time.monotonic() - began < 15


def test_the_first_error_is_raised(servers: tuple[ReplayServer, ReplayServer], clients: list[SyncLLMClient]) -> None:
    """If all fail it is the first target's error, with every attempt, and notes of what the others said."""
    servers[0].fault = StatusFirst(503, times=99)
    servers[1].fault = StatusFirst(401, times=99)
    with pytest.raises(ServiceUnavailableError) as caught:
        SyncRouter(clients).chat("Hello")
    assert [one.target for one in caught.value.attempts] == ["openai/a", "openai/a", "openai/b"]
    assert "openai/b" in caught.value.__notes__[-1]
