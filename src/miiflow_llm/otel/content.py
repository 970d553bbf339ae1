"""Write messages as OpenTelemetry's GenAI conventions have them: the JSON text of a span's attribute.

The forms are those of `gen-ai-input-messages.json`, `gen-ai-output-messages.json` and `gen-ai-tool-definitions.json` in
the conventions' repository.
The bytes of images, documents and sound are left out: only their kind and address are written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from ..core.exceptions import ParsingError
from ..core.messages import (
    AudioBlock,
    Block,
    DocumentBlock,
    ImageBlock,
    Message,
    ReasoningBlock,
    TextBlock,
    ToolCall,
    ToolResult,
)
from ..core.request import HostedTool, ToolSpec
from ..core.response import ChatResponse


def input_messages(messages: Sequence[Message]) -> str:
    """The conversation that was sent."""
    return _json([{"role": message.role, "parts": _parts(message.blocks())} for message in messages])


def output_messages(response: ChatResponse) -> str:
    """The answer; a refusal is its text."""
    message = response.message
    parts = _parts(message.blocks())
    if message.refusal and not parts:
        parts = [{"type": "text", "content": message.refusal}]
    return _json([{"role": message.role, "parts": parts, "finish_reason": response.finish_reason or "error"}])


def tool_definitions(tools: Sequence[object]) -> str:
    """The functions that the model might call."""
    return _json(
        [
            {"type": "function", "name": tool.name, "description": tool.description, "parameters": tool.parameters}
            for tool in tools
            if isinstance(tool, ToolSpec) and not isinstance(tool, HostedTool)
        ]
    )


def _parts(blocks: Sequence[Block]) -> list[dict[str, Any]]:
    return [_FORMS[type(block)](block) for block in blocks if type(block) in _FORMS]


def _call(block: ToolCall) -> dict[str, Any]:
    return {"type": "tool_call", "id": block.id, "name": block.name, "arguments": _arguments(block)}


def _arguments(block: ToolCall) -> Any:
    try:
        return block.parsed()
    except ParsingError:  # free-form, or broken off
        return block.arguments


def _media(modality: str, url: str) -> dict[str, Any]:
    if not url.startswith("data:"):
        return {"type": "uri", "modality": modality, "uri": url}
    kind = url[len("data:") :].partition(";")[0]
    return {"type": "blob", "modality": modality, "mime_type": kind, "content": ""}


def _result(block: ToolResult) -> dict[str, Any]:
    return {"type": "tool_call_response", "id": block.id, "response": block.text}


_FORMS: dict[type, Callable[[Any], dict[str, Any]]] = {
    TextBlock: lambda block: {"type": "text", "content": block.text},
    ReasoningBlock: lambda block: {"type": "reasoning", "content": block.text},
    ImageBlock: lambda block: _media("image", block.image_url),
    DocumentBlock: lambda block: _media("document", block.document_url),
    AudioBlock: lambda block: {
        "type": "blob",
        "modality": "audio",
        "mime_type": f"audio/{block.format}",
        "content": "",
    },
    ToolCall: _call,
    ToolResult: _result,
}
"""How each block is written; one that is opaque is nobody's text and left out."""


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
