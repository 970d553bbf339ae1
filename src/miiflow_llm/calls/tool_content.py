"""Put what a tool gave back, which may be any value, into text and media for its message. It raises nothing.

Media go to the model as media, wherever in the value they stand, and never as base64 in a text. What has no form in
JSON is told in its own words.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import json
import math
import re
from collections import deque
from collections.abc import KeysView, Mapping, Sequence, ValuesView
from collections.abc import Set as AbstractSet
from typing import Any

import msgspec

from ..core.exceptions import ConfigurationError
from ..core.media_types import media_type
from ..core.messages import AudioBlock, Block, DocumentBlock, ImageBlock, Message, TextBlock
from ..core.response import ChatResponse
from ..core.text import sound
from ..schema.pydantic_types import is_pydantic

Media = ImageBlock | DocumentBlock
_MEDIA = (ImageBlock, DocumentBlock)
_BYTES = (bytes, bytearray, memoryview)
_LISTS = (list, tuple, deque, AbstractSet, KeysView, ValuesView, range)
_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)[^,]{0,200};base64,", re.IGNORECASE)
_TYPE_KEYS = ("mimeType", "mime_type", "media_type")
_LARGEST = 4096  # bits of a number; Python refuses to write much longer ones
DEEPEST = 100
"""Values nested deeper than so many levels are cut."""


def content_of(value: Any) -> str | list[Block]:
    """What a tool returned, for its message: text, or a list of text and media in their order.

    A sequence that holds media says its members one by one. Media inside of anything else are put behind its JSON,
    which has a note in their place.
    """
    if isinstance(value, str) and not _DATA_URL.match(value):
        return sound(str.__str__(value))
    blocks = _parts(value)
    return blocks[0].text if len(blocks) == 1 and isinstance(blocks[0], TextBlock) else blocks


def error_words(error: BaseException) -> str:
    """What a tool raised, in words, whatever its `__str__` does; those of a group one by one."""
    words = _words(error)
    if isinstance(error, BaseExceptionGroup):
        words = "; ".join([words, *(error_words(inner) for inner in error.exceptions)])
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def _words(value: Any) -> str:
    try:
        return sound(str(value))
    except Exception as reason:
        return f"(a {type(value).__name__} that has no words: {type(reason).__name__})"


def _parts(value: Any) -> list[Block]:
    if isinstance(value, ChatResponse):
        value = value.message.text
    if isinstance(value, Message):
        value = [block for block in value.blocks() if isinstance(block, (TextBlock, *_MEDIA))] or value.text
    if isinstance(value, (list, tuple)) and any(isinstance(one, (TextBlock, *_MEDIA, *_BYTES)) for one in value):
        return [block for one in value for block in _parts(one)]
    if isinstance(value, TextBlock):
        return [TextBlock(sound(value.text))]
    plain = _Plain()
    told = plain.of(value, 0)
    if plain.notes == [told]:
        return list(plain.media)
    text = told if isinstance(value, (str, AudioBlock, *_BYTES)) else _json(told)
    return [TextBlock(text), *plain.media]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class _Plain:
    """Makes a value plain: what JSON knows, with `notes` in the place of its `media`."""

    def __init__(self) -> None:
        self.media: list[Media] = []
        self.notes: list[str] = []
        self._inside: set[int] = set()

    def of(self, value: Any, depth: int) -> Any:
        """The value in plain terms, whatever is wrong with it."""
        if value is None or type(value) is bool:
            return value
        if type(value) is int:
            return value if value.bit_length() <= _LARGEST else f"(a number of {value.bit_length()} bits)"
        if type(value) is float:
            return value if math.isfinite(value) else str(value)
        if isinstance(value, str):
            return self._string(str.__str__(value))
        if depth > DEEPEST:
            return "(nested too deep)"
        if id(value) in self._inside:
            return "(circular)"
        self._inside.add(id(value))
        try:
            return self._made(value, depth + 1)
        except Exception as reason:
            return f"(a {type(value).__name__} that cannot be told: {error_words(reason)})"
        finally:
            self._inside.discard(id(value))

    def _made(self, value: Any, depth: int) -> Any:
        if isinstance(value, _MEDIA):
            return self._lifted(value)
        if isinstance(value, _BYTES):
            return self._bytes(bytes(value))
        if isinstance(value, AudioBlock):
            return _left_out(value.format, len(value.data) * 3 // 4)
        if isinstance(value, Mapping):
            found = _encoded(value)
            return self._lifted(found) if found is not None else self._members(value.items(), depth)
        if isinstance(value, _LISTS):
            return [self.of(one, depth) for one in value]
        if isinstance(value, msgspec.Struct):
            return self._members(_fields_of_struct(value), depth)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return self._members(
                [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)], depth
            )
        if is_pydantic(type(value)):
            return self.of(value.model_dump(), depth)
        return self._other(value, depth)

    def _other(self, value: Any, depth: int) -> Any:
        """A value of a library that many use (an image of Pillow, an array of numpy), or any leaf."""
        if not isinstance(value, type):
            for name, kinds in (("_repr_png_", bytes), ("tolist", (list, int, float, str))):
                method: Any = getattr(value, name, None)
                if callable(method) and isinstance(found := method(), kinds):
                    return self.of(found, depth)
        return self._leaf(value)

    def _members(self, items: Any, depth: int) -> dict[str, Any]:
        return {self._key(key): self.of(value, depth) for key, value in items}

    def _key(self, key: Any) -> str:
        plain = key if isinstance(key, str) else self._leaf(key)
        return sound(plain) if isinstance(plain, str) else _json(plain)

    def _leaf(self, value: Any) -> Any:
        """A date, a number, an enum, a UUID as msgspec says it; anything else in its own words."""
        try:
            plain = msgspec.to_builtins(value)
        except Exception:
            return _words(value)
        return sound(plain) if isinstance(plain, str) else plain if isinstance(plain, (int, float)) else _words(value)

    def _string(self, text: str) -> str:
        found = _DATA_URL.match(text)
        if found is None:
            return sound(text)
        kind = found.group(1).lower()
        if kind == "application/pdf":
            return self._lifted(DocumentBlock(text))
        return (
            self._lifted(ImageBlock(text))
            if kind.startswith("image/")
            else _left_out(kind, (len(text) - found.end()) * 3 // 4)
        )

    def _bytes(self, data: bytes) -> str:
        block = _media_of(data)
        if block is not None:
            return self._lifted(block)
        if media_type(data) == "text/plain":
            return sound(data.decode("utf-8", "replace"))
        return _left_out(media_type(data) or "data", len(data))

    def _lifted(self, block: Media) -> str:
        kind = "image" if isinstance(block, ImageBlock) else "document"
        self.media.append(block)
        self.notes.append(f"({kind} {len(self.media)}, attached)")
        return self.notes[-1]


def _left_out(kind: str, size: int) -> str:
    return f"({size} bytes of {kind})"


def _media_of(data: bytes) -> Media | None:
    kind = media_type(data) or ""
    try:
        if kind.startswith("image/"):
            return ImageBlock.from_bytes(data)
        return DocumentBlock.from_bytes(data) if kind == "application/pdf" else None
    except ConfigurationError:
        return None


def _encoded(value: Mapping[Any, Any]) -> Media | None:
    """The image or document that a dict holds as base64 beside its media type, as MCP and others write it."""
    data = value.get("data")
    kind = next((value[key] for key in _TYPE_KEYS if isinstance(value.get(key), str)), "")
    if not isinstance(data, str) or not re.match(r"image/|application/pdf", kind):
        return None
    try:
        return _media_of(base64.b64decode(data, validate=True))
    except binascii.Error:
        return None


def _fields_of_struct(value: msgspec.Struct) -> Sequence[tuple[str, Any]]:
    config = value.__struct_config__
    tag = [(config.tag_field, config.tag)] if config.tag_field is not None else []
    found = [(field.encode_name, getattr(value, field.name)) for field in msgspec.structs.fields(value)]
    return [*tag, *(pair for pair in found if pair[1] is not msgspec.UNSET)]


def without_media(message: Message) -> Message:
    """The message with a note in place of each image and document, for a model that takes none."""
    if not isinstance(message.content, list) or not any(isinstance(one, _MEDIA) for one in message.content):
        return message
    told: list[Block] = [
        TextBlock(f"({type(one).__name__.removesuffix('Block').lower()} left out: this model is shown none)")
        if isinstance(one, _MEDIA)
        else one
        for one in message.content
    ]
    return msgspec.structs.replace(message, content=told)
