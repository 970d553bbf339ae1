"""What is said: messages and the blocks they are made of."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import msgspec

from .exceptions import ConfigurationError, ParsingError
from .json_text import escape_controls, repair_surrogates
from .media_types import checked_bytes, checked_type, checked_url, media_type, read_file, type_of_url
from .openai_style import calls_of, from_openai
from .part_styles import content_of

Role = Literal["system", "user", "assistant", "tool"]
ROLES: tuple[Role, ...] = ("system", "user", "assistant", "tool")

Cache: TypeAlias = bool | Literal["5m", "30m", "1h", "12h"]
"""Whether the prompt up to here is to be cached, and for how long: `True` is the provider's usual time; of the
others it is the shortest of its times that is long enough, or its longest."""


class TextBlock(msgspec.Struct, tag="text", omit_defaults=True):
    """Plain text. `cache` asks the provider to cache the prompt up to here, where it has such marks (see `Cache`).

    In an answer `phase` is the provider's word for what the text is to it (`commentary`, `final_answer`), and `item_id`
    its name for the item.
    """

    text: str
    cache: Cache = False
    signature: str | None = None
    origin: str | None = None
    item_id: str | None = None
    phase: str | None = None


class ImageBlock(msgspec.Struct, tag="image_url", omit_defaults=True, weakref=True):
    """An image, by https URL or data URL, or by the id (`file_id`) that the provider gave an uploaded file.

    `detail` is `auto`, `low` or `high` if the provider takes it.
    """

    image_url: str
    detail: str | None = None
    cache: Cache = False
    file_id: str | None = None

    @classmethod
    def from_bytes(cls, data: bytes, *, detail: str | None = None) -> ImageBlock:
        """An image from its bytes; its media type is told from them.

        Raises:
            ConfigurationError: they are not bytes, or not those of an image.
        """
        return cls(data_url(checked_type(data, "image/", "ImageBlock"), data), detail)

    @classmethod
    def from_path(cls, path: str | Path, *, detail: str | None = None) -> ImageBlock:
        """An image from a file.

        Raises:
            ConfigurationError: it cannot be read, or is not an image.
        """
        return cls.from_bytes(read_file(path), detail=detail)

    @classmethod
    def from_url(cls, url: str, *, detail: str | None = None) -> ImageBlock:
        """An image that the provider fetches itself; nothing is fetched here (see `miiflow_llm.inline`).

        Raises:
            ConfigurationError: it is not an address.
        """
        return cls(checked_url(url, "ImageBlock"), detail)


class DocumentBlock(msgspec.Struct, tag="document", omit_defaults=True, weakref=True):
    """A document, by https URL or data URL, or by the id (`file_id`) that the provider gave an uploaded file.

    `document_type` is `pdf` or `text`. `citations` asks for citations of it, if the provider gives them only so.
    """

    document_url: str = ""
    document_type: str = "pdf"
    filename: str | None = None
    cache: Cache = False
    citations: bool = False
    file_id: str | None = None

    def __post_init__(self) -> None:
        if self.document_type == "pdf" and self.document_url.startswith("data:text/"):
            self.document_type = "text"

    @classmethod
    def from_bytes(cls, data: bytes, *, filename: str | None = None) -> DocumentBlock:
        """A document from its bytes: a PDF or UTF-8 text.

        Raises:
            ConfigurationError: they are neither.
        """
        kind = media_type(checked_bytes(data, "DocumentBlock"))
        if kind not in ("application/pdf", "text/plain"):
            raise ConfigurationError(f"DocumentBlock: the bytes are {kind or 'nothing that is known'}, not PDF or text")
        return cls(data_url(kind, data), "pdf" if kind == "application/pdf" else "text", filename)

    @classmethod
    def from_path(cls, path: str | Path) -> DocumentBlock:
        """A document from a file; its name goes with it.

        Raises:
            ConfigurationError: it cannot be read, or is neither PDF nor text.
        """
        return cls.from_bytes(read_file(path), filename=Path(path).name)

    @classmethod
    def from_text(cls, text: str, *, filename: str | None = None) -> DocumentBlock:
        """A plain text document.

        Raises:
            ConfigurationError: it is not a text.
        """
        if not isinstance(text, str):
            raise ConfigurationError(
                f"DocumentBlock.from_text takes a str, not a {type(text).__name__}: see from_bytes"
            )
        return cls(data_url("text/plain", text.encode("utf-8", "replace")), "text", filename)

    @classmethod
    def from_url(cls, url: str, *, filename: str | None = None) -> DocumentBlock:
        """A document that the provider fetches itself; nothing is fetched here (see `miiflow_llm.inline`).

        Raises:
            ConfigurationError: it is not an address.
        """
        text = (type_of_url(checked_url(url, "DocumentBlock")) or "").startswith("text/")
        return cls(url, "text" if text else "pdf", filename)


class AudioBlock(msgspec.Struct, tag="audio", omit_defaults=True, weakref=True):
    """Recorded sound, base64; `format` is `wav`, `mp3` or another the provider takes."""

    data: str
    format: str = "wav"

    @classmethod
    def from_bytes(cls, data: bytes) -> AudioBlock:
        """Sound from its bytes; its format is told from them.

        Raises:
            ConfigurationError: they are not sound.
        """
        kind = checked_type(data, "audio/", "AudioBlock")
        return cls(base64.b64encode(data).decode(), kind.removeprefix("audio/"))

    @classmethod
    def from_path(cls, path: str | Path) -> AudioBlock:
        """Sound from a file.

        Raises:
            ConfigurationError: it cannot be read, or is not sound.
        """
        return cls.from_bytes(read_file(path))


class ReasoningBlock(msgspec.Struct, tag="reasoning", omit_defaults=True):
    """The model's reasoning as the provider shows it.

    `signature` and `data` are the provider's own proof of it, sent back unread to the one that made it; `origin`
    names that one (`provider/dialect/model`; without the model, any model of theirs), `id` is its name for the block.
    `raw` says that these are the model's own words where the provider tells them from a summary.
    """

    text: str = ""
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    origin: str | None = None
    raw: bool = False


class OpaqueBlock(msgspec.Struct, tag="opaque", omit_defaults=True, eq=False):
    """A part of a message that has no unified form, as the provider's own JSON.

    It goes verbatim to the provider it is of (`origin`: `provider/dialect`, or with the model behind it) and nowhere
    else.
    """

    payload: msgspec.Raw
    origin: str | None = None

    @classmethod
    def of(cls, value: Any, origin: str) -> OpaqueBlock:
        """A part of your own, for a user message to one provider: a video, a file by its id.

        Raises:
            ConfigurationError: the value is not JSON.
        """
        try:
            return cls(msgspec.Raw(msgspec.json.encode(value)), origin)
        except (TypeError, RecursionError, UnicodeEncodeError) as reason:
            raise ConfigurationError(f"OpaqueBlock: the value is not JSON: {reason}") from None

    def parsed(self) -> Any:
        """The provider's JSON as Python values."""
        return msgspec.json.decode(self.payload)

    def __eq__(self, other: object) -> bool:
        """Whether it says the same, however its JSON is spaced."""
        if not isinstance(other, OpaqueBlock):
            return NotImplemented
        return self.origin == other.origin and (self.payload == other.payload or self.parsed() == other.parsed())

    # like any Struct that can change
    __hash__ = None  # type: ignore[assignment]


class ToolCall(msgspec.Struct, tag="tool_call", omit_defaults=True):
    """A call the model asks for.

    `arguments` is JSON as the model wrote it, `{}` in a whole answer where it wrote none, or the text itself for a
    custom, free-form tool. `id` pairs it with its result; where the provider gives none, one is made.
    """

    id: str
    name: str
    arguments: str = ""
    custom: bool = False
    signature: str | None = None
    item_id: str | None = None
    origin: str | None = None
    cache: Cache = False

    def parsed(self) -> Any:
        """The arguments as Python values; no arguments at all are `{}`, a lone surrogate is U+FFFD.

        Raises:
            ParsingError: the model did not write JSON, or nested it too deeply to be read.
        """
        if self.arguments.strip() in ("", "null"):
            return {}
        try:
            return msgspec.json.decode(escape_controls(repair_surrogates(self.arguments)))
        except (msgspec.DecodeError, RecursionError) as reason:
            raise ParsingError(
                f"arguments of tool call {self.name!r} are not JSON: {reason}",
                text=self.arguments,
                reason=str(reason),
            ) from None


class ToolResult(msgspec.Struct, tag="tool_result", omit_defaults=True):
    """What a tool gave back for the call `id`. `name` is the tool's, if it is known."""

    id: str
    content: list[TextBlock | ImageBlock | DocumentBlock | AudioBlock]
    name: str | None = None
    is_error: bool = False
    cache: Cache = False

    @property
    def text(self) -> str:
        """The text of the result."""
        return "".join(block.text for block in self.content if isinstance(block, TextBlock))


Block: TypeAlias = (
    TextBlock | ImageBlock | DocumentBlock | AudioBlock | ReasoningBlock | OpaqueBlock | ToolCall | ToolResult
)


class Message(msgspec.Struct, omit_defaults=True, weakref=True):
    """One turn of a conversation.

    `content` is the text, or a list of blocks. On an answer it is always the text (`""` if there is none), and
    `parts` holds everything in wire order (text, reasoning with signatures, calls), which is what the next request
    sends back. `tool_call_id` names the call that a `tool` message answers. `refusal` is what the model said instead
    of an answer. `cache` asks for the prompt up to the end of this message to be cached, as its last block's would.
    """

    role: Role
    content: str | list[Block] = ""
    tool_calls: list[ToolCall] = []
    tool_call_id: str | None = None
    name: str | None = None
    refusal: str | None = None
    parts: list[Block] = []
    is_error: bool = False
    cache: Cache = False

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise ConfigurationError(f"role {self.role!r} is not one of {', '.join(ROLES)}")
        if self.content is None:
            self.content = ""
        elif not isinstance(self.content, str):
            self.content = _blocks(self.content, "content")
        if self.tool_calls and not all(isinstance(call, ToolCall) for call in self.tool_calls):
            self.tool_calls = _calls(self.tool_calls)

    @classmethod
    def user(cls, content: str | Sequence[Block], *, name: str | None = None, cache: Cache = False) -> Message:
        """What the user says."""
        return cls("user", _content(content), name=name, cache=cache)

    @classmethod
    def system(cls, content: str | Sequence[Block], *, cache: Cache = False) -> Message:
        """Instructions above the conversation."""
        return cls("system", _content(content), cache=cache)

    @classmethod
    def assistant(
        cls, content: str | Sequence[Block] = "", *, tool_calls: Sequence[ToolCall] = (), cache: Cache = False
    ) -> Message:
        """What the model said."""
        return cls("assistant", _content(content), tool_calls=list(tool_calls), cache=cache)

    @classmethod
    def tool(
        cls,
        content: str | Sequence[Block],
        tool_call_id: str,
        *,
        name: str | None = None,
        is_error: bool = False,
        cache: Cache = False,
    ) -> Message:
        """A tool's result for the call `tool_call_id`."""
        return cls("tool", _content(content), tool_call_id=tool_call_id, name=name, is_error=is_error, cache=cache)

    @property
    def text(self) -> str:
        """The text of the content, whichever form it has."""
        if isinstance(self.content, str):
            return self.content
        return "".join(block.text for block in self.content if isinstance(block, TextBlock))

    @property
    def reasoning(self) -> str:
        """The text of the reasoning in `parts` or `content`."""
        blocks = self.parts or (self.content if isinstance(self.content, list) else [])
        return "".join(block.text for block in blocks if isinstance(block, ReasoningBlock))

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON has; `from_dict` reads an equal message back."""
        built: dict[str, Any] = msgspec.to_builtins(self, enc_hook=_parsed)
        built.setdefault("content", "")
        return built

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Message:
        """A message from `to_dict`, or from a dict as OpenAI's or Anthropic's APIs have it.

        Raises:
            ConfigurationError: the dict is not a message, or has a key that is not known; the error names the place.
        """
        return read_message(data, "message")

    def blocks(self) -> list[Block]:
        """Everything in the message as blocks, in the order in which it is sent."""
        blocks = list(self.parts) or self._said()
        return _marked(blocks, self.cache) if self.cache else blocks

    def _said(self) -> list[Block]:
        body: list[Block] = [TextBlock(self.content)] if isinstance(self.content, str) else list(self.content)
        body = [block for block in body if not (isinstance(block, TextBlock) and not (block.text or block.signature))]
        if self.role == "tool":
            return [self._result(body)]
        said = [*body, *self.tool_calls]
        return [TextBlock(self.refusal)] if self.refusal and not said else said

    def _result(self, body: list[Block]) -> ToolResult:
        if not self.tool_call_id:
            raise ConfigurationError("a tool message needs tool_call_id, the id of the call that it answers")
        kept = [block for block in body if isinstance(block, (TextBlock, ImageBlock, DocumentBlock, AudioBlock))]
        if len(kept) != len(body):
            raise ConfigurationError("a tool's result holds text, images, documents and sound only")
        return ToolResult(self.tool_call_id, kept, self.name, self.is_error)


_KINDS: tuple[type, ...] = get_args(Block)
_KEYS: dict[str, frozenset[str]] = {
    "message": frozenset(Message.__struct_fields__),
    **{str(kind.__struct_config__.tag): frozenset(kind.__struct_fields__) for kind in _KINDS},  # type: ignore[attr-defined]
}
_PATH = re.compile(r"(.*?)(?: - at `\$(.*)`)?", re.DOTALL)


def read_message(data: Mapping[str, Any], place: str) -> Message:
    """The message that a dict says; `place` is its name in errors.

    Raises:
        ConfigurationError: it is not a message; the error names the place.
    """
    try:
        return msgspec.convert(from_openai(data, _KEYS, place), Message)
    except msgspec.ValidationError as reason:
        raise _misfit(reason, place) from None
    except ConfigurationError as error:
        if not error.message.startswith(place):
            error.message = f"{place}: {error.message}"
        raise
    except (TypeError, RecursionError) as reason:
        raise ConfigurationError(f"{place}: not a message: {reason}") from None


def _misfit(reason: msgspec.ValidationError, place: str) -> ConfigurationError:
    found = _PATH.fullmatch(str(reason))
    words, path = found.groups() if found else (str(reason), "")
    return ConfigurationError(f"{place}{path or ''}: {words}")


MessageLike: TypeAlias = Message | Mapping[str, Any] | str


def as_messages(
    messages: MessageLike | Sequence[MessageLike], *, read: Callable[[Mapping[str, Any], str], Message] = read_message
) -> list[Message]:
    """What users write, as messages: a list of messages or dicts, one of them, or a bare string for one user turn.

    `read` makes a message of a dict, as `read_message` does.

    Raises:
        ConfigurationError: there is none, or one is not a message.
    """
    if isinstance(messages, (str, Message, Mapping)):
        messages = [messages]
    given: object = messages
    if isinstance(given, (bytes, bytearray)) or not isinstance(given, Iterable | None):
        raise ConfigurationError(f"messages is a {type(messages).__name__}: a text, a Message, or a list of them")
    if isinstance(messages, tuple) and messages[1:] and messages[0] in ROLES:
        raise ConfigurationError("messages is a pair of role and text: write {'role': ..., 'content': ...}")
    if not messages or messages == [""]:
        raise ConfigurationError("messages is empty: give at least one, e.g. [Message.user('Hello')]")
    return [_as_message(item, place, read) for place, item in enumerate(messages)]


def _as_message(item: MessageLike, place: int, read: Callable[[Mapping[str, Any], str], Message]) -> Message:
    if isinstance(item, Message):
        return item
    if isinstance(item, str):
        return Message.user(item)
    if isinstance(item, Mapping):
        return read(item, f"messages[{place}]")
    raise ConfigurationError(
        f"messages[{place}] is a {type(item).__name__}: a Message, a dict with role and content, or a str is needed"
    )


def _blocks(content: Any, place: str) -> list[Block]:
    """The parts of a message that are not blocks yet as blocks: bare strings, and dicts as `from_dict` takes them.

    Raises:
        ConfigurationError: one is something else; the error says what to write.
    """
    if isinstance(content, (*_KINDS, Mapping)):
        content = [content]
    if all(isinstance(part, _KINDS) for part in content):
        return content if isinstance(content, list) else list(content)
    try:
        return msgspec.convert(content_of(list(content), _KEYS, place), list[Block])
    except msgspec.ValidationError as reason:
        wrong = next((at for at, part in enumerate(content) if not isinstance(part, (*_KINDS, str, Mapping))), None)
        raise _misfit(reason, place) if wrong is None else _no_block(content[wrong], f"{place}[{wrong}]") from None


def _no_block(part: Any, place: str) -> ConfigurationError:
    name = type(part).__name__
    hint = "for a file ImageBlock.from_path(...), for bytes ImageBlock.from_bytes(...), or DocumentBlock, AudioBlock"
    return ConfigurationError(f"{place} is a {name}: give a str, a block or a dict; {hint}")


def _calls(calls: Sequence[Any]) -> list[ToolCall]:
    try:
        return msgspec.convert(calls_of({"tool_calls": list(calls)}, _KEYS, "message"), list[ToolCall])
    except msgspec.ValidationError as reason:
        raise _misfit(reason, "message.tool_calls") from None


def _parsed(value: Any) -> Any:
    """JSON that was kept as JSON, for `to_builtins`."""
    if isinstance(value, msgspec.Raw):
        return msgspec.json.decode(value)
    raise NotImplementedError


def _marked(blocks: list[Block], cache: Cache) -> list[Block]:
    """The blocks, the last that can be with a mark of the cache."""
    for place in reversed(range(len(blocks))):
        block = blocks[place]
        if not isinstance(block, (AudioBlock, ReasoningBlock, OpaqueBlock)):
            return [*blocks[:place], msgspec.structs.replace(block, cache=cache), *blocks[place + 1 :]]
    return blocks


def _content(content: str | Sequence[Block]) -> Any:
    return content if isinstance(content, (str, *_KINDS, Mapping)) else list(content)


def data_url(media_type: str, data: bytes) -> str:
    """`data:` URL of the bytes."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"
