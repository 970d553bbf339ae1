"""Tell that a conversation needs no mending, without going through it.

Most conversations need none, and of a message that was written before it is known what it is like by itself: whether
its texts are sound, which calls it makes, which it answers. What is left is whether calls and results stand in pairs.
`mending` is the truth of it: whatever is settled, it would leave as it is.
"""

from __future__ import annotations

import re

import msgspec

from ...core.exceptions import MiiflowLLMError
from ...core.messages import Block, Message, ToolCall, ToolResult
from ...core.shelf import Shelf
from ...core.text import is_sound
from ...tables.dialect import Dialect
from .by_itself import mended_by_itself
from .kept import Facts, Written
from .tool_results import with_media_after
from .turns import Speech


class Recall(msgspec.Struct):
    """What is known of the messages of one call: they were compared once, and are as they were written.

    `found` are the entries of `shelf`, by the address of their message.
    """

    shelf: Shelf[int, Written]
    found: dict[int, Written]


def is_settled(dialect: Dialect, messages: list[Message], origin: str, notes: list[str], recall: Recall | None) -> bool:
    """Whether no message needs mending, and calls and results stand in pairs; if so, `notes` get what is said of it."""
    noted: list[str] = []
    used: set[str] = set()
    waiting: set[str] = set()
    for message in messages:
        facts = _facts(dialect, message, origin, recall)
        if not facts.sound:
            return False
        if facts.simple and not waiting:
            continue
        noted += facts.notes
        if waiting:
            if facts.answers not in waiting:
                return False
            waiting.discard(facts.answers)
        elif facts.answers is not None:
            return False
        for identity in facts.calls:
            if identity in used:
                return False
            used.add(identity)
            waiting.add(identity)
    if not waiting:
        notes += noted
    return not waiting


def _facts(dialect: Dialect, message: Message, origin: str, recall: Recall | None) -> Facts:
    if recall is None:
        return facts_of(dialect, message, origin)
    found = recall.shelf.get(id(message))
    if found is None or found.copy != message:
        return facts_of(dialect, message, origin)
    recall.found[id(message)] = found
    if found.facts is None:
        found.facts = facts_of(dialect, message, origin)
    return found.facts


_UNSOUND = Facts(sound=False)
_TEXT = Facts(sound=True)


def facts_of(dialect: Dialect, message: Message, origin: str) -> Facts:
    """What a message is like by itself, on this wire."""
    if _is_mere_text(message):
        return _TEXT
    notes: list[str] = []
    try:
        same = mended_by_itself(dialect, message, origin, notes.append) is message
        said = same and Speech(dialect, origin, notes.append).of(message) is message
        whole = said and with_media_after(dialect, [message], notes)[0] is message
        return _of_blocks(dialect, message, message.blocks(), tuple(notes)) if whole else _UNSOUND
    except MiiflowLLMError:
        return _UNSOUND


def _is_mere_text(message: Message) -> bool:
    content = message.content
    return (
        type(content) is str
        and message.role != "tool"
        and not (message.parts or message.tool_calls or message.refusal or message.name or message.tool_call_id)
        and is_sound(content)
        and content != ""
        and not content.isspace()
    )


def _of_blocks(dialect: Dialect, message: Message, blocks: list[Block], notes: tuple[str, ...]) -> Facts:
    results = [block for block in blocks if isinstance(block, ToolResult)]
    calls = tuple(block.id for block in blocks if isinstance(block, ToolCall))
    is_tool = message.role == "tool"
    if bool(results) != is_tool or (is_tool and (message.parts or not message.tool_call_id)):
        return _UNSOUND
    if not all(re.fullmatch(dialect.turns.call_ids, identity) for identity in calls):
        return _UNSOUND
    return Facts(sound=True, calls=calls, answers=message.tool_call_id if is_tool else None, notes=notes)
