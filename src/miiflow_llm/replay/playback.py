"""Plan when which bytes of a capture are handed out: a list of timed steps, by its cut, pace and faults.

It does no I/O and does not sleep: the server and the transport walk the steps.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from .capture import Capture
from .cuts import Cut, cuts
from .faults import CutAt, Fault, Reset, Stall, Trickle

Ending = Literal["end", "close", "reset"]

# What describes one transfer, not the answer; a replay writes its own.
_TRANSFER_HEADERS = frozenset(
    ["content-length", "transfer-encoding", "content-encoding", "connection", "keep-alive", "trailer", "upgrade"]
)


class Step(NamedTuple):
    """Wait `delay` seconds (`math.inf`: for ever), then hand out `data`."""

    delay: float
    data: bytes


class Playback(NamedTuple):
    """An answer as it will be played: after `head_delay` seconds the head (unless `head` is false), then the steps.

    `ending` is how the transfer stops: in good order, by a close that leaves it incomplete, or by a reset.
    """

    steps: list[Step]
    head_delay: float = 0.0
    ending: Ending = "end"
    head: bool = True


def plan(
    capture: Capture, *, cut: Cut = "frames", seed: int = 0, pace: float = 0.0, faults: Iterable[Fault] = ()
) -> Playback:
    """How the capture is played.

    `pace` is the wait before each piece in seconds; with `cut="recorded"`, where the times are known, it is the factor
    on the recorded waits (1.0 as recorded, 0.0 at full speed).
    """
    if cut == "recorded" and capture.reads is not None:
        playback = Playback(_timed(capture, pace), head_delay=(capture.head_ms or 0.0) / 1000 * pace)
    else:
        playback = Playback([Step(pace, piece) for piece in cuts(capture, cut, seed)])
    for fault in faults:
        playback = _lay_over(playback, fault)
    return playback


def timed(playback: Playback, begun: float) -> Iterator[tuple[float, bytes]]:
    """The pieces with the times at which each is due, where the head was there at `begun`."""
    due = itertools.accumulate((step.delay for step in playback.steps), initial=begun)
    return ((moment, step.data) for moment, step in zip(itertools.islice(due, 1, None), playback.steps, strict=True))


def answer_headers(capture: Capture) -> dict[str, str]:
    """The headers that a replay sends: the recorded ones, a content type always, none that describe the transfer."""
    kept = {name: value for name, value in capture.headers.items() if name.lower() not in _TRANSFER_HEADERS}
    return {"content-type": capture.content_type} | kept


def _timed(capture: Capture, pace: float) -> list[Step]:
    steps: list[Step] = []
    before, offset = 0.0, 0
    for moment, size in capture.reads or ():
        steps.append(Step(max(moment - before, 0.0) / 1000 * pace, capture.body[offset : offset + size]))
        before, offset = max(moment, before), offset + size
    if offset < len(capture.body):
        steps.append(Step(0.0, capture.body[offset:]))
    return steps


def _lay_over(playback: Playback, fault: Fault) -> Playback:
    match fault:
        case CutAt(at=at, clean=clean):
            return playback._replace(steps=_split(playback.steps, at)[0], ending="end" if clean else "close")
        case Reset(after=None):
            return playback._replace(steps=[], ending="reset", head=False)
        case Reset(after=int(after)):
            return playback._replace(steps=_split(playback.steps, after)[0], ending="reset")
        case Stall(after=None, seconds=seconds):
            return playback._replace(head_delay=math.inf if seconds is None else seconds)
        case Stall(after=int(after), seconds=seconds):
            before, rest = _split(playback.steps, after)
            pause = Step(math.inf if seconds is None else seconds, b"")
            return playback._replace(steps=[*before, pause, *rest])
        case Trickle(delay=delay, size=size):
            return playback._replace(steps=_trickle(playback.steps, delay, size))
    return playback


def _split(steps: list[Step], at: int) -> tuple[list[Step], list[Step]]:
    """The steps up to `at` bytes and those after; a step across the border becomes two."""
    offset = 0
    for place, step in enumerate(steps):
        inside = at - offset
        if inside == 0:
            return steps[:place], steps[place:]
        if inside < len(step.data):
            first, second = Step(step.delay, step.data[:inside]), Step(0.0, step.data[inside:])
            return [*steps[:place], first], [second, *steps[place + 1 :]]
        offset += len(step.data)
    return steps, []


def _trickle(steps: list[Step], delay: float, size: int | None) -> list[Step]:
    trickled: list[Step] = []
    for step in steps:
        starts = range(0, len(step.data), size or max(len(step.data), 1)) if step.data else range(1)
        pieces = (step.data[start : start + size] if size else step.data for start in starts)
        waits = itertools.chain([step.delay], itertools.repeat(0.0))
        trickled += [Step(wait + delay, piece) for wait, piece in zip(waits, pieces, strict=False)]
    return trickled
