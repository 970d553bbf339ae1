"""Take the system prompt out of the messages, for wires on which it stands apart."""

from __future__ import annotations

import msgspec

from ...core.exceptions import ConfigurationError
from ...core.messages import TextBlock
from ...core.request import ChatRequest


def hoisted(request: ChatRequest) -> ChatRequest:
    """The request with its system messages taken out of the conversation and joined into `system`.

    If a part of them is to be cached they are kept apart in `system_blocks` too.

    Raises:
        ConfigurationError: nothing else is left to say, or a system message holds more than text.
    """
    system = [message for message in request.messages if message.role == "system"]
    rest = [message for message in request.messages if message.role != "system"]
    for message in system:
        if isinstance(message.content, list) and not all(isinstance(block, TextBlock) for block in message.content):
            raise ConfigurationError("a system message holds text only")
    if not rest:
        raise ConfigurationError("messages holds system messages only: add a user message")
    text = "\n\n".join(message.text for message in system if message.text)
    blocks = [block for message in system for block in message.blocks() if isinstance(block, TextBlock)]
    return msgspec.structs.replace(
        request,
        messages=rest,
        system=text or None,
        system_blocks=blocks if any(block.cache for block in blocks) else None,
    )
