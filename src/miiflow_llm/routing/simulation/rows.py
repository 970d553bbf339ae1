"""Play worlds by several ways, several at once, and write what came of it as a table."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

import msgspec

from .play import Figures, Play
from .ways import WAYS
from .world import World


class Row(msgspec.Struct, frozen=True):
    """What came of a world played in a way: percent served, seconds to first output, attempts and hedges per call.

    `calls` were measured, `cpu` is how many seconds of CPU time a call took.
    """

    world: str
    way: str
    calls: int
    served: float
    p50: float
    p99: float
    attempts: float
    hedges: float
    cpu: float


def row_of(world: World, way: str, figures: Figures, cpu: float = 0.0) -> Row:
    """The row of figures."""
    return Row(
        world.name,
        way,
        figures.calls,
        figures.availability,
        figures.quantile(0.5),
        figures.quantile(0.99),
        figures.attempts_each,
        figures.hedges / max(figures.calls, 1),
        cpu,
    )


def played(world: World, way: str, seed: int = 1) -> Row:
    """A world played in one of `WAYS`."""
    began = time.process_time()
    figures = Play(world, WAYS[way](world), seed).run()
    cpu = (time.process_time() - began) / (world.rate * world.seconds)
    return row_of(world, way, figures, cpu)


def all_played(worlds: Sequence[World], ways: Sequence[str], seed: int = 1, processes: int | None = None) -> list[Row]:
    """Every world in every way, in processes of their own."""
    pairs = [(world, way) for world in worlds for way in ways]
    with ProcessPoolExecutor(processes) as pool:
        return list(pool.map(_played, [(*pair, seed) for pair in pairs]))


def _played(order: tuple[World, str, int]) -> Row:
    return played(*order)


def markdown(rows: Sequence[Row]) -> list[str]:
    """A line for each world, a cell for each way: percent served, and seconds to first output (p50 / p99)."""
    ways = list(dict.fromkeys(row.way for row in rows))
    worlds = list(dict.fromkeys(row.world for row in rows))
    cells = {(row.world, row.way): _cell(row) for row in rows}
    lines = [f"| fault | {' | '.join(ways)} |", f"|---|{'---|' * len(ways)}"]
    lines += [f"| {world} | {' | '.join(cells.get((world, way), '') for way in ways)} |" for world in worlds]
    return lines


def _cell(row: Row) -> str:
    """Never rounded up to 100."""
    served = "100" if row.served == 100 else f"{int(row.served * 100) / 100:.2f}"
    return f"{served} · {row.p50:.2f} / {row.p99:.2f}"
