"""Ask four servers at 12 calls a second by one way of routing: `caller.py WAY SECONDS URL URL URL URL`.

Written for the environment of whoever is measured; a line of JSON a call goes to standard output.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from random import Random

Ask = Callable[[], Awaitable[object]]
RATE, LIMIT = 12.0, 10.0


def ours(urls: list[str]) -> Ask:
    """`Router` over four clients."""
    from miiflow_llm import LLMClient, Router, Timeout

    clients = [LLMClient.create("openai-compatible", f"m{at}", "key", base_url=url) for at, url in enumerate(urls)]
    router = Router(clients, policy="fastest", timeout=Timeout(total=LIMIT))
    return lambda: router.chat("Why is the sea salty?")


def litellm(urls: list[str], strategy: str) -> Ask:
    """litellm's Router with one group of four."""
    import litellm as lib

    lib.suppress_debug_info = True
    rows = [
        {"model_name": "sea", "litellm_params": {"model": f"openai/m{at}", "api_base": url, "api_key": "key"}}
        for at, url in enumerate(urls)
    ]
    router = lib.Router(model_list=rows, routing_strategy=strategy, timeout=LIMIT, num_retries=2)
    messages = [{"role": "user", "content": "Why is the sea salty?"}]
    return lambda: router.acompletion("sea", messages=messages)


def langchain(urls: list[str]) -> Ask:
    """LangChain's fallbacks over four models, each with its default of two retries."""
    from langchain_openai import ChatOpenAI

    models = [ChatOpenAI(model=f"m{at}", base_url=url, api_key="key", timeout=LIMIT) for at, url in enumerate(urls)]
    chain = models[0].with_fallbacks(models[1:])
    return lambda: chain.ainvoke("Why is the sea salty?")


WAYS: dict[str, Callable[[list[str]], Ask]] = {
    "miiflow_llm, fastest": ours,
    "litellm, latency-based-routing": lambda urls: litellm(urls, "latency-based-routing"),
    "litellm, simple-shuffle": lambda urls: litellm(urls, "simple-shuffle"),
    "LangChain, with_fallbacks": langchain,
}


async def main(way: str, seconds: float, urls: list[str]) -> None:
    """Say that it is ready, then ask until the time is over."""
    ask = WAYS[way](urls)
    await asyncio.gather(*(one(ask, 0.0) for _ in range(2)))
    print("ready", flush=True)
    random, began, at = Random(1), time.monotonic(), 0.0  # noqa: S311  to be repeatable
    async with asyncio.TaskGroup() as group:
        while at < seconds:
            await asyncio.sleep(max(began + at - time.monotonic(), 0.0))
            group.create_task(one(ask, at, tell=True))
            at += random.expovariate(RATE)


async def one(ask: Ask, at: float, *, tell: bool = False) -> None:
    """One call."""
    began = time.monotonic()
    try:
        await asyncio.wait_for(ask(), LIMIT + 1)
        served = True
    except Exception:  # whatever is raised, the caller has no answer
        served = False
    if tell:
        print(json.dumps([at, served, time.monotonic() - began]), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2]), sys.argv[3:]))
