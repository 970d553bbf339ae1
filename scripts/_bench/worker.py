"""One client in a process of its own: `worker.py CLIENT BACKEND` reads orders and answers each with figures, as JSON.

An order names a measure of this module and its arguments. CPU is this process's own (`time.process_time`), so neither
the server nor the rest of the machine counts. The client is made once for an address and kept: connections are warm.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import resource
import socket
import sys
import time
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
from clients import CLIENTS, Stream, Target
from rivals import RIVALS

Figures = dict[str, float]
SETTLE = 0.15
"""Seconds in which a client finishes what opening its streams began."""
TICKS_KEPT = 500_000
PROFILED = 5
"""Times that a measure is repeated while it is sampled: systems look four milliseconds apart, whatever is asked."""
IDLE_TURN = 40_000
"""Nanoseconds of CPU that a turn of the event loop takes in which only the ticking task ran, at most."""


class Bench:
    """The client of this process, by the addresses that it has talked to."""

    def __init__(self, client: str, port: int, secure_port: int, ca: str) -> None:
        self._make = {**CLIENTS, **RIVALS}[client]
        self._ports = (port, secure_port)
        self._ca = ca
        self._made: dict[tuple[str, str, bool], Stream] = {}
        self.gate = Gate(port, os.getpid())

    def stream(self, spec: str, dialect: str = "chat", *, tls: bool = False, anew: bool = False) -> Stream:
        """What streams an answer of this shape; `anew`: by a client that has no connections yet."""
        key = (spec, dialect, tls)
        if anew or key not in self._made:
            origin = f"https://localhost:{self._ports[1]}" if tls else f"http://127.0.0.1:{self._ports[0]}"
            self._made[key] = self._make(Target(f"{origin}/{spec}/v1", dialect, self._ca if tls else ""))
        return self._made[key]


class Gate:
    """The server's gate for this process: all streams wait behind their first frame until it opens."""

    def __init__(self, port: int, name: int) -> None:
        self.name = name
        self._port = port
        self._socket: socket.socket | None = None
        self.cpu = 0.0

    def _say(self, verb: str) -> int:
        began = time.process_time()
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port))
        self._socket.sendall(f"GET /gate/{self.name}/{verb} HTTP/1.1\r\n\r\n".encode())
        number = int(self._socket.recv(4096).rpartition(b"\r\n\r\n")[2])
        self.cpu += time.process_time() - began  # the bench's own, not the client's
        return number

    def arm(self) -> None:
        """Close it."""
        self._say("arm")

    def open(self) -> None:
        """Open it."""
        self._say("go")

    async def gathered(self, number: int, seconds: float = 30) -> None:
        """Wait until so many streams stand at it."""
        began = time.monotonic()
        while (waiting := self._say("count")) < number:
            if time.monotonic() - began > seconds:
                raise RuntimeError(f"only {waiting} of {number} streams were open at once")
            await anyio.sleep(0.03)
        await anyio.sleep(SETTLE)


async def cost(bench: Bench, *, streams: int, chunks: int, gap: int = 0, silent: bool = False, **how: Any) -> Figures:
    """CPU of a chunk, and apart from it of a request, of `streams` at once with so many `chunks` each.

    The streams wait behind their first frame for each other, so that what opening them costs is not the chunks'.
    `silent`: this client hands out no texts to count.
    """
    stream = bench.stream(f"n-{chunks}-gap-{gap}-gate-{bench.gate.name}", **how)
    bench.gate.arm()
    gc.collect()
    resident = reset_peak()
    counts: list[int] = []

    async def one() -> None:
        texts: list[str] = []
        await stream(texts.append)
        counts.append(len(texts))

    began = time.process_time() - bench.gate.cpu
    async with anyio.create_task_group() as group:
        for _ in range(streams):
            group.start_soon(one)
        await bench.gate.gathered(streams)
        opened, wall = time.process_time() - bench.gate.cpu, time.perf_counter()
        bench.gate.open()
    ended, took = time.process_time() - bench.gate.cpu, time.perf_counter() - wall
    total = streams * (chunks - 1)
    if not silent and set(counts) != {chunks}:
        raise RuntimeError(f"{chunks} texts were sent to each stream, {sorted(set(counts))} came")
    return {
        "chunk_us": (ended - opened) / total * 1e6,
        "request_us": (opened - began) / streams * 1e6,
        "whole_us": (ended - began) / (streams * chunks) * 1e6,
        "cpu_share": (ended - opened) / took,
        "growth_kb": (peak() - resident) / 1024,
    }


async def curve(bench: Bench, *, lengths: list[int], total: int, **how: Any) -> Figures:
    """CPU of a chunk by the length of its stream: as many chunks in all, in fewer and longer streams, one by one.

    A request's own cost, measured with streams of two chunks, is taken off.
    """
    ignore: list[str] = []

    async def cpu(length: int, number: int) -> float:
        stream = bench.stream(f"n-{length}-gap-0", **how)
        await stream(ignore.append)
        ignore.clear()
        gc.collect()
        began = time.process_time()
        for _ in range(number):
            await stream(ignore.append)
            ignore.clear()
        return time.process_time() - began

    found: Figures = {"request_us": await cpu(2, 500) / 500 * 1e6}
    for length in lengths:
        number = max(1, total // length)
        whole = await cpu(length, number) * 1e6
        found[f"whole_{length}"] = whole / (number * length)
        found[f"chunk_{length}"] = (whole - number * found["request_us"]) / (number * (length - 2))
    return found


async def lag(bench: Bench, *, streams: int, chunks: int, gap: int, **how: Any) -> Figures:
    """Microseconds from a frame's being written by the server to its text in the caller's hands."""
    stream = bench.stream(f"n-{chunks}-gap-{gap}-gate-{bench.gate.name}-stamp-1", **how)
    bench.gate.arm()
    gc.collect()
    lags: list[int] = []
    now = time.monotonic_ns

    def seen(text: str) -> None:
        lags.append(now() - int(text))

    async with anyio.create_task_group() as group:
        for _ in range(streams):
            group.start_soon(stream, seen)
        await bench.gate.gathered(streams)
        lags.clear()
        bench.gate.open()
    return percentiles(lags, {"p50_us": 0.5, "p99_us": 0.99})


async def hold(bench: Bench, *, chunks: int, **how: Any) -> Figures:
    """Microseconds that another task had to wait for its turn while a burst was read; `cpu` in this process's time."""
    stream = bench.stream(f"n-{chunks}-gap-0-gate-{bench.gate.name}", **how)
    bench.gate.arm()
    gc.collect()
    waits: list[int] = []
    busy: list[int] = []
    over = False

    async def tick() -> None:
        wall, cpu = time.monotonic_ns(), time.thread_time_ns()
        while not over and len(waits) < TICKS_KEPT:
            await anyio.lowlevel.checkpoint()
            now, used = time.monotonic_ns(), time.thread_time_ns()
            waits.append(now - wall)
            busy.append(used - cpu)
            wall, cpu = now, used

    async def one() -> None:
        nonlocal over
        await stream(lambda _: None)
        over = True

    async with anyio.create_task_group() as group:
        group.start_soon(one)
        await bench.gate.gathered(1)
        group.start_soon(tick)
        await anyio.lowlevel.checkpoint()
        bench.gate.open()
    read = [(wait, used) for wait, used in zip(waits, busy, strict=True) if used > IDLE_TURN]
    waits, busy = [wait for wait, _ in read], [used for _, used in read]
    return {
        **percentiles(waits, {"p99_us": 0.99, "max_us": 1}),
        **percentiles(busy, {"cpu_p99_us": 0.99, "cpu_max_us": 1}),
        "turns": len(read),
    }


async def first(bench: Bench, *, requests: int, **how: Any) -> Figures:
    """Microseconds from the call to the first text on a warm connection, the server answering at once."""
    stream = bench.stream("n-1-gap-0", **how)
    waits: list[int] = []
    now = time.monotonic_ns
    began = 0

    def seen(_: str) -> None:
        waits.append(now() - began)

    await stream(seen)
    waits.clear()
    gc.collect()
    cpu = time.process_time()
    for _ in range(requests):
        began = now()
        await stream(seen)
    cpu = time.process_time() - cpu
    return {**percentiles(waits, {"p50_us": 0.5, "p99_us": 0.99}), "cpu_us": cpu / requests * 1e6}


async def idle(bench: Bench, *, streams: int, **how: Any) -> Figures:
    """Resident KB that each of so many open streams takes while it waits, its first chunk read."""
    warm = bench.stream("n-3-gap-0", **how)
    await warm(lambda _: None)
    stream = bench.stream(f"n-2-gap-0-gate-{bench.gate.name}", **how)
    bench.gate.arm()
    gc.collect()
    before = resident()
    texts: list[str] = []
    async with anyio.create_task_group() as group:
        for _ in range(streams):
            group.start_soon(stream, texts.append)
        await bench.gate.gathered(streams)
        gc.collect()
        after = resident()
        bench.gate.open()
    return {"stream_kb": (after - before) / streams / 1024}


async def memory(bench: Bench, *, chunks: int, **how: Any) -> Figures:
    """Resident KB that one stream adds at its worst while it is read, its caller keeping nothing."""
    stream = bench.stream(f"n-{chunks}-gap-0", **how)
    await bench.stream("n-3-gap-0", **how)(str)
    gc.collect()
    before = reset_peak()
    await stream(str)
    return {"growth_kb": (peak() - before) / 1024}


async def profile(bench: Bench, *, streams: int, chunks: int, gap: int = 0, **how: Any) -> Figures:
    """Shares of CPU by place in the source; see `sampler`."""
    from sampler import sampled

    await cost(bench, streams=streams, chunks=min(chunks, 50), gap=gap, **how)
    with sampled() as shares:
        for _ in range(PROFILED):
            await cost(bench, streams=streams, chunks=chunks, gap=gap, **how)
    return shares


MEASURES: dict[str, Callable[..., Awaitable[Figures]]] = {
    measure.__name__: measure for measure in (cost, curve, lag, hold, first, idle, memory, profile)
}


def percentiles(values: list[int], wanted: dict[str, float]) -> Figures:
    """The values, in nanoseconds, at these shares, in microseconds."""
    ranked = sorted(values)
    return {name: ranked[min(len(ranked) - 1, int(len(ranked) * share))] / 1000 for name, share in wanted.items()}


def resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def peak() -> int:
    """The most that `resident` was since `reset_peak`, or since the start where that is forbidden."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def reset_peak() -> int:
    """Begin anew to look for the peak; what is resident now."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return resident()


async def serve(client: str, port: int, secure_port: int, ca: str) -> None:
    """Answer orders until there are no more."""
    bench = Bench(client, port, secure_port, ca)
    print(json.dumps({"ready": 1}), flush=True)
    while line := sys.stdin.readline():  # the loop stands still between two measures, on purpose
        order: dict[str, Any] = json.loads(line)
        try:
            found = await MEASURES[order.pop("measure")](bench, **order)
        except BaseException as reason:
            traceback.print_exc()
            print(json.dumps({"error": f"{type(reason).__name__}: {said(reason)}"}), flush=True)
            return
        print(json.dumps(found), flush=True)


def said(reason: BaseException) -> str:
    """The words of the first failure in a group."""
    while isinstance(reason, BaseExceptionGroup):
        reason = reason.exceptions[0]
    return f"{type(reason).__name__}: {reason}".replace("\n", " ")[:300]


def main() -> None:
    """Serve on the event loop that is asked for."""
    client, backend, *ports, ca = sys.argv[1:]
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    options = {"use_uvloop": True} if backend == "uvloop" else {}
    loop = "trio" if backend == "trio" else "asyncio"
    anyio.run(serve, client, *map(int, ports), ca, backend=loop, backend_options=options)


if __name__ == "__main__":
    main()
