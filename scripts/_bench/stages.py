"""What is left above the floor: our own client's CPU by the stages of a chunk's way, and by function."""

from __future__ import annotations

from collections import defaultdict

from crew import Server, workers
from report import aligned, number

STAGES = (
    ("event loop and sockets", ("/asyncio/", "/selectors.py", "/ssl.py", "/anyio/", "/trio/")),
    ("transport", ("/miiflow_llm/http/", "/httpx/")),
    ("framing", ("/wire/decode/frames.py",)),
    ("decode", ("/wire/decode/decoder.py", "/wire/decode/compile.py", "/wire/decode/tolerant.py", "<")),
    ("fold: chunks built", ("/wire/decode/fold.py", "/wire/engine.py", "/core/")),
    ("the caller's iteration, the request", ("/miiflow_llm/",)),
    ("the bench itself", ("/_bench/",)),
)
"""Each stage's places in the source; generated decoders have names in angle brackets."""
SITUATIONS = {
    "burst": {"streams": 1, "chunks": 200_000},
    "200 streams": {"streams": 200, "chunks": 150, "gap": 20},
}
TOP = 14


def show(server: Server) -> None:
    """Print the tables of both situations."""
    for name, order in SITUATIONS.items():
        with workers(["ours", "floor"], "asyncio", server) as (started, _):
            for worker in started.values():
                worker.measure("cost", **{**order, "chunks": 50})
            plain = {client: worker.measure("cost", **order)["chunk_us"] for client, worker in started.items()}
            shares = started["ours"].measure("profile", **order)
        print(f"\n{name}: {number(plain['ours'])} us of CPU a chunk, the raw socket {number(plain['floor'])}")
        print(table(shares, plain["ours"]))


def table(shares: dict[str, float], whole: float) -> str:
    """By stage, then by function."""
    by_stage: defaultdict[str, float] = defaultdict(float)
    by_function: defaultdict[str, float] = defaultdict(float)
    for place, share in shares.items():
        by_stage[stage_of(place)] += share
        file, _, function = place.rpartition(":")
        by_function[f"{'/'.join(file.split('/')[-2:])}: {function}"] += share
    rows = [["stage", "share", "us/chunk"], *_rows(by_stage, len(by_stage), whole)]
    functions = [["function", "share", "us/chunk"], *_rows(by_function, TOP, whole)]
    return "\n".join([*aligned(rows), "", *aligned(functions)])


def _rows(shares: dict[str, float], most: int, whole: float) -> list[list[str]]:
    ranked = sorted(shares.items(), key=lambda item: -item[1])[:most]
    return [[name[:70], f"{share:.1%}", number(share * whole)] for name, share in ranked]


def stage_of(place: str) -> str:
    """The stage whose files the place is in."""
    for stage, parts in STAGES:
        if any(place.startswith(part) if part == "<" else part in place for part in parts):
            return stage
    return "else"
