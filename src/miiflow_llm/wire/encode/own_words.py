"""Take what a caller wrote without a maker: reasoning of a message as a dict, and files by their id."""

from __future__ import annotations

from typing import Any

import msgspec

from ...core.exceptions import UnsupportedParameterError
from ...core.messages import Block, DocumentBlock, ImageBlock, Message, ReasoningBlock
from ...tables.dialect import Dialect
from ...tables.template import NOTHING, fill, words
from .places import place_of


def in_own_words(dialect: Dialect, message: Message, origin: str) -> Message:
    """The message with its reasoning as of the model that is asked, if the wire takes reasoning without a proof of it.

    Raises:
        UnsupportedParameterError: a file is given by its id, and the wire has no place for one.
    """
    listed = message.parts or message.content
    if isinstance(listed, str):
        return message
    for block in listed:
        if isinstance(block, (ImageBlock, DocumentBlock)) and block.file_id:
            _check_file(dialect, block, message.role)
    if not any(_is_nobodys(block) for block in listed):
        return message
    own = [_owned(dialect, block, origin) for block in listed]
    name = "parts" if message.parts else "content"
    return msgspec.structs.replace(message, **{name: own})


def _check_file(dialect: Dialect, block: ImageBlock | DocumentBlock, role: str) -> None:
    place = place_of(dialect, block, role)
    if place.where != "refused" and not any(word.name == "file_id" for word, _ in words(place.template)):
        name = type(block).__name__
        raise UnsupportedParameterError(
            f"{name}: a file by its id ({block.file_id!r}) is not taken here: give its bytes, or its URL",
            parameter=name,
        )


def _is_nobodys(block: Block) -> bool:
    return isinstance(block, ReasoningBlock) and not (block.origin or block.signature or block.data or block.id)


def _owned(dialect: Dialect, block: Any, origin: str) -> Block:
    """The block as one of the model's that is asked, if it would be sent so: signed thinking cannot be made up."""
    if not _is_nobodys(block):
        return block  # type: ignore[no-any-return]
    owned = msgspec.structs.replace(block, origin=origin)
    place = place_of(dialect, owned, "assistant")
    sent = fill(place.template, lambda name: origin.split("/", 2)[2] if name == "model" else getattr(owned, name, None))
    return block if place.where == "left_out" or sent is NOTHING else owned  # type: ignore[no-any-return]
