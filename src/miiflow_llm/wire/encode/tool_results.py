"""What a tool gave back that a wire takes in no result: messages in, the same with such media in a user message after.

The model sees it there; in a result it would be refused, or silently not seen.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from ...core.messages import Block, DocumentBlock, Message, TextBlock, ToolCall, ToolResult
from ...tables.dialect import Dialect
from ...tables.media import media
from ...tables.media_parts import document_text
from ...tables.request_words import Place
from ...tables.template import words
from .places import place_of


def with_media_after(dialect: Dialect, messages: list[Message], note: Callable[[str], None]) -> list[Message]:
    """The conversation with each run of results followed by what its results cannot hold."""
    if not any(message.role == "tool" and isinstance(message.content, list) for message in messages):
        return messages
    names = {call.id: call.name for message in messages for call in message.blocks() if isinstance(call, ToolCall)}
    out: list[Message] = []
    aside: list[Block] = []
    for message in messages:
        if message.role != "tool" and aside:
            out.append(Message.user(aside))
            aside = []
        if message.role == "tool" and isinstance(message.content, list) and not message.parts:
            named = message.name or names.get(message.tool_call_id or "") or message.tool_call_id
            message = _split(dialect, message, message.content, aside, f"What {named} gave back:", note)
        out.append(message)
    return [*out, Message.user(aside)] if aside else out


def _split(
    dialect: Dialect,
    message: Message,
    content: list[Block],
    aside: list[Block],
    title: str,
    note: Callable[[str], None],
) -> Message:
    """The message without what its wire takes in no result, which is put `aside` under its title."""
    if not _holds_more_than_text(dialect):
        content = [_as_text(block) for block in content]
    lost = [block for block in content if not _taken(dialect, block)]
    if not lost:
        return message if content == message.content else msgspec.structs.replace(message, content=content)
    for block in lost:
        note(f"moved: {type(block).__name__} of a tool's result, to a user message after it")
    aside += [TextBlock(title), *lost]
    kept = [block for block in content if block not in lost]
    return msgspec.structs.replace(message, content=kept or "It is in the next message.")


def _taken(dialect: Dialect, block: Block) -> bool:
    """Whether a tool's result can hold the block."""
    if isinstance(block, TextBlock):
        return True
    return _holds_more_than_text(dialect) and place_of(dialect, block, "tool").where == "inside"


def _holds_more_than_text(dialect: Dialect) -> bool:
    result = dialect.parts[ToolResult]
    template = result.template if isinstance(result, Place) else None
    return not dialect.text_results and any(word.name in ("content", "parts") for word, _ in words(template))


def _as_text(block: Block) -> Block:
    """A text document as the text that it is, where results hold nothing else."""
    if not isinstance(block, DocumentBlock) or block.document_type not in ("text", "txt"):
        return block
    found = media(block)
    return block if found.data is None else TextBlock(document_text(found))
