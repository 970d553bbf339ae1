"""Costs agree with genai-prices to the micro-dollar, and what providers say themselves is read."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest

from miiflow_llm.core import Price, TokenCount
from miiflow_llm.core.response import ChatResponse
from miiflow_llm.prices import Prices
from miiflow_llm.prices.names import PROVIDERS, SERVICES
from miiflow_llm.replay.capture import Capture

from ..captured import own, read, sample, shared

genai = pytest.importorskip("genai_prices")

MICRO = 1e-6
_THEIRS = {
    "input_tokens": "prompt_tokens",
    "output_tokens": "completion_tokens",
    "cache_read_tokens": "cache_read_tokens",
    "cache_write_tokens": "cache_write_tokens",
    "cache_write_1h_tokens": "cache_write_1h_tokens",
    "input_audio_tokens": "audio_prompt_tokens",
    "output_audio_tokens": "audio_completion_tokens",
    "output_reasoning_tokens": "reasoning_tokens",
    "web_searches": "web_searches",
}
"""The package's counts, and ours."""


@cache
def prices() -> Prices:
    """The package's prices as ours."""
    found = Prices("genai-prices")
    found.load()
    return found


def answered(capture: Capture) -> ChatResponse | None:
    """The answer of a capture, if it has one with usage."""
    if capture.status >= 400:
        return None
    outcome = read(capture)
    usable = outcome.error is None and outcome.response is not None and outcome.response.usage
    return outcome.response if usable else None


def theirs(provider: str, model: str, usage: TokenCount, service: dict[str, str] | None = None) -> float:
    """What the package says that this usage costs."""
    counts = {name: getattr(usage, field) for name, field in _THEIRS.items()}
    said = {name: count for name, count in counts.items() if count is not None}
    found = genai.calc_price(
        genai.Usage(**said), model, provider_id=PROVIDERS.get(provider, provider), price_context=service
    )
    return float(found.total_price)


def contradicts(usage: TokenCount) -> bool:
    """Whether more was read from the cache than the prompt has: the package refuses to price that."""
    cached = (usage.cache_read_tokens or 0) + (usage.cache_write_tokens or 0)
    return cached > (usage.prompt_tokens or 0) or (usage.reasoning_tokens or 0) > (usage.completion_tokens or 0)


def priced(captures: list[Capture]) -> list[tuple[Capture, ChatResponse, Price]]:
    """Those with usage and a price."""
    out = []
    for capture in captures:
        response = answered(capture)
        price = prices().price(capture.provider, response.model) if response is not None else None
        if response is not None and price is not None and not contradicts(response.usage):
            out.append((capture, response, price))
    return out


def compare(captures: list[Capture]) -> int:
    """Compare both costs of each capture that has a price, in every service; how many there were."""
    found = priced(captures)
    for capture, response, price in found:
        for service, context in [(None, None), *SERVICES]:
            if service is not None and (service not in price.services or service == "fast"):
                continue  # two contexts of the package are "fast"
            cost = price.cost(response.usage, service=service)
            assert cost is not None
            wanted = theirs(capture.provider, response.model, response.usage, context)
            assert cost.amount == pytest.approx(wanted, abs=MICRO / 2), (capture.key, service)
    return len(found)


def test_own_captures() -> None:
    """Every capture of our own with usage and a price."""
    assert compare(own()) > 50


@pytest.mark.slow
def test_shared_captures() -> None:
    """A sample of the recorded ones; all of them with --soak in scripts/soak."""
    if not shared():
        pytest.skip("the recordings are not here")
    assert compare(sample(shared(), 600)) > 100


def body_usage(capture: Capture) -> Any:
    """The usage that the package itself reads out of a whole body; `None` if it cannot."""
    import msgspec

    flavors = {"openai_chat": "chat", "openai_responses": "responses"}
    try:
        data = msgspec.json.decode(capture.body)
        provider = PROVIDERS.get(capture.provider, capture.provider)
        for flavor in (flavors.get(capture.dialect, "default"), "default", "chat"):
            try:
                return genai.extract_usage(data, provider_id=provider, api_flavor=flavor)
            except ValueError:
                continue
    except (ValueError, LookupError, KeyError):
        return None
    return None


def test_whole_bodies() -> None:
    """The package, which reads the body itself, comes to the same cost: our counts are its counts."""
    seen, wrong = 0, []
    captures = [*own(), *sample(shared(), 800, seed=3)]
    for capture, response, price in priced([one for one in captures if not one.streaming]):
        extracted = body_usage(capture)
        cost = price.cost(response.usage)
        if extracted is None or cost is None or extracted.model is None:
            continue
        wanted = float(extracted.calc_price(genai_request_timestamp=datetime.now(UTC)).total_price)
        seen += 1
        if cost.amount != pytest.approx(wanted, abs=MICRO / 2):
            wrong.append((capture.key, cost.amount, wanted, extracted.usage, response.usage))
    assert seen > 20
    assert wrong == []


@pytest.mark.slow
def test_estimates() -> None:
    """Tokens of prompts are estimated within a quarter for three in four requests; bytes / 4 for far fewer."""
    import msgspec

    from miiflow_llm.prices.estimate import Estimates

    known, seen, ours, plain = Estimates(), 0, 0, 0
    captures = [capture for capture in shared() if capture.provider in ("anthropic", "openai", "gemini", "groq")]
    if not captures:
        pytest.skip("the recordings are not here")
    for capture in captures:
        response = answered(capture) if capture.request else None
        if response is None or not response.usage.prompt_tokens or capture.request is None:
            continue
        size, tokens = len(msgspec.json.encode(capture.request)), response.usage.prompt_tokens
        kind = (bool(capture.request.get("tools")), b'"data"' in msgspec.json.encode(capture.request))
        target, family = (capture.provider, capture.model, kind), (capture.provider, kind)
        if tokens >= 100:
            seen += 1
            estimated = known.usage(target, family, size).prompt_tokens or 0
            ours += abs(estimated - tokens) <= tokens / 4
            plain += abs(size / 4 - tokens) <= tokens / 4
        known.learn(target, family, size, response.usage, None)
    assert seen > 300
    assert ours >= 0.75 * seen
    assert plain <= 0.5 * seen
