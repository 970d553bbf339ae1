"""Move media of tool results that a wire does not take there into a user message after the results.

The model sees it there; in a result it would be refused, or silently not seen.
"""

from __future__ import annotations

import msgspec

from ...core.messages import Block, DocumentBlock, Message, TextBlock, ToolCall, ToolResult
from ...tables.dialect import Dialect
from ...tables.media import media
from ...tables.media_parts import document_text
from ...tables.request_words import Place
from ...tables.template import words
from .places import place_of


def with_media_after(dialect: Dialect, messages: list[Message], notes: list[str]) -> list[Message]:
    """The conversation with each run of results followed by what its results cannot hold."""
    if not any(message.role == "tool" and type(message.content) is list for message in messages):
        return messages
    mere_text = not _holds_more_than_text(dialect)
    told = [_told(message, mere_text) if message.role == "tool" else message for message in messages]
    lost = [_lost(dialect, message) if message.role == "tool" else [] for message in told]
    return _moved(told, lost, notes) if any(lost) else told


def _moved(messages: list[Message], lost: list[list[Block]], notes: list[str]) -> list[Message]:
    names = {call.id: call.name for message in messages for call in message.blocks() if isinstance(call, ToolCall)}
    out: list[Message] = []
    aside: list[Block] = []
    for message, blocks in zip(messages, lost, strict=True):
        if message.role != "tool" and aside:
            out.append(Message.user(aside))
            aside = []
        if blocks:
            named = message.name or names.get(message.tool_call_id or "") or message.tool_call_id
            aside += [TextBlock(f"What {named} gave back:"), *blocks]
            notes += [f"moved: {type(one).__name__} of a tool's result, to a user message after it" for one in blocks]
            rest = [block for block in message.content if block not in blocks]
            message = msgspec.structs.replace(message, content=rest or "It is in the next message.")
        out.append(message)
    return [*out, Message.user(aside)] if aside else out


def _lost(dialect: Dialect, message: Message) -> list[Block]:
    """The media that the wire does not take in a tool's result."""
    if isinstance(message.content, str) or message.parts:
        return []
    return [block for block in message.content if not _taken(dialect, block)]


def _told(message: Message, mere_text: bool) -> Message:
    """The message, its text documents as text if results hold nothing else."""
    if not mere_text or isinstance(message.content, str) or message.parts:
        return message
    content = [_as_text(block) for block in message.content]
    return message if content == message.content else msgspec.structs.replace(message, content=content)


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
