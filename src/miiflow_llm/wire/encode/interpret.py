"""Write by walking the tables themselves: the second reading of a table, to which the compiled one is held equal.

It is slow, and says in the fewest words what a table means. No request is sent by it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from ...core.messages import AudioBlock, Block, DocumentBlock, ImageBlock, TextBlock, ToolCall, ToolResult
from ...core.request import ChatRequest
from ...tables.dialect import Dialect
from ...tables.request_words import BLOCKS, Place
from ...tables.template import NOTHING, View, attribute, fill, neighbours
from .block_values import arguments_object, arguments_text, text_only
from .conversation import OF_ANOTHER, Conversation, Writer, not_in_result
from .keeping import forms
from .kept import Kept
from .places import place_of
from .shell import Shell
from .tool_names import wire_name


def interpreted(dialect: Dialect) -> Writer:
    """What writes requests of the dialect, for any model."""
    return Writer(
        body=partial(_body, dialect),
        message=partial(_message, dialect),
        places=dict.fromkeys(BLOCKS, partial(_place, dialect)),
        results=dict.fromkeys(BLOCKS, partial(_in_result, dialect)),
        **forms(dialect),
    )


def _body(dialect: Dialect, request: ChatRequest, messages: Any, _kept: Kept | None) -> Any:
    return fill(dialect.body, lambda name: messages if name == "messages" else attribute(request, name))


def _message(dialect: Dialect, shell: Shell, last: bool, request: ChatRequest) -> Any:
    own = {
        "role": shell.role,
        "content": shell.content(plain=dialect.plain),
        "parts": shell.inside or None,
        "text": "".join(shell.texts),
        "name": shell.name,
        "last": last,
    }
    return fill(dialect.message, lambda name: own[name] if name in own else attribute(request, name))


def _place(dialect: Dialect, block: Block, turn: Conversation, shell: Shell | None) -> Shell | None:
    place = _where(dialect, block, turn)
    if isinstance(block, TextBlock) and not (block.text or turn.owns(block, "model")):
        return shell
    if place.where == "left_out":
        turn.left_out(block)
        return shell
    if not turn.owns(block, place.origin):
        turn.left_out(block, OF_ANOTHER)
        return shell
    if isinstance(block, (ImageBlock, DocumentBlock, AudioBlock)):
        turn.weigh(block)
    value = fill(place.template, _view(block, turn))
    if value is NOTHING:
        return shell
    marked = _is_marked(place, block, value, turn)
    if place.where == "apart":
        turn.out.append(value)
        return None
    if place.where == "beside":
        return turn.put_beside(shell, place.key, value, joined=place.joined)
    return turn.put(shell, block, neighbours(place.template, value), marked=marked)


def _where(dialect: Dialect, block: Block, turn: Conversation) -> Place:
    place = place_of(dialect, block, turn.role)
    if place.where == "refused":
        turn.refuse(block, place.reason)
    return place


def _in_result(dialect: Dialect, block: Block, turn: Conversation) -> list[Any]:
    place = _where(dialect, block, turn)
    if place.where != "inside":
        not_in_result(block)
    if isinstance(block, (ImageBlock, DocumentBlock, AudioBlock)):
        turn.weigh(block)
    return neighbours(place.template, fill(place.template, _view(block, turn)))


def _is_marked(place: Place, block: Any, value: Any, turn: Conversation) -> bool:
    """Whether the block's mark of the cache, if it has one, is in `value`: without it that would be another."""
    if not getattr(block, "cache", False):
        return False
    found: bool = value != fill(place.template, _view(msgspec.structs.replace(block, cache=False), turn))
    if not found:
        turn.not_marked(block)
    return found


def _view(block: Any, turn: Conversation) -> View:
    """A view of the block: its fields, what is derived of them, and what its place in the conversation says."""
    role = turn.role
    values: dict[str, Callable[[], Any]] = {
        "model": lambda: turn.model,
        "role": lambda: role,
        "leads": lambda: turn.leads,
        "signature": lambda: turn.proof(block, "signature"),
        "item_id": lambda: turn.proof(block, "item_id"),
    }
    if isinstance(block, ToolCall):
        values |= {
            "name": lambda: wire_name(turn.dialect, block.name),
            "arguments": lambda: arguments_text(block),
            "input": lambda: arguments_object(block),
        }
    if isinstance(block, ToolResult):
        values |= {
            "name": lambda: wire_name(turn.dialect, turn.name_of(block)),
            "text": lambda: text_only(block),
            "custom": lambda: turn.is_custom(block),
            "content": lambda: turn.inner(block, collapse=True),
            "parts": lambda: turn.inner(block, collapse=False),
        }

    def view(name: str) -> Any:
        if name in values:
            return values[name]()
        if name.partition(".")[0] == "media":
            return attribute({"media": turn.media(block)}, name)
        return attribute(block, name)

    return view
