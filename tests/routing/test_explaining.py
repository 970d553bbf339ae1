"""A router can say why: how its targets are, and where a call would go, without asking anybody."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from miiflow_llm import ClientPool, LLMClient, Router, SyncLLMClient, SyncRouter, Target
from miiflow_llm.core.exceptions import ConfigurationError, MiiflowLLMError
from miiflow_llm.routing import Settings

from .wall import error, wall

pytestmark = pytest.mark.anyio


async def test_health_is_what_the_calls_have_shown() -> None:
    """Each state has its reason and its end; what was measured is there."""
    faults = {"down": error(503), "limited": error(429, retry_after="40"), "wrong": error(401, "no such key")}
    async with wall(faults) as seen:
        targets = [Target(seen.client(name), label=name) for name in ("down", "limited", "wrong", "fine")]
        router = Router(targets, name="main", settings=Settings(most_failures=2))
        fresh = router.health()
        assert [one.state for one in fresh.targets] == ["well"] * 4
        assert (fresh.name, fresh.policy, fresh.well) == ("main", "order", True)
        await router.chat("Hello")
        found = {one.label: one for one in router.health().targets}
        assert {label: one.state for label, one in found.items()} == {
            "down": "open",
            "limited": "cooling",
            "wrong": "out",
            "fine": "well",
        }
        assert found["down"].fails == 2
        assert found["down"].success < 1
        back = {label: one.back_in for label, one in found.items()}
        assert back["down"] is not None
        assert 0 < back["down"] < 3
        assert back["limited"] is not None
        assert 38 < back["limited"] <= 40
        assert back["wrong"] is not None
        assert 598 < back["wrong"] <= 600
        assert "rate limit" in (found["limited"].why or "")
        assert found["fine"].first_output is not None
        assert found["fine"].p95 == found["fine"].p99 is not None
        assert router.health().failovers < fresh.failovers
        lines = str(router.health()).splitlines()
        assert [line.split()[0] for line in lines] == ["target", "down", "limited", "wrong", "fine"]
        assert router.health().to_dict()["targets"][1]["state"] == "cooling"
        await anyio.sleep(5)
        assert router.health().targets[0].state == "probing"


async def test_what_is_under_way_is_counted() -> None:
    """A target with as many calls as it may have is full."""
    async with wall() as seen:
        router = Router([Target(seen.client("a"), limit=1)])
        async with router.stream_chat("Hello"):
            (found,) = router.health().targets
            assert (found.state, found.in_flight, found.limit) == ("full", 1, 1.0)
        (found,) = router.health().targets
        assert (found.state, found.in_flight) == ("well", 0)


async def test_explain_says_what_would_decide() -> None:
    """The order, and why each other target would not be asked; not a request is made, nothing is changed."""
    async with wall() as seen:
        targets = [
            Target(seen.client("a"), label="a"),
            Target(seen.client("b"), label="b", tags={"eu"}),
            Target(LLMClient.create("anthropic", "claude-haiku-4-5", "key"), label="c"),
        ]
        router = Router(targets, policy="fastest")
        plain = router.explain("Hello")
        assert [(one.place, one.label, one.why) for one in plain.candidates] == [
            (1, "a", "order"),
            (2, "b", "order"),
            (3, "c", "order"),
        ]
        assert plain.chosen is plain.candidates[0]
        assert [one.continues[:3] for one in plain.candidates] == ["no:", "no:", "yes"]
        assert plain.candidates[0].hedge_at == 2.0
        assert plain.candidates[0].cut_at == 10.0
        found = {one.label: one for one in router.explain("Hello", tags={"eu"}, top_k=4).candidates}
        assert (found["a"].place, found["b"].place, found["c"].place) == (None, None, None)
        assert "not tagged eu" in found["a"].why
        assert "top_k" in found["b"].why
        assert router.explain("Hello", top_k=4).chosen is not None
        with pytest.raises(ConfigurationError):
            router.explain("Hello", tags={"us"})
        assert seen.seen == []
        assert router.get_metrics().finished == 0


async def test_explain_and_the_call_agree() -> None:
    """Whatever was learned, the call goes where `explain` says; a conversation to its own target."""
    async with wall({"bad": error(503)}) as seen:
        targets = [Target(seen.client(name), label=name) for name in ("bad", "a", "b", "c")]
        router = Router(targets, policy="spread", hedge=False)
        for number in range(8):
            expected = router.explain("Hello").chosen
            response = await router.chat("Hello")
            assert expected is not None
            assert response.attempts[0].target == expected.label, number
        talk: list[Any] = ["Hello", {"role": "assistant", "content": "Hi."}, "How are you?"]
        said = router.explain(talk)
        assert said.affinity is not None
        assert said.chosen is not None
        assert (said.chosen.why, said.chosen.label) == ("affinity", (await router.chat(talk)).attempts[0].target)


async def test_a_pool_of_ones_own() -> None:
    """Targets named by text are made by it, over its connections; closing the router leaves it open."""
    async with wall() as seen:
        url = f"http://127.0.0.1:{seen.port}/v1"
        config = {"providers": {"own": {"like": "openai-compatible", "base_url": url, "models": ["a", "b"]}}}
        async with ClientPool(config) as pool:
            async with Router(["own:a", "own:b"], pool=pool) as router:
                assert (await router.chat("Hello")).served_by == "own/a"
            assert (await pool.get("own", "b").chat("Hello")).model
            assert pool.get_metrics().finished == 2


def test_in_threads() -> None:
    """The synchronous router says the same."""
    router = SyncRouter([SyncLLMClient.create("openai", "m", "key", base_url="http://127.0.0.1:1/v1", max_retries=0)])
    assert router.explain("Hello").chosen is not None
    with pytest.raises(MiiflowLLMError):
        router.chat("Hello")
    (found,) = router.health().targets
    assert found.fails >= 1
