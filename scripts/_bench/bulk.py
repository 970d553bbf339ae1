"""Measure `Bulk` on very many prompts against a server on loopback: memory, CPU a prompt, and the rate that it allows.

Run as `python -m scripts._bench.bulk [PROMPTS] [--rate N]`: N requests a second are allowed, the rest get 429.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ANSWER = json.dumps(
    {
        "id": "c", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Twice a day."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 8, "completion_tokens": 4, "total_tokens": 12},
    }
).encode()  # fmt: skip


def head(status: str, size: int, more: str = "") -> bytes:
    """The head of an answer."""
    return f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{more}content-length: {size}\r\n\r\n".encode()


OK = head("200 OK", len(ANSWER)) + ANSWER
FULL = head("429 Too Many Requests", 2, "retry-after: 0.1\r\n") + b"{}"


class Serving(asyncio.Protocol):
    """Answers every request after `latency` seconds, as long as the bucket has a token."""

    rate = 0.0
    latency = 0.02
    tokens = 0.0
    filled = 0.0
    count = refused = 0

    def connection_made(self, transport: Any) -> None:
        """A client came."""
        self.transport = transport
        self.held = b""

    def data_received(self, data: bytes) -> None:
        """A piece of a request."""
        self.held += data
        while (end := self.held.find(b"\r\n\r\n")) >= 0:
            found = self.held[:end].lower().partition(b"content-length:")[2].split(b"\r\n")[0]
            size = end + 4 + int(found or 0)
            if len(self.held) < size:
                return
            self.held = self.held[size:]
            answer = OK if self._allowed() else FULL
            asyncio.get_running_loop().call_later(self.latency, self._answer, answer)

    def _answer(self, answer: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(answer)

    @classmethod
    def _allowed(cls) -> bool:
        cls.count += 1
        if not cls.rate:
            return True
        now = time.monotonic()
        cls.tokens = min(cls.rate / 4, cls.tokens + (now - cls.filled) * cls.rate)
        cls.filled = now
        if cls.tokens < 1:
            cls.refused += 1
            return False
        cls.tokens -= 1
        return True


def serve(pipe: Any, rate: float, latency: float) -> None:
    """The server's process; it says its port, and at the end its counts."""

    async def run() -> None:
        Serving.rate, Serving.latency, Serving.filled = rate, latency, time.monotonic()
        Serving.tokens = rate / 4
        server = await asyncio.get_running_loop().create_server(Serving, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await asyncio.get_running_loop().run_in_executor(None, pipe.recv)
        pipe.send((Serving.count, Serving.refused))

    asyncio.run(run())


def resident() -> float:
    """The memory of this process, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


async def measured(port: int, count: int, concurrency: int | str, *, alone: bool) -> dict[str, float]:
    """One job."""
    from miiflow_llm import LLMClient
    from miiflow_llm.bulk import Bulk

    def prompts() -> Iterator[str]:
        return (f"How often does the tide turn at port {number}?" for number in range(count))

    found: dict[str, float] = {"prompts": count}
    client = LLMClient.create("openai", "m", "k" * 20, base_url=f"http://127.0.0.1:{port}/v1", max_retries=0)
    async with client:
        await client.chat("warm up")
        if alone:
            found["client_cpu_us"] = await own_calls(client, min(count, 5_000))
        before, began, cpu, most = resident(), time.monotonic(), time.process_time(), 0.0
        with tempfile.TemporaryDirectory() as folder:
            async with Bulk(client, journal=Path(folder) / "job.sqlite", concurrency=concurrency) as bulk:
                async with bulk.run(prompts()) as results:
                    number = 0
                    async for _ in results:
                        number += 1
                        if number % 1000 == 0:
                            most = max(most, resident())
                found["done"] = bulk.counts().done
        seconds = time.monotonic() - began
    found["a_second"] = round(count / seconds, 1)
    found["bulk_cpu_us"] = round((time.process_time() - cpu) / count * 1e6, 1)
    found["mb_above"] = round(most - before, 1)
    return found


async def own_calls(client: Any, count: int) -> float:
    """CPU of the client's own call, in microseconds, 32 at once."""
    numbers = iter(range(count))
    cpu = time.process_time()

    async def work() -> None:
        for number in numbers:
            await client.chat(f"How often does the tide turn at port {number}?")

    await asyncio.gather(*(work() for _ in range(32)))
    return round((time.process_time() - cpu) / count * 1e6, 1)


def main() -> None:
    """Measure, and print a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("prompts", type=int, nargs="?", default=100_000)
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--latency", type=float, default=0.02)
    parser.add_argument("--concurrency", default="auto")
    given = parser.parse_args()
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs, given.rate, given.latency))
    server.start()
    try:
        port = ours.recv()
        concurrency = int(given.concurrency) if given.concurrency.isdecimal() else given.concurrency
        found = asyncio.run(measured(port, given.prompts, concurrency, alone=not given.rate))
        ours.send("end")
        asked, refused = ours.recv()
    finally:
        server.terminate()
    allowed = found["a_second"] / given.rate if given.rate else None
    print(json.dumps({**found, "asked": asked, "refused_share": round(refused / asked, 5), "of_allowed": allowed}))


if __name__ == "__main__":
    main()
