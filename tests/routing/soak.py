"""Ten thousand calls over sockets on each loop, raced, cancelled at any moment, left and dropped: nothing stays behind.

`scripts/soak routing [CALLS]`; a sample runs with the tests.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections import Counter
from random import Random

import anyio
import msgspec

from miiflow_llm import Router
from miiflow_llm.core.exceptions import MiiflowLLMError
from miiflow_llm.routing import Settings

from .leaving import tasks
from .wall import Fault, Seen, Step, Wall, finish, head, tokens, wall

AT_ONCE = 50
EAGER = Settings(
    hedge_least=0.004, hedge_unknown=0.004, hedge_budget=1.0, hedge_start=1e6, hedge_most=1e6, hedge_factor=1e6,
    most_failures=10**9, least_success=0.0, failover_budget=1e6,
)  # fmt: skip
"""Every call that is silent for 4 ms is raced, and no target is ever put out."""


def paced(before: float, between: float, number: int = 8) -> Fault:
    """A target that waits before its head, and between its words."""

    def answer(seen: Seen) -> list[Step]:
        words: list[Step] = [before, head()]
        for word in tokens(seen, number):
            words += [between, word] if isinstance(word, bytes) else []
        return [*words, finish(seen.model)]

    return answer


def faults(random: Random) -> dict[str, Fault]:
    """Two targets, each as it comes."""

    def any_of(seen: Seen) -> list[Step]:
        before, between = random.choice([0.0, 0.003, 0.01, 0.04]), random.choice([0.0, 0.001, 0.004])
        return paced(before, between)(seen)

    return {"a": any_of, "b": any_of}


async def call(router: Router, random: Random, ends: Counter[str]) -> None:
    """One call, which ends in one of the ways."""
    how = random.choice(["whole", "cancelled", "left", "dropped", "cancelled stream"])
    with anyio.move_on_after(random.uniform(0.0, 0.05) if how.startswith("cancelled") else 60) as scope:
        try:
            if how in ("whole", "cancelled"):
                await router.chat("Hello")
            else:
                await _streamed(router, random, how)
        except MiiflowLLMError as error:
            ends[type(error).__name__] += 1
    ends[how + (" in time" if how.startswith("cancelled") and not scope.cancelled_caught else "")] += 1


async def _streamed(router: Router, random: Random, how: str) -> None:
    stream = router.stream_chat("Hello")
    taken = random.randrange(6)
    if how == "dropped":
        async for _ in stream:
            taken -= 1
            if taken < 0:
                break
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            del stream
        return
    async with stream:
        async for _ in stream:
            taken -= 1
            if how == "left" and taken < 0:
                break


async def run(calls: int, seed: int) -> tuple[Counter[str], list[str]]:
    """So many calls; how they ended, and what was left behind."""
    random, ends = Random(seed), Counter[str]()
    async with wall(faults(random)) as seen, seen.client("a") as a, seen.client("b") as b:
        router = Router([a, b], policy="spread", settings=EAGER, draw=random.random)
        await router.chat("Hello")
        known, before = tasks(), _healths(router)
        left = iter(range(calls))

        async def caller() -> None:
            for _ in left:
                await call(router, random, ends)

        async with anyio.create_task_group() as group:
            for _ in range(AT_ONCE):
                group.start_soon(caller)
        ends["requests"] = len(seen.seen)
        return ends, await _left_behind(seen, router, known, before)


def _healths(router: Router) -> list[dict[str, object]]:
    """What a caller who leaves must not change."""
    kept = ("in_flight", "probing", "open_until", "cool_until", "out", "out_until", "trips")
    return [{name: msgspec.structs.asdict(one)[name] for name in kept} for one in router.shared.table.health]


async def _left_behind(seen: Wall, router: Router, known: int, before: list[dict[str, object]]) -> list[str]:
    found = []
    try:
        await seen.settled()
    except TimeoutError:
        found.append(f"{seen.open} open connections")
    with anyio.move_on_after(10):
        while tasks() > known:  # noqa: ASYNC110  tasks that end tell nobody
            await anyio.sleep(0.01)
    if tasks() > known:
        found.append(f"{tasks() - known} tasks")
    if _healths(router) != before:
        found.append(f"the healths are {_healths(router)}")
    return found


async def cancelled_only(calls: int, seed: int) -> list[str]:
    """Calls that are all cancelled before any output: each target is thought of as before."""
    random = Random(seed)
    async with wall({"a": paced(0.2, 0.0), "b": paced(0.2, 0.0)}) as seen, seen.client("a") as a, seen.client("b") as b:
        router = Router([a, b], policy="spread", settings=EAGER, draw=random.random)
        facts = ("ok", "fails", "first_output", "in_flight", "open_until")
        before = [[getattr(one, name) for name in facts] for one in router.shared.table.health]

        async def leave() -> None:
            with anyio.move_on_after(random.uniform(0.0, 0.03)):
                await router.chat("Hello")

        for _ in range(0, calls, AT_ONCE):
            async with anyio.create_task_group() as group:
                for _ in range(AT_ONCE):
                    group.start_soon(leave)
        await seen.settled()
        after = [[getattr(one, name) for name in facts] for one in router.shared.table.health]
    return [] if before == after else [f"{before} became {after}"]


def main() -> int:
    """Both loops; 1 if anything was left behind."""
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    wrong = 0
    for backend in ("asyncio", "trio"):
        began = time.process_time()
        ends, found = anyio.run(run, calls, 1, backend=backend)
        found += anyio.run(cancelled_only, calls // 5, 2, backend=backend)
        print(f"{backend}: {dict(sorted(ends.items()))}, {time.process_time() - began:.0f} s of CPU")
        for line in found:
            print(f"  LEFT BEHIND: {line}")
        wrong += len(found)
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
