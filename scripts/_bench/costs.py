"""What costs cost: a price, an estimate, a reservation, and a call that has all of them. CPU, microseconds.

python scripts/_bench/costs.py. The CPU time of a call is that of the client's thread alone; the server has another.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import anyio

sys.path.insert(0, str(Path(__file__).parent))
from routing import beside, read

from miiflow_llm import Budget, LLMClient, Prices, TokenCount
from miiflow_llm.calls.pricing import Pricing
from miiflow_llm.replay.fake import fake_pair
from miiflow_llm.replay.server import serving

USAGE = TokenCount(1000, 100, 1100, 600, 0, 20)
KIND = (False, False, False)
OWN = {"m": {"input": 1.25, "output": 10.0, "cache_read": 0.125, "tiers": [[200_001, {"input": 2.5, "output": 15.0}]]}}


def each(act: Callable[[], object], number: int = 20_000) -> float:
    """The least of five rounds."""
    return min(_round(act, number) for _ in range(5))


def _round(act: Callable[[], object], number: int) -> float:
    began = time.thread_time()
    for _ in range(number):
        act()
    return (time.thread_time() - began) / number * 1e6


def parts() -> list[tuple[str, float, float | None]]:
    """What a call does for its costs, piece by piece."""
    prices, budget = Prices(OWN), Budget(1e6)
    pricing = Pricing(None, prices, prices.estimates, budget)
    for number in range(64):
        pricing.learn("openai", "m", KIND, 1000 + 37 * number, USAGE, None)
    return [
        ("a price", each(lambda: pricing.cost(None, USAGE, "openai", "m", "m-2026", None)), 2.0),
        ("an estimate", each(lambda: pricing.expected("openai", "m", KIND, 2500)), None),
        ("an answer learned from", each(lambda: pricing.learn("openai", "m", KIND, 1000, USAGE, None)), None),
        ("a reservation, settled", each(lambda: budget.reserve_sync(0.01).settle(0.01)), None),
    ]


async def calls() -> tuple[str, float, float | None]:
    """A streamed call with prices and a budget beside one without."""
    with serving(fake_pair("openai_chat", text="Salt.", usage=USAGE), match=("streaming",)) as server:
        url = server.url_for("openai")
        plain = LLMClient.create("openai", "m", "k" * 20, base_url=url, dialect="openai_chat")
        priced = LLMClient.create(
            "openai", "m", "k" * 20, base_url=url, dialect="openai_chat", prices=OWN, budget=Budget(1e6)
        )
        async with plain, priced:
            own, both = await beside(lambda: read(plain), lambda: read(priced), 60, 20)
    return "a streamed call with prices and a budget, over one without", both - own, None


async def main() -> None:
    """Measure, and print a row for each."""
    for name, found, goal in [*parts(), await calls()]:
        print(f"{name:64} {found:8.2f} us" + ("" if goal is None else f"   goal {goal:g}"))


if __name__ == "__main__":
    anyio.run(main)
