"""A message with other blocks than it had."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ...core.messages import Block, Message, TextBlock, ToolCall


def with_blocks(message: Message, blocks: Sequence[Block]) -> Message:
    """The message with these blocks, which may have come of its `blocks()`: a mark of the cache is on them then."""
    listed = list(blocks)
    return msgspec.structs.replace(
        message,
        content="".join(block.text for block in listed if isinstance(block, TextBlock)),
        parts=listed,
        tool_calls=[block for block in listed if isinstance(block, ToolCall)],
        refusal=None,
        cache=False,
    )
