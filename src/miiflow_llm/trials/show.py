"""A report as people read it: as text for a terminal, and as an SVG of intervals that suits light and dark pages."""

from __future__ import annotations

import math
from html import escape

from .report import ArmReport, Comparison, Interval, Report
from .tallies import METRICS, Metric

WIDTH, ROW, LEFT, RIGHT = 720, 26, 150, 30
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#57606a}.title{font-weight:600;fill:#24292f}"
    ".bar{stroke:#0969da;stroke-width:5;stroke-linecap:round;opacity:.55}.dot{fill:#0969da}.axis{stroke:#d0d7de}"
    "@media(prefers-color-scheme:dark){text{fill:#8d96a0}.title{fill:#e6edf3}.bar{stroke:#4493f8}.dot{fill:#4493f8}"
    ".axis{stroke:#30363d}}"
)


def text(report: Report) -> str:
    """A table of the arms, the comparisons by the goal, and the verdict."""
    metrics = [metric for metric in METRICS if any(metric in arm.metrics for arm in report.arms)]
    head = ["arm", "share", "units", "requests", *metrics, "crossed"]
    rows = [head, *(_row(arm, metrics) for arm in report.arms)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(head))]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    compared = [_sentence(one) for one in report.comparisons if one.metric == report.goal]
    return "\n".join([f"trial {report.trial}, decided by {report.goal}", "", *table, "", *compared, report.verdict])


def _row(arm: ArmReport, metrics: list[Metric]) -> list[str]:
    cells = [_interval(metric, arm.metrics[metric]) if metric in arm.metrics else "" for metric in metrics]
    return [arm.arm, f"{arm.share:.0%}", f"{arm.units:,}", f"{arm.requests:,}", *cells, f"{arm.crossed:.1%}"]


def _interval(metric: Metric, interval: Interval) -> str:
    low, value, high = (_number(metric, one) for one in (interval.low, interval.value, interval.high))
    return f"{value} [{low}, {high}]"


def _number(metric: Metric, value: float) -> str:
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if metric == "success":
        return f"{value:.1%}"
    if metric in ("first_output_ms", "latency_ms"):
        return f"{value:,.0f}"
    return f"{value:.4g}"


def _sentence(one: Comparison) -> str:
    number = _number(one.metric, one.difference.value)
    low, high = _number(one.metric, one.difference.low), _number(one.metric, one.difference.high)
    word = "decided" if one.decided else "open"
    return f"{one.arm} - {one.against}: {number} [{low}, {high}], {word}"


def svg(report: Report) -> str:
    """The intervals of every metric, arm by arm."""
    metrics = [metric for metric in METRICS if any(metric in arm.metrics for arm in report.arms)]
    parts, top = [], 34
    for metric in metrics:
        arms = [arm for arm in report.arms if metric in arm.metrics]
        parts += _panel(metric, arms, top)
        top += 34 + ROW * len(arms) + 14
    label = f'role="img" aria-label="{escape(f"Intervals of trial {report.trial}", quote=True)}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top + 24}" {label}>',
            f"<style>{_STYLE}</style>",
            f'<text class="title" x="12" y="20">{escape(report.trial)}: {escape(report.verdict)}</text>',
            *parts,
            "</svg>",
            "",
        ]
    )


def _panel(metric: Metric, arms: list[ArmReport], top: int) -> list[str]:
    """One metric: a line of ticks, and a bar and a dot for each arm."""
    low, high = _range([arm.metrics[metric] for arm in arms])
    bottom = top + 24 + ROW * len(arms)

    def across(value: float) -> float:
        inside = min(max(value, low), high)
        return round(LEFT + (inside - low) / (high - low) * (WIDTH - LEFT - RIGHT), 1)

    parts = [f'<text x="12" y="{top + 14}">{escape(metric.removesuffix("_ms").replace("_", " "))}</text>']
    for step in range(5):
        value = low + (high - low) * step / 4
        parts.append(f'<line class="axis" x1="{across(value)}" x2="{across(value)}" y1="{top + 20}" y2="{bottom}"/>')
        number = escape(_number(metric, value))
        parts.append(f'<text x="{across(value)}" y="{top + 14}" text-anchor="middle">{number}</text>')
    for place, arm in enumerate(arms):
        interval, y = arm.metrics[metric], top + 36 + ROW * place
        parts += [
            f'<text x="{LEFT - 12}" y="{y + 4}" text-anchor="end">{escape(arm.arm)}</text>',
            f'<line class="bar" x1="{across(interval.low)}" x2="{across(interval.high)}" y1="{y}" y2="{y}"/>',
            f'<circle class="dot" cx="{across(interval.value)}" cy="{y}" r="5"/>',
        ]
    return parts


def _range(intervals: list[Interval]) -> tuple[float, float]:
    """From where to where a panel reaches: all finite bounds and values, with room where they are one."""
    ends = [end for one in intervals for end in (one.low, one.value, one.high) if math.isfinite(end)]
    low, high = min(ends), max(ends)
    room = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
    return low - room, high + room
