"""The picture of a run, as SVG: CPU per streamed chunk, ours, the floors and the rivals, in two panels.

It has no background, and colours that are read on white and on black; where the reader's choice is known, it is used.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from xml.sax.saxutils import escape

from report import number
from results import Result

PANELS = {
    "200 streams": "200 streams at once, a frame each 20 ms",
    "burst": "one stream, frames as fast as they are read",
}
NAMES = {
    "ours": "miiflow_llm",
    "floor": "raw socket + msgspec",
    "floor_buffered": "the same, one buffer",
    "httpx_bytes": "httpx, bytes only",
    "httpx_sse": "httpx + httpx-sse + json",
    "any_llm": "any-llm",
    "pydantic_ai": "pydantic-ai",
    "langchain_openai": "langchain-openai",
}
HIDDEN = {"ours_httpx"}
WIDTH, LEFT, RIGHT, ROW, DOT = 760, 176, 180, 23, 5.5
COST_AT, TIMES_AT = WIDTH - 92, WIDTH - 4
STYLE = """\
text { font: 13px -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #57606a; }
.title { font-weight: 600; fill: #24292f; }
.note { font-size: 11px; }
.ours { font-weight: 600; fill: #0a7d55; }
.line { stroke: #8c959f; stroke-opacity: 0.45; stroke-width: 1.5; }
.dot { fill: #7d8792; }
.dot-floor { fill: none; stroke: #7d8792; stroke-width: 2; }
.dot-ours { fill: #12a06e; }
.grid { stroke: #8c959f; stroke-opacity: 0.25; }
@media (prefers-color-scheme: dark) {
  text { fill: #9aa4af; }
  .title { fill: #e6edf3; }
  .ours { fill: #3fd39b; }
  .dot { fill: #8b95a0; }
  .dot-floor { stroke: #8b95a0; }
  .dot-ours { fill: #26b983; }
}"""


def draw(results: Mapping[str, Result], path: Path) -> None:
    """Write the picture, where its cases were measured."""
    panels = [(title, results[case]) for case, title in PANELS.items() if case in results and results[case].samples]
    if not panels:
        return
    y, parts = 20, [_text(0, 20, "CPU per streamed chunk, on a logarithmic scale", "title")]
    for title, result in panels:
        drawn, y = _panel(title, result, y + 36)
        parts += drawn
    y += 24
    parts.append(_text(0, y, "The client's process alone, medians of rounds in which the clients take turns.", "note"))
    parts.append(_text(TIMES_AT, y, "scripts/bench --rivals", "note", "end"))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 8}" width="{WIDTH}" height="{y + 8}"'
    label = 'role="img" aria-label="CPU per streamed chunk of miiflow_llm, raw sockets, httpx and other clients"'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([f"{head} {label}>", f"<style>\n{STYLE}\n</style>", *parts, "</svg>"]) + "\n")


def _panel(title: str, result: Result, y: int) -> tuple[list[str], int]:
    """One case's dots from `y` on, and where they end."""
    costs = {name: result.figure(name, "chunk_us").median for name in result.samples if name not in HIDDEN}
    powers = range(math.floor(math.log10(min(costs.values()))), math.ceil(math.log10(max(costs.values()))) + 1)
    wide = (WIDTH - LEFT - RIGHT) / max(1, powers[-1] - powers[0])
    top = y + 10
    end = top + ROW * len(costs)
    parts = [
        _text(0, y, title, "title"),
        _text(COST_AT, y, "microseconds", "note", "end"),
        _text(TIMES_AT, y, "over raw socket", "note", "end"),
    ]
    for place, power in enumerate(powers):
        x = LEFT + place * wide
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{end + 2}"/>')
        parts.append(_text(x, end + 15, f"{10**power:g}", "note", "middle"))
    for place, (client, cost) in enumerate(sorted(costs.items(), key=lambda item: item[1])):
        middle, x = top + ROW * place + ROW // 2, LEFT + (math.log10(cost) - powers[0]) * wide
        kind = {"ours": "ours", "floor": "floor", "floor_buffered": "floor"}.get(client, "")
        dot = f"dot-{kind}" if kind else "dot"
        parts += [
            f'<line class="line" x1="{LEFT}" x2="{x - DOT:.1f}" y1="{middle}" y2="{middle}"/>',
            f'<circle class="{dot}" cx="{x:.1f}" cy="{middle}" r="{DOT}"/>',
            _text(LEFT - 10, middle + 4, NAMES.get(client, client), kind, "end"),
            _text(COST_AT, middle + 4, number(cost), kind, "end"),
            _text(TIMES_AT, middle + 4, f"{number(_times(result, client))} x", kind, "end"),
        ]
    return parts, end + 18


def _times(result: Result, client: str) -> float:
    """How many times the raw socket's cost, by round."""
    return result.ratio(client, result.case.floor, "chunk_us").median


def _text(x: float, y: float, words: str, kind: str = "", anchor: str = "") -> str:
    what = f' class="{kind}"' if kind else ""
    where = f' text-anchor="{anchor}"' if anchor else ""
    return f'<text x="{x:.1f}" y="{y}"{what}{where}>{escape(words)}</text>'
