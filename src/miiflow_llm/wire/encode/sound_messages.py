"""Replace what no server takes in texts (lone surrogates, NULs), and make the arguments of calls an object of JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from ...core.exceptions import ParsingError
from ...core.messages import Block, Message, OpaqueBlock, ToolCall, ToolResult
from ...core.text import sound, sound_json

Note = Callable[[str], None]
One = TypeVar("One", bound=msgspec.Struct)

_OF_MESSAGES = ("content", "tool_call_id", "name", "refusal")
_OF_BLOCKS = ("text", "id", "name", "filename", "signature", "data", "item_id")


def sounded(message: Message, note: Note) -> Message:
    """The message as every server takes it; the message itself if it is so."""
    message = _with_sound_texts(message, _OF_MESSAGES, note)
    lists = {
        name: found for name in ("content", "parts", "tool_calls") if isinstance(found := getattr(message, name), list)
    }
    changed = {name: new for name, found in lists.items() if (new := _blocks(found, note)) is not found}
    return msgspec.structs.replace(message, **changed) if changed else message


def _with_sound_texts(struct: One, names: tuple[str, ...], note: Note) -> One:
    changed = {}
    for name in names:
        text = getattr(struct, name, None)
        if isinstance(text, str) and (found := sound(text)) is not text:
            changed[name] = found
    if not changed:
        return struct
    note("mended: lone surrogates and NULs in a text, which are U+FFFD now")
    return msgspec.structs.replace(struct, **changed)


def _blocks(blocks: list[Any], note: Note) -> list[Any]:
    found = [_block(block, note) for block in blocks]
    return blocks if all(new is old for new, old in zip(found, blocks, strict=True)) else found


def _block(block: Block, note: Note) -> Block:
    if isinstance(block, OpaqueBlock):
        return block
    block = _with_sound_texts(block, _OF_BLOCKS, note)
    if isinstance(block, ToolCall):
        return _call(block, note)
    if isinstance(block, ToolResult) and (content := _blocks(block.content, note)) is not block.content:
        return msgspec.structs.replace(block, content=content)
    return block


def _call(call: ToolCall, note: Note) -> ToolCall:
    if call.custom:
        return _with_sound_texts(call, ("arguments",), note)
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
