"""Relay a stream to a browser: chunks become SSE or NDJSON frames, numbered.

Laws: each frame is one JSON object; frames carry `seq` from 0 without gaps; the last frame, and only the last, has
`"type"` `finished` or `error`, so that a reader can tell an answer that was cut short; while the model is silent a
heartbeat (no frame: a comment in SSE, `{"type":"heartbeat"}` in NDJSON) says that the connection lives.
It knows no framework.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Protocol, Self

import anyio

from ..calls.tool_loop import ToolEvent
from ..core import clock
from ..core.exceptions import ConfigurationError
from .framing import NDJSON, SSE, Frames
from .pump import Pump, close
from .safe_errors import SafeError, safe_error
from .ui_frames import UIFrames

WRITE_SECONDS = 30.0
"""Seconds that a browser may leave a write waiting before it counts as gone, and its upstream is ended."""
HEARTBEAT = 15.0
"""Seconds of silence before a heartbeat: below the 30 to 60 seconds after which proxies give a connection up."""


class _Frames(Protocol):
    """Makes the frames of one stream."""

    beat: bytes

    def pieces(self, chunks: Sequence[ToolEvent]) -> bytes:
        """The frames of what came together; empty if none says anything."""

    def finished(self) -> bytes:
        """The end of an answer that is whole."""

    def failed(self, error: SafeError) -> bytes:
        """The end of one that failed."""


class Relay(AsyncIterator[bytes]):
    """The frames of a stream; `to_sse`, `to_ndjson` and `to_ui_stream` make it.

    Iterate it, or let `pour` write it, which costs less. Frames that are ready at the same time come as one piece of
    bytes. `failure` is the HTTP status and the error once the stream failed, `begun` whether a chunk was given before.
    Closing it, cancelling a step or dropping it closes the stream.
    """

    def __init__(
        self,
        stream: AsyncIterator[ToolEvent],
        heartbeat: float | None,
        frames: _Frames,
        write_seconds: float | None = WRITE_SECONDS,
    ) -> None:
        if heartbeat is not None and heartbeat <= 0:
            raise ConfigurationError(f"heartbeat={heartbeat}: seconds above 0, or None for no heartbeats")
        if write_seconds is not None and write_seconds <= 0:
            raise ConfigurationError(f"write_seconds={write_seconds}: seconds above 0, or None for no limit")
        self.failure: tuple[int, SafeError] | None = None
        self.begun = False
        self._stream = stream
        self._frames = frames
        self._pump = Pump(stream, heartbeat, write_seconds)
        self._write_seconds = write_seconds
        self._heartbeat = heartbeat
        self._beat = frames.beat
        self._over = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._over:
            raise StopAsyncIteration
        try:
            return await self._step()
        except Exception as error:
            self._pump.cancel()
            return self._failed(error)
        except BaseException:
            self._over = True
            self._pump.cancel()
            raise

    async def aclose(self) -> None:
        """Leave: the stream and its connection are closed. Harmless when done twice."""
        self._over = True
        await self._pump.aclose()

    async def pour(self, write: Callable[[bytes], Awaitable[None]]) -> None:
        """Write everything that iterating would give, heartbeats included, and close the stream.

        No task stands between the stream and `write`, so that a chunk costs one wakeup. If `write` raises `OSError`, or
        waits longer than the limit on writes, the browser has gone, and the stream is left.
        """
        writer = _Writer(write, self._write_seconds)
        try:
            async with anyio.create_task_group() as group:
                if self._heartbeat is not None:
                    group.start_soon(writer.keep_alive, self._heartbeat, self._beat, group.cancel_scope.cancel)
                await self._pour(writer)
                group.cancel_scope.cancel()
        finally:
            self._over = True
            with anyio.CancelScope(shield=True):
                await close(self._stream)

    async def _pour(self, writer: _Writer) -> None:
        ended: Exception | None = None
        try:
            while ended is None:
                chunks, ended = await self._batch()
                if pieces := self._frames.pieces(chunks):
                    self.begun = True
                    await writer.write(pieces)
            await writer.write(self._last(ended))
        except _Gone:
            return

    async def _batch(self) -> tuple[list[ToolEvent], Exception | None]:
        """What can be had at once, and what ended the stream if it has ended."""
        chunks: list[ToolEvent] = []
        try:
            chunks.append(await self._stream.__anext__())
            while getattr(self._stream, "ready", 0):
                chunks.append(await self._stream.__anext__())
        except Exception as ended:
            return chunks, ended
        return chunks, None

    def _last(self, ended: Exception) -> bytes:
        if isinstance(ended, StopAsyncIteration):
            try:
                return self._frames.finished()
            except Exception as error:  # cut short, or a value without a JSON form
                ended = error
        return self._failed(ended)

    async def _step(self) -> bytes:
        while True:
            chunks = await self._pump.take()
            if chunks is None:
                return self._beat
            if not chunks:
                self._over = True
                return self._frames.finished()
            if pieces := self._frames.pieces(chunks):
                self.begun = True
                return pieces

    def _failed(self, error: Exception) -> bytes:
        self._over = True
        self.failure = safe_error(error)
        return self._frames.failed(self.failure[1])


class _Gone(Exception):
    """The browser has gone."""


class _Writer:
    """Writes pieces, and heartbeats if nothing was written for long, never two at a time."""

    def __init__(self, write: Callable[[bytes], Awaitable[None]], seconds: float | None) -> None:
        self._write = write
        self._seconds = seconds
        self._last = clock.monotonic()
        self._writing = False
        self._beating: anyio.Event | None = None

    async def write(self, data: bytes) -> None:
        """Write a piece.

        Raises:
            _Gone: nobody reads.
        """
        self._writing = True
        if self._beating is not None:
            await self._beating.wait()
        await self._written(data)
        self._writing = False
        self._last = clock.monotonic()

    async def _written(self, data: bytes) -> None:
        try:
            with anyio.fail_after(self._seconds):
                await self._write(data)
        except OSError:  # a TimeoutError is one
            raise _Gone from None

    async def keep_alive(self, seconds: float, beat: bytes, gone: Callable[[], None]) -> None:
        """Write `beat` after each `seconds` of silence until cancelled; call `gone` once nobody reads."""
        while True:
            rest = self._last + seconds - clock.monotonic()
            if rest > 0 or self._writing:  # a browser that reads slowly is not silence
                await anyio.sleep(rest if rest > 0 else seconds)
                continue
            self._beating = anyio.Event()
            try:
                await self._written(beat)
            except _Gone:
                gone()
                return
            finally:
                self._beating.set()
                self._beating = None
            self._last = clock.monotonic()


def to_sse(
    stream: AsyncIterator[ToolEvent],
    *,
    heartbeat: float | None = HEARTBEAT,
    write_seconds: float | None = WRITE_SECONDS,
) -> Relay:
    """The stream as server-sent events (`text/event-stream`, https://html.spec.whatwg.org/#server-sent-events).

    `stream` is what `stream_chat`, `stream_with_schema` or `stream_tools` gives.
    `heartbeat` is the seconds of silence after which a comment is sent, `None` for never. A browser that takes nothing
    for `write_seconds` has gone: the stream is closed, so that it holds no place upstream. Errors of the stream do not
    come out as exceptions: they are the last frame.

    Raises:
        ConfigurationError: `heartbeat` or `write_seconds` is not above 0.
    """
    return Relay(stream, heartbeat, Frames(stream, SSE), write_seconds)


def to_ndjson(
    stream: AsyncIterator[ToolEvent],
    *,
    heartbeat: float | None = HEARTBEAT,
    write_seconds: float | None = WRITE_SECONDS,
) -> Relay:
    """The stream as lines of JSON (`application/x-ndjson`); otherwise as `to_sse`.

    Raises:
        ConfigurationError: `heartbeat` or `write_seconds` is not above 0.
    """
    return Relay(stream, heartbeat, Frames(stream, NDJSON), write_seconds)


def to_ui_stream(
    stream: AsyncIterator[ToolEvent],
    *,
    message_id: str | None = None,
    heartbeat: float | None = HEARTBEAT,
    write_seconds: float | None = WRITE_SECONDS,
) -> Relay:
    """The stream as the AI SDK's `useChat` reads it: its UI message stream, version 1; otherwise as `to_sse`.

    `stream` may run tools. `message_id` is the id of the message that comes; without it the front end makes one. Send
    the frames with `UI_HEADERS`. https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol#data-stream-protocol

    Raises:
        ConfigurationError: `heartbeat` or `write_seconds` is not above 0.
    """
    return Relay(stream, heartbeat, UIFrames(stream, message_id), write_seconds)
