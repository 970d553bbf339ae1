"""Chunks and calls of tools as parts of the AI SDK's UI message stream, version 1: no I/O.

The parts are those of https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol#data-stream-protocol.
Laws: every text and every reasoning that was begun is ended before anything else is; a call's input is whole before its
output; each answer of a conversation with tools is one step; the last line is `[DONE]`, after a failure too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from ..calls.tool_loop import ToolEvent
from ..core.response import FinishReason, StreamChunk, ToolCallDelta
from ..core.tool_events import ToolFinished, ToolStarted
from .framing import SSE, encode, ending, last_of
from .safe_errors import SafeError

UI_HEADERS = {"content-type": "text/event-stream; charset=utf-8", "x-vercel-ai-ui-message-stream": "v1"}
"""The headers of such a stream."""
_DONE = b"data: [DONE]\n\n"
_FINISH: dict[FinishReason, str] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool-calls",
    "content_filter": "content-filter",
    "unknown": "other",
}
_METADATA = ("usage", "finish_reason", "provider", "model", "served_by", "cache", "cost", "call_id", "rounds")
"""What the message's `metadata` tells of the answer, by our names."""

Part = dict[str, Any]


class _Call:
    """A call whose input comes. It keeps the id under which it was begun, even if the wire sends another one later."""

    def __init__(self, shown_id: str, name: str) -> None:
        self.shown_id = shown_id
        self.id = shown_id
        self.name = name
        self.arguments: list[str] = []


class UIFrames:
    """The parts of one stream, in order."""

    def __init__(self, stream: object, message_id: str | None = None) -> None:
        self._stream = stream
        self._message_id = message_id
        self._begun = False
        self._in_step = False
        self._steps = 0
        self._texts = 0
        self._open: tuple[str, str] | None = None  # kind and id of the text that comes
        self._calls: dict[int, _Call] = {}
        self._shown: dict[str, str] = {}  # a call's id to the id under which the front end knows it
        self._cited: set[str] = set()
        self._last: StreamChunk | None = None
        self.beat = SSE.beat

    def pieces(self, chunks: Sequence[ToolEvent]) -> bytes:
        """The parts of chunks and events that came together; empty if none says anything."""
        return b"".join(_framed(part) for chunk in chunks for part in self._parts(chunk))

    def finished(self) -> bytes:
        """The end of an answer that is whole.

        Raises:
            StreamInterruptedError: the chunks ended without a finish reason.
        """
        last = last_of(self._last)
        told = ending(self._stream, last)
        metadata = {name: told[name] for name in _METADATA if told.get(name) is not None}
        parts = [*self._begin(), *self._end_step()]
        if "structured_output" in told:
            parts.append({"type": "data-structured-output", "data": told["structured_output"]})
        reason = _FINISH[last.finish_reason or "unknown"]
        parts.append({"type": "finish", "finishReason": reason, "messageMetadata": metadata})
        return b"".join(map(_framed, parts)) + _DONE

    def failed(self, error: SafeError) -> bytes:
        """The end of one that failed."""
        parts = [*self._begin(), *self._end_text(), {"type": "error", "errorText": error.message}]
        return b"".join(map(_framed, parts)) + _DONE

    def _parts(self, event: ToolEvent) -> Iterator[Part]:
        yield from self._begin()
        if isinstance(event, ToolStarted):
            return
        if isinstance(event, ToolFinished):
            yield self._output(event)
            return
        self._last = event
        if event.restarted:
            yield from self._restart()
        if event.reasoning_delta or event.delta or event.refusal_delta or event.tool_call_deltas:
            yield from self._begin_step()
        yield from self._text("reasoning", event.reasoning_delta)
        yield from self._text("text", event.delta + event.refusal_delta)
        for delta in event.tool_call_deltas:
            yield from self._input(delta)
        yield from self._sources(event.citations or ())
        if event.finish_reason is not None:
            yield from self._end_step()

    def _begin(self) -> Iterator[Part]:
        if not self._begun:
            self._begun = True
            yield {"type": "start"} | ({"messageId": self._message_id} if self._message_id else {})

    def _begin_step(self) -> Iterator[Part]:
        if not self._in_step:
            self._in_step = True
            self._steps += 1
            yield {"type": "start-step"}

    def _restart(self) -> Iterator[Part]:
        """Drop what was shown of this answer (`reset-step`, of version 7 of the AI SDK)."""
        if self._in_step:
            self._open = None
            self._calls = {}
            yield {"type": "reset-step"}

    def _text(self, kind: str, delta: str) -> Iterator[Part]:
        if not delta:
            return
        if self._open is None or self._open[0] != kind:
            yield from self._end_text()
            self._texts += 1
            self._open = (kind, f"{kind}-{self._texts}")
            yield {"type": f"{kind}-start", "id": self._open[1]}
        yield {"type": f"{kind}-delta", "id": self._open[1], "delta": delta}

    def _end_text(self) -> Iterator[Part]:
        if self._open is not None:
            (kind, name), self._open = self._open, None
            yield {"type": f"{kind}-end", "id": name}

    def _input(self, delta: ToolCallDelta) -> Iterator[Part]:
        call = self._calls.get(delta.index)
        if call is None:
            yield from self._end_text()
            call = _Call(delta.id or f"call-{self._steps}-{delta.index}", delta.name or "")
            self._calls[delta.index] = call
            yield {"type": "tool-input-start", "toolCallId": call.shown_id, "toolName": call.name}
        else:
            call.name += delta.name or ""
        call.id = delta.id or call.id
        if delta.arguments:
            call.arguments.append(delta.arguments)
            yield {"type": "tool-input-delta", "toolCallId": call.shown_id, "inputTextDelta": delta.arguments}

    def _end_step(self) -> Iterator[Part]:
        yield from self._end_text()
        for call in self._calls.values():
            self._shown[call.id] = call.shown_id
            yield _whole_input(call)
        self._calls = {}
        if self._in_step:
            self._in_step = False
            yield {"type": "finish-step"}

    def _output(self, event: ToolFinished) -> Part:
        told = {"toolCallId": self._shown.get(event.call.id, event.call.id)}
        if not event.approved:
            return {"type": "tool-output-error", **told, "errorText": "The call was not allowed to run."}
        if event.is_error:  # what a tool raised may tell of the server
            return {"type": "tool-output-error", **told, "errorText": "The tool failed."}
        return {"type": "tool-output-available", **told, "output": _value(event.content, event.content)}

    def _sources(self, citations: Sequence[Any]) -> Iterator[Part]:
        """The pages that an answer names, each once; citations without an address have no place in this stream."""
        for citation in citations:
            url = citation if isinstance(citation, str) else _named(citation, "url", "uri")
            if not url.startswith(("https://", "http://")) or url in self._cited:
                continue
            self._cited.add(url)
            source = {"type": "source-url", "sourceId": f"source-{len(self._cited)}", "url": url}
            title = "" if isinstance(citation, str) else _named(citation, "title")
            yield source | ({"title": title} if title else {})


def _whole_input(call: _Call) -> Part:
    text = "".join(call.arguments)
    told = {"toolCallId": call.shown_id, "toolName": call.name}
    value = _value(text or "{}", None)
    if value is None:
        return {"type": "tool-input-error", **told, "input": text, "errorText": "The arguments are not JSON."}
    return {"type": "tool-input-available", **told, "input": value}


def _value(text: str, otherwise: Any) -> Any:
    """The value of a JSON text."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return otherwise


def _named(citation: Any, *names: str) -> str:
    """The first text of these names in a citation, or in what it wraps."""
    for inner in (citation, *(citation.values() if isinstance(citation, dict) else ())):
        for name in names:
            if isinstance(inner, dict) and isinstance(inner.get(name), str):
                return str(inner[name])
    return ""


def _framed(part: Part) -> bytes:
    return b"data: " + encode(part) + b"\n\n"
