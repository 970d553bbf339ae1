"""A process that spends a shared budget: it prints how many of its calls were allowed."""

from __future__ import annotations

import anyio

from miiflow_llm.core.exceptions import BudgetExceededError
from miiflow_llm.prices import Budget


def main(server: str, key: str) -> None:
    """Spend a cent 250 times, ten at a time."""
    allowed = 0

    async def spend(budget: Budget) -> None:
        nonlocal allowed
        for _ in range(25):
            try:
                held = await budget.reserve(0.01)
            except BudgetExceededError:
                continue
            allowed += 1
            await anyio.sleep(0.001)
            held.settle(0.01)

    async def run() -> None:
        budget = Budget(4.0, key=key, server=server, per="total")
        assert await budget.connect(60)
        budget._shared.server.seconds = 60  # a busy machine is not what is tested
        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(spend, budget)
        await anyio.sleep(0.5)  # what is told last is on its way
        await budget.aclose()

    anyio.run(run)
    print(allowed)
