"""Schedules by the ten thousand: readers that come, leave, are cancelled and read slowly, on both event loops.

Run by `scripts/soak caching`: whole answers or typed errors, nothing left open, whatever the order of things.
"""

from __future__ import annotations

import random
import sys
import time
from typing import Any

import anyio

from miiflow_llm.caching import Cache
from miiflow_llm.core.exceptions import ServiceUnavailableError

from .ours import WORDS, Upstream, until
from .test_flight import reader, turn

SCHEDULES = 10_000


async def schedule(seed: int) -> int:
    """One schedule; how many upstream calls it made."""
    chance = random.Random(seed)
    broken = chance.choice([None, None, 0, 3, len(WORDS)])

    async def pause() -> None:
        for _ in range(chance.randrange(4)):
            await turn()

    def breaks(place: int) -> BaseException | None:
        return ServiceUnavailableError("died") if place == broken and chance.random() < 0.7 else None

    upstream = Upstream(pause, breaks)
    settings: dict[str, Any] = {"finish_abandoned": chance.random() < 0.3, "calls": True}
    async with Cache(upstream, **settings) as cache:
        async with anyio.create_task_group() as group:
            for _ in range(chance.randrange(1, 12)):
                await pause()
                group.start_soon(reader, cache, chance, pause)
        await until(lambda: not upstream.open)
        assert cache._caller.flights == {}
    return upstream.calls


async def schedules(count: int) -> int:
    """Many schedules, one after the other."""
    return sum([await schedule(seed) for seed in range(count)])


def main() -> int:
    """Play all schedules on both loops; a broken law is an assertion."""
    for backend in ("asyncio", "trio"):
        began = time.perf_counter()
        calls = anyio.run(schedules, SCHEDULES, backend=backend)
        sys.stdout.write(f"{backend}: {SCHEDULES:,} schedules, {calls:,} calls, {time.perf_counter() - began:.0f} s\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
