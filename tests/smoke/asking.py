"""A caller as a program: `python -m tests.smoke.asking LOOP TRANSPORT URL` prints what came of its calls as JSON."""

from __future__ import annotations

import asyncio
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio

from miiflow_llm import LLMClient, SyncLLMClient

AT_ONCE = 20


async def ask(url: str, transport: Any) -> dict[str, Any]:
    """A whole answer, streams side by side, one that is left and one that is cancelled."""
    async with LLMClient.create("openai", "m", "k", base_url=url, transport=transport) as client:
        texts: list[str] = []

        async def stream() -> None:
            async with client.stream_chat("Hello") as answer:
                texts.append("".join([chunk.delta async for chunk in answer]))

        whole = (await client.chat("Hello")).content
        async with anyio.create_task_group() as group:
            for _ in range(AT_ONCE):
                group.start_soon(stream)
        async with client.stream_chat("Hello") as answer:
            first = (await anext(answer)).delta
        with anyio.move_on_after(0.001):
            await stream()
    return {"whole": whole, "streamed": texts[:AT_ONCE], "first": first}


def ask_in_threads(url: str) -> dict[str, Any]:
    """The same by the synchronous client, its streams in threads."""
    with SyncLLMClient.create("openai", "m", "k", base_url=url) as client:

        def stream(_: int) -> str:
            with client.stream_chat("Hello") as answer:
                return "".join(chunk.delta for chunk in answer)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            texts = list(pool.map(stream, range(AT_ONCE)))
        with client.stream_chat("Hello") as answer:
            first = next(answer).delta
        whole = client.chat("Hello").content
    return {"whole": whole, "streamed": texts, "first": first}


def run(loop: str, transport: str, url: str) -> dict[str, Any]:
    """On a loop by its name."""
    if loop == "threads":
        return ask_in_threads(url)
    if loop == "trio":
        done: dict[str, Any] = anyio.run(ask, url, transport, backend="trio")
        return done
    factory = None
    if loop == "uvloop":
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        if loop == "eager":
            runner.get_loop().set_task_factory(asyncio.eager_task_factory)
        return runner.run(ask(url, transport))


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(*sys.argv[1:])))
