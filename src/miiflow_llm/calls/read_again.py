"""Messages and tools that callers write as dicts, read once: the next call gets what the last made of them.

A dict can be changed in every place without telling anybody. So what was made of it counts only while the dict says the
same: beside it stands its JSON, which says all that it said, in the order in which it was said. Of a dict that holds an
image the JSON would take as long as the call, so there its texts stand themselves, which are compared without being
read if they are the same objects (`saying`). What was made is compared too, for hooks are shown it and may have changed
it. At most 32 MB of it are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ..core.messages import Message, as_messages, read_message
from ..core.request import ToolSpec
from ..core.shelf import Budget, Shelf
from ..wire.encode.json_bytes import JSON_ERRORS
from ..wire.encode.kept import ENTRY_BYTES, NotKept, frozen

BUDGET = Budget(16 << 20)
"""Once so many bytes have been read, everything that was not used in the meantime is forgotten."""


LARGE = 16 << 10
"""A dict whose texts have so many characters is not compared by its JSON."""


class ReadMessage(msgspec.Struct):
    """What a dict `said`, the message that was made of it, and that as it was then."""

    say: Callable[[Any], Any]
    said: Any
    message: Message
    copy: Message
    size: int


class ReadTools(msgspec.Struct):
    """The JSON of tools, the specs that were made of them, and the JSON of those as they were then."""

    said: bytes
    specs: list[ToolSpec]
    json: bytes
    size: int


_messages: Shelf[int, ReadMessage] = BUDGET.shelf()
_tools: Shelf[tuple[type, int], ReadTools] = BUDGET.shelf()


def messages_of(messages: Any) -> list[Message]:
    """What users write, as messages.

    Raises:
        ConfigurationError: there is none, or one is not a message.
    """
    return as_messages(messages, read=_message)


def _message(data: Mapping[str, Any], place: str) -> Message:
    """The message that a dict says; its address is a hint where to look for it."""
    if type(data) is not dict:
        return read_message(data, place)
    found = _messages.get(id(data))
    if found is not None and found.copy == found.message and found.said == _said(found.say, data):
        return found.message
    message = read_message(data, place)
    _keep(data, message)
    return message


def _keep(data: dict[str, Any], message: Message) -> None:
    try:
        said, copy = saying(data), frozen(message)
    except (NotKept, RecursionError):
        return
    size = length(said)
    say: Callable[[Any], Any] = saying
    if size < LARGE:
        say, said = msgspec.json.encode, _said(msgspec.json.encode, data)
    if said is not None:
        _messages.put(id(data), ReadMessage(say, said, message, copy, ENTRY_BYTES + 2 * size))


def _said(say: Callable[[Any], Any], data: Any) -> Any:
    try:
        return say(data)
    except (NotKept, *JSON_ERRORS):
        return None


def saying(value: Any) -> Any:
    """What JSON-like data says, in a form that equals another only if that says the same.

    Raises:
        NotKept: it holds something else than dicts, lists and plain values.
    """
    kind = type(value)
    if kind is str or value is None:
        return value
    if kind is dict:
        return (dict, *[(key, saying(one)) for key, one in value.items()])
    if kind is list:
        return (list, *[saying(one) for one in value])
    if kind in (bool, int, float):
        return kind, value
    raise NotKept


def length(said: Any) -> int:
    """About how many bytes what was said takes."""
    return len(said) if isinstance(said, str) else sum(map(length, said)) + 60 if isinstance(said, tuple) else 8


def tools_of(tools: list[Any], read: Callable[[list[Any]], list[ToolSpec]]) -> list[ToolSpec]:
    """The tools as `read` makes specs of them."""
    kind = type(tools[0]) if tools else None
    if kind not in (dict, ToolSpec) or any(type(tool) is not kind for tool in tools):
        return read(tools)
    said = _said(msgspec.json.encode, tools)
    if said is None:
        return read(tools)
    found = _tools.get((kind, len(said)))
    if found is not None and found.said == said and found.json == _said(msgspec.json.encode, found.specs):
        return [*found.specs]
    specs = read(tools)
    json = _said(msgspec.json.encode, specs)
    if json is not None:
        _tools.put((kind, len(said)), ReadTools(said, specs, json, 3 * len(said) + ENTRY_BYTES))
    return [*specs]
