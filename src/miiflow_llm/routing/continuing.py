"""Go on with an answer that broke: another target gets its text as the beginning, and the two are joined at the seam.

Only text can be gone on with. What was shown of it is the beginning of the answer to the next target's request; what
comes of that is cut where it repeats what was shown, so that the reader sees each character once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from ..core.exceptions import MiiflowLLMError, ParsingError, UnsupportedParameterError
from ..core.messages import Block, Message, ReasoningBlock, TextBlock, ToolCall
from ..core.pieces import Reasoning, Text, ToolCallPiece
from ..core.response import Attempt, ChatResponse, StreamChunk
from ..core.transcript import Transcript
from ..tables import Continuation
from .asking import Asked
from .failing import Refused
from .seam import Seam
from .sources import Source, attempts_of
from .target import Aim

_NOT_TEXT = ("schema", "json_mode", "logprobs", "top_logprobs")
"""Parameters of a call whose answer is more than its text."""
_BYTES_PER_TOKEN = 4


class Begun(msgspec.Struct):
    """An answer that was shown and broke. `text` is its text, `reasoning` what was thought before, by whomever."""

    text: str
    reasoning: list[Block]
    tokens: int

    @classmethod
    def of(cls, asked: Asked, error: MiiflowLLMError) -> Begun | None:
        """What can be gone on with after the error of an answer; `None` if it cannot be."""
        partial = error.partial
        if partial is None or isinstance(error, (Refused, ParsingError)) or _is_more_than_text(asked.parameters):
            return None
        blocks = partial.message.blocks()
        if partial.message.refusal or not all(isinstance(block, (TextBlock, ReasoningBlock)) for block in blocks):
            return None
        text = partial.message.text
        known = partial.usage.completion_tokens
        tokens = known if known is not None else -(-len(text.encode("utf-8", "surrogatepass")) // _BYTES_PER_TOKEN)
        return cls(text, [block for block in blocks if isinstance(block, ReasoningBlock)], tokens)


def _is_more_than_text(parameters: Mapping[str, Any]) -> bool:
    body = parameters.get("extra_body") or {}
    return any(parameters.get(name) for name in _NOT_TEXT) or body.get("n", 1) != 1 or "response_format" in body


def going_on(
    begun: Begun,
    aim: Aim,
    asked: Asked,
    parameters: Mapping[str, Any],
    ask: Callable[[Asked], Source],
) -> Source:
    """The target's answer to a call of which `begun` was shown; not begun.

    Without a word of text there is nothing to go on with: the target is asked as if nothing had been shown.

    Raises:
        UnsupportedParameterError: the target does not go on with an answer of another.
    """
    if not begun.text.strip():
        return Continued(ask(asked), begun, Seam("", begun.text))
    row = _row(aim, parameters)
    last = asked.messages[-1]
    before = last.text if last.role == "assistant" else ""
    text = begun.text if begun.text.startswith(before) else before + begun.text
    messages = [*(asked.messages[:-1] if before else asked.messages), Message.assistant(text)]
    changed = {**asked.parameters, **_changed(parameters, begun, row)}
    source = ask(msgspec.structs.replace(asked, messages=messages, parameters=changed))
    words = text.rstrip()
    space = text[len(words) :]
    return Continued(source, begun, Seam(words if row.repeats else "", space if row.repeats or row.strips else ""))


def row_of(aim: Aim, model: str | None = None) -> Continuation:
    """Whether and how the target goes on with the answer of another; the caller's word stands above the table's."""
    said = aim.target.continues
    if said == "no":
        return Continuation("the caller says that it does not go on with an answer that was begun")
    known = getattr(aim.chat, "continuation", None)
    row = known(model or aim.model) if known is not None else None
    if said == "prefill":
        return row if row is not None and row.refused is None else Continuation(strips=True)
    return row or Continuation("whether it goes on with an answer that was begun is not known")


def _row(aim: Aim, parameters: Mapping[str, Any]) -> Continuation:
    """The target's row, if it says that the target goes on.

    Raises:
        UnsupportedParameterError: it does not.
    """
    row = row_of(aim, parameters.get("model"))
    why = row.refused
    if why is None and row.unproven is not None and aim.target.continues != "prefill":
        why = f"{row.unproven}; say Target(continues='prefill') if this one goes on"
    if why is None and not row.thinks and parameters.get("reasoning") not in (None, "off", 0):
        why = "it does not go on with an answer while it thinks"
    if why is not None:
        raise UnsupportedParameterError(why, parameter="after_output", provider=aim.provider, model=aim.model)
    return row


def _changed(parameters: Mapping[str, Any], begun: Begun, row: Continuation) -> dict[str, Any]:
    """The parameters that differ: the fields of the row, and a ceiling without the tokens that were shown."""
    changed: dict[str, Any] = {}
    if row.body:
        changed["extra_body"] = {**row.body, **(parameters.get("extra_body") or {})}
    if parameters.get("max_tokens"):
        changed["max_tokens"] = max(1, parameters["max_tokens"] - begun.tokens)
    return changed


class Continued:
    """The answer of a target that goes on, with what was shown before it: chunks and response are of the whole."""

    def __init__(self, source: Source, begun: Begun, seam: Seam) -> None:
        self.chunks: deque[StreamChunk] = deque()
        self._source = source
        self._begun = begun
        self._seam = seam
        self._adds = False
        self._log = Transcript()
        self._log.entries += [Reasoning(block.text) for block in begun.reasoning if isinstance(block, ReasoningBlock)]
        self._log.entries += [Text(begun.text)] if begun.text else []

    @property
    def attempts(self) -> Sequence[Attempt]:
        """The requests that were made for the rest."""
        return attempts_of(self._source)

    @property
    def response(self) -> ChatResponse:
        """The whole answer as far as it has come; its usage is that of the target that went on."""
        response = self._source.response
        message = _joined(self._begun, response.message, self._seam.cut)
        return msgspec.structs.replace(response, message=message)

    async def more(self) -> bool:
        """Wait until there are chunks that say something new."""
        source = self._source
        try:
            while not self.chunks and await source.more():
                while source.chunks:
                    self._take(source.chunks.popleft())
        except MiiflowLLMError as error:
            if self._adds:
                error.partial = self.response
            raise
        return bool(self.chunks)

    async def leave(self) -> None:
        """Close it."""
        await self._source.leave()

    def drop(self) -> None:
        """Break the connection off without waiting."""
        drop = getattr(self._source, "drop", None)
        if drop is not None:
            drop()

    def _take(self, chunk: StreamChunk) -> None:
        ends = chunk.finish_reason is not None
        said = bool(chunk.delta)
        chunk.delta = self._seam.new(chunk.delta, ends=ends or bool(chunk.tool_call_deltas or chunk.refusal_delta))
        if said and not chunk.delta and not (ends or chunk.raw or chunk.reasoning_delta or chunk.citations):
            return
        self._adds = True
        self._note(chunk)
        chunk._log, chunk._seen = self._log, len(self._log.entries)
        self.chunks.append(chunk)

    def _note(self, chunk: StreamChunk) -> None:
        entries = self._log.entries
        if chunk.reasoning_delta:
            entries.append(Reasoning(chunk.reasoning_delta))
        if chunk.delta:
            entries.append(Text(chunk.delta))
        entries += [ToolCallPiece(one.index, one.id, one.name, one.arguments) for one in chunk.tool_call_deltas]


def _joined(begun: Begun, message: Message, cut: int) -> Message:
    """The message of the whole answer: what was begun, and the rest without its first `cut` characters of text."""
    blocks: list[Block] = [*begun.reasoning]
    shown = begun.text
    for block in message.blocks():
        if isinstance(block, TextBlock):
            kept = block.text[cut:]
            cut = max(cut - len(block.text), 0)
            block, shown = msgspec.structs.replace(block, text=shown + kept), ""
            if not block.text and not block.signature:
                continue
        elif shown and isinstance(block, ToolCall):
            blocks.append(TextBlock(shown))
            shown = ""
        blocks.append(block)
    blocks += [TextBlock(shown)] if shown else []
    return msgspec.structs.replace(
        message,
        content="".join(block.text for block in blocks if isinstance(block, TextBlock)),
        parts=blocks if message.parts or begun.reasoning else [],
    )
