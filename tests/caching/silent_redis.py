"""A program whose cache's server is silent, or not there: it counts the calls and the answers."""

from __future__ import annotations

import socket

import anyio

from miiflow_llm.caching import Cache

from .ours import TEXT, Upstream
from .test_flight import never, read, turn


def main(backend: str) -> None:
    """Ask five times before each of two servers."""
    upstream, answers = Upstream(turn, never), 0

    async def ask(address: str) -> None:
        nonlocal answers
        async with Cache(upstream, store=address, tenant="a") as cache:
            for _ in range(5):
                answers += await read(cache) == TEXT

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        for address in (f"redis://127.0.0.1:{silent.getsockname()[1]}", "redis://127.0.0.1:1"):
            anyio.run(ask, address, backend=backend)
    print(f"{upstream.calls} calls, {answers} answers")
