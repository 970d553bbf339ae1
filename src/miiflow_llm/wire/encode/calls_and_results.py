"""Pair calls and their results: in a conversation every result stands right behind its call.

A call without a result gets one that says so; a result without its call becomes a text of the user; an id that two
calls have, or that the wire does not take, is made another, of call and result together.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable

import msgspec

from ...core.exceptions import ConfigurationError
from ...core.messages import Block, Message, TextBlock, ToolCall, ToolResult
from .with_blocks import with_blocks

Note = Callable[[str], None]

NO_RESULT = "There is no result: the call was not run."


def paired(messages: list[Message], call_ids: str, note: Note) -> list[Message]:
    """The conversation with its calls and results in pairs; `call_ids` is the pattern of the ids that calls may have.

    Raises:
        ConfigurationError: a tool's message does not say which call it answers.
    """
    if not any(message.role == "tool" or _holds_tools(message) for message in messages):
        return messages
    return _Pairing(call_ids, note).of([one for message in messages for one in _apart(message)])


def _holds_tools(message: Message) -> bool:
    if message.tool_calls:
        return True
    blocks = message.parts or (message.content if isinstance(message.content, list) else ())
    return any(isinstance(block, (ToolCall, ToolResult)) for block in blocks)


def _calls(message: Message) -> list[ToolCall]:
    """The calls of a message, in their order."""
    listed = message.parts or message.content
    inside = [] if isinstance(listed, str) else [block for block in listed if isinstance(block, ToolCall)]
    return inside if message.parts else [*inside, *message.tool_calls]


def _apart(message: Message) -> list[Message]:
    """The message with each of its tool results as a message of its own, which come first."""
    if message.role == "tool" and not message.parts:
        return [message]
    blocks = message.parts or (message.content if isinstance(message.content, list) else [])
    results = [block for block in blocks if isinstance(block, ToolResult)]
    if not results:
        return [message]
    made = [
        Message("tool", [*one.content], tool_call_id=one.id, name=one.name, is_error=one.is_error, cache=one.cache)
        for one in results
    ]
    rest = [block for block in message.blocks() if not isinstance(block, ToolResult)]
    return [*made, with_blocks(message, rest)] if rest else made


class _Call(msgspec.Struct):
    """A call, the place of its message, the id that it goes out with, and its result once that is found."""

    call: ToolCall
    place: int
    id: str
    result: int | None = None


class _Pairing:
    def __init__(self, call_ids: str, note: Note) -> None:
        self.call_ids = re.compile(call_ids)
        self.note = note
        self.calls: dict[int, list[_Call]] = {}
        self.used: set[str] = set()

    def of(self, messages: list[Message]) -> list[Message]:
        answered: dict[int, _Call] = {}
        for place, message in enumerate(messages):
            if message.role == "tool":
                found = self._call_of(message)
                if found is not None:
                    found.result, answered[place] = place, found
                continue
            calls = _calls(message)
            if calls:
                self.calls[place] = [_Call(call, place, self._id(call)) for call in calls]
        return self._written(messages, answered)

    def _id(self, call: ToolCall) -> str:
        """The id that the call goes out with: its own if it is taken here and no call before had it."""
        wanted = call.id
        if not self.call_ids.fullmatch(wanted):
            wanted = self._legal(wanted)
            self.note(f"mended: the id of a call of {call.name}, which is not taken here or is missing")
        found, number = wanted, 2
        while found in self.used:
            found, number = f"{wanted[:32]}_{number}", number + 1
        if found != wanted:
            self.note(f"mended: the id of a call of {call.name}, which another call had")
        self.used.add(found)
        return found

    def _legal(self, identity: str) -> str:
        """An id that is taken here, as near to this one as can be."""
        near = re.sub(r"[^A-Za-z0-9_-]", "_", identity)
        return near if self.call_ids.fullmatch(near) else f"call_{hashlib.sha256(identity.encode()).hexdigest()[:24]}"

    def _call_of(self, result: Message) -> _Call | None:
        """The call that a result answers: of those with its id the first that has none, in the last turn that has one.

        A result without an id answers a call by its name.
        """
        identity = result.tool_call_id
        if not identity and not result.name:
            raise ConfigurationError("a tool message needs tool_call_id, the id of the call that it answers")
        for place in reversed(self.calls):
            for one in self.calls[place]:
                same = one.call.id == identity if identity else one.call.name == result.name
                if same and one.result is None:
                    return one
        return None

    def _written(self, messages: list[Message], answered: dict[int, _Call]) -> list[Message]:
        out: list[Message] = []
        stray: list[Message] = []
        for place, message in enumerate(messages):
            if message.role == "tool":
                if place not in answered:
                    stray.append(self._as_text(message))
                continue
            out += [*stray, self._with_ids(message, place)]
            stray = []
            if place in self.calls:
                out += self._results(messages, self.calls[place])
        self._note_order(messages, answered)
        return [*out, *stray]

    def _results(self, messages: list[Message], calls: list[_Call]) -> list[Message]:
        """The results of a turn, in the order in which they stand; those that are missing come last."""
        given = sorted((one for one in calls if one.result is not None), key=lambda one: one.result or 0)
        found = [self._with_id(messages[one.result or 0], one) for one in given]
        for one in calls:
            if one.result is None:
                self.note(f"mended: a call of {one.call.name} without a result, which has one now that says so")
                found.append(Message.tool(NO_RESULT, one.id, name=one.call.name, is_error=True))
        return found

    def _with_id(self, result: Message, call: _Call) -> Message:
        return result if result.tool_call_id == call.id else msgspec.structs.replace(result, tool_call_id=call.id)

    def _with_ids(self, message: Message, place: int) -> Message:
        """The message, its calls under the ids that they go out with."""
        made = self.calls.get(place)
        if made is None or all(one.id == one.call.id for one in made):
            return message
        calls = iter(made)
        blocks: list[Block] = [
            msgspec.structs.replace(block, id=next(calls).id) if isinstance(block, ToolCall) else block
            for block in message.blocks()
        ]
        return with_blocks(message, blocks)

    def _as_text(self, result: Message) -> Message:
        self.note("mended: a tool's result without its call, which is a text of the user now")
        content = [TextBlock(result.content)] if isinstance(result.content, str) else list(result.content)
        named = result.name or result.tool_call_id
        return Message.user([TextBlock(f"What {named} gave back:"), *content], cache=result.cache)

    def _note_order(self, messages: list[Message], answered: dict[int, _Call]) -> None:
        """Note results that did not stand behind their call."""
        for place, call in answered.items():
            between = messages[call.place + 1 : place]
            if any(message.role != "tool" for message in between):
                self.note(f"moved: the result of {call.call.name}, to its call")
