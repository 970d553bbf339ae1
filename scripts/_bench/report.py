"""Tables for a terminal, 100 columns wide at most: one for each case, and one for the goals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from results import Result, Spread

WIDTH = 100


@dataclass(frozen=True)
class Column:
    """A column: its head, and what stands in it for a client."""

    head: str
    cell: Callable[[Result, str], str]


def number(value: float) -> str:
    """Three digits that matter."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def figure(head: str, name: str, scale: float = 1) -> Column:
    """A median."""
    return Column(head, lambda result, client: number(result.figure(client, name).median * scale))


def spread(head: str, name: str, scale: float = 1) -> Column:
    """The quartiles."""
    return Column(head, lambda result, client: _range(result.figure(client, name), scale))


def times(name: str) -> tuple[Column, Column]:
    """How many times the floor, and the quartiles of that."""
    return (
        Column("x floor", lambda result, client: number(_ratio(result, client, name).median)),
        Column("quartiles", lambda result, client: _range(_ratio(result, client, name), 1)),
    )


def above(head: str, name: str, scale: float) -> Column:
    """How much more than the floor."""
    return Column(
        head,
        lambda result, client: (
            f"{result.over(client, result.case.floor, name).median * scale:+.2f}"
            if result.case.floor in result.samples
            else "-"
        ),
    )


def _ratio(result: Result, client: str, name: str) -> Spread:
    floor = result.case.floor
    return result.ratio(client, floor, name) if floor in result.samples else Spread(*[float("nan")] * 3)


def _range(found: Spread, scale: float) -> str:
    return f"{number(found.low * scale)}-{number(found.high * scale)}"


MS = 1 / 1000
COLUMNS: dict[str, tuple[Column, ...]] = {
    "cost": (
        figure("us/chunk", "chunk_us"),
        spread("quartiles", "chunk_us"),
        *times("chunk_us"),
        figure("us/request", "request_us"),
        figure("+MB", "growth_kb", 1 / 1024),
    ),
    "relay": (figure("us/chunk", "chunk_us"), spread("quartiles", "chunk_us"), *times("chunk_us")),
    "anew": (
        figure("us/chunk, all", "whole_us"),
        spread("quartiles", "whole_us"),
        *times("whole_us"),
        figure("us/request", "request_us"),
        figure("us/chunk", "chunk_us"),
    ),
    "curve": (
        figure("us/request", "request_us"),
        figure("us/chunk: 100", "chunk_100"),
        figure("1 000", "chunk_1000"),
        figure("10 000", "chunk_10000"),
        figure("100 000", "chunk_100000"),
        Column("last/first", lambda result, client: number(result.within(client, "chunk_100000", "chunk_100").median)),
        Column("quartiles", lambda result, client: _range(result.within(client, "chunk_100000", "chunk_100"), 1)),
    ),
    "hold": (
        figure("CPU ms: p99", "cpu_p99_us", MS),
        figure("max", "cpu_max_us", MS),
        figure("wall ms: p99", "p99_us", MS),
        figure("max", "max_us", MS),
        figure("turns", "turns"),
    ),
    "first": (
        figure("ms: p50", "p50_us", MS),
        above("over floor", "p50_us", MS),
        figure("p99", "p99_us", MS),
        figure("CPU us/request", "cpu_us"),
        *times("cpu_us"),
    ),
    "import": (figure("CPU ms", "cpu_ms"), figure("wall ms", "wall_ms"), *times("cpu_ms")),
    "idle": (figure("KB/stream", "stream_kb"), spread("quartiles", "stream_kb"), *times("stream_kb")),
    "memory": (figure("MB", "growth_kb", 1 / 1024), spread("quartiles", "growth_kb", 1 / 1024)),
    "lag": (
        figure("ms: p50", "p50_us", MS),
        above("over floor", "p50_us", MS),
        figure("p99", "p99_us", MS),
        above("over floor", "p99_us", MS),
    ),
}
SORTED_BY = {
    "cost": "chunk_us",
    "anew": "whole_us",
    "relay": "chunk_us",
    "curve": "request_us",
    "hold": "cpu_max_us",
    "first": "p50_us",
    "idle": "stream_kb",
    "import": "cpu_ms",
    "memory": "growth_kb",
    "lag": "p50_us",
}


def table(result: Result) -> str:
    """One case."""
    case = result.case
    columns, key = COLUMNS[case.shown], SORTED_BY[case.shown]
    ranked = sorted(result.samples, key=lambda client: result.figure(client, key).median)
    rows = [["", *(column.head for column in columns)]]
    rows += [[client, *(column.cell(result, client) for column in columns)] for client in ranked]
    rounds = max(map(len, result.samples.values()), default=0)
    where = case.backend + (", TLS" if case.order.get("tls") else "")
    title = f"{case.name}: {case.about} ({where}, {rounds} round{'s' * (rounds != 1)})"
    notes = [f"{client} left out: {why}"[:WIDTH] for client, why in result.missing.items()]
    return "\n".join([title, *aligned(rows), *notes])


def aligned(rows: list[list[str]]) -> list[str]:
    """Cells in columns, the first to the left and the others to the right."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
