"""Measure ours beside the floors and the rivals in one run, print tables and goals, write JSON and a plot.

Clients take turns in each round, so that a slow moment meets all of them, and ratios are taken within a round.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import goals
import plot
import relay
import report
import stages
from cases import SLOW, Case, cases
from crew import CACHE, Failed, Server, Worker, environment, python_of, versions_of, workers
from results import Result
from rivals import PACKAGES

ROOT = Path(__file__).parent.parent.parent
LEAST_ROUNDS = 3
TRIES = 2
"""Servers of one case: one may be ended from outside."""


class Run:
    """The cases of one run, saved as they come."""

    def __init__(self, rivals: list[str], saved: Path) -> None:
        self.results: dict[str, Result] = {}
        self.began = datetime.datetime.now(datetime.UTC)
        self._clock = time.monotonic()
        self._rivals = rivals
        self._saved = saved
        self._machine = machine()
        self._versions = {client: versions_of(client) for client in ("ours", *rivals)}

    def take(self, case: Case) -> None:
        """Measure a case, with a server of its own, print its table, save what there is."""
        self.say(case.name)
        for _ in range(TRIES):
            with Server() as server:
                result = measured(case, server)
                if server.alive:
                    break
        self.add(result)

    def add(self, result: Result) -> None:
        """Keep a case's figures."""
        self.results[result.case.name] = result
        print(f"\n{report.table(result)}", flush=True)
        self.save(self._saved)

    def say(self, what: str) -> None:
        """Where the run is."""
        took = time.monotonic() - self._clock
        print(f"[{int(took) // 60}:{int(took) % 60:02}] {what} ...", file=sys.stderr, flush=True)

    def save(self, path: Path) -> None:
        """Write it all as JSON."""
        facts = {
            "figures": "each a list: median, lower quartile, upper quartile; _x_floor: over the floor, round by round",
            "date": self.began.isoformat(timespec="seconds"),
            "minutes": round((time.monotonic() - self._clock) / 60, 1),
            "command": "scripts/bench " + " ".join(sys.argv[1:]),
            "commit": commit(),
            "machine": self._machine,
            "versions": self._versions,
            "goals": [one.facts() for one in goals.judged(self.results)],
            "cases": {name: result.facts() for name, result in self.results.items()},
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        flat = re.sub(r"\[\s+([^\[\]{}]*?)\s+\]", _one_line, json.dumps(facts, indent=1))
        path.write_text(flat + "\n")


def _one_line(found: re.Match[str]) -> str:
    return "[" + ", ".join(part.strip() for part in found[1].split(",")) + "]"


def measured(case: Case, server: Server) -> Result:
    """A case's samples, its clients in turn, round after round until its time is over."""
    result = Result(case)
    began = time.monotonic()
    if case.fresh:
        for _ in range(case.rounds):
            with workers(alive(case, result), case.backend, server) as (started, missing):
                result.missing.update(missing)
                play(case, started, result)
            if time.monotonic() - began > case.seconds:
                break
        return result
    with workers(list(case.clients), case.backend, server) as (started, missing):
        result.missing.update(missing)
        play(case, started, result, warm=True)
        for done in range(case.rounds):
            late = (time.monotonic() - began) / case.seconds
            if late > 1 and (done >= LEAST_ROUNDS or late > 1.5):
                break
            if done == LEAST_ROUNDS:  # three are enough for who is many times slower
                started = {client: worker for client, worker in started.items() if client not in SLOW}
            play(case, started, result)
    return result


def alive(case: Case, result: Result) -> list[str]:
    """The clients that have not failed."""
    return [client for client in case.clients if client not in result.missing]


def play(case: Case, started: dict[str, Worker], result: Result, *, warm: bool = False) -> None:
    """One round: each client once. A client that fails is out."""
    for client, worker in list(started.items()):
        if client in result.missing:
            continue
        try:
            found = worker.measure(case.measure, **case.order_for(client, warm=warm))
        except Failed as reason:
            result.drop(client, str(reason))
        else:
            if not warm:
                result.samples.setdefault(client, []).append(found)


def imports(rivals: list[str]) -> Result:
    """Milliseconds of CPU to import each."""
    modules = {"httpx": "httpx", "miiflow_llm": "miiflow_llm", **{rival: rival for rival in rivals}}
    result = Result(replace(IMPORT, clients=tuple(modules)))
    for done in range(IMPORT.rounds):
        for name, module in modules.items():
            if name not in result.missing and not (done and name in SLOW):
                try:
                    result.samples.setdefault(name, []).append(import_ms(name, module))
                except (Failed, subprocess.CalledProcessError) as reason:
                    result.drop(name, str(reason))
    return result


IMPORT = Case(
    name="import",
    about="milliseconds to import",
    measure="import",
    clients=(),
    order={},
    seconds=40,
    rounds=7,
    floor="httpx",
)


def import_ms(name: str, module: str) -> dict[str, float]:
    """One import, in a new process."""
    code = (
        "import time; t, c = time.perf_counter(), time.process_time()\n"
        f"import {module}\n"
        "print((time.perf_counter() - t) * 1000, (time.process_time() - c) * 1000)"
    )
    run = [python_of(name), "-c", code]
    done = subprocess.run(run, capture_output=True, text=True, check=True, env=environment(name))
    wall, cpu = map(float, done.stdout.split()[-2:])
    return {"wall_ms": wall, "cpu_ms": cpu}


RELAY = Case(
    name="relay",
    about="200 browsers through the FastAPI router, a chunk each 20 ms, CPU of the service",
    measure="relay",
    clients=tuple(relay.KINDS),
    order={"streams": 200, "chunks": 60, "gap": 0.02},
    seconds=25,
    rounds=2,
    floor="client",
)


def relayed() -> Result:
    """CPU of the serving process for each chunk on its way to a browser."""
    result, order = Result(RELAY), RELAY.order
    shape = f"{order['chunks']}/{order['gap']}/v1"
    with relay.running("--provide") as provider, relay.running("--serve", f"{provider}/{shape}") as port:
        for _ in range(RELAY.rounds):
            for kind in RELAY.clients:
                found = asyncio.run(relay.through(port, kind, order["streams"]))
                result.samples.setdefault(kind, []).append({"chunk_us": found})
    return result


def machine() -> dict[str, Any]:
    """What it ran on."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line]
        model = f"{len(names)} x {names[0]}" if names else model
    return {
        "processor": model,
        "architecture": platform.machine(),
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def commit() -> str:
    """The commit, and whether the package differs from it."""
    try:
        name = _git("rev-parse", "--short=12", "HEAD")
        changed = _git("status", "--porcelain", "--", "src")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return name + (" with changes" if changed else "")


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def quick(all_cases: Iterable[Case]) -> list[Case]:
    """Three rounds of each, and what takes long left out."""
    return [replace(case, rounds=3, seconds=case.seconds / 4) for case in all_cases]


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three rounds of each case")
    names = list(PACKAGES)
    parser.add_argument(
        "--rivals", nargs="*", choices=names, metavar="NAME", help=f"all, or some of {', '.join(names)}"
    )
    parser.add_argument("--only", nargs="+", metavar="CASE", help="the cases whose names begin so")
    parser.add_argument("--profile", action="store_true", help="what our own client's CPU goes to, instead")
    return parser.parse_args()


def main() -> None:
    """Measure, print, write docs/bench.json and docs/bench.svg after a whole run with rivals."""
    asked = arguments()
    rivals = list(PACKAGES) if asked.rivals == [] else asked.rivals or []
    os.environ["PYTHONPATH"] = str(ROOT / "src")  # ours is the package that stands beside this script
    if asked.profile:
        with Server() as server:
            stages.show(server)
        return
    todo = cases(rivals)
    if asked.only:
        todo = [case for case in todo if case.name.startswith(tuple(asked.only))]
    if asked.quick:
        todo = quick(todo)
    run = Run([rival for rival in rivals if installed(rival)], CACHE / "last.json")
    try:
        for case in todo:
            run.take(case)
        for name, extra in (("relay", relayed), ("import", lambda: imports(rivals))):
            if not asked.only or name in asked.only:
                run.say(name)
                run.add(extra())
    except KeyboardInterrupt:
        print("\ninterrupted: this is what there is", flush=True)
    finally:
        print(f"\n{goals.table(run.results)}\n\n{ABOUT}\nsaved: {CACHE / 'last.json'}", flush=True)
    if not asked.only and not asked.quick and rivals:
        run.save(ROOT / "docs" / "bench.json")
    if not asked.only:
        target = ROOT / "docs" if not asked.quick and rivals else CACHE
        plot.draw(run.results, target / "bench.svg")


ABOUT = """\
CPU is the client process's own; the server has another. Medians over rounds in which the clients take turns; "x floor"
is the median of the ratios within each round, "quartiles" the middle half of them."""


def installed(rival: str) -> bool:
    """Whether it is here, or can be had."""
    try:
        python_of(rival)
    except Failed as reason:
        print(f"{rival} left out: {reason}", flush=True)
        return False
    return True


if __name__ == "__main__":
    main()
