"""Kept connections that died while they rested cost no call its answer, and no retry budget."""

from __future__ import annotations

import contextlib
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import httpx
import pytest

from miiflow_llm import LLMClient, RetryBudget, SyncLLMClient

from .test_stale_connection import ANSWER, HEAD

CALLS = 40


class Napping:
    """Answers whatever comes, but on connections of before its nap, which it closes at their next request."""

    def __init__(self, together: int) -> None:
        self.barrier = threading.Barrier(together)
        self.napped = False
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        """Accept connections until closed."""
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.answer, args=(connection,), daemon=True).start()

    def answer(self, connection: socket.socket) -> None:
        """Serve one connection."""
        old = not self.napped
        with connection, contextlib.suppress(OSError):  # a client that has enough
            while _request(connection):
                if old and self.napped:
                    return
                if old:
                    self.barrier.wait(30)
                connection.sendall(HEAD + ANSWER)


def _request(connection: socket.socket) -> bool:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return False
        data += piece
    return True


@pytest.mark.parametrize("at_once", [CALLS, 4])
@pytest.mark.parametrize("transport", ["lean", "httpx", "own"])
@pytest.mark.parametrize("player", ["asyncio", "trio", "threads"])
def test_dead_connections(player: str, transport: Any, at_once: int) -> None:
    """However many rest dead in the pool and however few calls meet them, each call is answered by its second request
    at the latest, which stands in its attempts; by a client of the caller's own too, whose pool hands out the dead.
    """
    server = Napping(CALLS)
    options: dict[str, Any] = {"base_url": f"http://127.0.0.1:{server.port}"}
    if transport == "own":
        limits = httpx.Limits(max_connections=2 * CALLS, max_keepalive_connections=CALLS)
        kind = httpx.Client if player == "threads" else httpx.AsyncClient
        options["http_client"] = kind(limits=limits, timeout=30)
    else:
        options["transport"] = transport
    options |= {"max_retries": 2, "retry_budget": RetryBudget(most=0, per_call=0)}
    if player == "threads":
        attempts = in_threads(server, options, at_once)
        if transport == "own":
            options["http_client"].close()
    else:
        attempts = anyio.run(in_a_loop, server, options, at_once, backend=player)
    server.listener.close()
    assert len(attempts) == CALLS
    assert all(reasons in ([None], ["NetworkError", None]) for reasons in attempts), attempts
    assert ["NetworkError", None] in attempts


def in_threads(server: Napping, options: dict[str, Any], at_once: int) -> list[list[str | None]]:
    """The attempts of calls that meet dead connections, in threads."""
    with SyncLLMClient.create("openai", "m", "k", **options) as client, ThreadPoolExecutor(CALLS) as threads:
        list(threads.map(lambda _: client.chat("x"), range(CALLS)))
        server.napped = True
        with ThreadPoolExecutor(at_once) as few:
            return [
                [attempt.reason for attempt in response.attempts]
                for response in few.map(lambda _: client.chat("x"), range(CALLS))
            ]


async def in_a_loop(server: Napping, options: dict[str, Any], at_once: int) -> list[list[str | None]]:
    """The attempts of calls that meet dead connections, on an event loop."""
    found: list[list[str | None]] = []
    async with LLMClient.create("openai", "m", "k", **options) as client:
        async with anyio.create_task_group() as group:
            for _ in range(CALLS):
                group.start_soon(client.chat, "x")
        server.napped = True
        limit = anyio.CapacityLimiter(at_once)

        async def ask() -> None:
            async with limit:
                response = await client.chat("x")
            found.append([attempt.reason for attempt in response.attempts])

        async with anyio.create_task_group() as group:
            for _ in range(CALLS):
                group.start_soon(ask)
    if "http_client" in options:
        await options["http_client"].aclose()
    return found
