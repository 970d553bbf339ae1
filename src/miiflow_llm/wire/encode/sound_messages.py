"""Replace what no server takes in texts (lone surrogates, NULs), and make the arguments of calls an object of JSON."""

from __future__ import annotations

from collections.abc import Callable
from operator import is_
from typing import Any

import msgspec

from ...core.exceptions import ParsingError
from ...core.messages import DocumentBlock, Message, ReasoningBlock, TextBlock, ToolCall, ToolResult
from ...core.text import sound, sound_json

Note = Callable[[str], None]

_OF_MESSAGES = ("content", "tool_call_id", "name", "refusal")
_OF_BLOCKS: dict[type, tuple[str, ...]] = {
    TextBlock: ("text",),
    ReasoningBlock: ("text",),
    DocumentBlock: ("filename",),
    ToolCall: ("id", "name"),
    ToolResult: ("id", "name"),
}
"""The fields of a message, and of each block, that hold somebody's words; a provider's proofs and media are not."""


def sounded(message: Message, note: Note) -> Message:
    """The message as every server takes it; the message itself if it is so."""
    changed: dict[str, Any] = _sound_texts(message, _OF_MESSAGES, note)
    for name in ("content", "parts", "tool_calls"):
        found = getattr(message, name)
        if found and type(found) is not str and (new := _blocks(found, note)) is not found:
            changed[name] = new
    return msgspec.structs.replace(message, **changed) if changed else message


def _sound_texts(struct: Any, names: tuple[str, ...], note: Note) -> dict[str, Any]:
    """Those of the texts that no server takes, as they are sent."""
    changed = {}
    for name in names:
        text = getattr(struct, name)
        if type(text) is str and (found := sound(text)) is not text:
            changed[name] = found
    if changed:
        note("mended: lone surrogates and NULs in a text, which are U+FFFD now")
    return changed


def _blocks(blocks: list[Any], note: Note) -> list[Any]:
    found = [_block(block, note) for block in blocks]
    return blocks if all(map(is_, found, blocks)) else found


def _block(block: Any, note: Note) -> Any:
    names = _OF_BLOCKS.get(type(block))
    if names is None:
        return block
    if changed := _sound_texts(block, names, note):
        block = msgspec.structs.replace(block, **changed)
    if type(block) is ToolCall:
        return _call(block, note)
    if type(block) is ToolResult and (content := _blocks(block.content, note)) is not block.content:
        return msgspec.structs.replace(block, content=content)
    return block


def _call(call: ToolCall, note: Note) -> ToolCall:
    if call.custom:
        changed = _sound_texts(call, ("arguments",), note)
        return msgspec.structs.replace(call, **changed) if changed else call
    arguments = _arguments(call)
    if arguments == call.arguments:
        return call
    note(f"mended: the arguments of a call of {call.name}, which are an object of JSON now")
    return msgspec.structs.replace(call, arguments=arguments)


def _arguments(call: ToolCall) -> str:
    """The arguments as an object: some servers read them, and refuse the whole conversation if they cannot.

    Text that is not JSON stands in it as `malformed_arguments`, any other JSON value as `value`.
    """
    text = call.arguments
    if text.strip() in ("", "null"):
        return text
    try:
        value = msgspec.json.decode(text)
        if isinstance(value, dict) and "\\u0000" not in text:
            return text
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        try:
            value = call.parsed()
        except ParsingError:
            value = {"malformed_arguments": text}
    try:
        return msgspec.json.encode(sound_json(value if isinstance(value, dict) else {"value": value})).decode()
    except RecursionError:
        return msgspec.json.encode({"malformed_arguments": sound(text)}).decode()
