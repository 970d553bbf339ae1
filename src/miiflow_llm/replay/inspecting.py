"""Captures as text for people: one beside its chunks, the difference of two, and what is wrong with one.

It gives lines, and prints nothing.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator

import msgspec

from ..wire.decode.eventstream import BrokenStreamError, EventStreamFramer
from .capture import Capture
from .eventstream import is_event_stream
from .http_reader import json_of
from .reading import Frame, is_spoken, outcome_lines, read, unread
from .secrets import find_secret
from .snapshot import chunk_lines

WIDTH = 160
"""Where `show` cuts lines, in characters."""


def show(capture: Capture, *, width: int | None = WIDTH) -> Iterator[str]:
    """The capture's head, each frame with its time, under it the chunks that it completes, and the outcome.

    `width` cuts long lines, `None` does not. Times are milliseconds since the head, `-` if they are not known.
    Of a capture whose dialect nobody speaks only the frames are shown.
    """
    if is_spoken(capture):
        reading = read(capture)
        frames, outcome = reading.frames, outcome_lines(reading)
    else:
        frames, outcome = unread(capture), iter([f"not read: nobody here speaks {capture.dialect!r}"])
    text = _message_text if is_event_stream(capture.content_type) else _text
    for line in (*_head(capture), *_frames(frames, text), *outcome):
        yield line if width is None or len(line) <= width else line[: width - 1] + "…"


def compare(first: Capture, second: Capture) -> list[str]:
    """A unified diff of what two captures say: status, content type, chunks and outcome; empty where they agree.

    How the bytes were cut, the times, and the origin make no difference.

    Raises:
        CaptureError: nobody speaks the dialect of one.
    """
    return list(difflib.unified_diff(_said(first), _said(second), first.key, second.key, lineterm="", n=1))


def problems(capture: Capture) -> list[str]:
    """What is wrong with the capture, a line each: it cannot be read, is not complete, or holds a secret.

    An answer that ends in an error, or is cut short, is as it should be where the capture's `expected` says so by its
    `outcome` or `error`; a refused request (status 400 and above) always is. One whose dialect nobody speaks
    (`is_spoken`) cannot be read: of it only this is told, and whether its JSON is whole.
    """
    found = [f"its {where} holds what looks like {kind}" for where, kind in _secrets(capture)]
    if capture.partial:
        found.append("it is partial: the recording stopped before the body ended")
    if capture.reads is not None and (known := sum(size for _, size in capture.reads)) != len(capture.body):
        found.append(f"its read boundaries cover {known} of {len(capture.body)} bytes")
    if not is_spoken(capture):
        return [*found, *_broken_json(capture)]
    reading = read(capture)
    if not reading.complete and capture.status < 400 and not _is_expected(capture):
        found.append(f"it is not complete: {type(reading.error).__name__}: {reading.error}")
    return found


def _head(capture: Capture) -> Iterator[str]:
    origin = f"{capture.origin} {capture.source}".rstrip()
    yield f"{capture.key}: {capture.dialect}, {capture.model or 'any model'}, {origin}"
    head = "-" if capture.head_ms is None else f"{capture.head_ms:.1f}"
    yield f"{capture.method} {capture.path} -> {capture.status} {capture.content_type}, head after {head} ms"
    if capture.partial:
        yield "partial: the recording stopped before the body ended"


def _frames(frames: list[Frame], text: Callable[[bytes], str]) -> Iterator[str]:
    for frame in frames:
        yield f"{_moment(frame)} | {text(frame.data)}"
        yield from (f"{'':>10} -> {line}" for line in chunk_lines(frame.chunks).splitlines())


def _moment(frame: Frame) -> str:
    return f"{'-' if frame.at_ms is None else f'{frame.at_ms:.1f}':>10}"


def _text(data: bytes) -> str:
    return " ".join(data.decode("utf-8", "backslashreplace").split()) or "(end of the bytes)"


def _message_text(data: bytes) -> str:
    """A binary message as its event's name and its payload; as it stands, if it is broken or cut."""
    try:
        messages = EventStreamFramer().feed(data)
    except BrokenStreamError:
        messages = []
    return " ".join(f"{message.event} {_text(message.data)}" for message in messages) or _text(data)


def _said(capture: Capture) -> list[str]:
    reading = read(capture)
    chunks = [line for frame in reading.frames for line in chunk_lines(frame.chunks).splitlines()]
    return [f"status {capture.status}", f"content type {capture.content_type}", *chunks, *outcome_lines(reading)]


def _secrets(capture: Capture) -> Iterator[tuple[str, str]]:
    meta = {"request": capture.request, "headers": capture.headers, "path": capture.path, "source": capture.source}
    for where, data in {"body": capture.body, **{k: msgspec.json.encode(v) for k, v in meta.items()}}.items():
        if kind := find_secret(data):
            yield where, kind


def _broken_json(capture: Capture) -> Iterator[str]:
    if capture.content_type.partition(";")[0].endswith("json") and json_of(capture.body) is None:
        yield "its body is not whole JSON"


def _is_expected(capture: Capture) -> bool:
    expected = capture.expected or {}
    return expected.get("outcome") in ("error", "interrupted") or bool(expected.get("error"))
