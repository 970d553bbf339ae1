"""One case measured: its clients in turn, round after round, until its rounds are done or its time is over."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import relay
from cases import SLOW, Case
from crew import Failed, Server, Worker, environment, python_of, workers
from results import Result
from rivals import PACKAGES

ENOUGH = 3
"""Rounds that a case has whatever its time, but for rivals, and the most that a client has that is much slower."""
TRIES = 2
"""Servers of one case: one may be ended from outside."""

Measured = Callable[[str], dict[str, float]]


def measured(case: Case) -> Result:
    """A case's samples."""
    result = Result(case)
    if case.measure in APART:
        with APART[case.measure](case) as one:
            for turn in rounds(case):
                play(dict.fromkeys(case.clients, one), result, turn)
        return result
    for _ in range(TRIES):
        result = Result(case)
        with Server() as server:
            (freshly if case.fresh else in_turn)(case, server, result)
            if server.alive:
                break
    return result


class Turn(NamedTuple):
    """A round: how many were before it, and whether the case's time is over."""

    done: int
    late: bool

    def has(self, client: str) -> bool:
        """Whether the client takes part: all do in the first round, and in three where there is time."""
        return not self.done or not ((self.late and client in PACKAGES) or (self.done >= ENOUGH and client in SLOW))


def rounds(case: Case) -> Iterator[Turn]:
    """The rounds of a case."""
    ends = time.monotonic() + case.seconds
    for done in range(case.rounds):
        late = time.monotonic() > ends
        if late and done >= ENOUGH:
            return
        yield Turn(done, late)


def in_turn(case: Case, server: Server, result: Result) -> None:
    """Each client in one process for all rounds, after one that only warms it up."""
    turns = rounds(case)  # the time begins here: starting counts
    first = next(turns)
    with workers(list(case.clients), case.backend, server) as (started, missing):
        result.missing.update(missing)
        for client, worker in started.items():
            with kept_out(client, result):
                worker.measure(case.measure, **case.order_for(client, warm=True))
        orders = {client: ordered(case, client, worker) for client, worker in started.items()}
        play(orders, result, first)
        for turn in turns:
            play(orders, result, turn)


def freshly(case: Case, server: Server, result: Result) -> None:
    """New processes in each round."""
    for turn in rounds(case):
        alive = [client for client in case.clients if client not in result.missing]
        with workers(alive, case.backend, server) as (started, missing):
            result.missing.update(missing)
            play({client: ordered(case, client, worker) for client, worker in started.items()}, result, turn)


def ordered(case: Case, client: str, worker: Worker) -> Measured:
    """What measures a client once."""
    return lambda _: worker.measure(case.measure, **case.order_for(client))


def play(clients: dict[str, Measured], result: Result, turn: Turn) -> None:
    """One round: each client once. A client that fails is out."""
    for client, measure in clients.items():
        if client not in result.missing and turn.has(client):
            with kept_out(client, result):
                result.samples.setdefault(client, []).append(measure(client))


@contextlib.contextmanager
def kept_out(client: str, result: Result) -> Iterator[None]:
    """Leave a client out that fails."""
    try:
        yield
    except Failed as reason:
        result.drop(client, str(reason))


@contextlib.contextmanager
def imported(_: Case) -> Iterator[Measured]:
    """Milliseconds to import a client, in a new process."""

    def measure(client: str) -> dict[str, float]:
        code = (
            "import time; t, c = time.perf_counter(), time.process_time()\n"
            f"import {client}\n"
            "print((time.perf_counter() - t) * 1000, (time.process_time() - c) * 1000)"
        )
        run = [python_of(client), "-c", code]
        done = subprocess.run(run, capture_output=True, text=True, check=False, env=environment(client))
        if done.returncode:
            raise Failed(done.stderr.strip().rpartition("\n")[2])
        wall, cpu = map(float, done.stdout.split()[-2:])
        return {"wall_ms": wall, "cpu_ms": cpu}

    yield measure


@contextlib.contextmanager
def relayed(case: Case) -> Iterator[Measured]:
    """CPU of a service for each chunk on its way to a browser, the service in a process of its own."""
    order = case.order
    provided = f"{order['chunks']}/{order['gap'] / 1000}/v1"
    with relay.running("--provide") as provider, relay.running("--serve", f"{provider}/{provided}") as port:

        def measure(way: str) -> dict[str, float]:
            return {"chunk_us": asyncio.run(relay.through(port, way, order["streams"]))}

        yield measure


APART = {"import": imported, "relay": relayed}
"""Measures that no worker makes."""
