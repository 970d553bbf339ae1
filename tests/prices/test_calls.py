"""What calls cost, through the front door: whole and streamed, embedded, failed, by the table or the provider."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from miiflow_llm import ClientPool, LLMClient, SyncLLMClient
from miiflow_llm.core import Cost, TokenCount
from miiflow_llm.core.events import CallEvent
from miiflow_llm.core.exceptions import MiiflowLLMError
from miiflow_llm.prices import Prices
from miiflow_llm.replay.fake import fake_body

USAGE = TokenCount(1000, 100, 1100)
OWN = {"openai/gpt-x": {"input": 1.0, "output": 10.0}}

pytestmark = pytest.mark.anyio


def answer(streaming: bool = True, **more: Any) -> bytes:
    """An answer with usage."""
    return fake_body("openai_chat", text="Salt and rivers.", usage=USAGE, streaming=streaming, **more).body


def provider(*bodies: bytes | tuple[int, bytes]) -> httpx.MockTransport:
    """A provider that answers with these bodies, one after the other."""
    left = list(bodies)

    def handle(_: httpx.Request) -> httpx.Response:
        one = left.pop(0) if len(left) > 1 else left[0]
        status, body = one if isinstance(one, tuple) else (200, one)
        kind = "text/event-stream" if body.startswith(b"data:") else "application/json"
        return httpx.Response(status, content=body, headers={"content-type": kind})

    return httpx.MockTransport(handle)


def client(*bodies: bytes | tuple[int, bytes], name: str = "openai", model: str = "gpt-x", **more: Any) -> LLMClient:
    """A client of that provider."""
    http = httpx.AsyncClient(transport=provider(*bodies))
    return LLMClient.create(name, model, "k" * 12, http_client=http, **{"dialect": "openai_chat", **more})


async def test_whole_and_streamed_cost_the_same() -> None:
    """The response, its attempt, the last chunk, the hook and the metrics have the cost."""
    told: list[CallEvent] = []
    one = client(answer(), answer(False), prices=OWN, event_hooks={"finished": [told.append]})
    async with one.stream_chat("Why?") as stream:
        chunks = [chunk async for chunk in stream]
    whole = await one.chat("Why?")
    expected = Cost(0.002, source="own", parts={"input": 0.001, "output": 0.001})
    for response in (stream.response, whole):
        assert response.cost == expected
        assert [(attempt.usage, attempt.cost) for attempt in response.attempts] == [(USAGE, expected)]
    assert [chunk.cost for chunk in chunks] == [None] * (len(chunks) - 1) + [expected]
    assert [event.cost for event in told] == [expected, expected]
    metrics = one.get_metrics()
    assert metrics.cost == {"USD": pytest.approx(0.004)}
    assert (metrics.unpriced, metrics.targets["openai/gpt-x"].cost) == (0, {"USD": pytest.approx(0.004)})


async def test_unknown_is_none() -> None:
    """Without prices, or of a model that has none, the cost is not known: `None`, not 0, and counted."""
    for prices in (None, {"openai/other": {"input": 1.0}}):
        one = client(answer(False), prices=prices)
        assert (await one.chat("Why?")).cost is None
        assert (one.get_metrics().cost, one.get_metrics().unpriced) == ({}, 1)


def test_the_synchronous_client() -> None:
    """The same from a thread, with a table of the package."""
    pytest.importorskip("genai_prices")
    http = httpx.Client(transport=provider(answer(False)))
    one = SyncLLMClient.create(
        "openai", "gpt-5", "k" * 12, http_client=http, dialect="openai_chat", prices="genai-prices"
    )
    cost = one.chat("Why?").cost
    assert cost is not None
    assert (cost.source, cost.amount) == ("genai-prices", pytest.approx(0.00125 + 0.001))


async def test_the_package_is_loaded_off_the_loop() -> None:
    """The first call waits for the table, which is loaded in a thread."""
    pytest.importorskip("genai_prices")
    prices = Prices("genai-prices")
    one = client(answer(False), answer(), model="gpt-5", prices=prices)
    assert not prices.loaded
    assert (await one.chat("Why?")).cost is not None
    assert prices.loaded


@pytest.mark.parametrize(
    ("name", "usage", "amount"),
    [
        ("openrouter", {"cost": 0.25, "is_byok": False, "cost_details": {"upstream_inference_cost": 0.25}}, 0.25),
        ("openrouter", {"cost": 0.01, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.25}}, 0.26),
        ("openrouter", {"cost": 0}, 0.0),
        ("openrouter", {"cost": "free"}, None),
        ("openrouter", {"cost": -1}, None),
        ("openrouter", {}, None),
        ("xai", {"cost_in_usd_ticks": 12_345_678}, 0.0012345678),
        ("perplexity", {"cost": {"total_cost": 0.006, "request_cost": 0.005}}, 0.006),
        ("openai", {"cost": 0.25}, None),
    ],
)
@pytest.mark.parametrize("streaming", [True, False])
async def test_what_the_provider_says(name: str, usage: dict[str, Any], amount: float | None, streaming: bool) -> None:
    """A provider that says what a call cost is believed, without any table."""
    import msgspec

    said = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12, **usage}
    if streaming:
        chunk = {"id": "1", "model": "m", "choices": [{"index": 0, "delta": {"content": "Salt"}}]}
        end = {"id": "1", "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": said}
        frames = [*(b"data: " + msgspec.json.encode(one) for one in (chunk, end)), b"data: [DONE]"]
        body = b"".join(frame + b"\n\n" for frame in frames)
    else:
        message = {"role": "assistant", "content": "Salt"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        body = msgspec.json.encode({"id": "1", "model": "m", "choices": [choice], "usage": said})
    one = client(body, name=name, model="m")
    if streaming:
        async with one.stream_chat("Why?") as stream:
            async for _ in stream:
                pass
        cost = stream.response.cost
    else:
        cost = (await one.chat("Why?")).cost
    assert cost == (None if amount is None else Cost(pytest.approx(amount)))
    own = client(body, name=name, model="m", prices={"m": {"input": 1_000_000.0}})
    if not streaming:
        mine = (await own.chat("Why?")).cost
        assert mine is not None
        assert (mine.amount, mine.source) == (10.0, "own")


async def test_embeddings() -> None:
    """Vectors have their cost too."""
    body = b'{"data":[{"embedding":[1.5],"index":0}],"usage":{"prompt_tokens":2000,"total_tokens":2000}}'
    said = body.replace(b'"prompt_tokens"', b'"cost":0.5,"prompt_tokens"')
    told: list[CallEvent] = []
    one = client(body, prices={"gpt-x": {"input": 1.0}}, event_hooks={"finished": [told.append]})
    cost = (await one.embed("salt")).cost
    assert cost is not None
    assert cost.amount == pytest.approx(0.002)
    assert told[0].cost == cost
    assert (await client(said, name="openrouter").embed("salt")).cost == Cost(0.5)


async def test_attempts_that_fail_count() -> None:
    """An attempt that broke after its usage was reported is a part of the cost, or of what the error says."""
    cut = answer().replace(b"data: [DONE]\n\n", b'data: {"error":{"message":"overloaded","type":"server_error"}}\n\n')
    one = client(cut, prices=OWN, max_retries=0)
    with pytest.raises(MiiflowLLMError) as raised:
        async with one.stream_chat("Why?") as stream:
            async for _ in stream:
                pass
    assert [attempt.cost.amount for attempt in raised.value.attempts if attempt.cost] == [pytest.approx(0.002)]
    assert one.get_metrics().cost == {"USD": pytest.approx(0.002)}


@pytest.mark.parametrize(("tier", "amount"), [(None, 0.002), ("flex", 0.001), ("scale", 0.002)])
async def test_service_tiers(tier: str | None, amount: float) -> None:
    """A call in another service tier has that tier's price; one without a price of its own costs as usual."""
    table = {"gpt-x": {"input": 1.0, "output": 10.0, "services": {"flex": {"input": 0.5, "output": 5.0}}}}
    cost = (await client(answer(False), prices=table).chat("Why?", service_tier=tier)).cost
    assert cost is not None
    assert cost.amount == pytest.approx(amount)


async def test_a_pool_and_a_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients of a pool share the prices of the configuration, or those that the pool was given."""
    monkeypatch.setenv("OPENAI_API_KEY", "k" * 12)
    config = {"prices": [{"openai/gpt-x": {"input": 1.0}}, "genai-prices"]}
    make: list[Callable[[], ClientPool]] = [lambda: ClientPool(config), lambda: ClientPool(prices=config["prices"])]
    for made in make:
        async with made() as pool:
            first, second = pool.get("openai", "gpt-x").pricing, pool.get("openai", "gpt-y").pricing
            assert first.prices is second.prices is not None
            price = first.price_of("openai", "gpt-x")
            assert price is not None
            assert price.input == 1.0


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import miiflow_llm", ("miiflow_llm.prices", "genai_prices", "coredis", "pydantic")),
        (
            "from miiflow_llm import LLMClient; LLMClient.create('ollama', 'm')",
            ("miiflow_llm.prices", "genai_prices", "coredis"),
        ),
        (
            "from miiflow_llm import LLMClient; LLMClient.create('ollama', 'm', prices='genai-prices', budget=5)",
            ("genai_prices", "coredis", "miiflow_llm.redis"),
        ),
    ],
)
def test_nothing_is_loaded_that_was_not_asked_for(code: str, absent: tuple[str, ...]) -> None:
    """Neither the package of prices nor Redis is loaded before it is needed; without prices, none of it."""
    ran = subprocess.run(
        [sys.executable, "-c", f"{code}; import sys; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    assert not set(absent) & set(ran.stdout.split())


async def test_an_estimate_before_the_call() -> None:
    """What a call will use and cost is told from those before, and asks nobody."""
    one = client(answer(False), prices=OWN)
    before = one.estimate("Why?", max_tokens=50)
    assert before.usage.completion_tokens == 50
    await one.chat("Why?")
    after = one.estimate("Why?")
    assert (after.usage.prompt_tokens, after.usage.completion_tokens) == (USAGE.prompt_tokens, USAGE.completion_tokens)
    assert after.cost is not None
    assert (after.cost.amount, after.cost.estimated) == (pytest.approx(0.002), True)
    assert client(answer(False)).estimate("Why?").cost is None


async def test_a_run_with_tools_has_the_sum() -> None:
    """The cost of a conversation with tools is that of all its answers."""

    def tide(place: str) -> str:
        """When the tide is high."""
        return f"at six in {place}"

    asks = fake_body("openai_chat", tool_calls=[("tide", {"place": "Wells"})], usage=USAGE, streaming=False).body
    run = await client(asks, answer(False), prices=OWN).run_tools("When?", [tide])
    assert run.cost is not None
    assert run.cost.amount == pytest.approx(0.004)
    assert (await client(asks, answer(False)).run_tools("When?", [tide])).cost is None
