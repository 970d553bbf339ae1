"""What a cache costs: a hit from each store, a miss beside none, and a key; microseconds of wall time, medians.

python scripts/_bench/caching.py, in an environment with litellm or langchain-openai also their caches.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
from caching_rivals import Ask, rivals

from miiflow_llm import LLMClient
from miiflow_llm.caching import Cache
from miiflow_llm.caching.key import key_of
from miiflow_llm.core.messages import Message
from miiflow_llm.replay.fake import fake_pair
from miiflow_llm.replay.server import ReplayServer

TEXT = "the sea is salty. " * 1100
"""An answer of 20 kB."""
ROUNDS = 300
Row = tuple[str, float, float | None]


async def timed(call: Callable[[int], Awaitable[object]], rounds: int = ROUNDS) -> float:
    """The median of a call, in microseconds."""
    each = []
    for number in range(rounds):
        began = time.perf_counter()
        await call(number)
        each.append(time.perf_counter() - began)
    return statistics.median(each) * 1e6


async def main() -> None:
    """Measure, and print a row for each."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        async with ReplayServer(fake_pair("openai_chat", text=TEXT), match=("streaming",)) as server:
            url = server.url_for("openai")

            def client() -> LLMClient:
                return LLMClient.create("openai", "m", "k" * 20, base_url=url, dialect="openai_chat")

            for name, store, goal in (("memory", "memory", 150.0), ("SQLite", str(Path(folder) / "c.db"), 500.0)):
                async with client() as bare, Cache(client(), store=store) as cache:
                    rows += await measured(name, bare.chat, cache.chat, goal)
            async with client() as bare:
                rows.append(("a key of 24 kB", key_us(bare), 100.0))
            for name, asked, cached in rivals(url, Path(folder)):
                rows += await measured(name, asked, cached, None)
    for name, found, goal in rows:
        print(f"{name:38} {found:8.0f} us" + ("" if goal is None else f"   goal {goal:.0f}"))


async def measured(name: str, bare: Ask, cached: Ask, goal: float | None) -> list[Row]:
    """A miss and a hit of one store; misses and bare calls take turns, so that the machine's moods cancel out."""
    alone, missed = [], []
    for number in range(100):
        alone.append(await timed(lambda at, number=number: bare(f"{number}"), 1))
        missed.append(await timed(lambda at, number=number: cached(f"{number}"), 1))
    over = statistics.median(missed) - statistics.median(alone)
    hit = await timed(lambda _: cached("1"))
    return [
        (f"a miss before {name}, over none", over, goal and 60.0),
        (f"a hit from {name}, 20 kB", hit, goal),
    ]


def key_us(bare: LLMClient) -> float:
    """What a key costs."""
    long = [Message.user("x" * 24_000)]
    began = time.perf_counter()
    for _ in range(ROUNDS):
        key_of(bare, long, {}, None)
    return (time.perf_counter() - began) / ROUNDS * 1e6


if __name__ == "__main__":
    anyio.run(main)
