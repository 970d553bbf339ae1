"""Chunks and calls of tools as numbered frames, SSE or lines of JSON, and the one last frame: no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from ..calls.tool_loop import ToolEvent, ToolRun
from ..core.exceptions import StreamInterruptedError
from ..core.messages import Message, OpaqueBlock, ToolCall
from ..core.response import ChatResponse, StreamChunk, ToolCallDelta
from ..core.tool_events import ToolFinished, ToolStarted
from .growth import Change, Growth
from .safe_errors import SafeError


class Framing(NamedTuple):
    """What stands around the JSON of a frame, and what is sent while there is none."""

    kind: str
    before: bytes
    after: bytes
    beat: bytes


SSE = Framing("text/event-stream", b"data: ", b"\n\n", b": heartbeat\n\n")
NDJSON = Framing("application/x-ndjson", b"", b"\n", b'{"type":"heartbeat"}\n')


class Piece(msgspec.Struct, omit_defaults=True, gc=False):
    """A chunk as a frame: only what is set."""

    seq: int
    delta: str = ""
    reasoning_delta: str = ""
    tool_call_deltas: list[ToolCallDelta] = []
    refusal_delta: str = ""
    citations: list[Any] | None = None
    logprobs: list[Any] | None = None
    partial_parse_deltas: list[Change] = []
    restarted: bool = False


class ToolStartedFrame(msgspec.Struct, tag="tool_started", omit_defaults=True):
    """A call that is run now, as a frame."""

    seq: int
    round: int
    call: ToolCall


class ToolFinishedFrame(msgspec.Struct, tag="tool_finished", omit_defaults=True):
    """A call's result as a frame. What a tool raised is for the model, and is not shown: it may tell of the server."""

    seq: int
    round: int
    id: str
    name: str
    content: str = ""
    is_error: bool = False
    approved: bool = True
    duration_ms: float = 0.0


def _plain(value: Any) -> Any:
    """A schema's value that msgspec does not know: a pydantic model."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    raise TypeError(f"a {type(value).__name__} has no JSON form")


encode = msgspec.json.Encoder(enc_hook=_plain).encode


class Frames:
    """The frames of one stream, in order."""

    def __init__(self, stream: object, framing: Framing) -> None:
        self._stream = stream
        self._framing = framing
        self.beat = framing.beat
        self._seq = 0
        self._last: StreamChunk | None = None
        self._growth = Growth()

    def pieces(self, chunks: Sequence[ToolEvent]) -> bytes:
        """The frames of chunks and events that came together; empty if none says anything."""
        before, after = self._framing.before, self._framing.after
        found = [b"%b%b%b" % (before, encode(piece), after) for chunk in chunks if (piece := self._piece(chunk))]
        return found[0] if len(found) == 1 else b"".join(found)

    def _piece(self, chunk: ToolEvent) -> Piece | ToolStartedFrame | ToolFinishedFrame | None:
        if not isinstance(chunk, StreamChunk):
            return self._tool_frame(chunk)
        self._last = chunk
        grown = [] if chunk.partial_parse is None else self._growth.changes(chunk.partial_parse)
        calls, cited, logged, anew = chunk.tool_call_deltas, chunk.citations, chunk.logprobs, chunk.restarted
        if not (
            chunk.delta or chunk.reasoning_delta or calls or chunk.refusal_delta or cited or logged or grown or anew
        ):
            return None
        seq, self._seq = self._seq, self._seq + 1
        return Piece(seq, chunk.delta, chunk.reasoning_delta, calls, chunk.refusal_delta, cited, logged, grown, anew)

    def _tool_frame(self, event: ToolStarted | ToolFinished) -> ToolStartedFrame | ToolFinishedFrame:
        seq, self._seq = self._seq, self._seq + 1
        if isinstance(event, ToolStarted):
            return ToolStartedFrame(seq, event.round, event.call)
        return ToolFinishedFrame(
            seq,
            event.round,
            event.call.id,
            event.call.name,
            "" if event.is_error else event.content,
            event.is_error,
            event.approved,
            event.duration_ms,
        )

    def finished(self) -> bytes:
        """The last frame of an answer that is whole.

        Raises:
            StreamInterruptedError: the chunks ended without a finish reason.
        """
        last = last_of(self._last)
        return self._framed({"type": "finished", "seq": self._seq, **ending(self._stream, last)})

    def failed(self, error: SafeError) -> bytes:
        """The last frame of one that failed."""
        return self._framed({"type": "error", "seq": self._seq, "error": error})

    def _framed(self, value: dict[str, Any]) -> bytes:
        return self._framing.before + encode(value) + self._framing.after


def last_of(chunk: StreamChunk | None) -> StreamChunk:
    """The chunk that ends an answer.

    Raises:
        StreamInterruptedError: it does not say why the answer ended, so the answer was cut short.
    """
    if chunk is None or chunk.finish_reason is None:
        raise StreamInterruptedError("the chunks ended without a finish_reason")
    return chunk


OF_THE_ANSWER = ("provider", "model", "served_by", "cache", "cost", "call_id")
"""What is told of who answered and at what price, if it is known."""


def ending(stream: object, last: StreamChunk) -> dict[str, Any]:
    """What the last frame tells of the answer as a whole."""
    told: dict[str, Any] = {"finish_reason": last.finish_reason, "usage": last.usage}
    if last.structured_output is not None:
        told["structured_output"] = last.structured_output
    response = getattr(stream, "response", None)
    if isinstance(response, ChatResponse):
        told["message"] = shown(response.message)
        told |= {name: value for name in OF_THE_ANSWER if (value := getattr(response, name)) is not None}
        told["latency_ms"] = response.latency_ms
        told["time_to_first_token_ms"] = response.time_to_first_token_ms
    run = getattr(stream, "run", None)
    return told | (of_run(run) if isinstance(run, ToolRun) else {})


def of_run(run: ToolRun) -> dict[str, Any]:
    """What is told of a conversation with tools: the sums, and every message since the question, to be sent again."""
    asked = max((at for at, message in enumerate(run.messages) if message.role == "user"), default=-1)
    said = {"usage": run.usage, "rounds": run.rounds, "messages": [_said(each) for each in run.messages[asked + 1 :]]}
    return said if run.cost is None else {**said, "cost": run.cost}


def _said(message: Message) -> dict[str, Any]:
    """A message of the loop; what a tool raised may tell of the server, and is not shown."""
    if message.role == "tool" and message.is_error:
        message = Message.tool("The tool failed.", message.tool_call_id or "", is_error=True)
    return shown(message)


def shown(message: Message) -> dict[str, Any]:
    """A message as a browser sees it, to be sent again as it is: no block of a provider's own."""
    found = message.to_dict()
    if "parts" in found:
        tag = OpaqueBlock.__struct_config__.tag
        found["parts"] = [part for part in found["parts"] if part.get("type") != tag]
    return found
