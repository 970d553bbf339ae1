"""Write the conversation: messages in, the dialect's list of messages or items out (law 2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeAlias

import msgspec

from ...core.exceptions import UnsupportedParameterError
from ...core.messages import (
    AudioBlock,
    Block,
    DocumentBlock,
    ImageBlock,
    Message,
    TextBlock,
    ToolCall,
    ToolResult,
)
from ...core.request import ChatRequest
from ...tables.dialect import Dialect
from ...tables.media import Media, media
from ...tables.request_words import Own
from ...tables.template import NOTHING
from .shell import Shell
from .tool_results import with_media_after

Note = Callable[[str], None]


Place: TypeAlias = "Callable[[Any, Conversation, Shell | None], Shell | None]"
"""Puts a block where it goes: into the open shell or a new one, or apart. The shell that is open then."""


class Writer(msgspec.Struct, frozen=True):
    """What writes requests of one dialect for one model: functions made of its tables, by `compile` or `interpret`.

    `body(request, messages)` and `message(shell, last, request)` give wire JSON or `NOTHING`; `places` put a block of
    their type into a conversation; `results` give a block's values inside a tool's result. `source` is what was
    generated, if they were compiled.
    """

    body: Callable[[ChatRequest, list[Any]], Any]
    message: Callable[[Shell, bool, ChatRequest], Any]
    places: Mapping[type[Block], Place]
    results: Mapping[type[Block], Callable[[Any, Conversation], list[Any]]]
    source: str = ""


def write(dialect: Dialect, writer: Writer, request: ChatRequest, *, origin: str, note: Note) -> list[Any]:
    """The conversation as the wire wants it.

    Raises:
        UnsupportedParameterError: a block that the dialect refuses; the message says what would work.
    """
    return Conversation(dialect, writer, request, origin, note).items()


class Conversation:
    """A conversation being written. The writer's functions ask it for what lies outside the block at hand.

    `role` is that of the message at hand, as we call it. `calls` are the calls so far by id; `leads` says that no call
    of the message came before. `items` on the wire are shells, until they are rendered, and what stands apart.
    """

    def __init__(self, dialect: Dialect, writer: Writer, request: ChatRequest, origin: str, note: Note) -> None:
        self.dialect = dialect
        self.writer = writer
        self.request = request
        self.model = request.model
        self.note = note
        self.role = ""
        self.calls: dict[str, ToolCall] = {}
        self.leads = True
        self.out: list[Shell | Any] = []
        self._origin = origin
        self._house = "/".join(origin.split("/", 2)[:2])
        self.mine = (self._house, origin)
        self._message: Message | None = None
        self._wire_role = ""
        self._weight = 0
        self._last_media: tuple[Block, Media] | None = None

    def items(self) -> list[Any]:
        """Everything, in the order of the wire."""
        for message in with_media_after(self.dialect, self.request.messages, self.note):
            self._write(message)
        last = self.out[-1] if self.out else None
        rendered = (self._rendered(item, item is last) if isinstance(item, Shell) else item for item in self.out)
        return [item for item in rendered if item is not NOTHING]

    def _write(self, message: Message) -> None:
        self._message = message
        self.role = message.role
        self._wire_role = self.dialect.roles.get(message.role, message.role)
        self.leads = True
        places = self.writer.places
        blocks = message.blocks()
        shell = None if blocks else self.open()
        for block in blocks:
            if isinstance(block, ToolCall):
                self.calls[block.id] = block
            shell = places[type(block)](block, self, shell)
            if isinstance(block, ToolCall):
                self.leads = False

    def open(self) -> Shell:
        """The shell that the message at hand is written into: a new one, or one that its role is merged with."""
        assert self._message is not None  # noqa: S101  a message is at hand
        last = self.out[-1] if self.dialect.merge and self.out else None
        if isinstance(last, Shell) and last.role == self._wire_role:
            return last
        shell = Shell(self._message, self._wire_role)
        self.out.append(shell)
        return shell

    def put(self, shell: Shell | None, block: Block, values: list[Any], *, marked: bool = False) -> Shell:
        """Put the block's values inside; text that bears no mark can stay a bare string."""
        shell = shell or self.open()
        shell.inside += values
        if isinstance(block, TextBlock):
            shell.texts.append(block.text)
            shell.plain = shell.plain and not marked
        else:
            shell.plain = False
        return shell

    def put_beside(self, shell: Shell | None, key: str, value: Any, *, joined: bool = False) -> Shell:
        """Put the value into the list beside the content, or to the end of the text there."""
        shell = shell or self.open()
        if joined:
            shell.beside[key] = shell.beside.get(key, "") + value
        else:
            shell.beside.setdefault(key, []).append(value)
        return shell

    def left_out(self, block: Block, why: str = "not part of this wire format") -> None:
        """Note that the block is not sent."""
        self.note(f"left out: {type(block).__name__} ({why})")

    def not_marked(self, block: Block) -> None:
        """Note that the block's mark of the cache is not sent."""
        self.note(no_mark(type(block).__name__))

    def refuse(self, block: Block, reason: str) -> NoReturn:
        """Raise for a block that has no place here."""
        name = type(block).__name__
        raise UnsupportedParameterError(f"{name} in a {self.role} message: {reason}", parameter=name)

    def owns(self, block: Any, own: Own) -> bool:
        """Whether the block was made here, as far as `own` asks."""
        origin = getattr(block, "origin", None) or ""
        if own == "model":
            return origin in self.mine
        return not own or origin == self._house or origin.startswith(f"{self._house}/")

    def proof(self, block: Block, name: str) -> Any:
        """What the maker alone understands, its signature or its item's id; a result has those of its call."""
        source = self.calls.get(block.id) if isinstance(block, ToolResult) else block
        return getattr(source, name, None) if source is not None and self.owns(source, "model") else None

    def name_of(self, result: ToolResult) -> str | None:
        """The name of the tool that gave the result, which may be known by its call alone."""
        if result.name is None and result.id in self.calls:
            return self.calls[result.id].name
        return result.name

    def is_custom(self, result: ToolResult) -> bool:
        """Whether the result is of a call with free text."""
        return result.id in self.calls and self.calls[result.id].custom

    def media(self, block: Block) -> Media:
        """The parts of the block, which may be megabytes, taken apart once."""
        if self._last_media is None or self._last_media[0] is not block:
            self._last_media = block, media(block)
        return self._last_media[1]

    def weigh(self, block: ImageBlock | DocumentBlock | AudioBlock) -> None:
        """See that the media's own bytes are of a kind that is taken, and with all others not too many.

        Raises:
            UnsupportedParameterError: they are not.
        """
        found, name = self.media(block), type(block).__name__
        if found.data is None:
            return
        taken = self.dialect.media.get(type(block))
        if taken is not None and found.type not in taken:
            raise UnsupportedParameterError(
                f"{name}: {found.type} is not taken here, but {', '.join(taken)}: convert it", parameter=name
            )
        self._weight += len(found.data)
        most = self.dialect.max_media
        if most is not None and self._weight > most:
            raise UnsupportedParameterError(
                f"{name}: a request takes {most >> 20} MB of media in all: make it smaller, or give it by URL",
                parameter=name,
            )

    def inner(self, result: ToolResult, *, collapse: bool) -> Any:
        """The content of a tool's result, its blocks placed as in any message of a tool."""
        if collapse and all(isinstance(block, TextBlock) and not block.cache for block in result.content):
            return result.text
        role, self.role = self.role, "tool"
        values = []
        for block in result.content:
            values += self.writer.results[type(block)](block, self)
        self.role = role
        return values

    def _rendered(self, shell: Shell, last: bool) -> Any:
        filled = self.writer.message(shell, last, self.request)
        if filled is NOTHING or (not self.dialect.plain and not shell.inside and not shell.beside):
            self.note(f"left out: an empty {shell.message.role} message")
            return NOTHING
        return {**filled, **shell.beside} if shell.beside else filled


def no_mark(what: str) -> str:
    """The note on a mark of the cache that is not sent."""
    return f"left out: the cache mark of a {what} (there is no place for one here)"


OF_ANOTHER = "made by another provider or model"
"""Why a block is left out that only its maker understands."""


def not_in_result(block: Block) -> NoReturn:
    """Raise for a block that a tool's result cannot hold."""
    name = type(block).__name__
    raise UnsupportedParameterError(f"{name} is not taken in a tool's result here", parameter=name)
