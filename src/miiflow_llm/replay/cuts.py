"""How a body is cut into the pieces in which it will arrive; it knows framing's line ends, no provider."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Iterator
from typing import Literal

from .capture import Capture
from .eventstream import ends, is_event_stream

Cut = Literal["whole", "frames", "bytes", "recorded", "random"] | int
"""A way of cutting: the whole body at once, after each event or line, byte by byte, as it was read when recorded
(after each event if that is not known), into odd random sizes, or into pieces of a number of bytes."""

CUTS = ("whole", "frames", "bytes", "recorded", "random")

# Atomic: a `\r\n` must never be taken for two line ends.
_BLANK_LINE = re.compile(rb"(?>\r\n|\r|\n){2}")
_SIZES = (1, 1, 2, 3, 5, 7, 11, 17, 29, 47, 83, 151, 307, 997)


def cuts(capture: Capture, how: Cut = "frames", seed: int = 0) -> list[bytes]:
    """The body in pieces; joined they are the body, and none is empty. `seed` chooses the sizes of "random".

    Raises `ValueError` for an unknown `how`.
    """
    body = capture.body
    return [body[start:end] for start, end in itertools.pairwise(boundaries(capture, how, seed)) if end > start]


def boundaries(capture: Capture, how: Cut, seed: int = 0) -> list[int]:
    """The offsets at which the pieces of `cuts` begin, and the body's length; a recorded read keeps its own entry."""
    end = len(capture.body)
    inner = (offset for offset in _inner(capture, how, seed) if offset < end)
    return [0, *inner, end]


def _inner(capture: Capture, how: Cut, seed: int) -> Iterator[int]:
    if isinstance(how, int):
        if how < 1:
            raise ValueError(f"a piece has at least one byte, not {how}")
        return iter(range(how, len(capture.body), how))
    if how == "whole":
        return iter(())
    if how == "bytes":
        return iter(range(1, len(capture.body)))
    if how == "random":
        return _random(len(capture.body), seed)
    if how == "recorded" and capture.reads is not None:
        return itertools.accumulate(size for _, size in capture.reads)
    if how in ("frames", "recorded"):
        return _frames(capture)
    raise ValueError(f"unknown cut {how!r}: one of {', '.join(CUTS)} or a number of bytes")


def _random(length: int, seed: int) -> Iterator[int]:
    dice = random.Random(seed)  # noqa: S311  reproducible sizes, not a secret
    offset = 0
    while offset < length:
        offset += dice.choice(_SIZES)
        yield offset


def _frames(capture: Capture) -> Iterator[int]:
    kind = capture.content_type
    if is_event_stream(kind):
        return ends(capture.body)
    if not capture.streaming or (capture.status >= 400 and "event-stream" not in kind):
        return iter(())
    if "ndjson" in kind or capture.dialect.startswith("ollama"):
        return (found.end() for found in re.finditer(rb"\n", capture.body))
    return (found.end() for found in _BLANK_LINE.finditer(capture.body))
