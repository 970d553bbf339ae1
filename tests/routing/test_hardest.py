"""Hard cases over real sockets: nested routers, contexts, clocks, and a sample of what `scripts/soak routing` runs."""

from __future__ import annotations

import anyio
import pytest

from miiflow_llm import Router, Target
from miiflow_llm.choosing.course import Course
from miiflow_llm.choosing.table import Ask, Entry, Table
from miiflow_llm.core.exceptions import ContextLengthError, ServiceUnavailableError
from miiflow_llm.routing import Settings

from . import soak
from .wall import error, wall

pytestmark = pytest.mark.anyio
DOWN = error(503, "overloaded")


async def test_requests_never_multiply() -> None:
    """Three routers one in another over clients with retries: each asks what it holds once, and the wire sees six
    requests for each of the innermost's three targets at most, not a product of retries.
    """
    faults = dict.fromkeys("abc", DOWN)
    async with wall(faults) as seen:
        inner = Router([seen.client(name, max_retries=5) for name in "abc"], name="inner")
        middle = Router([inner], name="middle")
        outer = Router([middle], name="outer", hedge=False)
        with pytest.raises(ServiceUnavailableError) as caught:
            await outer.chat("Hello")
        alone = len(seen.seen)
        assert alone == len(caught.value.attempts)
        assert alone <= 2 * 3 + 2
        flat = Router([seen.client(name, max_retries=5) for name in "abc"])
        with pytest.raises(ServiceUnavailableError):
            await flat.chat("Hello")
        assert len(seen.seen) - alone == alone


async def test_a_larger_context_is_asked_once() -> None:
    """Too long for the first, unknown for the second, enough for the third: one request each to first and third."""
    faults = {name: error(400, "too long", "context_length_exceeded") for name in "ab"}
    async with wall(faults) as seen:
        targets = [Target(seen.client("a"), context=8_000), seen.client("b"), Target(seen.client("c"), context=200_000)]
        response = await Router(targets).chat("Hello")
        assert [one.model for one in seen.seen] == ["a", "c"]
        assert response.served_by == "openai/c"
        with pytest.raises(ContextLengthError):
            await Router(targets[:2]).chat("Hello")
        assert [one.model for one in seen.seen[2:]] == ["a"]


@pytest.mark.parametrize("start", [0.0, 1e6, 1e9])
async def test_uptime_and_jumps_of_the_clock(start: float) -> None:
    """At any uptime, over the edge of a minute, and after a jump of the clock either way, the same is decided."""
    table = Table([Entry("a"), Entry("b")], "fastest", Settings())
    now = start
    for second in range(180):
        now = start + second
        course = Course(table, Ask())
        move = course.start(now, 0.5)
        made = course.ask(move, now)
        course.output(made, now + 0.5)
        course.served(made, now + 1.0)
    expected = [round(health.first_output or 0.0, 6) for health in table.health]
    assert expected == [0.5, 0.5]
    for jump in (3600.0, -7200.0, 86_400.0):
        now += jump
        course = Course(table, Ask())
        move = course.start(now, 0.5)
        assert move.kind == "ask"
        made = course.ask(move, now)
        failure = ServiceUnavailableError("down", retryable=True)
        assert course.failed(made, failure, now + 0.1, 0.5).target == 1 - move.target
    assert all(0 < health.ok <= 1 for health in table.health)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_sample_of_the_soak(backend: str) -> None:
    """Calls that are raced, cancelled, left and dropped leave no task, no socket, and every health as it was."""
    ends, found = anyio.run(soak.run, 300, 3, backend=backend)
    assert found == []
    assert ends["requests"] > 300
    assert anyio.run(soak.cancelled_only, 100, 4, backend=backend) == []
