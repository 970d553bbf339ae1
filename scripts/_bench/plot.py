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
    "httpx_bytes": "httpx, bytes only",
    "httpx_sse": "httpx + httpx-sse + json",
    "any_llm": "any-llm",
    "pydantic_ai": "pydantic-ai",
    "langchain_openai": "langchain-openai",
}
HIDDEN = {"floor_buffered", "ours_httpx"}
WIDTH, LEFT, RIGHT, ROW, BAR = 760, 178, 130, 24, 14
STYLE = """\
text { font: 13px -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #57606a; }
.title { font-weight: 600; fill: #24292f; }
.note { font-size: 11px; }
.ours { font-weight: 600; fill: #0a7d55; }
.bar { fill: #a3adb8; }
.bar-floor { fill: none; stroke: #a3adb8; stroke-width: 1.5; }
.bar-ours { fill: #12a06e; }
.grid { stroke: #8c959f; stroke-opacity: 0.25; }
@media (prefers-color-scheme: dark) {
  text { fill: #9aa4af; }
  .title { fill: #e6edf3; }
  .ours { fill: #3fd39b; }
  .bar { fill: #57616c; }
  .bar-floor { stroke: #6e7883; }
  .bar-ours { fill: #26b983; }
}"""


def draw(results: Mapping[str, Result], path: Path) -> None:
    """Write the picture, where its cases were measured."""
    panels = [(title, results[case]) for case, title in PANELS.items() if case in results and results[case].samples]
    if not panels:
        return
    y, parts = 24, [_text(0, 24, "CPU per streamed chunk, microseconds (logarithmic scale)", "title")]
    for title, result in panels:
        drawn, y = _panel(title, result, y + 30)
        parts += drawn
    y += 22
    note = "the client's process alone, medians of interleaved rounds; in brackets how many times the raw socket"
    parts.append(_text(0, y, f"{note} · scripts/bench --rivals", "note"))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 8}" width="{WIDTH}" height="{y + 8}"'
    label = 'role="img" aria-label="CPU per streamed chunk of miiflow_llm, raw sockets, httpx and other clients"'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([f"{head} {label}>", f"<style>\n{STYLE}\n</style>", *parts, "</svg>"]) + "\n")


def _panel(title: str, result: Result, y: int) -> tuple[list[str], int]:
    """One case's bars from `y` on, and where they end."""
    costs = {name: result.figure(name, "chunk_us").median for name in result.samples if name not in HIDDEN}
    floor = result.case.floor
    least, most = 10 ** math.floor(math.log10(min(costs.values()) * 0.99)), max(costs.values())
    scale = (WIDTH - LEFT - RIGHT) / math.log(most / least)
    parts = [_text(0, y, title, "title")]
    top, end = y + 12, y + 12 + ROW * len(costs)
    for power in range(round(math.log10(least)), math.ceil(math.log10(most))):
        x = LEFT + math.log(10**power / least) * scale
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{end + 2}"/>')
        parts.append(_text(x, end + 15, f"{10**power:g}", "note", "middle"))
    for place, (client, cost) in enumerate(sorted(costs.items(), key=lambda item: item[1])):
        middle = top + ROW * place + ROW // 2
        width = max(3.0, math.log(cost / least) * scale)
        kind = client if client in ("ours", "floor") else ""
        bar = f"bar bar-{kind}" if kind == "ours" else "bar-floor" if kind else "bar"
        parts.append(
            f'<rect class="{bar}" x="{LEFT}" y="{middle - BAR // 2}" width="{width:.1f}" height="{BAR}" rx="3"/>'
        )
        parts.append(_text(LEFT - 8, middle + 4, NAMES.get(client, client), kind, "end"))
        times = f" ({number(result.ratio(client, floor, 'chunk_us').median)} x)" if client != floor else ""
        parts.append(_text(LEFT + width + 8, middle + 4, f"{number(cost)}{times}", kind))
    return parts, end + 18


def _text(x: float, y: float, words: str, kind: str = "", anchor: str = "") -> str:
    what = f' class="{kind}"' if kind else ""
    where = f' text-anchor="{anchor}"' if anchor else ""
    return f'<text x="{x:.1f}" y="{y}"{what}{where}>{escape(words)}</text>'
