"""What is left behind on real connections by those who leave."""

from __future__ import annotations

import gc
import warnings

import anyio
import pytest

from miiflow_llm import Router

from .wall import head, healthy, tokens, wall

pytestmark = pytest.mark.anyio


async def test_a_dropped_stream_warns() -> None:
    """A stream that is dropped before its end warns, and counts as abandoned."""
    async with wall({"a": lambda seen: [head(), *tokens(seen, 3), 5.0]}) as seen, seen.client("a") as client:
        router = Router([client])
        stream = router.stream_chat("Hello")
        await anext(stream)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            del stream
            gc.collect()
        assert [str(one.message).partition(" was")[0] for one in caught] == ["a routed stream"]
        assert router.get_metrics().abandoned == 1
        await seen.settled()


async def test_real_streams_that_are_left() -> None:
    """Over sockets: calls that are cancelled at any moment leave no connection open."""

    def slow(seen):
        return [0.3, head(), *tokens(seen, 10), 0.5, *healthy(seen)[12:]]

    async with wall({"a": slow, "b": slow}) as seen, seen.client("a") as a, seen.client("b") as b:
        router = Router([a, b])
        for health in router.shared.table.health:
            for _ in range(30):
                health.window.add(0.1)
        for step in range(40):
            with anyio.move_on_after(step * 0.04):
                await router.chat("Hello")
        await seen.settled()
        assert [health.in_flight for health in router.shared.table.health] == [0, 0]
