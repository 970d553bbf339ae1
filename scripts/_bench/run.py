"""Measure ours beside the floors and the rivals in one run, print tables and goals, write JSON and a plot.

Clients take turns in each round, so that a slow moment meets all of them, and ratios are taken within a round.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import re
import sys
import time
from dataclasses import replace
from pathlib import Path

import facts
import goals
import plot
import report
import stages
from cases import Case, cases
from crew import CACHE, Failed, Server, python_of, versions_of
from results import Result
from rivals import PACKAGES
from rounds import measured

ABOUT = """\
CPU is the client process's own; the server has another. Medians over rounds in which the clients
take turns; "x floor" is the median of the ratios within each round, "quartiles" their middle half."""


class Run:
    """The cases of one run, in so many minutes, saved as they come."""

    def __init__(self, todo: list[Case], rivals: list[str], minutes: float) -> None:
        self.results: dict[str, Result] = {}
        self.whole = False
        self._todo = todo
        self._began = datetime.datetime.now(datetime.UTC)
        self._clock = time.monotonic()
        self._ends = self._clock + minutes * 60
        self._machine, self._commit = facts.machine(), facts.commit()
        self._versions = {client: versions_of(client) for client in ("ours", *rivals)}

    def go(self) -> None:
        """Measure each case, print its table, save what there is."""
        for place, case in enumerate(self._todo):
            left = sum(other.seconds for other in self._todo[place:])
            share = max(self._ends - time.monotonic(), 1) / left * case.seconds
            self.say(case.name)
            self.add(measured(replace(case, seconds=share)))
        self.whole = True

    def add(self, result: Result) -> None:
        """Keep a case's figures."""
        self.results[result.case.name] = result
        print(f"\n{report.table(result)}", flush=True)
        self.save(CACHE / "last.json")

    def say(self, what: str) -> None:
        """Where the run is."""
        took = time.monotonic() - self._clock
        print(f"[{int(took) // 60}:{int(took) % 60:02}] {what} ...", file=sys.stderr, flush=True)

    def save(self, path: Path) -> None:
        """Write it all as JSON."""
        found = {
            "figures": "each a list: median, lower quartile, upper quartile; _x_floor: over the floor, round by round",
            "date": self._began.isoformat(timespec="seconds"),
            "minutes": round((time.monotonic() - self._clock) / 60, 1),
            "command": "scripts/bench " + " ".join(sys.argv[1:]),
            "commit": self._commit,
            "machine": self._machine,
            "versions": self._versions,
            "goals": [one.facts() for one in goals.judged(self.results)],
            "cases": {name: result.facts() for name, result in self.results.items()},
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        flat = re.sub(r"\[\s+([^\[\]{}]*?)\s+\]", _one_line, json.dumps(found, indent=1))
        path.write_text(flat + "\n")


def _one_line(found: re.Match[str]) -> str:
    return "[" + ", ".join(part.strip() for part in found[1].split(",")) + "]"


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three rounds at most, in a third of the time")
    names = list(PACKAGES)
    parser.add_argument(
        "--rivals", nargs="*", choices=names, metavar="NAME", help=f"all, or some of {', '.join(names)}"
    )
    parser.add_argument("--only", nargs="+", metavar="CASE", help="the cases whose names begin so")
    parser.add_argument("--minutes", type=float, help="what it may take (10; a third of it with --quick)")
    parser.add_argument("--profile", action="store_true", help="what our own client's CPU goes to, instead")
    return parser.parse_args()


def main() -> None:
    """Measure, print, write docs/bench.json and docs/bench.svg after a whole run with rivals."""
    asked = arguments()
    rivals = list(PACKAGES) if asked.rivals == [] else asked.rivals or []
    os.environ["PYTHONPATH"] = str(facts.ROOT / "src")  # ours is the package that stands beside this script
    if asked.profile:
        with Server() as server:
            stages.show(server)
        return
    rivals = [rival for rival in rivals if installed(rival)]
    todo = [case for case in cases(rivals) if not asked.only or case.name.startswith(tuple(asked.only))]
    minutes = asked.minutes or min(10, sum(case.seconds for case in todo) / 60)
    if asked.quick:
        todo = [replace(case, rounds=3) for case in todo]
        minutes = asked.minutes or minutes / 3
    run = Run(todo, rivals, minutes)
    try:
        run.go()
    except KeyboardInterrupt:
        print("\ninterrupted: this is what there is", flush=True)
    print(f"\n{goals.table(run.results)}\n\n{ABOUT}", flush=True)
    shown = facts.ROOT / "docs" if rivals and run.whole and not (asked.only or asked.quick) else CACHE
    run.save(shown / "bench.json")
    plot.draw(run.results, shown / "bench.svg")
    print(f"written: {shown}/bench.json and bench.svg")


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
