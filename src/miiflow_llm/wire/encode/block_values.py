"""What templates take of a block beside its fields: text and arguments in the forms that wires demand."""

from __future__ import annotations

from typing import Any

from ...core.exceptions import ParsingError, UnsupportedParameterError
from ...core.messages import TextBlock, ToolCall, ToolResult


def text_only(result: ToolResult) -> str:
    """The text of a result, for wires on which it is one string.

    Raises:
        UnsupportedParameterError: the result holds an image or a document.
    """
    other = next((type(block).__name__ for block in result.content if not isinstance(block, TextBlock)), None)
    if other:
        raise UnsupportedParameterError(
            f"{other} is not taken in a tool's result here; send it in a user message after it", parameter=other
        )
    return result.text


def arguments_text(call: ToolCall) -> str:
    """The arguments as a text, of a function as JSON; no arguments, which models write in several ways, are an empty
    object.
    """
    return "{}" if not call.custom and call.arguments.strip() in ("", "null") else call.arguments


def arguments_object(call: ToolCall) -> dict[str, Any]:
    """The arguments as the object that some wires demand; anything else is kept under one key, as the text of a custom
    tool is."""
    if call.custom:
        return {"input": call.arguments}
    try:
        value = call.parsed()
    except ParsingError:
        return {"malformed_arguments": call.arguments}
    return value if isinstance(value, dict) else {"value": value}
