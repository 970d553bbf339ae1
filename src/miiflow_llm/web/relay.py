"""A stream as bytes for a browser: an async iterator of chunks in; SSE or NDJSON frames, numbered, out.

Laws: each frame is one JSON object; frames carry `seq` from 0 without gaps; the last frame, and only the last, has
`"type"` `finished` or `error`, so that a reader can tell an answer that was cut short; while the model is silent a
heartbeat (no frame: a comment in SSE, `{"type":"heartbeat"}` in NDJSON) says that the connection lives.
It knows no framework.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, Self

import msgspec

from ..core.exceptions import ConfigurationError, StreamInterruptedError
from ..core.response import ChatResponse, StreamChunk, ToolCallDelta
from .pump import Pump
from .safe_errors import SafeError, safe_error

HEARTBEAT = 15.0
"""Seconds of silence before a heartbeat: below the 30 to 60 seconds after which proxies give a connection up."""
SSE = "text/event-stream"
NDJSON = "application/x-ndjson"


class _Piece(msgspec.Struct, omit_defaults=True):
    """A chunk as a frame: only what is set."""

    seq: int
    delta: str = ""
    reasoning_delta: str = ""
    tool_call_deltas: list[ToolCallDelta] = []
    refusal_delta: str = ""
    citations: list[Any] | None = None
    logprobs: list[Any] | None = None


def _plain(value: Any) -> Any:
    """A schema's value that msgspec does not know: a pydantic model."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    raise TypeError(f"a {type(value).__name__} has no JSON form")


encode = msgspec.json.Encoder(enc_hook=_plain).encode


class Relay(AsyncIterator[bytes]):
    """The frames of a stream; `to_sse` and `to_ndjson` make it.

    Frames that are ready at the same time come as one piece of bytes. `failure` is the HTTP status and the error once
    the stream failed, `begun` whether a chunk was given before. Closing it, cancelling a step or dropping it closes
    the stream.
    """

    def __init__(
        self, stream: AsyncIterator[StreamChunk], heartbeat: float | None, frame: Callable[[bytes], bytes], beat: bytes
    ) -> None:
        if heartbeat is not None and heartbeat <= 0:
            raise ConfigurationError(f"heartbeat={heartbeat}: seconds above 0, or None for no heartbeats")
        self.failure: tuple[int, SafeError] | None = None
        self.begun = False
        self._stream = stream
        self._pump = Pump(stream)
        self._heartbeat = heartbeat
        self._frame = frame
        self._beat = beat
        self._seq = 0
        self._last = StreamChunk()
        self._over = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._over:
            raise StopAsyncIteration
        try:
            return await self._step()
        except Exception as error:
            return self._failed(error)
        except BaseException:
            self._over = True
            self._pump.cancel()
            raise

    async def aclose(self) -> None:
        """Leave: the stream and its connection are closed. Harmless when done twice."""
        self._over = True
        await self._pump.aclose()

    async def _step(self) -> bytes:
        while True:
            chunks = await self._pump.take(self._heartbeat)
            if chunks is None:
                return self._beat
            if not chunks:
                return self._finished()
            self._last = chunks[-1]
            pieces = b"".join([self._frame(encode(piece)) for chunk in chunks if (piece := self._piece(chunk))])
            if pieces:
                self.begun = True
                return pieces

    def _piece(self, chunk: StreamChunk) -> _Piece | None:
        piece = _Piece(
            self._seq,
            chunk.delta,
            chunk.reasoning_delta,
            chunk.tool_call_deltas,
            chunk.refusal_delta,
            chunk.citations,
            chunk.logprobs,
        )
        words = piece.delta or piece.reasoning_delta or piece.tool_call_deltas or piece.refusal_delta
        if not (words or piece.citations or piece.logprobs):
            return None
        self._seq += 1
        return piece

    def _finished(self) -> bytes:
        if self._last.finish_reason is None:
            raise StreamInterruptedError("the chunks ended without a finish_reason")
        frame = self._frame(encode({"type": "finished", "seq": self._seq, **_ending(self._stream, self._last)}))
        self._over = True
        return frame

    def _failed(self, error: Exception) -> bytes:
        self._over = True
        self._pump.cancel()
        self.failure = safe_error(error)
        return self._frame(encode({"type": "error", "seq": self._seq, "error": self.failure[1]}))


def _ending(stream: AsyncIterator[StreamChunk], last: StreamChunk) -> dict[str, Any]:
    """What the last frame tells of the answer as a whole."""
    ending: dict[str, Any] = {"finish_reason": last.finish_reason, "usage": last.usage}
    if last.structured_output is not None:
        ending["structured_output"] = last.structured_output
    response = getattr(stream, "response", None)
    if isinstance(response, ChatResponse):
        ending["provider"], ending["model"] = response.provider, response.model
        ending["latency_ms"] = response.latency_ms
        ending["time_to_first_token_ms"] = response.time_to_first_token_ms
    return ending


def to_sse(stream: AsyncIterator[StreamChunk], *, heartbeat: float | None = HEARTBEAT) -> Relay:
    """The stream as server-sent events (`text/event-stream`, https://html.spec.whatwg.org/#server-sent-events).

    `heartbeat` is the seconds of silence after which a comment is sent, `None` for never. Errors of the stream do not
    come out as exceptions: they are the last frame.

    Raises:
        ConfigurationError: `heartbeat` is not above 0.
    """
    return Relay(stream, heartbeat, lambda data: b"data: " + data + b"\n\n", b": heartbeat\n\n")


def to_ndjson(stream: AsyncIterator[StreamChunk], *, heartbeat: float | None = HEARTBEAT) -> Relay:
    """The stream as lines of JSON (`application/x-ndjson`); else as `to_sse`.

    Raises:
        ConfigurationError: `heartbeat` is not above 0.
    """
    return Relay(stream, heartbeat, lambda data: data + b"\n", b'{"type":"heartbeat"}\n')
