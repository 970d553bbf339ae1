"""The word that some servers want in a prompt before they answer in JSON."""

from __future__ import annotations

import msgspec

from ..core.messages import Message, TextBlock
from ..core.request import ChatRequest
from .noting import noting


@noting("added: a system message that asks for JSON (without the word this server refuses json_mode)")
def says_json(request: ChatRequest) -> ChatRequest:
    """The request with the word JSON in its prompt, if it is asked to answer in JSON and no message says so."""
    if not request.json_mode or any(_says(message) for message in request.messages):
        return request
    return msgspec.structs.replace(request, messages=[Message.system("Answer in JSON."), *request.messages])


def _says(message: Message) -> bool:
    return any(isinstance(block, TextBlock) and "json" in block.text.lower() for block in message.blocks())
