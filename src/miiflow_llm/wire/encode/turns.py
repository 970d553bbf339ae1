"""Mend the turns of a conversation by the rules of a dialect's table."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from ...core.messages import Block, Message, OpaqueBlock, ReasoningBlock, TextBlock
from ...tables.dialect import Dialect
from .places import is_own, place_of
from .with_blocks import with_blocks

Note = Callable[[str], None]

GO_ON = "Continue."
"""What the user says first if a conversation may not begin with the model."""
BETWEEN = "I have the results."
"""What the model says between a tool's result and the user, if a server wants something there."""


def in_turns(dialect: Dialect, messages: list[Message], model: str, origin: str, note: Note) -> list[Message]:
    """The conversation as the dialect and the model take its turns; `origin` is who is asked."""
    speech = Speech(dialect, origin, note)
    found = [one for message in messages if (one := speech.of(message)) is not None]
    return arranged(dialect, found, model, note)


def arranged(dialect: Dialect, messages: list[Message], model: str, note: Note) -> list[Message]:
    """The conversation with its turns in the order in which the dialect and the model take them."""
    turns, found = dialect.turns, messages
    if turns.one_system:
        found = _one_system(found, note)
    if turns.alternate:
        found = _joined(found, note)
    if turns.after_results is not None and re.match(turns.after_results, model):
        found = _with_a_word_between(found, note)
    if turns.begins_with_user:
        found = _begun(found, note)
    return found if turns.blank else _without_space_at_the_end(found, note)


class Speech:
    """Takes out of a message what is refused in it."""

    def __init__(self, dialect: Dialect, origin: str, note: Note) -> None:
        self.dialect = dialect
        self.origin = origin
        self.note = note

    def of(self, message: Message) -> Message | None:
        """The message with what it says; `None` if that is nothing."""
        if message.role == "tool":
            return message if self.dialect.turns.blank else self._result(message)
        if _is_text(message) and message.content and not str(message.content).isspace():
            return message  # as most are
        before = message.blocks()
        blocks = before if self.dialect.turns.blank else [block for block in before if not _is_blank(block)]
        if message.role == "assistant":
            blocks = self._without_last_thoughts(blocks)
        if self._is_silent(message.role, blocks):
            self.note(f"left out: {_a(message.role)} message that says nothing")
            return None
        if len(blocks) == len(before):
            return message
        self.note(f"left out: what {_a(message.role)} message may not have, thinking at its end or only white space")
        return with_blocks(message, blocks)

    def _result(self, message: Message) -> Message:
        if isinstance(message.content, str):
            empty = bool(message.content) and not message.content.strip()
            return msgspec.structs.replace(message, content="") if empty else message
        kept = [block for block in message.content if not _is_blank(block)]
        return message if len(kept) == len(message.content) else msgspec.structs.replace(message, content=kept)

    def _without_last_thoughts(self, blocks: list[Block]) -> list[Block]:
        """The blocks without the thinking that nothing follows, where thinking stands among them on the wire."""
        end = len(blocks)
        while end and isinstance(block := blocks[end - 1], ReasoningBlock) and self._is_sent_in_place(block):
            end -= 1
        return blocks[:end]

    def _is_sent_in_place(self, block: Block) -> bool:
        place = place_of(self.dialect, block, "assistant")
        return place.where in ("inside", "apart") and is_own(block, place.origin, self.origin)

    def _is_silent(self, role: str, blocks: list[Block]) -> bool:
        """Whether a server would refuse the message as empty: the model's everywhere, others if no blank is taken."""
        if role == "assistant":
            return all(
                _is_blank(block) or isinstance(block, ReasoningBlock) or self._is_lost(block) for block in blocks
            )
        return not blocks and not self.dialect.turns.blank

    def _is_lost(self, block: Block) -> bool:
        """Whether the block is another provider's own, which goes nowhere else."""
        if not isinstance(block, OpaqueBlock):
            return False
        place = place_of(self.dialect, block, "assistant")
        return place.where == "left_out" or not is_own(block, place.origin, self.origin)


def _is_blank(block: Block) -> bool:
    return isinstance(block, TextBlock) and not block.signature and not block.text.strip()


def _a(role: str) -> str:
    return {"assistant": "an assistant's", "user": "a user's", "system": "a system"}[role]


def _one_system(messages: list[Message], note: Note) -> list[Message]:
    """The conversation with one system message, at its head."""
    system = [message for message in messages if message.role == "system"]
    if not system or (len(system) == 1 and messages[0] is system[0]):
        return messages
    note("mended: system messages, which are one at the head now")
    return [_one_of(system), *(message for message in messages if message.role != "system")]


def _joined(messages: list[Message], note: Note) -> list[Message]:
    """The conversation with neighbours of one role as one message."""
    out: list[list[Message]] = []
    for message in messages:
        if out and message.role != "tool" and out[-1][0].role == message.role:
            out[-1].append(message)
        else:
            out.append([message])
    if len(out) == len(messages):
        return messages
    note("mended: neighbours of one role, which are one message now")
    return [_one_of(some) for some in out]


def _one_of(messages: list[Message]) -> Message:
    """Several messages of one role as one."""
    first = messages[0]
    if len(messages) == 1:
        return first
    names = {message.name for message in messages}
    first = first if len(names) == 1 else msgspec.structs.replace(first, name=None)
    if all(_is_text(message) for message in messages):
        return msgspec.structs.replace(first, content="\n\n".join(str(message.content) for message in messages))
    return with_blocks(first, [block for message in messages for block in message.blocks()])


def _is_text(message: Message) -> bool:
    return isinstance(message.content, str) and not (message.parts or message.tool_calls or message.cache)


def _with_a_word_between(messages: list[Message], note: Note) -> list[Message]:
    out: list[Message] = []
    for message in messages:
        if message.role == "user" and out and out[-1].role == "tool":
            note("mended: a user's message right behind a tool's result, with a word of the model between")
            out.append(Message.assistant(BETWEEN))
        out.append(message)
    return out


def _begun(messages: list[Message], note: Note) -> list[Message]:
    place = next((at for at, message in enumerate(messages) if message.role != "system"), None)
    if place is None or messages[place].role == "user":
        return messages
    note("mended: a conversation that begins with the model, which the user begins now")
    return [*messages[:place], Message.user(GO_ON), *messages[place:]]


def _without_space_at_the_end(messages: list[Message], note: Note) -> list[Message]:
    """The conversation without white space behind the beginning of an answer."""
    last = messages[-1] if messages else None
    if last is None or last.role != "assistant":
        return messages
    blocks = last.blocks()
    end = blocks[-1]
    if not isinstance(end, TextBlock) or end.text == end.text.rstrip():
        return messages
    note("mended: white space at the end of the last message")
    return [*messages[:-1], with_blocks(last, [*blocks[:-1], msgspec.structs.replace(end, text=end.text.rstrip())])]
