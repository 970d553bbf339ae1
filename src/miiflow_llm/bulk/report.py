"""How a job went, from its journal: totals and latencies, and a picture over time as SVG."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from xml.sax.saxutils import escape

import msgspec

from ..core.exceptions import ConfigurationError
from .journal import Counts, Journal, Moment

SLICES = 60
"""The points of each line of the picture."""
_WIDTH, _HEIGHT, _LEFT, _TOP, _GAP = 760, 110, 64, 34, 50
_STYLE = """\
text { font: 12px -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #57606a; }
.title { font-weight: 600; fill: #24292f; }
.grid { stroke: #8c959f; stroke-opacity: 0.3; }
.line { fill: none; stroke: #0a7d55; stroke-width: 1.8; }
.second { fill: none; stroke: #bf6a02; stroke-width: 1.4; }
@media (prefers-color-scheme: dark) {
  text { fill: #9aa4af; }
  .title { fill: #e6edf3; }
  .line { stroke: #3fd39b; }
  .second { stroke: #e3a34b; }
}"""


class Slice(msgspec.Struct):
    """A part of the time of a job."""

    done: int = 0
    failed: int = 0
    cost: float = 0.0
    latencies: list[float] = []


class BulkReport(msgspec.Struct, frozen=True):
    """How a job went: its counts, `seconds` from the first answer to the last, and latencies in ms, if known."""

    counts: Counts
    seconds: float
    p50_ms: float | None
    p95_ms: float | None
    slices: list[Slice]

    @property
    def a_second(self) -> float | None:
        """Requests done in a second."""
        finished = self.counts.done + self.counts.failed
        return finished / self.seconds if self.seconds else None


def report(path: str | Path) -> BulkReport:
    """How a job went, or goes, by its journal.

    Raises:
        ConfigurationError: there is no such journal.
    """
    if not Path(path).is_file():
        raise ConfigurationError(f"{path}: there is no such journal")
    with closing(Journal(path)) as journal:
        first, last = journal.span()
        slices = _sliced(journal.timeline(), first, last)
        counts = journal.counts()
    latencies = sorted(ms for one in slices for ms in one.latencies)
    return BulkReport(counts, last - first, quantile(latencies, 0.5), quantile(latencies, 0.95), slices)


def _sliced(moments: Iterable[Moment], first: float, last: float) -> list[Slice]:
    slices = [Slice(latencies=[]) for _ in range(SLICES)]
    width = (last - first) / SLICES
    for one in moments:
        place = slices[min(int((one.at - first) / width), SLICES - 1) if width else 0]
        place.done += 1
        place.failed += one.failed
        place.cost += one.cost or 0.0
        if one.ms is not None:
            place.latencies.append(one.ms)
    return slices


def quantile(ordered: Sequence[float], part: float) -> float | None:
    """The value below which so large a part of them lies; `None` of no values."""
    return ordered[min(int(len(ordered) * part), len(ordered) - 1)] if ordered else None


def draw(found: BulkReport, path: str | Path) -> None:
    """Write the picture: throughput, latency, failures and cost over time.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    width = found.seconds / SLICES or 1.0
    ordered = [sorted(one.latencies) for one in found.slices]
    panels: list[tuple[str, Sequence[Sequence[float | None]]]] = [
        ("done in a second", [[one.done / width for one in found.slices]]),
        ("latency in seconds: median, and 95 of 100", [_seconds(ordered, 0.5), _seconds(ordered, 0.95)]),
        ("failed, in all", [_growing([float(one.failed) for one in found.slices])]),
        ("cost in USD, in all", [_growing([one.cost for one in found.slices])]),
    ]
    parts = [part for place, (title, lines) in enumerate(panels) for part in _panel(place, title, lines)]
    bottom = _TOP + len(panels) * (_HEIGHT + _GAP)
    parts.append(_text(_LEFT, bottom - 22, "0 s") + _text(_WIDTH - 8, bottom - 22, f"{found.seconds:,.0f} s", "end"))
    size = f'viewBox="0 0 {_WIDTH} {bottom}" width="{_WIDTH}" height="{bottom}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size}>'
    try:
        Path(path).write_text("\n".join([head, f"<style>{_STYLE}</style>", *parts, "</svg>", ""]), encoding="utf-8")
    except OSError as reason:
        raise ConfigurationError(f"{path} cannot be written: {reason.strerror}") from None


def _seconds(ordered: list[list[float]], part: float) -> list[float | None]:
    return [None if (found := quantile(one, part)) is None else found / 1000 for one in ordered]


def _growing(values: list[float]) -> list[float]:
    total, out = 0.0, list[float]()
    for value in values:
        total += value
        out.append(total)
    return out


def _panel(place: int, title: str, lines: Sequence[Sequence[float | None]]) -> list[str]:
    top = _TOP + place * (_HEIGHT + _GAP)
    most = max((value for line in lines for value in line if value is not None), default=0.0) or 1.0
    right, bottom = _WIDTH - 8, top + _HEIGHT
    grid = "".join(f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{y}" y2="{y}"/>' for y in (top, bottom))
    parts = [_text(_LEFT, top - 8, title, kind="title"), grid, _text(_LEFT - 6, top + 4, _short(most), "end")]
    parts.append(_text(_LEFT - 6, bottom + 4, "0", "end"))
    for line, kind in zip(lines, ("line", "second"), strict=False):
        points = [
            f"{_LEFT + (right - _LEFT) * number / (SLICES - 1):.1f},{bottom - _HEIGHT * value / most:.1f}"
            for number, value in enumerate(line)
            if value is not None
        ]
        parts.append(f'<polyline class="{kind}" points="{" ".join(points)}"/>')
    return parts


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _text(x: float, y: float, words: str, anchor: str = "start", *, kind: str = "") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" class="{kind}">{escape(words)}</text>'
