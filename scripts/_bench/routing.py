"""What routing costs: a choice among eight targets, a routed call beside the client's own, a chunk. CPU, microseconds.

python scripts/_bench/routing.py. The CPU time is that of the client's thread alone; the server has another.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Awaitable, Callable

import anyio

from miiflow_llm import LLMClient, Router
from miiflow_llm.choosing.health import first_output
from miiflow_llm.choosing.order import order
from miiflow_llm.choosing.table import Ask, Entry, Table
from miiflow_llm.replay.fake import fake_pair
from miiflow_llm.replay.server import serving

ROUNDS, BATCH, CHUNKS = 60, 20, 2000
Row = tuple[str, float, float | None]
Call = Callable[[], Awaitable[object]]


def choice(policy: str, *, affinity: int | None = None) -> float:
    """The choice among eight targets of which everything is known."""
    table = Table([Entry(f"target {place}") for place in range(8)], policy)  # type: ignore[arg-type]  # a name
    for place, health in enumerate(table.health):
        health.in_flight = place
        for number in range(64):
            first_output(health, table.settings, 0.5 + 0.1 * place + 0.01 * number, float(number))
    ask = Ask(affinity=affinity, costs=[0.001 * place for place in range(8)])
    return min(_choices(table, ask) for _ in range(9))


def _choices(table: Table, ask: Ask, number: int = 2000) -> float:
    began = time.thread_time()
    for _ in range(number):
        order(table, ask, 100.0, 0.5)
    return (time.thread_time() - began) / number * 1e6


async def beside(one: Call, other: Call, rounds: int, batch: int) -> tuple[float, float]:
    """The medians of two calls that take turns."""
    found: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds):
        for place in (0, 1) if number % 2 else (1, 0):
            began = time.thread_time()
            for _ in range(batch):
                await (one, other)[place]()
            found[place].append((time.thread_time() - began) / batch * 1e6)
    return statistics.median(found[0]), statistics.median(found[1])


async def calls(rounds: int = ROUNDS) -> list[Row]:
    """A streamed call, and a stream of many chunks, with a router and without."""
    rows: list[Row] = []
    for text, batch in (("Salt.", BATCH), ("salt " * CHUNKS, 1)):
        pair = fake_pair("openai_chat", text=text)
        with serving(pair, match=("streaming",)) as server:
            url = server.url_for("openai")
            async with LLMClient.create("openai", "m", "k" * 20, base_url=url, dialect="openai_chat") as client:
                routers = [Router([client]), Router([client, LLMClient.create("openai", "n", "k")], policy="fastest")]
                for name, router in zip(("one target", "two targets, a hedge ready"), routers, strict=True):
                    chunks = await read(client)
                    own, routed = await beside(lambda: read(client), lambda r=router: read(r), rounds, batch)  # type: ignore[misc]  # bound in the loop
                    if batch > 1:
                        rows.append((f"a routed stream over the client's own, {name}", routed - own, 30.0))
                    else:
                        rows.append(
                            (f"a chunk of {chunks}, over the client's own, {name}", (routed - own) / chunks, 0.1)
                        )
    return rows


async def read(chat: LLMClient | Router) -> int:
    """Read a stream; how many chunks it had."""
    chunks = 0
    async with chat.stream_chat("Why is the sea salty?") as stream:
        async for _ in stream:
            chunks += 1
    return chunks


async def main() -> None:
    """Measure, and print a row for each."""
    rows: list[Row] = [
        *((f"a choice among eight, {policy}", choice(policy), 10.0) for policy in ("order", "fastest", "cheapest")),
        ("a choice among eight, spread, affinity", choice("spread", affinity=1 << 60), 10.0),
        *await calls(),
    ]
    for name, found, goal in rows:
        print(f"{name:64} {found:8.2f} us" + ("" if goal is None else f"   goal {goal:g}"))


if __name__ == "__main__":
    anyio.run(main)
