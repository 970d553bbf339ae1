"""Write the conversation as the dialect's list of messages or items (law 2)."""

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
from ...core.shelf import Shelf
from ...tables.dialect import Dialect
from ...tables.media import Media, media
from ...tables.request_words import Own
from ...tables.template import NOTHING
from .json_bytes import json_bytes
from .kept import (
    ENTRY_BYTES,
    Kept,
    NotKept,
    Written,
    WrittenMedia,
    frozen,
    keep,
    raw,
    size_of,
)
from .settled import Recall
from .shell import Shell

Fill: TypeAlias = "Callable[[Any, Conversation, str], Any]"
"""Fills a template with a block in a message of a role."""

MediaBlock: TypeAlias = ImageBlock | DocumentBlock | AudioBlock
MEDIA = (ImageBlock, DocumentBlock, AudioBlock)

Place: TypeAlias = "Callable[[Any, Conversation, Shell | None], Shell | None]"
"""Puts a block where it goes: into the open shell or a new one, or apart. The shell that is open then."""


class Writer(msgspec.Struct, frozen=True):
    """What writes requests of one dialect for one model: functions made of its tables, by `compile` or `interpret`.

    `body(request, messages, kept)` and `message(shell, last, request)` give wire JSON or `NOTHING`; `places` put a
    block of XX"""

    body: Callable[[ChatRequest, Any, Kept | None], Any]
    message: Callable[[Shell, bool, ChatRequest], Any]
    places: Mapping[type[Block], Place]
    results: Mapping[type[Block], Callable[[Any, Conversation], list[Any]]]
    whole: bool
    by_last: bool
    source: str = ""
    keeps: bool = False
    ambient: tuple[str, ...] = ()
    kept: Kept | None = None


class Conversation:
    """A conversation being written. The writer's functions ask it for what lies outside the block at hand.

    `role` is that of the message at hand, as we call it; `out` is what becomes of it: shells, and what stands apart.
    `calls` are the calls so far by id; `leads` says that no call of the message came before. `notes` say what was left
    out, and what else was not as the caller might think.
    """

    def __init__(
        self,
        dialect: Dialect,
        writer: Writer,
        request: ChatRequest,
        origin: str,
        notes: list[str],
        recall: Recall | None = None,
    ) -> None:
        self.dialect = dialect
        self.writer = writer
        self.request = request
        self.model = request.model
        self.notes = notes
        self.role = ""
        self.calls: dict[str, ToolCall] = {}
        self.leads = True
        self.out: list[Any] = []
        self._house = "/".join(origin.split("/", 2)[:2])
        self.mine = (self._house, origin)
        self._name: str | None = None
        self._weight = 0
        self._last_media: tuple[Block, Media] | None = None
        self._media_kept = False
        self._lives: dict[int, Any] = {}
        self._shelf = shelf_of(writer, request)
        self._recalled = recall.found if recall is not None and recall.shelf is self._shelf else {}

    def items(self) -> list[bytes]:
        """What goes on the wire, in its order.

        Raises:
            UnsupportedParameterError: a block that the dialect refuses; the message says what would work.
        """
        items: list[Any] = []
        merge = self.dialect.merge
        for message in self.request.messages:
            found = self._recalled.get(id(message)) or self._found(message)
            if found is not None and (found.simple or self._still_holds(found)):
                more = found.items
            else:
                more = self._written(message)
            if merge:
                self._merge(items, more)
            else:
                items += more
        return self._all_rendered(items) if merge or self.writer.by_last else items

    def _found(self, message: Message) -> Written | None:
        """What became of the message before, if it is as it was."""
        found = None if self._shelf is None else self._shelf.get(id(message))
        return found if found is not None and found.copy == message else None

    def _still_holds(self, found: Written) -> bool:
        """Whether what became of a message would be the same now; if so, the conversation goes on after it."""
        calls = self.calls
        for identity, call in found.answers:
            if calls.get(identity) != call:
                return False
        if found.weight and not self._carries(found.weight):
            return False
        for call in found.calls:
            calls[call.id] = call
        self.notes += found.notes
        return True

    def _merge(self, items: list[Any], more: list[Any]) -> None:
        """Add what became of a message to what became of those before, joined with it if the role is the same."""
        if items and more:
            last, first = items[-1], more[0]
            if isinstance(last, Shell) and isinstance(first, Shell) and last.role == first.role:
                items[-1] = last.with_next(first)
                more = more[1:]
        items += more

    def _all_rendered(self, items: list[Any]) -> list[bytes]:
        last = items[-1] if items else None
        rendered = (self._rendered(item, item is last) if isinstance(item, Shell) else item for item in items)
        return [item for item in rendered if item is not None]

    def _written(self, message: Message) -> list[Any]:
        """What becomes of the message: what is sent, or a shell if that depends on its neighbours; it is kept."""
        copy = self._copy_of(message)
        if copy is None:
            return self._placed(message, message.blocks())
        blocks = copy.blocks()
        answers = self._answers(blocks)
        noted, weight = len(self.notes), self._weight
        items = self._placed(copy, blocks)
        if answers is None or self._media_kept:
            return items
        return self._keep(message, copy, blocks, items, self.notes[noted:], answers, self._weight - weight)

    def _copy_of(self, message: Message) -> Message | None:
        """A copy to write from, so that what is kept is of it and of nothing else; `None` if nothing is to be kept."""
        self._lives = {}
        if self._shelf is None or type(message) is not Message:
            return None
        try:
            copy = frozen(message)
        except NotKept:
            return None
        if not isinstance(message.content, str):
            pairs = zip(copy.content, message.content, strict=False)
            self._lives = {id(one): live for one, live in pairs if isinstance(one, MEDIA)}
        return copy

    def _placed(self, message: Message, blocks: list[Block]) -> list[Any]:
        self._place(message, blocks)
        return [found for item in self.out if (found := self._finished(item)) is not None]

    def _place(self, message: Message, blocks: list[Block]) -> None:
        """Put each block where it goes."""
        self.role = message.role
        self._name = message.name
        self.leads = True
        self.out = []
        self._media_kept = False
        places = self.writer.places
        shell = None if blocks else self.open()
        for block in blocks:
            if isinstance(block, ToolCall):
                self.calls[block.id] = block
            shell = places[type(block)](block, self, shell)
            if isinstance(block, ToolCall):
                self.leads = False

    def _finished(self, item: Any) -> Any:
        if not isinstance(item, Shell):
            return json_bytes(item)
        return item if self.dialect.merge or self.writer.by_last else self._rendered(item, last=False)

    def _rendered(self, shell: Shell, last: bool) -> bytes | None:
        """The shell as it is sent; `None` if nothing is left of it."""
        by_last = last and self.writer.by_last
        if shell.rendered is not None and not by_last:
            return shell.rendered
        filled = self.writer.message(shell, last, self.request)
        if filled is NOTHING or (not self.dialect.plain and not shell.inside and not shell.beside):
            self.notes.append(f"left out: an empty {shell.speaker} message")
            return None
        rendered = json_bytes({**filled, **shell.beside} if shell.beside else filled)
        if not by_last:
            shell.rendered = rendered
        return rendered

    def _answers(self, blocks: list[Block]) -> list[tuple[str, ToolCall | None]] | None:
        """The calls that a message has results of, by their ids; `None` if it cannot be told that they are the same."""
        results = [block.id for block in blocks if isinstance(block, ToolResult)]
        if results and any(isinstance(block, ToolCall) for block in blocks):
            return None
        try:
            answers = [(identity, frozen(self.calls.get(identity))) for identity in results]
        except NotKept:
            return None
        self.calls.update({identity: call for identity, call in answers if call is not None})
        return answers

    def _keep(
        self,
        message: Message,
        copy: Message,
        blocks: list[Block],
        items: list[Any],
        notes: list[str],
        answers: list[tuple[str, ToolCall | None]],
        weight: int,
    ) -> list[Any]:
        """Keep what became of the message; in the form in which it is kept, it is also what becomes of it now."""
        calls = [block for block in blocks if isinstance(block, ToolCall)]
        items = [item.kept() if isinstance(item, Shell) else item for item in items]
        size = ENTRY_BYTES + sum(item.size() if isinstance(item, Shell) else len(item) for item in items)
        entry = Written(copy=copy, items=items, notes=notes, calls=calls, answers=answers, weight=weight, size=size)
        assert self._shelf is not None  # noqa: S101  there is no copy without it
        keep(self._shelf, message, entry)
        return items

    def open(self) -> Shell:
        """A new shell for what stands inside the message at hand, or beside its content."""
        shell = Shell(self.dialect.roles.get(self.role, self.role), self.role, self._name)
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
        shell.put_beside(key, value, joined=joined)
        return shell

    def left_out(self, block: Block, why: str = "not part of this wire format") -> None:
        """Note that the block is not sent."""
        self.notes.append(f"left out: {type(block).__name__} ({why})")

    def not_marked(self, block: Block) -> None:
        """Note that the block's mark of the cache is not sent."""
        self.notes.append(no_mark(type(block).__name__))

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
        """What only its maker understands, a signature or an item's id; a result has those of its call."""
        source = self.calls.get(block.id) if isinstance(block, ToolResult) else block
        return getattr(source, name, None) if source is not None and self.owns(source, "model") else None

    def name_of(self, result: ToolResult) -> str | None:
        """The name of the tool that gave the result, which may be known only by its call."""
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

    def of_media(self, fill: Fill, block: MediaBlock, role: str) -> Any:
        """The value of a block of media, weighed; what was made of it before if it has own bytes and is the same."""
        kept, live = self.writer.kept, self._lives.get(id(block), block)
        found = None if kept is None else kept.media.get(id(live))
        if found is not None and found.role == role and found.copy == block:
            self._media_kept = True
            self._weigh(block, found.weight)
            return found.value
        return self._media_anew(fill, block, role, live)

    def _media_anew(self, fill: Fill, block: MediaBlock, role: str, live: MediaBlock) -> Any:
        kept = self.writer.kept
        try:
            copy = frozen(block)
        except NotKept:
            kept, copy = None, block
        self.weigh(copy)
        value = fill(copy, self, role)
        data = self.media(copy).data
        if kept is None or data is None:
            return value
        value = [raw(one) for one in value] if isinstance(value, list) else raw(value)
        self._media_kept = True
        entry = WrittenMedia(copy=copy, role=role, value=value, weight=len(data), size=ENTRY_BYTES + size_of(value))
        keep(kept.media, live, entry)
        return value

    def weigh(self, block: MediaBlock) -> None:
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
        self._weigh(block, len(found.data))

    def _weigh(self, block: Block, weight: int) -> None:
        if not self._carries(weight):
            name, most = type(block).__name__, self.dialect.max_media or 0
            raise UnsupportedParameterError(
                f"{name}: a request takes {most >> 20} MB of media in all: make it smaller, or give it by URL",
                parameter=name,
            )

    def _carries(self, weight: int) -> bool:
        """Take on the weight of some media; false if with all others it is too much."""
        most = self.dialect.max_media
        if most is not None and self._weight + weight > most:
            return False
        self._weight += weight
        return True

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


def shelf_of(writer: Writer, request: ChatRequest) -> Shelf[int, Written] | None:
    """Where messages are kept that are written beside such values of the request; a lone message is not."""
    if writer.kept is None or len(request.messages) < 2:
        return None
    return writer.kept.messages(tuple(bool(getattr(request, name)) for name in writer.ambient))


def recalled(writer: Writer, request: ChatRequest) -> Recall | None:
    """What is known of the request's messages, still to be looked up; `None` if nothing is kept."""
    shelf = shelf_of(writer, request)
    return None if shelf is None else Recall(shelf, {})


def no_mark(what: str) -> str:
    """The note on a mark of the cache that is not sent."""
    return f"left out: the cache mark of a {what} (there is no place for one here)"


OF_ANOTHER = "made by another provider or model"
"""Why a block is left out that only its maker understands."""


def not_in_result(block: Block) -> NoReturn:
    """Raise for a block that a tool's result cannot hold."""
    name = type(block).__name__
    raise UnsupportedParameterError(f"{name} is not taken in a tool's result here", parameter=name)
