"""Draw availability and p99 to first output by fault, as docs/routing.svg. It follows the reader's light or dark."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import log10
from pathlib import Path

from miiflow_llm.routing.simulation.rows import Row

WIDTH, LEFT, MIDDLE, RIGHT, LINE = 880, 250, 545, 860, 34
TOP = 58
SLOWEST = 100.0
FASTEST = 0.5
STYLE = """text { font: 12px system-ui, sans-serif; fill: #24292f }
.name { text-anchor: end } .mid { text-anchor: middle } .small { font-size: 10.5px; fill: #57606a }
.grid { stroke: #d0d7de; stroke-width: 1 }
.w0 { fill: #0969da } .w1 { fill: #8250df } .w2 { fill: #bf8700 } .w3 { fill: #cf222e }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .small { fill: #8b949e } .grid { stroke: #30363d }
.w0 { fill: #4493f8 } .w1 { fill: #ab7df8 } .w2 { fill: #d29922 } .w3 { fill: #f85149 } }"""
SHOWN = ("router", "router without hedging", "model: shuffle with rests", "model: loop over SDKs")


def draw(rows: Sequence[Row], path: Path) -> None:
    """Write the picture."""
    worlds = list(dict.fromkeys(row.world for row in rows))
    found = {(row.world, row.way): row for row in rows}
    height = TOP + LINE * len(worlds) + 34
    label = "Calls served and time to first output under ten faults"
    parts = [*_legend(), *_axes(height - 30)]
    for place, world in enumerate(worlds):
        y = TOP + LINE * place
        parts.append(f'<text class="name" x="{LEFT - 12}" y="{y + 20}">{escape(world)}</text>')
        for number, way in enumerate(SHOWN):
            if (world, way) in found:
                parts += _bars(found[world, way], number, y + 4 + number * 7)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    body = "\n".join([f'{head} role="img" aria-label="{label}">', f"<style>\n{STYLE}\n</style>", *parts, "</svg>"])
    path.write_text(body + "\n", encoding="utf-8")
    print(f"\nwritten: {path}")


def _legend() -> list[str]:
    parts: list[str] = []
    x = 12
    for number, way in enumerate(SHOWN):
        parts.append(f'<rect class="w{number}" x="{x}" y="8" width="10" height="10"/>')
        parts.append(f'<text x="{x + 15}" y="17">{escape(way)}</text>')
        x += 40 + 7 * len(way)
    return parts


def _axes(bottom: float) -> list[str]:
    parts = [
        f'<text x="{LEFT}" y="40">percent of calls served</text>',
        f'<text x="{MIDDLE + 30}" y="40">p99 to first output, seconds (logarithmic)</text>',
    ]
    for percent in (0, 50, 100):
        parts += _tick(LEFT + (MIDDLE - LEFT) * percent / 100, f"{percent}", bottom)
    for seconds in (0.5, 1, 2, 5, 10, 30, 100):
        parts += _tick(_x(seconds), f"{seconds:g}", bottom)
    return parts


def _tick(x: float, words: str, bottom: float) -> list[str]:
    return [
        f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 8}" y2="{bottom}"/>',
        f'<text class="mid small" x="{x:.1f}" y="{bottom + 14}">{words}</text>',
    ]


def _x(seconds: float) -> float:
    start = MIDDLE + 30
    share = (log10(min(max(seconds, FASTEST), SLOWEST)) - log10(FASTEST)) / (log10(SLOWEST) - log10(FASTEST))
    return start + (RIGHT - start) * share


def _bars(row: Row, number: int, y: float) -> list[str]:
    served = (MIDDLE - LEFT) * row.served / 100
    late = _x(row.p99) - _x(FASTEST)
    words = f"{row.world}, {row.way}: {row.served:.2f} % served, p99 {row.p99:.2f} s"
    title = f"<title>{escape(words)}</title>"
    shapes = [
        f'<rect class="w{number}" x="{LEFT}" y="{y}" width="{max(served, 1):.1f}" height="5">{title}</rect>',
        f'<rect class="w{number}" x="{_x(FASTEST):.1f}" y="{y}" width="{max(late, 1):.1f}" height="5">{title}</rect>',
    ]
    return shapes if row.served else shapes[:1]
