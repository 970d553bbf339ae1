"""Read a capture: its frames beside their chunks, its times, its answer or its error. No I/O."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Callable, Iterable, Iterator

import msgspec

from .. import providers
from ..calls.target import engine_for
from ..core.exceptions import MiiflowLLMError
from ..core.response import ChatResponse, StreamChunk
from ..wire.engine import Engine
from .capture import Capture
from .cuts import boundaries
from .errors import CaptureError


class Frame(msgspec.Struct):
    """One event or line of a body with the chunks it completes, which may be none.

    `at_ms` is when its last byte was read, in milliseconds since the head; `None` where the times are not known.
    """

    data: bytes
    at_ms: float | None
    chunks: list[StreamChunk]


class Reading(msgspec.Struct):
    """A capture, read: its frames, and what they came to.

    `response` is the answer, `None` where the capture is a refused request or cannot be read. `error` is what a client
    would raise. `complete` says that the answer was finished.
    """

    frames: list[Frame]
    response: ChatResponse | None
    error: MiiflowLLMError | None

    @property
    def complete(self) -> bool:
        """Whether a client would be given a finished answer."""
        return self.error is None and self.response is not None


def read(capture: Capture) -> Reading:
    """Read the capture as a client would.

    Raises:
        CaptureError: nobody speaks its dialect.
    """
    engine = engine_of(capture)
    if capture.status >= 400:
        headers = {name.lower(): value for name, value in capture.headers.items()}
        error = engine.error(capture.status, headers, capture.body, capture.model)
        return Reading([Frame(capture.body, _last_read(capture), [])], None, error)
    return _read_stream(engine, capture) if capture.streaming else _read_whole(engine, capture)


def unread(capture: Capture) -> list[Frame]:
    """The capture's frames without chunks, for one whose dialect nobody speaks."""
    return [Frame(data, at, []) for data, at in _cut(capture)]


def is_spoken(capture: Capture) -> bool:
    """Whether somebody here speaks the capture's dialect."""
    return engine_named(capture.dialect, _speakers(capture)) is not None


def engine_of(capture: Capture) -> Engine:
    """The engine of the capture's dialect as its provider speaks it, else as the first provider that does.

    Raises:
        CaptureError: nobody speaks it.
    """
    engine = engine_named(capture.dialect, _speakers(capture))
    if engine is None:
        raise CaptureError(f"capture {capture.key} is in the dialect {capture.dialect!r}, which nobody here speaks")
    return engine


def engine_named(dialect: str, speakers: Iterable[str]) -> Engine | None:
    """The engine of `dialect` as the first of these providers that speaks it does; `None` if none of them does."""
    for name in speakers:
        found = providers.get(name)
        for rows in found.options:
            if rows.dialect.name == dialect:
                return engine_for(found, rows)
    return None


def _speakers(capture: Capture) -> list[str]:
    known = providers.names()
    return [*([capture.provider] if capture.provider in known else []), "openai", *known]


def _read_whole(engine: Engine, capture: Capture) -> Reading:
    frame = Frame(capture.body, _last_read(capture), [])
    try:
        return Reading([frame], engine.read_whole(capture.body, capture.model), None)
    except MiiflowLLMError as error:
        return Reading([frame], None, error)


def _read_stream(engine: Engine, capture: Capture) -> Reading:
    reader = engine.stream(capture.model)
    frames = [Frame(data, at, reader.feed(data)) for data, at in _cut(capture)]
    last = reader.finish()
    if last:
        frames.append(Frame(b"", _last_read(capture), last))
    return Reading(frames, reader.response(finished=reader.error is None), reader.error)


def _cut(capture: Capture) -> Iterator[tuple[bytes, float | None]]:
    """Each frame's bytes, and when the last of them was read."""
    read_at = _clock(capture)
    for start, end in itertools.pairwise(boundaries(capture, "frames")):
        if end > start:
            yield capture.body[start:end], read_at(end)


def _clock(capture: Capture) -> Callable[[int], float | None]:
    """A function that says when the byte before an offset had come."""
    reads = capture.reads
    if not reads:
        return lambda offset: None
    ends = list(itertools.accumulate(size for _, size in reads))
    return lambda offset: reads[min(bisect.bisect_left(ends, offset), len(ends) - 1)][0]


def _last_read(capture: Capture) -> float | None:
    return capture.reads[-1][0] if capture.reads else None


def outcome_lines(reading: Reading) -> Iterator[str]:
    """What the answer came to: its message, finish reason and usage, and the error that a client would raise."""
    if reading.response is not None:
        response = reading.response
        yield f"message {msgspec.json.encode(response.message).decode()}"
        usage = msgspec.json.encode(response.usage).decode()
        yield f"finish {response.finish_reason} ({response.raw_finish_reason}), usage {usage}"
    if reading.error is not None:
        yield f"{type(reading.error).__name__}: {reading.error}"
