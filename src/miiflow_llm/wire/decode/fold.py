"""The one memory of a stream: pieces in, chunks out, the whole answer at the end.

How it works
    A frame is read without memory: the same frame always gives the same pieces. Everything that depends on an earlier
    frame is settled here, and a piece becomes part of the answer nowhere else.

    Each piece goes by its type to one method (`_TAKERS`). What was said is appended to the log (`Transcript`), from
    which text, calls and the message are built when somebody asks; a chunk is a delta and a place in that log, so that
    it costs the same however long the answer is. Five questions have a memory of their own:

    - Which call is a piece of? `ToolCalls`, where the law of it stands.
    - Was this said before? `Retelling`: many servers say everything once more at the end, some only there. A piece with
      `in_full` counts as far as it is new.
    - How many tokens? `Counters`.
    - Which block? `Blocks`: a piece names its block by an index, by an id or not at all.
    - How did it end? `Ending`.

    The last chunk is held back until nothing more can come, since usage and even text may follow the finish reason.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, cast

import msgspec

from ...core.exceptions import StreamProtocolError
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
from ...core.price import Cost
from ...core.response import ChatResponse, FinishReason, StreamChunk, ToolCallDelta
from ...core.transcript import Transcript
from ...core.usage import TokenCount
from ...tables import Dialect
from .asides import Asides
from .blocks import Blocks
from .compile import READ_ERRORS
from .counters import Counters
from .ending import ERROR, Ending
from .frames import Frame
from .more_text import MoreText
from .retelling import BETWEEN, PARAGRAPH, Key, Retelling
from .tool_calls import ToolCalls


class Fold:
    """What one answer has said so far.

    `output` counts the pieces that were output or progress, for deadlines; `ending` is what was said of the end;
    `named` says that the model is known and need not be asked for. `salt` makes the ids of calls that came without one.
    With `answer_in_call` the model was made to answer by calling a tool: the arguments are the text of the answer.
    `names` are the caller's for tools that have others on the wire, `tools` the names of all. `alone` says that one
    frame is read and no other: what it says once more then counts nowhere.
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
        tools: Collection[str] = (),
        alone: bool = False,
    ) -> None:
        self.dialect = dialect
        self.transcript = Transcript(origin)
        self.keep_raw = keep_raw
        self.output = 0
        self.ending = Ending(dialect.finish)
        self.meta = Meta()
        self.named = False
        self.refusal = Transcript()
        self.open_text: Text | None = None
        """The text that the log ends with and may go on; `None` if the log ends otherwise or the answer is over."""
        self._answer_in_call = answer_in_call
        self._alone = alone
        self._frame = 0
        self._pieces: list[Piece] = []
        self._counters = Counters(dialect.usage)
        self._calls = ToolCalls(self.transcript, salt, names or {}, tools, is_answer=answer_in_call)
        self._retelling = Retelling(self.transcript)
        self._refusal_told = Retelling(self.refusal)
        self._blocks = Blocks(self._retelling)
        self._paragraph: tuple[BlockKey, bool, BlockKey] = (None, False, None)
        self._asides = Asides(alone=alone)
        self._started: Meta | None = None
        self._held: StreamChunk | None = None

    def push(self, pieces: list[Piece], raw: bytes) -> StreamChunk | None:
        """Take one frame's pieces; the chunk they make, `None` when they say nothing to hand out.

        Raises:
            StreamProtocolError: they cannot be of this answer, or of no one call of it.
        """
        chunk = self._taken(pieces, raw)
        if chunk is None:
            return None
        return self._hold(chunk) if self.ending.finished or self._held is not None else chunk

    def more_text(self, frames: list[Frame], read: MoreText, out: list[StreamChunk]) -> int:
        """Take the frames that say nothing but more of `open_text`, up to the first that does not; how many."""
        log, last, event = self.transcript, self.open_text, frames[0].event
        entries = log.entries
        before = len(entries)
        for frame in frames:
            try:
                text = read(frame.data, last)
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
        self._frame += 1
        self._pieces = pieces
        self._blocks.begin(self._frame)
        for piece in pieces:
            said = _TAKERS[type(piece)](self, piece, chunk) or said
        ending = self.ending
        if ending.failure is not None:
            ending.doubt(pieces)
        entries = self.transcript.entries
        if entries and type(last := entries[-1]) is not str:
            self.open_text = last if type(last) is Text and last.signature is None else None
        if ending.finished:
            self.open_text = None
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

    def check(self) -> None:
        """See that the answer, which is over, is whole.

        Raises:
            StreamProtocolError: it has a call without a name, and was not cut short in it.
        """
        arguments = self._calls.nameless
        if arguments is not None and not self.ending.was_cut_short:
            raise StreamProtocolError(
                f"the answer calls a tool and does not say which; the arguments are {arguments[:100]!r}",
                payload=arguments[:200],
            )

    def close(self) -> StreamChunk:
        """The last chunk, with the finish reason and the whole call's usage."""
        chunk = self._held or StreamChunk(_log=self.transcript, _seen=len(self.transcript.entries))
        self._held = None
        chunk.finish_reason = self.finish_reason
        chunk.raw_finish_reason = self.ending.reason
        chunk.usage = self.usage
        chunk.cost = self.cost
        for delta in self._calls.finish(finished=chunk.finish_reason == "tool_calls"):
            if not self._answer_in_call:
                chunk.tool_call_deltas = _with(chunk.tool_call_deltas, delta)
            elif delta.index == 0:
                self._say(Text(delta.arguments), delta.arguments, chunk)
        chunk._seen = len(self.transcript.entries)
        return chunk

    def _text(self, piece: Text, chunk: StreamChunk) -> bool:
        self._blocks.locate(piece)
        if piece.in_full is not None:
            return self._tell(piece, chunk)
        if not piece.text and piece.signature is None:
            self._note(piece)
            return False
        if (self.ending.finished or len(self._pieces) > 1) and self._is_said_again(piece):
            return False
        return self._say(piece, piece.text or "", chunk)

    def _is_said_again(self, piece: Text) -> bool:
        """Whether a text that comes with the finish reason or after it is all that was said, in pieces, before."""
        if not self.ending.finished and Finish not in map(type, self._pieces):
            return False
        return self._retelling.is_all(piece.text or "", Text, self._frame)

    def _say(self, piece: Text, text: str, chunk: StreamChunk) -> bool:
        self.transcript.entries.append(piece)
        chunk.delta += text
        self.output += 1
        return bool(text)

    def _reasoning(self, piece: Reasoning, chunk: StreamChunk) -> bool:
        self._blocks.locate(piece)
        piece.data = piece.data or None
        if piece.in_full is not None:
            return self._tell(piece, chunk)
        if not (piece.text or piece.signature):
            self._note(piece)
            return False
        return self._think(piece, piece.text or "", chunk)

    def _think(self, piece: Reasoning, text: str, chunk: StreamChunk) -> bool:
        """Log reasoning; another part of the same block is another paragraph."""
        entries = self.transcript.entries
        if text and piece.part is not None:
            block, raw, part = self._paragraph
            if part is not None and part != piece.part and (block, raw) == (piece.block, piece.raw):
                entries.append(Reasoning(PARAGRAPH, piece.block, part=BETWEEN, raw=piece.raw))
                chunk.reasoning_delta += PARAGRAPH
            self._paragraph = (piece.block, piece.raw, piece.part)
        entries.append(piece)
        if not text:
            return False
        chunk.reasoning_delta += text
        self.output += 1
        return True

    def _refuse(self, piece: Refusal, chunk: StreamChunk) -> bool:
        self._blocks.locate(piece)
        text = piece.text or ""
        if piece.in_full is not None:
            text = "" if self._alone else self._new_refusal(piece)
        if not text:
            return False
        self.refusal.entries.append(Text(text, piece.block, part=piece.part, in_full=piece.in_full and ""))
        chunk.refusal_delta += text
        self.output += 1
        return True

    def _new_refusal(self, piece: Refusal) -> str:
        """What a refusal that is told in full adds to what was said."""
        key = Key(Text, piece.block, piece.part)
        told = piece.in_full or ""
        return self._refusal_told.new_in(told, key, self._frame, or_piece=piece.or_piece, in_list=self._blocks.in_list)

    def _tell(self, piece: Text | Reasoning, chunk: StreamChunk) -> bool:
        """Take what a piece says once more: an item of a list when it has no words itself, else a text."""
        told = piece.in_full or ""
        if not told:
            if self._blocks.find_listed(piece):
                self.transcript.entries.append(piece)
            return False
        if self._alone:
            return False
        raw = type(piece) is Reasoning and piece.raw
        key = Key(type(piece), piece.block, piece.part, raw)
        new = self._retelling.new_in(told, key, self._frame, or_piece=piece.or_piece, in_list=self._blocks.in_list)
        if not new:
            return False
        piece.text, piece.in_full = new, ""
        if type(piece) is Text:
            return self._say(piece, new, chunk)
        return self._think(cast("Reasoning", piece), new, chunk)

    def _note(self, piece: Text | Reasoning) -> None:
        """Log what is said of a block as a whole."""
        if self._blocks.note(piece):
            self.transcript.entries.append(piece)

    def _fill(self, piece: Fill, _: StreamChunk) -> bool:
        self.transcript.entries.append(piece)
        self.output += 1
        return False

    def _keep(self, piece: Opaque, _: StreamChunk) -> bool:
        """A part with no unified form, an object; the reading that skipped it did not see bytes that are not UTF-8."""
        payload = piece.payload or b""
        if not payload.startswith(b"{"):
            return False
        if not payload.isascii():
            piece.payload = payload.decode("utf-8", "replace").encode()
        if not self._blocks.keep(piece):
            return False
        self.transcript.entries.append(piece)
        self.output += 1
        if piece.block is not None:
            self._calls.stand_aside(piece.block, kept=True)
        return False

    def _score(self, piece: Logprobs, chunk: StreamChunk) -> bool:
        self._blocks.locate(piece)
        new = self._asides.score(piece)
        if new:
            chunk.logprobs = [*(chunk.logprobs or ()), *new]
        return bool(new)

    def _cite(self, piece: Citation, chunk: StreamChunk) -> bool:
        new = self._asides.cite(piece)
        if new:
            chunk.citations = [*(chunk.citations or ()), *new]
        return bool(new)

    def _count(self, piece: Usage, _: StreamChunk) -> bool:
        self._counters.take(piece.counters, self._frame)
        return False

    def _progress(self, piece: Progress, _: StreamChunk) -> bool:
        self.output += 1
        if piece.block is not None:
            self._calls.stand_aside(piece.block, kept=False)
        return False

    def _name(self, piece: Meta, _: StreamChunk) -> bool:
        if piece.starts:
            self._start(piece)
        self.meta.request_id = self.meta.request_id or piece.request_id
        if not self.named:  # from then on names are read only in frames that come in the same piece: they do not count
            self.meta.id = piece.id or self.meta.id
            self.meta.model = piece.model or self.meta.model
            self.named = bool(self.meta.model) and piece.id != ""
        return False

    def _start(self, piece: Meta) -> None:
        """An answer begins. Gateways say so twice; two answers that were spliced together are no answer.

        Raises:
            StreamProtocolError: another answer begins before this one has ended.
        """
        first, self._started = self._started, self._started or piece
        if first is None or (first.id and first.id == piece.id):
            return
        if self.output or (first.id and piece.id):
            raise StreamProtocolError(
                f"a second answer ({piece.id}) begins before the first ({first.id}) has ended. "
                "Does a proxy join the streams of two attempts?",
                payload=str(piece.id),
            )

    def _finish(self, piece: Finish, _: StreamChunk) -> bool:
        return self.ending.finish(piece)

    def _fail(self, piece: Failure, _: StreamChunk) -> bool:
        self.ending.fail(piece)
        return False

    def _tool_call(self, piece: ToolCallPiece, chunk: StreamChunk) -> bool:
        self._blocks.locate_call(piece)
        if self._alone and piece.in_full is not None:
            return False
        said = self._calls.take(piece, self._frame, self._pieces)
        if said is None:
            return False
        if self._answer_in_call:
            return said.index == 0 and bool(said.arguments) and self._say(Text(said.arguments), said.arguments, chunk)
        chunk.tool_call_deltas = [*chunk.tool_call_deltas, said]
        self.output += 1
        return True

    @property
    def finish_reason(self) -> FinishReason:
        """The unified reason; `unknown` if none was said.

        A refusal is `content_filter`. A stop with calls is `tool_calls`, and so is an end without a reason after calls
        that are whole.
        """
        reason = self.ending.unified if self.ending.unified != ERROR else "unknown"
        if self._answer_in_call and reason == "tool_calls":
            reason = "stop"
        if self.refusal.entries:
            reason = "content_filter"
        elif self._has_called and (reason == "stop" or (reason is None and self._calls.are_whole)):
            reason = "tool_calls"
        return cast("FinishReason", reason or "unknown")

    @property
    def says_nothing(self) -> bool:
        """Whether there is neither output nor a reason for the end."""
        return not (self.output or self.ending.is_given)

    @property
    def _has_called(self) -> bool:
        return self.transcript.calls > 0 and not self._answer_in_call

    @property
    def usage(self) -> TokenCount:
        """The whole call's tokens, summed from the raw counters now."""
        return self._counters.count()

    @property
    def cost(self) -> Cost | None:
        """What the provider says that the call cost."""
        amount = self._counters.cost(self.dialect.costs) if self.dialect.costs else None
        return None if amount is None else Cost(amount)

    def response(self, provider: str, model: str, *, finished: bool) -> ChatResponse:
        """The answer so far, or the whole one."""
        parts = self.transcript.parts()
        message = Message(
            "assistant",
            "".join([part.text for part in parts if isinstance(part, TextBlock)]),
            tool_calls=[part for part in parts if isinstance(part, ToolCall)],
            refusal=self.refusal.text() or None,
            parts=parts,
        )
        return ChatResponse(
            message=message,
            usage=self.usage,
            cost=self.cost,
            finish_reason=self.finish_reason if finished else None,
            raw_finish_reason=self.ending.reason,
            provider=provider,
            model=self.meta.model or model,
            id=self.meta.id,
            request_id=self.meta.request_id,
            logprobs=self._asides.logprobs or None,
            citations=self._asides.citations or None,
        )


_TAKERS: dict[type, Callable[[Fold, Any, StreamChunk], bool]] = {
    Text: Fold._text,
    Reasoning: Fold._reasoning,
    ToolCallPiece: Fold._tool_call,
    Refusal: Fold._refuse,
    Usage: Fold._count,
    Finish: Fold._finish,
    Meta: Fold._name,
    Opaque: Fold._keep,
    Fill: Fold._fill,
    Failure: Fold._fail,
    Logprobs: Fold._score,
    Citation: Fold._cite,
    Progress: Fold._progress,
}
"""What takes a piece, by its type: whether it is something to hand out."""


def _with(deltas: list[ToolCallDelta], more: ToolCallDelta) -> list[ToolCallDelta]:
    """The deltas with the last arguments of a call, joined to what they say of it already."""
    said = next((one for one in deltas if one.index == more.index), None)
    if said is None:
        return [*deltas, more]
    joined = msgspec.structs.replace(said, arguments=said.arguments + more.arguments)
    return [joined if one is said else one for one in deltas]
