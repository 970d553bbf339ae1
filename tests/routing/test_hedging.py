"""A second attempt beside a slow first: who is decided for, what becomes of the other, and what it costs."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from miiflow_llm import Router
from miiflow_llm.core.exceptions import MiiflowLLMError, NetworkError, ServiceUnavailableError
from miiflow_llm.core.response import ChatResponse
from miiflow_llm.core.timeout import Timeout

from .fakes import FakeChat, Script
from .wall import ANSWER, Seen, Step, event, head, healthy, tokens, wall

pytestmark = pytest.mark.anyio


def race(first: Script, second: Script, **settings: Any) -> tuple[Router, FakeChat, FakeChat]:
    """A router of two targets whose first is known to answer within 0.2 s."""
    one, other = FakeChat("first", first), FakeChat("second", second)
    router = Router([one, other], **settings)
    for health in router.shared.table.health:
        for _ in range(30):
            health.window.add(0.2)
    return router, one, other


def told(response: ChatResponse) -> list[tuple[str, str | None, str | None]]:
    """Each attempt: whose, why and how it ended."""
    return [(one.target, one.why, one.outcome) for one in response.attempts]


async def test_a_slow_first_is_raced() -> None:
    """The second begins when the first is slower than its own p95; the faster is decided for, the other closed."""
    router, one, other = race([5.0, "slow"], [0.1, "fast"])
    began = anyio.current_time()
    response = await router.chat("Hello")
    assert response.content == "fast"
    assert anyio.current_time() - began == pytest.approx(0.3, abs=0.1)
    assert told(response) == [("fake/first", "first", "lost"), ("fake/second", "hedge", "served")]
    assert (one.open, other.open) == (0, 0)


async def test_the_first_may_win_all_the_same() -> None:
    """If the first is faster after all, the second is closed, and told as lost."""
    router, one, other = race([0.4, "first"], [5.0, "second"])
    response = await router.chat("Hello")
    assert response.content == "first"
    assert told(response) == [("fake/first", "first", "served"), ("fake/second", "hedge", "lost")]
    assert (one.open, other.open) == (0, 0)


async def test_no_second_if_the_first_is_fast() -> None:
    """A first that answers in time has no rival."""
    router, _, other = race([0.1, "first", 3.0, " and more"], ["second"])
    assert (await router.chat("Hello")).content == "first and more"
    assert other.calls == 0


async def test_both_in_the_same_tick() -> None:
    """Both show their first output in the same tick of the loop: one is decided for, the other leaves nothing."""
    for _ in range(20):
        gate = anyio.Event()
        router, one, other = race([gate, "a", "A"], [gate, "b", "B"])
        async with anyio.create_task_group() as group:
            group.start_soon(_open_later, gate)
            response = await router.chat("Hello")
        assert response.content in ("aA", "bB")
        assert sorted(str(one.outcome) for one in response.attempts) == ["lost", "served"]
        assert (one.open, other.open) == (0, 0)
        assert [health.in_flight for health in router.shared.table.health] == [0, 0]


async def _open_later(gate: anyio.Event) -> None:
    await anyio.sleep(1.0)
    gate.set()


async def test_a_first_that_fails_meanwhile_leaves_it_to_the_second() -> None:
    """The first fails while the second is under way: that one is waited for, and no third begins."""
    router, one, other = race([0.5, NetworkError("reset")], [2.0, "second"])
    response = await router.chat("Hello")
    assert told(response) == [("fake/first", "first", "failed"), ("fake/second", "hedge", "served")]
    assert (one.calls, other.calls) == (1, 1)


async def test_a_second_that_fails_leaves_it_to_the_first() -> None:
    """The second fails: the first is waited for."""
    router, _, _ = race([3.0, "first"], [0.1, NetworkError("reset")])
    response = await router.chat("Hello")
    assert told(response) == [("fake/first", "first", "served"), ("fake/second", "hedge", "failed")]


async def test_both_fail() -> None:
    """If both fail, the first target's error is raised, whichever failed first."""
    down = ServiceUnavailableError("down", retryable=True)
    router, one, other = race([1.0, NetworkError("reset")], [0.1, down])
    with pytest.raises(MiiflowLLMError) as caught:
        await router.chat("Hello")
    assert isinstance(caught.value, NetworkError)
    assert (one.open, other.open) == (0, 0)
    assert [one.why for one in caught.value.attempts][:2] == ["first", "hedge"]


async def test_a_probe_that_hangs_costs_one_caller_one_pause() -> None:
    """A target that may be back is probed by one call, which is raced; the others never see it."""
    router, one, _other = race([60.0, "late"], [0.1, "second"])
    health = router.shared.table.health[0]
    health.open_until, health.trips = anyio.current_time(), 1
    waits: list[float] = []

    async def call() -> None:
        began = anyio.current_time()
        await router.chat("Hello")
        waits.append(anyio.current_time() - began)

    async with anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(call)
    assert one.calls == 1
    assert max(waits) == pytest.approx(0.3, abs=0.1)
    assert sorted(waits)[-2] == pytest.approx(0.1, abs=0.1)
    assert health.open_until is not None
    assert health.open_until > anyio.current_time()


async def test_pings_are_no_output() -> None:
    """A first that sends nothing but comments and empty deltas is silent: it is raced, and without that given up."""

    def pings(seen: Seen) -> list[Step]:
        empty = event({"id": "c1", "model": seen.model, "choices": [{"index": 0, "delta": {"content": ""}}]})
        return [head(), *[step for _ in range(50) for step in (0.5, b": ping\n\n", empty)], *healthy(seen)[1:]]

    async with wall({"a": pings}) as seen, seen.client("a") as a, seen.client("b") as b:
        for hedge, limit in ((True, 4.0), (False, 12.0)):
            began = anyio.current_time()
            response = await Router([a, b], hedge=hedge).chat("Hello")
            assert response.content == ANSWER
            assert response.served_by == "openai/b"
            assert anyio.current_time() - began < limit
        await seen.settled()


@pytest.mark.parametrize(
    "parameters",
    [
        {"tools": [{"type": "web_search"}]},
        {"extra_body": {"background": True}},
        {"extra_body": {"store": True}},
    ],
    ids=str,
)
async def test_what_acts_is_not_done_twice(parameters: dict[str, Any]) -> None:
    """If the provider's own tools act, or the request is kept there, there is no second beside it."""
    router, _, other = race([5.0, "first"], ["second"])
    assert (await router.chat("Hello", **parameters)).content == "first"
    assert other.calls == 0


async def test_it_can_be_turned_off() -> None:
    """`hedge=False`: the first is waited for until it is given up."""
    router, _, other = race([4.0, "first"], ["second"], hedge=False)
    assert (await router.chat("Hello")).content == "first"
    assert other.calls == 0


async def test_a_stream_is_raced_until_its_first_output() -> None:
    """The stream that is handed out is the winner's from its first chunk to its last."""
    router, one, _ = race([5.0, "slow"], [0.1, "fast ", 1.0, "and whole"])
    async with router.stream_chat("Hello") as stream:
        assert [chunk.delta async for chunk in stream] == ["fast ", "and whole"]
        assert one.open == 0
    assert told(stream.response) == [("fake/first", "first", "lost"), ("fake/second", "hedge", "served")]


async def test_losers_teach_how_slow_they_are() -> None:
    """A target that loses five races in a row without output is left alone for a while."""
    router, one, _ = race([60.0, "never"], [0.05, "second"])
    for _ in range(5):
        await router.chat("Hello")
    assert router.shared.table.health[0].open_until is not None
    await router.chat("Hello")
    assert one.calls == 5


async def test_the_share_of_second_attempts_is_bounded() -> None:
    """However slow all are, further attempts are at most one in twenty, and a few to begin with."""
    router, one, other = race([0.5, "a"], [0.5, "b"])
    async with anyio.create_task_group() as group:
        for _ in range(200):
            group.start_soon(router.chat, "Hello")
    assert one.calls + other.calls <= 200 + 200 * 0.05 + 5


async def test_real_connections_of_losers_are_closed() -> None:
    """Over sockets: the loser is closed wherever it stands, before its head, after it, or amid pings."""
    stalls: dict[str, Any] = {
        "before": lambda seen: [60.0],
        "after": lambda seen: [head(), 60.0],
        "amid": lambda seen: [head(), *[step for _ in range(100) for step in (0.3, b": ping\n\n")]],
    }
    async with wall(stalls) as seen, seen.client("b") as b:
        for name in stalls:
            async with seen.client(name) as slow:
                response = await Router([slow, b], timeout=Timeout(connect=5)).chat("Hello")
                assert [one.outcome for one in response.attempts] == ["lost", "served"]
        await seen.settled()


async def test_output_ends_the_race_for_good() -> None:
    """Once output has come, a pause in the answer starts no second attempt."""

    def pausing(seen: Seen) -> list[Step]:
        return [head(), *tokens(seen, 3), 10.0, *healthy(seen)[8:]]

    async with wall({"a": pausing}) as seen, seen.client("a") as a, seen.client("b") as b:
        await Router([a, b]).chat("Hello")
        assert seen.of("b") == []


@pytest.mark.parametrize("entered", [True, False])
async def test_what_came_at_once_counts_when_it_is_taken(entered: bool) -> None:
    """An answer whose first chunks came at once and that then breaks: nothing is repeated once one of them was taken,
    and all is begun anew, unseen, while none was.
    """

    def cut(seen: Seen) -> list[Step]:
        return [head() + b"".join(step for step in tokens(seen, 3) if isinstance(step, bytes)), 0.2]

    async with wall({"a": cut}) as seen, seen.client("a") as a, seen.client("b") as b:
        stream = Router([a, b]).stream_chat("Hello")
        if entered:
            await stream.__aenter__()
            assert stream.ready == 3
        shown = []
        with pytest.raises(MiiflowLLMError):
            async for chunk in stream:
                shown.append(chunk.delta)
        assert shown == ["word0 ", "word1 ", "word2 "]
        assert seen.of("b") == []
