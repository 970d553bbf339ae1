"""The one memory of a stream: pieces in, chunks out, the whole answer at the end.

It knows which call and block a piece belongs to, sums usage, settles the finish reason and holds the last chunk back
until nothing more can come.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import msgspec

from ...core.messages import Message, TextBlock, ToolCall
from ...core.pieces import (
    BlockKey,
    Citation,
    Failure,
    Fill,
    Finish,
    Logprobs,
    Meta,
    Opaque,
    Piece,
    Progress,
    Reasoning,
    Refusal,
    Text,
    ToolCallPiece,
    Usage,
)
from ...core.response import ChatResponse, FinishReason, StreamChunk, ToolCallDelta
from ...core.transcript import Transcript
from ...core.usage import TokenCount, as_count
from ...tables import Counter, Dialect
from .compile import READ_ERRORS
from .frames import Frame
from .more_text import MoreText

ERROR = "error"
"""The word of a finish table for an answer that the provider reports as failed."""


NO_TEXT = object()
"""The log does not end with text, or nothing goes on with it."""

_NO_VALUE: tuple[Any, ...] = (None, "", {})
_NO_IDS = ("", "null")
"""What stands for a missing id: LM Studio and older gateways send the first, Mistral's the second."""


class Fold:
    """What one answer has said so far.

    `output` counts the pieces that were output or progress, for deadlines; `failure` is the error that the provider
    reported; `finished` says that a finish reason was read, `named` that the model is known and need not be asked for.
    `salt` makes the ids of calls that came without one. With `answer_in_call` the model was made to answer by calling a
    tool: the arguments are the text of the answer. `names` are the caller's for tools that have others on the wire.
    """

    def __init__(
        self,
        dialect: Dialect,
        origin: str,
        *,
        keep_raw: bool = False,
        salt: Callable[[], str] = str,
        answer_in_call: bool = False,
        names: Mapping[str, str] | None = None,
    ) -> None:
        self.dialect = dialect
        self.transcript = Transcript(origin)
        self.keep_raw = keep_raw
        self._salt = salt
        self._answer_in_call = answer_in_call
        self._names = names or {}
        self.output = 0
        self.failure: Failure | None = None
        self._inferred = False
        self.finished = False
        self.meta = Meta()
        self.named = False
        self.logprobs: list[Any] = []
        self.citations: list[Any] = []
        self.refusal: list[str] = []
        self._reason: str | None = None
        self._unified: str | None = None
        self._counters: dict[str, int | float] = {}
        self._calls: dict[BlockKey, int] = {}
        self._ids: dict[str, int] = {}
        self._opaque: dict[BlockKey, str] = {}
        self._last_call: int | None = None
        self._closed: set[int] = set()
        self._id_of: list[str | None] = []
        self._name_of: list[str | None] = []
        self._argued: list[list[str]] = []
        self._held: StreamChunk | None = None
        self.open_text: object = NO_TEXT
        """The block of the text that the log ends with, while the answer goes on."""

    def push(self, pieces: list[Piece], raw: bytes) -> StreamChunk | None:
        """Take one frame's pieces; the chunk they make, `None` when they say nothing to hand out."""
        chunk = self._taken(pieces, raw)
        if chunk is None:
            return None
        return self._hold(chunk) if self.finished or self._held is not None else chunk

    def more_text(self, frames: list[Frame], read: MoreText, out: list[StreamChunk]) -> int:
        """Take the frames that say nothing but more of `open_text`, up to the first that does not; how many."""
        log, block, event = self.transcript, self.open_text, frames[0].event
        entries = log.entries
        before = len(entries)
        for frame in frames:
            try:
                text = read(frame.data, block)
            except READ_ERRORS:
                break
            if not text or frame.event != event or frame.stray:
                break
            entries.append(text)
            out.append(StreamChunk(text, raw=frame.data, _log=log, _seen=len(entries)))
        taken = len(entries) - before
        self.output += taken
        return taken

    def _taken(self, pieces: list[Piece], raw: bytes) -> StreamChunk | None:
        chunk = StreamChunk(raw=raw)
        said = False
        for piece in pieces:
            said = self._take(piece, chunk) or said
        entries = self.transcript.entries
        if entries and type(last := entries[-1]) is not str:
            self.open_text = last.block if type(last) is Text and last.signature is None else NO_TEXT
        if self.finished:
            self.open_text = NO_TEXT
        if not (said or self.keep_raw):
            return None
        chunk._log, chunk._seen = self.transcript, len(entries)
        return chunk

    def _hold(self, chunk: StreamChunk) -> StreamChunk | None:
        held, self._held = self._held, chunk
        return held

    def flush(self) -> StreamChunk | None:
        """The chunk held back, as it stands: for an answer that fails after its finish reason."""
        held, self._held = self._held, None
        return held

    def close(self) -> StreamChunk:
        """The last chunk, with the finish reason and the whole call's usage."""
        chunk = self._held or StreamChunk(_log=self.transcript, _seen=len(self.transcript.entries))
        self._held = None
        chunk.finish_reason = self.finish_reason
        chunk.raw_finish_reason = self._reason
        chunk.usage = self.usage
        if chunk.finish_reason == "tool_calls":
            self._argue(chunk)
        return chunk

    def _argue(self, chunk: StreamChunk) -> None:
        """A call that came whole without arguments has an empty object of them, whatever the wire makes of that."""
        entries = self.transcript.entries
        custom = {entry.index for entry in entries if type(entry) is ToolCallPiece and entry.custom}
        for ordinal in range(self.transcript.calls):
            if not self._argued[ordinal] and ordinal not in custom:
                entries.append(ToolCallPiece(ordinal, arguments="{}"))
                chunk.tool_call_deltas = [*chunk.tool_call_deltas, ToolCallDelta(ordinal, arguments="{}")]
                chunk._seen = len(entries)

    def _take(self, piece: Piece, chunk: StreamChunk) -> bool:
        """Fold one piece in; whether it is something to hand out."""
        kind = type(piece)
        if kind is Text:
            return self._text(cast("Text", piece), chunk)
        if kind is Reasoning:
            return self._reasoning(cast("Reasoning", piece), chunk)
        if kind is ToolCallPiece:
            return self._tool_call(cast("ToolCallPiece", piece), chunk)
        return self._aside(piece, chunk)

    def _text(self, piece: Text, chunk: StreamChunk) -> bool:
        if not piece.text and piece.signature is None:
            if piece.item_id is not None:
                self.transcript.entries.append(piece)
            return False
        self.transcript.entries.append(piece)
        chunk.delta += piece.text or ""
        self.output += 1
        return bool(piece.text)

    def _reasoning(self, piece: Reasoning, chunk: StreamChunk) -> bool:
        if not (piece.text or piece.signature or piece.data or piece.id):
            return False
        self.transcript.entries.append(piece)
        if not piece.text:
            return False
        chunk.reasoning_delta += piece.text
        self.output += 1
        return True

    def _aside(self, piece: Piece, chunk: StreamChunk) -> bool:
        """The pieces that are no text, reasoning or call."""
        if isinstance(piece, Finish):
            self._finish(piece)
            return self._unified != ERROR  # a chunk handed out for a failure alone would stand against a retry
        if isinstance(piece, Usage):
            self._counters.update(piece.counters)
        elif isinstance(piece, Refusal):
            return self._refuse(piece, chunk)
        elif isinstance(piece, Fill):
            self.transcript.entries.append(piece)
            self.output += 1
        elif isinstance(piece, Opaque):
            self._keep(piece, piece.payload or b"")
        elif isinstance(piece, Failure):
            self._fail(piece)
        elif isinstance(piece, Meta):
            self._name(piece)
        elif isinstance(piece, Progress):
            self.output += 1
        elif isinstance(piece, (Logprobs, Citation)):
            return self._extra(piece, chunk)
        return False

    def _keep(self, piece: Opaque, payload: bytes) -> None:
        """A part with no unified form, an object; the reading that skipped it did not see bytes that are no UTF-8."""
        if not payload.startswith(b"{"):
            return
        if not payload.isascii():
            piece.payload = payload.decode("utf-8", "replace").encode()
        self.transcript.entries.append(piece)
        self.output += 1
        if piece.block is not None:
            self._opaque[piece.block] = str(piece.block)  # 0, 0.0 and false are one key, and not one text
            self._calls.pop(piece.block, None)

    def _extra(self, piece: Logprobs | Citation, chunk: StreamChunk) -> bool:
        values = piece.value if isinstance(piece.value, list) else [] if piece.value in _NO_VALUE else [piece.value]
        if not values:
            return False
        if isinstance(piece, Logprobs):
            self.logprobs += values
            chunk.logprobs = [*(chunk.logprobs or ()), *values]
        else:
            self.citations += values
            chunk.citations = [*(chunk.citations or ()), *values]
        return True

    def _refuse(self, piece: Refusal, chunk: StreamChunk) -> bool:
        self.refusal.append(piece.text)
        chunk.refusal_delta += piece.text
        self.output += 1
        return True

    def _name(self, piece: Meta) -> None:
        self.meta.request_id = self.meta.request_id or piece.request_id
        if not self.named:  # from then on names are read only in frames that come in the same piece: they do not count
            self.meta.id = piece.id or self.meta.id
            self.meta.model = piece.model or self.meta.model
            self.named = bool(self.meta.model) and piece.id != ""

    def _finish(self, piece: Finish) -> None:
        self.finished = True
        self._reason = piece.reason or self._reason
        if piece.unified is not None:
            self._unified = piece.unified
        elif self._unified is None or piece.reason:
            self._unified = self._unified_for(piece.reason or "")
        if self._unified == ERROR and self.failure is None:
            self.failure = Failure(piece.message or f"the answer ended as {piece.reason!r}", code=piece.reason)
            self._inferred = not piece.message

    def _fail(self, piece: Failure) -> None:
        """Keep the first failure that was reported in words; one inferred from a finish reason gives way to it."""
        if self.failure is None or self._inferred:
            self.failure = piece
            self._inferred = False

    def _unified_for(self, reason: str) -> str:
        return self.dialect.finish.get(reason, "unknown")

    def _tool_call(self, piece: ToolCallPiece, chunk: StreamChunk) -> bool:
        """Give the piece the ordinal of its call: by index, then id, then the call last open."""
        if piece.id in _NO_IDS:
            piece.id = None
        if piece.name:
            piece.name = self._names.get(piece.name, piece.name)
        if piece.index in self._opaque and not piece.name:
            if piece.arguments:
                self.transcript.entries.append(ToolCallPiece(-1, self._opaque[piece.index], arguments=piece.arguments))
            return False
        ordinal = self._known_call(piece)
        opens = ordinal is None
        if ordinal is None:
            if not (piece.name or piece.id):
                return False
            ordinal = self._open(piece)
        if piece.whole:
            self._closed.add(ordinal)
        self._last_call = ordinal
        return self._say_call(piece, ordinal, opens, chunk)

    def _known_call(self, piece: ToolCallPiece) -> int | None:
        """The call that the piece goes on with; `None` where it begins another."""
        if piece.whole:
            return None
        if piece.id and piece.id in self._ids:
            return self._ids[piece.id]
        known = self._last_call if piece.index is None else self._calls.get(piece.index)
        if known is None or known in self._closed:
            return None
        if piece.id:
            another = self._id_of[known] is not None or (piece.index is None and piece.name)
            return None if another else known
        if piece.name and self._begins_again(piece, known):
            return None
        return known

    def _begins_again(self, piece: ToolCallPiece, known: int) -> bool:
        """Whether a name without an id is another call: some servers repeat the name, others number all calls 0."""
        if self._answer_in_call:
            return False
        if piece.index is None and piece.name != self._name_of[known]:
            return True
        return bool(piece.arguments) and _are_whole(self._argued[known])

    def _open(self, piece: ToolCallPiece) -> int:
        ordinal = self.transcript.calls
        self.transcript.calls += 1
        self._id_of.append(piece.id or None)
        self._name_of.append(piece.name)
        self._argued.append([])
        if piece.index is not None:
            self._calls[piece.index] = ordinal
            self._opaque.pop(piece.index, None)
        if piece.id:
            self._ids.setdefault(piece.id, ordinal)
        return ordinal

    def _say_call(self, piece: ToolCallPiece, ordinal: int, opens: bool, chunk: StreamChunk) -> bool:
        """Log the piece under its ordinal; a call without an id gets one, a name is said once."""
        if not opens and piece.id and self._id_of[ordinal] is None:
            self._id_of[ordinal] = piece.id
            self._ids.setdefault(piece.id, ordinal)
        identity = piece.id or None
        if opens and identity is None:
            identity = f"call_{self._salt()}{ordinal}"
        name = piece.name if opens else None
        arguments = piece.arguments or (piece.in_full if not self._argued[ordinal] else "") or ""
        if arguments:
            self._argued[ordinal].append(arguments)
        if self._answer_in_call:
            return ordinal == 0 and self._text(Text(arguments), chunk)
        said = opens or bool(arguments)
        self.transcript.entries.append(
            ToolCallPiece(
                ordinal,
                identity,
                name,
                arguments,
                custom=piece.custom,
                signature=piece.signature,
                item_id=piece.item_id,
            )
        )
        if said:
            delta = ToolCallDelta(ordinal, identity if opens else None, name, arguments)
            chunk.tool_call_deltas = [*chunk.tool_call_deltas, delta]
            self.output += 1
        return said

    @property
    def finish_reason(self) -> FinishReason:
        """The unified reason: a refusal is `content_filter`, a stop with calls is `tool_calls`."""
        reason = self._unified if self._unified != ERROR else "unknown"
        if self._answer_in_call and reason == "tool_calls":
            reason = "stop"
        if self.refusal:
            reason = "content_filter"
        elif self.transcript.calls and reason in ("stop", None) and not self._answer_in_call:
            reason = "tool_calls"
        return cast("FinishReason", reason or "stop")

    @property
    def usage(self) -> TokenCount:
        """The whole call's tokens, summed from the raw counters now."""
        return count_tokens(self.dialect.usage, self._counters)

    def response(self, provider: str, model: str, *, finished: bool) -> ChatResponse:
        """The answer so far, or the whole one."""
        parts = self.transcript.parts()
        message = Message(
            "assistant",
            "".join([part.text for part in parts if isinstance(part, TextBlock)]),
            tool_calls=[part for part in parts if isinstance(part, ToolCall)],
            refusal="".join(self.refusal) or None,
            parts=parts,
        )
        return ChatResponse(
            message=message,
            usage=self.usage,
            finish_reason=self.finish_reason if finished else None,
            raw_finish_reason=self._reason,
            provider=provider,
            model=self.meta.model or model,
            id=self.meta.id,
            request_id=self.meta.request_id,
            logprobs=self.logprobs or None,
            citations=self.citations or None,
        )


def _are_whole(arguments: list[str]) -> bool:
    """Whether pieces of arguments are all of them; parsed only where an object may end, since some servers repeat the
    name with every piece."""
    if not arguments:
        return False
    last = arguments[-1].rstrip()
    if last and not last.endswith("}") and arguments[0].lstrip().startswith("{"):
        return False
    return _is_json("".join(arguments))


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def count_tokens(table: Mapping[str, Counter], raw: Mapping[str, int | float]) -> TokenCount:
    """Our counts from the provider's, by the table."""
    found = {name: _counted(row, raw) for name, row in table.items()}
    total = found.get("total_tokens")
    prompt, completion = found.get("prompt_tokens"), found.get("completion_tokens")
    if total is None and prompt is not None and completion is not None:
        found["total_tokens"] = prompt + completion
    return TokenCount(**found)


def _counted(row: Counter, raw: Mapping[str, int | float]) -> int | None:
    values = [as_count(raw[name]) for name in row.names if name in raw]
    if not values or None in values:
        return None  # a part that was lost makes no smaller sum
    total = sum(cast("list[int]", values))
    if row.extra and row.total in raw:
        more = sum(raw.get(name, 0) for name in row.extra)
        if more and total + more + raw.get(row.with_prompt, 0) == raw[row.total]:
            total += int(more)
    return total
