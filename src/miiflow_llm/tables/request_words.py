"""The words with which a table says how a request is written: holes in a body, and places for blocks (laws 1 and 2).

The laws stand at the head of the package, through which dialects and providers use these words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

import msgspec

from ..core import messages


class Word(msgspec.Struct, frozen=True):
    """A word of the grammar."""


class Take(Word, frozen=True):
    """A hole, filled with the request's, message's or block's `name`.

    `through` converts the value, `values` maps it to a template, `each` makes a list of one template an element.
    """

    name: str
    through: Callable[[Any], Any] | None = None
    values: Mapping[Any, Any] | None = None
    each: Any = None
    default: Any = None


class When(Word, frozen=True):
    """`template` if `name` is truthy, else `otherwise`; nothing at all if that is `None`."""

    name: str
    template: Any
    otherwise: Any = None


class ByModel(Word, frozen=True):
    """The first template whose pattern matches the start of the model's name (`""` matches all)."""

    templates: Mapping[str, Any]


def take(
    name: str,
    *,
    through: Callable[[Any], Any] | None = None,
    values: Mapping[Any, Any] | None = None,
    each: Any = None,
    default: Any = None,
) -> Take:
    """A hole for `name`, which may be dotted (`schema.name`).

    `values` maps the value to a template; a value not among them is an error that lists them, unless there is the key
    `...` for all others. `each` is a template for every element of a list; a list of templates gives as many elements
    for each. `default` is what the wire demands if the caller said nothing; it may be a template.
    """
    return Take(name, through, values, each, default)


def when(name: str, template: Any, otherwise: Any = None) -> When:
    """`template` if the request has a truthy `name`, else `otherwise`."""
    return When(name, template, otherwise)


def by_model(templates: Mapping[str, Any]) -> ByModel:
    """A template chosen by the model's name, patterns tried in order."""
    return ByModel(templates)


Own: TypeAlias = Literal[False, True, "model"]


class Place(Word, frozen=True):
    """Where a block goes in a request."""

    where: Literal["inside", "beside", "apart", "left_out", "refused"]
    template: Any = None
    key: str = ""
    reason: str = ""
    origin: Own = False
    joined: bool = False


def inside(template: Any, *, own: Own = False) -> Place:
    """In the message's content.

    A list of templates gives as many values side by side. `own`: only if this provider and dialect made the block, or
    with `"model"` only if this very model of theirs did; otherwise it is left out.
    """
    return Place("inside", template, origin=own)


def beside(key: str, template: Any, *, own: Own = False) -> Place:
    """In a list beside the content, under `key`."""
    return Place("beside", template, key, origin=own)


def joined(key: str, template: Any, *, own: Own = False) -> Place:
    """Text beside the content, under `key`: what several blocks say is one string, and wins over the message's key."""
    return Place("beside", template, key, origin=own, joined=True)


def apart(template: Any, *, own: Own = False) -> Place:
    """An item of its own in the list of messages."""
    return Place("apart", template, origin=own)


def left_out() -> Place:
    """Not sent, on purpose."""
    return Place("left_out")


def refused(reason: str) -> Place:
    """An error before anything is sent; `reason` says what would work."""
    return Place("refused", reason=reason)


class PlaceBy(Word, frozen=True):
    """A place that depends on a value of the block, or on the role of its message."""

    name: str
    places: Mapping[Any, Place]


def by_role(**places: Place) -> PlaceBy:
    """A place for each role; a role not named refuses the block."""
    return PlaceBy("role", places)


def by_value(name: str, places: Mapping[Any, Place]) -> PlaceBy:
    """A place for each value of the block's field `name`, under the key `...` that of all others."""
    return PlaceBy(name, places)


BLOCKS: tuple[type, ...] = (
    messages.TextBlock,
    messages.ImageBlock,
    messages.DocumentBlock,
    messages.AudioBlock,
    messages.ReasoningBlock,
    messages.OpaqueBlock,
    messages.ToolCall,
    messages.ToolResult,
)
