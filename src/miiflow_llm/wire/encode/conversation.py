"""Write the conversation: messages in, the dialect's list of messages or items out (law 2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from ...core.exceptions import ConfigurationError, ParsingError, UnsupportedParameterError
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
from ...tables import Dialect, Own, Place, PlaceBy
from ...tables.media import Media, media
from ...tables.template import NOTHING, attribute, fill, neighbours
from .tool_names import wire_name
from .tool_results import with_media_after

Note = Callable[[str], None]


class _Shell(msgspec.Struct):
    """A message under construction: its wire role, what stands in its content, and what beside it."""

    message: Message
    role: str
    inside: list[Any]
    texts: list[str]
    beside: dict[str, Any]
    plain: bool = True

    def put(self, block: Block, value: list[Any], *, marked: bool) -> None:
        """Put the block's wire form into the content; text that bears no mark can stay a bare string."""
        self.inside += value
        if isinstance(block, TextBlock):
            self.texts.append(block.text)
        self.plain = self.plain and isinstance(block, TextBlock) and not marked


def write(dialect: Dialect, request: ChatRequest, *, origin: str, note: Note) -> list[Any]:
    """The conversation as the wire wants it.

    Raises:
        UnsupportedParameterError: a block that the dialect refuses; the message says what would work.
    """
    return _Writer(dialect, request, origin, note).items()


class _Writer:
    def __init__(self, dialect: Dialect, request: ChatRequest, origin: str, note: Note) -> None:
        self.dialect = dialect
        self.request = request
        self.origin = origin
        self.house = "/".join(origin.split("/", 2)[:2])
        self.note = note
        self.calls: dict[str, ToolCall] = {}
        self.leads = True
        self.weight = 0
        self.last_media: tuple[Block, Media] | None = None
        self.out: list[_Shell | Any] = []

    def items(self) -> list[Any]:
        for message in with_media_after(self.dialect, self.request.messages, self.note):
            self._message(message)
        return [item for item in (self._rendered(item) for item in self.out) if item is not NOTHING]

    def _message(self, message: Message) -> None:
        role = self.dialect.roles.get(message.role, message.role)
        blocks = message.blocks()
        shell = self._shell(message, role) if not blocks else None
        self.leads = True
        for block in blocks:
            if isinstance(block, ToolCall):
                self.calls[block.id] = block
            elif isinstance(block, ToolResult) and block.name is None and block.id in self.calls:
                block = msgspec.structs.replace(block, name=self.calls[block.id].name)
            shell = self._place(block, message, role, shell)
            self.leads = self.leads and not isinstance(block, ToolCall)

    def _shell(self, message: Message, role: str) -> _Shell:
        last = self.out[-1] if self.out else None
        if self.dialect.merge and isinstance(last, _Shell) and last.role == role:
            return last
        shell = _Shell(message, role, [], [], {})
        self.out.append(shell)
        return shell

    def _place(self, block: Block, message: Message, role: str, shell: _Shell | None) -> _Shell | None:
        place = self._where(block, message)
        if isinstance(block, TextBlock) and not (block.text or self._own(block, "model")):
            return shell
        if place.where == "left_out" or not self._own(block, place.origin):
            self.note(f"left out: {type(block).__name__} ({_why_left_out(place)})")
            return shell
        if isinstance(block, (ImageBlock, DocumentBlock, AudioBlock)):
            self._weigh(block)
        value = fill(place.template, self._view(block, message))
        if value is NOTHING:
            return shell
        marked = self._marked(block, place, value, message)
        if place.where == "apart":
            self.out.append(value)
            return None
        shell = shell or self._shell(message, role)
        if place.where == "beside":
            _put_beside(shell.beside, place, value)
        else:
            shell.put(block, neighbours(place.template, value), marked=marked)
        return shell

    def _weigh(self, block: ImageBlock | DocumentBlock | AudioBlock) -> None:
        """See that the media's own bytes are of a kind that is taken, and with all others not too many.

        Raises:
            UnsupportedParameterError: they are not.
        """
        found, name = self._media(block), type(block).__name__
        if found.data is None:
            return
        taken = self.dialect.media.get(type(block))
        if taken is not None and found.type not in taken:
            raise UnsupportedParameterError(
                f"{name}: {found.type} is not taken here, but {', '.join(taken)}: convert it", parameter=name
            )
        self.weight += len(found.data)
        most = self.dialect.max_media
        if most is not None and self.weight > most:
            raise UnsupportedParameterError(
                f"{name}: a request takes {most >> 20} MB of media in all: make it smaller, or give it by URL",
                parameter=name,
            )

    def _media(self, block: Block) -> Media:
        """The parts of the block, which may be megabytes, taken apart once."""
        if self.last_media is None or self.last_media[0] is not block:
            self.last_media = block, media(block)
        return self.last_media[1]

    def _marked(self, block: Any, place: Place, value: Any, message: Message) -> bool:
        """Whether the block's mark of the cache, if it has one, is in `value`."""
        if not getattr(block, "cache", False):
            return False
        bare = msgspec.structs.replace(block, cache=False)
        found: bool = value != fill(place.template, self._view(bare, message))
        if not found:
            self.note(no_mark(type(block).__name__))
        return found

    def _own(self, block: Block, own: Own) -> bool:
        """Whether the block was made here, as far as `own` asks."""
        origin = getattr(block, "origin", None) or ""
        if own == "model":
            return origin in (self.house, self.origin)
        return not own or origin == self.house or origin.startswith(f"{self.house}/")

    def _where(self, block: Block, message: Message) -> Place:
        place = self.dialect.parts[type(block)]
        if isinstance(place, PlaceBy):
            value = message.role if place.name == "role" else getattr(block, place.name, None)
            legal = " or ".join(map(str, place.places))
            absent = Place("refused", reason=f"it is taken where the {place.name} is {legal} only")
            place = place.places.get(value) or place.places.get(..., absent)
        if place.where == "refused":
            name = type(block).__name__
            raise UnsupportedParameterError(f"{name} in a {message.role} message: {place.reason}", parameter=name)
        return place

    def _view(self, block: Block, message: Message) -> Callable[[str], Any]:
        def view(name: str) -> Any:
            if name == "model":
                return self.request.model
            if name == "role":
                return message.role
            if name in ("signature", "item_id", "leads"):
                return self._proof(block, name)
            if name == "name" and isinstance(block, (ToolCall, ToolResult)):
                return wire_name(self.dialect, block.name) if block.name else block.name
            if isinstance(block, ToolCall) and name == "arguments":
                return arguments_text(block)
            if isinstance(block, ToolCall) and name == "input":
                return arguments_object(block)
            if isinstance(block, ToolResult) and name == "text":
                return text_only(block)
            if isinstance(block, ToolResult) and name == "custom":
                return block.id in self.calls and self.calls[block.id].custom
            if isinstance(block, ToolResult) and name in ("content", "parts"):
                return self._nested(block, collapse=name == "content")
            if name.partition(".")[0] == "media":
                found = self._media(block)
                return found if name == "media" else attribute(found, name[6:])
            return attribute(block, name)

        return view

    def _proof(self, block: Block, name: str) -> Any:
        """What the maker alone understands; a result has the item id of its call.

        `leads` is true of the first call of a turn, which alone some makers sign.
        """
        if name == "leads":
            return self.leads
        source = self.calls.get(block.id) if isinstance(block, ToolResult) else block
        return getattr(source, name, None) if source is not None and self._own(source, "model") else None

    def _nested(self, result: ToolResult, *, collapse: bool) -> Any:
        """The content of a tool's result, its blocks placed as in any message."""
        if collapse and all(isinstance(block, TextBlock) and not block.cache for block in result.content):
            return result.text
        inner = Message("tool", list(result.content))
        values = []
        for block in result.content:
            place = self._where(block, inner)
            if place.where != "inside":
                name = type(block).__name__
                raise UnsupportedParameterError(f"{name} is not taken in a tool's result here", parameter=name)
            if isinstance(block, (ImageBlock, DocumentBlock)):
                self._weigh(block)
            values += neighbours(place.template, fill(place.template, self._view(block, inner)))
        return values

    def _rendered(self, item: _Shell | Any) -> Any:
        if not isinstance(item, _Shell):
            return item
        content = self._content(item)
        view: dict[str, Any] = {
            "role": item.role,
            "content": content,
            "parts": item.inside or None,
            "text": "".join(item.texts),
            "name": item.message.name,
            "last": item is self.out[-1],
            "model": self.request.model,
        }
        filled = fill(self.dialect.message, lambda name: view[name] if name in view else attribute(self.request, name))
        if filled is NOTHING or (not self.dialect.plain and not item.inside and not item.beside):
            self.note(f"left out: an empty {item.message.role} message")
            return NOTHING
        return {**filled, **item.beside}

    def _content(self, shell: _Shell) -> Any:
        if not shell.inside:
            return None if shell.beside else ""
        if self.dialect.plain and shell.plain and len(shell.inside) == 1:
            return shell.texts[0]
        return shell.inside


def no_mark(what: str) -> str:
    """The note on a mark of the cache that is not sent."""
    return f"left out: the cache mark of a {what} (there is no place for one here)"


def _why_left_out(place: Place) -> str:
    return "made by another provider or model" if place.origin else "not part of this wire format"


def _put_beside(beside: dict[str, Any], place: Place, value: Any) -> None:
    if place.joined:
        beside[place.key] = beside.get(place.key, "") + value
    else:
        beside.setdefault(place.key, []).append(value)


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
    """The arguments as the object that some wires demand; what is no object is kept under one key, as the text of a
    custom tool is.
    """
    if call.custom:
        return {"input": call.arguments}
    try:
        value = call.parsed()
    except ParsingError:
        return {"malformed_arguments": call.arguments}
    return value if isinstance(value, dict) else {"value": value}


def hoisted(request: ChatRequest) -> ChatRequest:
    """The request with its system messages taken out of the conversation and joined into `system`.

    Where a part of them is to be cached they are kept apart in `system_blocks` too.

    Raises:
        ConfigurationError: nothing else is left to say, or a system message holds more than text.
    """
    system = [message for message in request.messages if message.role == "system"]
    rest = [message for message in request.messages if message.role != "system"]
    for message in system:
        if isinstance(message.content, list) and not all(isinstance(block, TextBlock) for block in message.content):
            raise ConfigurationError("a system message holds text only")
    if not rest:
        raise ConfigurationError("messages holds system messages only: add a user message")
    text = "\n\n".join(message.text for message in system if message.text)
    blocks = [block for message in system for block in message.blocks() if isinstance(block, TextBlock)]
    return msgspec.structs.replace(
        request,
        messages=rest,
        system=text or None,
        system_blocks=blocks if any(block.cache for block in blocks) else None,
    )
