"""What routed calls cost: the cheapest target, losers and failures in the sum, budgets over all targets."""

from __future__ import annotations

from typing import Any

import anyio
import httpx
import pytest

from miiflow_llm import LLMClient, Price, Prices, Router, SyncLLMClient, SyncRouter, Target
from miiflow_llm.caching import Cache
from miiflow_llm.core import TokenCount
from miiflow_llm.core.exceptions import BudgetExceededError, ConfigurationError
from miiflow_llm.prices import Budget
from miiflow_llm.replay.fake import fake_body

from .test_calls import USAGE, answer, client, provider

pytestmark = pytest.mark.anyio

CHEAP, DEAR = Price(1.0, 10.0), Price(2.0, 20.0)


def targets(*prices: Price | None, **more: Any) -> list[Target]:
    """A target for each price, whose labels are letters."""
    return [
        Target(client(answer(), model=f"gpt-{label}"), label=label, price=price, **more)
        for label, price in zip("abcdef", prices, strict=False)
    ]


async def test_the_cheapest_is_asked() -> None:
    """`cheapest` asks the target of least estimated cost; one whose cost is not known comes last."""
    router = Router(targets(None, DEAR, CHEAP), policy="cheapest")
    response = await router.chat("Why?")
    assert response.served_by == "c"
    assert response.cost is not None
    assert response.cost.amount == pytest.approx(0.002)
    chosen = router.explain("Why?").chosen
    assert chosen is not None
    assert chosen.label == "c"
    assert router.get_metrics().cost == {"USD": pytest.approx(0.002)}


async def test_cached_prompts_make_a_target_cheaper() -> None:
    """The cost that counts is the effective one: a dearer target that reads prompts from its cache is asked."""
    cached = fake_body(
        "openai_chat", text="Salt.", usage=TokenCount(10_000, 10, 10_010, cache_read_tokens=9_000), streaming=True
    ).body
    full = fake_body("openai_chat", text="Salt.", usage=TokenCount(10_000, 10, 10_010), streaming=True).body
    router = Router(
        [
            Target(client(full, model="gpt-a"), label="full", price=Price(1.0, 1.0, cache_read=0.1)),
            Target(client(cached, model="gpt-b"), label="cached", price=Price(1.2, 1.0, cache_read=0.1)),
        ],
        policy="cheapest",
    )
    assert (await router.chat("Why?" * 10)).served_by == "full"
    await router.chat("Why?" * 10, model="cached")
    assert (await router.chat("Why?" * 10)).served_by == "cached"


async def test_failed_attempts_are_in_the_sum() -> None:
    """The cost of the call is that of all its attempts."""
    cut = answer().replace(b"data: [DONE]\n\n", b'data: {"error":{"message":"overloaded","type":"server_error"}}\n\n')
    router = Router(
        [Target(client(cut, model="gpt-a"), label="a", price=CHEAP), Target(client(answer()), label="b", price=DEAR)]
    )
    response = await router.chat("Why?")
    assert response.served_by == "b"
    costs = [attempt.cost.amount for attempt in response.attempts if attempt.cost is not None]
    assert response.cost is not None
    assert response.cost.amount == pytest.approx(sum(costs))
    assert response.cost.estimated
    assert len(costs) >= 2


@pytest.mark.parametrize(("bills", "least", "most"), [("input", 0.0, 0.0011), ("full", 0.0011, 0.1)])
async def test_losers_of_a_hedge(bills: Any, least: float, most: float) -> None:
    """A loser has an estimated cost: its prompt, or the full answer if the target charges for that."""

    async def silent(_: httpx.Request) -> httpx.Response:
        await anyio.sleep(30)
        return httpx.Response(500)

    slow = LLMClient.create(
        "openai",
        "gpt-a",
        "k" * 12,
        dialect="openai_chat",
        http_client=httpx.AsyncClient(transport=httpx.MockTransport(silent)),
    )
    router = Router(
        [
            Target(slow, label="a", price=Price(1.0, 10.0), bills_cancelled=bills),
            Target(client(answer()), label="b", price=DEAR),
        ],
        settings=_eager(),
    )
    response = await router.chat("Why?")
    lost, served = response.attempts
    assert (lost.outcome, served.outcome) == ("lost", "served")
    assert lost.cost is not None
    assert lost.cost.estimated
    assert least <= lost.cost.amount <= most
    assert response.cost is not None
    assert response.cost.amount == pytest.approx(0.004 + lost.cost.amount)


def _eager() -> Any:
    from miiflow_llm.choosing.settings import Settings

    return Settings(hedge_unknown=0.05, hedge_least=0.05)


async def test_a_dear_prompt_is_not_hedged() -> None:
    """No second attempt beside the first whose prompt costs more than `hedge_cost`."""

    async def slow(_: httpx.Request) -> httpx.Response:
        await anyio.sleep(0.3)
        return httpx.Response(200, content=answer(), headers={"content-type": "text/event-stream"})

    first = LLMClient.create(
        "openai",
        "gpt-a",
        "k" * 12,
        dialect="openai_chat",
        http_client=httpx.AsyncClient(transport=httpx.MockTransport(slow)),
    )
    router = Router(
        [Target(first, label="a"), Target(client(answer()), label="b", price=Price(10_000.0, 1.0))], settings=_eager()
    )
    response = await router.chat("Why? " * 50)
    assert [attempt.target for attempt in response.attempts] == ["a"]


async def test_a_budget_over_all_targets() -> None:
    """The budget holds for all targets together; the call that does not fit is refused, and the hook told."""
    told: list[str | None] = []
    budget = Budget(0.005)
    router = Router(
        targets(CHEAP, DEAR), budget=budget, event_hooks={"over_budget": [lambda event: told.append(event.target)]}
    )
    await router.chat("Why?", max_tokens=100)
    await router.chat("Why?", max_tokens=100)
    with pytest.raises(BudgetExceededError) as raised:
        await router.chat("Why?", max_tokens=100)
    assert raised.value.attempts == []
    assert told == ["a"]
    assert budget.state.spent == pytest.approx(0.004)


async def test_cheaper_if_it_still_fits() -> None:
    """With `on_exceeded="cheaper"` a target for which there is enough left is asked."""
    budget = Budget(0.01, on_exceeded="cheaper")
    router = Router(targets(Price(100.0, 100.0), CHEAP), budget=budget)
    response = await router.chat("Why?")
    assert response.served_by == "b"
    assert [attempt.target for attempt in response.attempts] == ["b"]


def test_in_threads() -> None:
    """The synchronous router keeps prices and budgets too."""
    http = httpx.Client(transport=provider(answer()))
    one = SyncLLMClient.create("openai", "gpt-x", "k" * 12, http_client=http, dialect="openai_chat")
    router = SyncRouter([one], prices={"gpt-x": {"input": 1.0, "output": 10.0}}, budget=0.003)
    cost = router.chat("Why?", max_tokens=100).cost
    assert cost is not None
    assert cost.amount == pytest.approx(0.002)
    with pytest.raises(BudgetExceededError):
        router.chat("Why?", max_tokens=200)


def test_what_cannot_be_kept() -> None:
    """A budget of a router whose target makes calls of its own is refused: it could not be kept there."""
    with pytest.raises(ConfigurationError, match="give the budget to it"):
        Router([Router([client(answer())])], budget=1.0)


async def test_a_route_of_a_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """`[routes.NAME]` has prices and a budget of its own, or those of the whole configuration."""
    monkeypatch.setenv("OPENAI_API_KEY", "k" * 12)
    config = {
        "prices": {"gpt-x": {"input": 1.0}},
        "budget": {"limit": 5, "per": "month"},
        "routes": {"default": {"targets": ["openai:gpt-x"]}, "own": {"targets": ["openai:gpt-x"], "budget": 7}},
    }
    for name, limit in (("default", 5.0), ("own", 7.0)):
        async with Router.from_config(config, name) as router:
            (aim,) = router.shared.aims
            budget = aim.chat.pricing.budget
            assert (budget.limit, aim.chat.pricing.price_of("openai", "gpt-x").input) == (limit, 1.0)


async def test_what_a_cache_saves() -> None:
    """A hit costs nothing, and says what it saved, in the response and the metrics."""
    one = client(answer(False), prices={"gpt-x": {"input": 1.0, "output": 10.0}})
    async with Cache(one, tenant="a") as cache:
        first, second = await cache.chat("Why?"), await cache.chat("Why?")
        metrics = cache.get_metrics()
    assert first.cost is not None
    assert second.cost is not None
    assert second.saved is not None
    assert (first.cost.amount, second.cost.amount, second.saved.amount) == (
        pytest.approx(0.002),
        0.0,
        first.cost.amount,
    )
    assert metrics.cost == {"USD": pytest.approx(0.002)}
    assert metrics.cache.saved_tokens == USAGE.total_tokens
    assert metrics.cache.saved == {"USD": pytest.approx(0.002)}


async def test_targets_share_what_was_learned() -> None:
    """One `Prices` for several routers: what is learned of a target is known to all."""
    prices = Prices({"gpt-x": {"input": 1.0, "output": 10.0}})
    await Router([client(answer())], prices=prices).chat("Why?")
    other = Router([client(answer())], prices=prices, policy="cheapest")
    (cost,) = other.shared.costs(other.asked("Why?", None, {}).messages, {})
    assert cost == pytest.approx(0.002, rel=0.1)
