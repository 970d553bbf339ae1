"""Streams by the thousand, broken off in every way by both sides; what is open, alive and in memory before and after.

Run by `scripts/soak`. A seed gives the same faults and the same ways of leaving, if not the same interleaving.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ctypes
import gc
import gzip
import logging
import os
import random
import sys
import threading
import time
import warnings
from collections import Counter
from pathlib import Path

import anyio
import msgspec

from miiflow_llm import LLMClient
from miiflow_llm.calls import retry
from miiflow_llm.core.exceptions import MiiflowLLMError, TimeoutError
from miiflow_llm.core.timeout import Timeout

from ..http.lean import fuzz
from .helpers import client_at
from .server import CLOSE, HANG, LAST_CHUNK, RESET, FaultServer, Request, Steps, Wait, chunk, whole
from .wires import OPENAI_CHAT

LIMITS = Timeout(connect=10, pool=30, write=10, first_output=1, idle=0.5)
WORKERS = 50
PATIENCE = 30.0
"""Seconds for which what is about to end is waited for, on a machine that has other things to do."""
TRIES = 20
SLACK_MB = 24.0
"""Memory that an allocator may keep after thousands of streams without a leak being behind it."""


class Count(msgspec.Struct):
    """What a process holds at one moment; without an event loop threads stand for tasks."""

    sockets: int
    fds: int
    tasks: int
    memory_mb: float

    @classmethod
    def now(cls, server: FaultServer) -> Count:
        """Count; `sockets` are the server's ends of connections that are still open."""
        gc.collect()
        _trim()
        pages = int(Path("/proc/self/statm").read_text().split()[1]) if sys.platform == "linux" else 0
        return cls(server.open, _descriptors(), _tasks(), round(pages * 4096 / 2**20, 1))

    def holds_more_than(self, before: Count) -> bool:
        """Whether something is open or alive that was not."""
        return self.sockets > before.sockets or self.fds > before.fds or self.tasks > before.tasks


class Row(msgspec.Struct):
    """One run: how its streams ended, and what was held before and after."""

    backend: str
    transport: str
    streams: int
    seconds: float
    ended: Counter[str]
    before: Count
    after: Count

    def leaks(self) -> list[str]:
        """What is left over, in words."""
        held = {name: (getattr(self.before, name), getattr(self.after, name)) for name in ("sockets", "fds", "tasks")}
        left = [f"{name}: {before} before, {after} after" for name, (before, after) in held.items() if after > before]
        if self.after.memory_mb > self.before.memory_mb + SLACK_MB:
            left.append(f"memory: {self.before.memory_mb} MB before, {self.after.memory_mb} MB after")
        return left + [name for name in self.ended if name.startswith("!")]


def _trim() -> None:
    """Have the allocator give back what it keeps for later: what is left is held by somebody."""
    with contextlib.suppress(OSError, AttributeError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0  # noqa: PTH208  names are wanted, not paths


def _tasks() -> int:
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:
        pass
    try:
        import trio

        return trio.lowlevel.current_statistics().tasks_living
    except RuntimeError:
        return threading.active_count()


def faulty(seed: int) -> tuple[FaultServer, list[bool]]:
    """A server that answers two requests of three well, the third with a fault; and the switch that ends faults."""
    dice, faults = random.Random(seed), [True]
    wire = OPENAI_CHAT
    words = [chunk(wire.hel) for _ in range(20)]
    tail = chunk(wire.lo + wire.finish + wire.end) + LAST_CHUNK
    well: list[Steps] = [
        wire.streamed(wire.stream),
        [wire.head() + chunk(wire.opening), *words, tail],
        [wire.head() + chunk(wire.opening), Wait(0.002), *words, Wait(0.002), tail],
        whole(gzip.compress(wire.stream), 200, wire.kind, "content-encoding: gzip"),
    ]
    bad: list[Steps] = [
        [CLOSE],
        [RESET],
        [HANG],
        whole(wire.error, 503),
        whole(b"", 429, "text/plain", "retry-after: 0"),
        whole(wire.error),
        whole(b"<html>", 200, "text/html"),
        wire.streamed(wire.opening, wire.hel),
        wire.streamed(wire.opening, wire.hel, wire.overload),
        [*wire.begun(wire.opening, wire.hel), RESET],
        [*wire.begun(wire.opening, wire.hel), HANG],
        [*wire.begun(wire.text, wire.finish), HANG],
        [*wire.begun(wire.stream), HANG],
        [*wire.begun(wire.opening, wire.hel), b"zz\r\n", CLOSE],
    ]

    def script(_: Request) -> Steps:
        if len(server.requests) > 100:
            server.requests.clear()  # the server's own memory is not the question
        return dice.choice(bad) if faults[0] and dice.random() < 0.33 else dice.choice(well)

    server = FaultServer(script)
    return server, faults


class Soak:
    """The callers' side of one run."""

    def __init__(self, client: LLMClient, seed: int, streams: int, seconds: float) -> None:
        self.client = client
        self.dice = random.Random(seed)
        self.left = streams
        self.until = time.monotonic() + seconds
        self.ended: Counter[str] = Counter()

    async def work(self) -> None:
        """Make streams until they are all made, each left in a way of its own."""
        ways = (self.whole, self._broken_off, self._dropped, self._raising, self._cancelled, self._cancelled)
        while self.left > 0 and time.monotonic() < self.until:
            self.left -= 1
            try:
                self.ended[await self.dice.choice(ways)()] += 1
            except MiiflowLLMError:
                self.ended["typed error"] += 1
            except Exception as raised:
                self.ended[f"! {type(raised).__name__}: {raised}"[:200]] += 1

    async def whole(self) -> str:
        """A stream read to its end."""
        async with self.client.stream_chat("Hi") as stream:
            async for _ in stream:
                pass
        return "finished" if stream.response.finish_reason == "stop" else "! ended without a finish"

    async def serves(self) -> bool:
        """Whether a good answer is read; a machine that is busy for longer than the limits gets more chances."""
        for _ in range(TRIES):
            try:
                return await self.whole() == "finished"
            except TimeoutError:
                continue
        return False

    async def _broken_off(self) -> str:
        most = self.dice.randrange(20)
        async with self.client.stream_chat("Hi") as stream:
            async for _ in stream:
                most -= 1
                if most < 0:
                    return "left"
        return "finished"

    async def _dropped(self) -> str:
        async for _ in self.client.stream_chat("Hi"):
            return "dropped"
        return "finished"

    async def _raising(self) -> str:
        try:
            async with self.client.stream_chat("Hi") as stream:
                async for _ in stream:
                    raise KeyError
        except KeyError:
            return "left by exception"
        return "finished"

    async def _cancelled(self) -> str:
        with anyio.move_on_after(self.dice.random() ** 3 * 0.1) as scope:
            await self.whole()
        return "cancelled" if scope.cancelled_caught else "finished"


async def _run(
    server: FaultServer, faults: list[bool], backend: str, transport: str, arguments: argparse.Namespace
) -> Row:
    await _pass(server.url, transport, arguments.seed, min(arguments.streams, 200), arguments.seconds)  # warm up
    await anyio.to_thread.run_sync(server.settled, PATIENCE)
    before, began = Count.now(server), time.monotonic()
    ended = await _pass(server.url, transport, arguments.seed + 1, arguments.streams, arguments.seconds, faults)
    seconds = time.monotonic() - began
    await anyio.to_thread.run_sync(server.settled, PATIENCE)
    after, until = Count.now(server), time.monotonic() + PATIENCE
    while after.holds_more_than(before) and time.monotonic() < until:
        await anyio.sleep(0.1)  # for tasks that end: the lean transport's timer on trio, and what others close
        after = Count.now(server)
    return Row(backend, transport, sum(ended.values()), round(seconds, 1), ended, before, after)


async def _pass(
    url: str, transport: str, seed: int, streams: int, seconds: float, faults: list[bool] | None = None
) -> Counter[str]:
    async with client_at(url, transport, timeout=LIMITS, max_retries=1) as client:
        soak = Soak(client, seed, streams, seconds)
        async with anyio.create_task_group() as group:
            for _ in range(WORKERS):
                group.start_soon(soak.work)
        if faults is not None:  # after all that the client must serve as on its first day
            faults[0] = False
            for _ in range(WORKERS):
                if not await soak.serves():
                    raise AssertionError("the client no longer serves")
            faults[0] = True
        return soak.ended


def soak(backend: str, transport: str, arguments: argparse.Namespace) -> Row:
    """One run of `arguments.streams` streams on one event loop over one transport."""
    server, faults = faulty(arguments.seed)
    with warnings.catch_warnings(), server:
        warnings.simplefilter("ignore", ResourceWarning)  # streams are dropped on purpose
        return anyio.run(_run, server, faults, backend, transport, arguments, backend=backend)


def malformed(backend: str, arguments: argparse.Namespace) -> list[str]:
    """Play malformed HTTP to the lean transport; what is wrong, in words."""
    before, began = _descriptors(), time.monotonic()
    try:
        outcomes = anyio.run(fuzz.run, arguments.seed, arguments.malformed, backend=backend)
    except Exception as raised:
        return [f"malformed/{backend}: {type(raised).__name__}: {raised}"]
    ended = ", ".join(f"{number} {name}" for name, number in outcomes.most_common())
    sys.stdout.write(f"malformed answers on {backend}: {ended}, in {time.monotonic() - began:.0f} s\n")
    gc.collect()
    wrong = sorted(set(outcomes) - {"whole", "RemoteProtocolError", "ReadError"})
    if _descriptors() > before:
        wrong.append(f"descriptors: {before} before, {_descriptors()} after")
    return [f"malformed/{backend}: {what}" for what in wrong]


def table(rows: list[Row]) -> str:
    """The rows as a table for people."""
    lines = ["| loop | transport | streams | s | sockets | fds | tasks | memory MB | ended |", "|---" * 9 + "|"]
    for row in rows:
        held = [
            f"{getattr(row.before, name)} → {getattr(row.after, name)}"
            for name in ("sockets", "fds", "tasks", "memory_mb")
        ]
        ended = ", ".join(f"{number} {name}" for name, number in sorted(row.ended.items()))
        lines.append(
            f"| {row.backend} | {row.transport} | {row.streams} | {row.seconds} | {' | '.join(held)} | {ended} |"
        )
    return "\n".join(lines)


def main() -> int:
    """Soak, print the table, say what leaks; then the exhaustive readings of captures, unless told not to."""
    parser = argparse.ArgumentParser(prog="scripts/soak", description=__doc__)
    parser.add_argument("--streams", type=int, default=10_000, help="streams of each run")
    parser.add_argument("--seconds", type=float, default=300.0, help="after which a run begins no more streams")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--loops", nargs="+", default=["asyncio", "trio"])
    parser.add_argument("--transports", nargs="+", default=["lean", "httpx"])
    parser.add_argument("--malformed", type=int, default=100_000, help="malformed answers on each event loop")
    parser.add_argument("--threads", type=int, default=200, help="threads of the synchronous client over TLS")
    parser.add_argument("--each", type=int, default=2_000, help="streams of each of them")
    parser.add_argument("--patterns", type=int, default=20_000, help="patterns whose cost in CPU a byte is measured")
    parser.add_argument(
        "--captures", action="store_true", help="also every cut, truncation and 2 000 changes of captures"
    )
    arguments = parser.parse_args()
    logging.getLogger("miiflow_llm").setLevel(logging.WARNING)
    retry._FIRST = 0.01
    from .soak_cost import soak_cost
    from .soak_threads import soak_threads
    from .soak_tls import soak_tls

    costly = soak_cost(arguments)  # first, while nothing else takes the processor
    rows = [soak(loop, transport, arguments) for loop in arguments.loops for transport in arguments.transports]
    rows += [soak_threads(arguments, transport) for transport in arguments.transports]
    rows.append(soak_tls(arguments))
    sys.stdout.write(table(rows) + "\n")
    leaks = [f"{row.backend}/{row.transport}: {leak}" for row in rows for leak in row.leaks()]
    leaks += [wrong for loop in arguments.loops if arguments.malformed for wrong in malformed(loop, arguments)]
    leaks += costly
    for leak in leaks:
        sys.stdout.write(f"LEAK {leak}\n")
    if arguments.captures:
        from ..oracles.table import disagreements
        from .soak_captures import exhaust

        leaks += [*exhaust(arguments.seconds), *disagreements()]
    return 1 if leaks else 0


if __name__ == "__main__":
    raise SystemExit(main())
