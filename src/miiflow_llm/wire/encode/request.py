"""Write a request by its dialect's table: its path, its body, and notes on what was done to say it so.

Knows no provider and no network; whatever cannot be said raises before anything is sent.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Literal
from urllib.parse import quote

import msgspec

from ...core.exceptions import ConfigurationError, UnsupportedParameterError
from ...core.request import PARAMETERS, ChatRequest
from ...tables import Dialect, Drop, Take
from ...tables.drops import Values, seen
from ...tables.noting import note_of
from ...tables.template import NOTHING, takes, words
from .body import hole, joined, merged
from .conversation import Conversation, Writer, no_mark
from .settled import Recall
from .system_prompt import hoisted
from .tool_names import callers_names, with_wire_names

Unsupported = Literal["raise", "drop"]


class Encoded(msgspec.Struct):
    """A request ready for its address: `path` follows the base URL; `notes` say what was renamed or dropped.

    `parts` are the bytes of the body, in the pieces in which they are kept. `dropped` are the notes on parameters that
    the caller gave and that are not sent.
    """

    path: str
    parts: tuple[bytes, ...]
    notes: list[str]
    dropped: list[str] = []

    @property
    def body(self) -> Any:
        """The body as JSON has it."""
        return msgspec.json.decode(b"".join(self.parts))


class Notes(list[str]):
    """What was done to say a request."""

    def __init__(self) -> None:
        super().__init__()
        self.dropped: list[str] = []

    def drop(self, name: str, reason: str) -> None:
        """Note that the caller's parameter is not sent."""
        self.dropped.append(f"dropped: {name} ({reason})")
        self.append(self.dropped[-1])


def encode(
    dialect: Dialect,
    writer_of: Callable[[str], Writer],
    request: ChatRequest,
    *,
    origin: str,
    unsupported: Unsupported = "raise",
    recall: Recall | None = None,
) -> Encoded:
    """The request as this dialect writes it; `writer_of` gives the functions for a model.

    `origin` (`provider/dialect/model`) is who gets its own blocks back; `recall` is what is known of the messages.

    Raises:
        UnsupportedParameterError: a parameter or block that the dialect, or this model, does not take.
        ConfigurationError: the conversation cannot be said in this dialect.
    """
    notes = Notes()
    for prepare in dialect.prepare:
        changed = prepare(request)
        notes += [note] if changed is not request and (note := note_of(prepare)) else []
        request = changed
    callers = callers_names(dialect, request)
    notes += [f"renamed: tool {ours} -> {theirs}" for theirs, ours in callers.items()]
    request = with_wire_names(request, callers)
    if dialect.system == "hoist":
        request = hoisted(request)
    request = _supported(dialect, request, unsupported, notes)
    notes += _unmarked(dialect, request)
    writer = writer_of(request.model)
    messages = Conversation(dialect, writer, request, origin, notes, recall).items()
    if not messages:
        raise ConfigurationError("the messages hold nothing that could be sent: no text, no media, no calls")
    inside = hole(messages, whole=writer.whole)
    body, request = _filled(writer, request, inside, unsupported, notes)
    if body is NOTHING:
        raise ConfigurationError(f"dialect {dialect.name} has no body for this request")
    notes += [*_renamed(dialect, request), *_not_strict(writer, request, inside, body)]
    if request.extra_body:
        body = merged(body, request.extra_body)
        notes.append(f"merged from extra_body: {', '.join(request.extra_body)}")
    return Encoded(_path(dialect, request), joined(body, messages), list(dict.fromkeys(notes)), notes.dropped)


def _filled(
    writer: Writer, request: ChatRequest, messages: Any, unsupported: Unsupported, notes: Notes
) -> tuple[Any, ChatRequest]:
    """The body; a parameter whose value a converter refuses is dropped if the caller allows that."""
    while True:
        try:
            return writer.body(request, messages, writer.kept), request
        except UnsupportedParameterError as refused:
            name = refused.parameter
            if unsupported == "raise" or name not in PARAMETERS or getattr(request, name) is None:
                raise
            request = msgspec.structs.replace(request, **{name: None})
            notes.drop(name, refused.message)


def _path(dialect: Dialect, request: ChatRequest) -> str:
    path = dialect.stream_path if request.stream and dialect.stream_path else dialect.path
    if "/{model}/" in path and request.model in (".", ".."):
        raise ConfigurationError(f"model={request.model!r} is not a name: in the address it would lead elsewhere")
    return path.replace("{model}", quote(request.model, safe=""))


def parameters(dialect: Dialect) -> frozenset[str]:
    """The parameters of a call that the dialect has a place for."""
    return frozenset(name.partition(".")[0] for name in dialect.places)


def _supported(dialect: Dialect, request: ChatRequest, unsupported: Unsupported, notes: Notes) -> ChatRequest:
    """The request without the parameters that are not taken, or an error that names one."""
    taken = parameters(dialect)
    _refused_whole(dialect, request)
    for name in PARAMETERS:
        if getattr(request, name) is None:
            continue
        row = refusal(dialect, request, name)
        if row is None and name in taken:
            continue
        reason = row.reason if row else _no_place(dialect, name)
        if unsupported == "raise":
            raise UnsupportedParameterError(
                f"{name} is not taken: {reason} (leave it out, or pass unsupported='drop')", parameter=name
            )
        request = msgspec.structs.replace(request, **{name: None})
        notes.drop(name, reason)
    return request


def _refused_whole(dialect: Dialect, request: ChatRequest) -> None:
    """Raise if a row without parameters refuses the request itself."""
    row = next((row for row in dialect.drops if not row.parameters and _applies(row, request)), None)
    if row:
        raise UnsupportedParameterError(f"messages: {row.reason}", parameter="messages")


def _no_place(dialect: Dialect, name: str) -> str:
    there = " as this server speaks it" if dialect.bundle_of(name) else ""
    return f"the {dialect.name} format{there} has no place for it"


def refusal(dialect: Dialect, request: ChatRequest, name: str) -> Drop | None:
    """The row by which this request's model refuses the parameter, given whatever else is asked."""
    return next((row for row in dialect.drops if name in row.parameters and _applies(row, request)), None)


def _applies(row: Drop, request: ChatRequest) -> bool:
    if row.models and not re.match(row.models, request.model):
        return False
    if not all(seen(request, name) for name in row.beside):
        return False
    return not any(_lifts(values, seen(request, name)) for name, values in row.unless)


def _lifts(values: Values, value: Any) -> bool:
    return values(value) if callable(values) else value in values


def _unmarked(dialect: Dialect, request: ChatRequest) -> list[str]:
    """What is said of marks of the cache that have no place, on tools and on system messages that are taken out."""
    lost = []
    if any(tool.cache for tool in request.tools or ()) and not _takes_of_each(dialect.body, "tools", "cache"):
        lost.append("tool")
    if request.system_blocks and "system_blocks" not in dialect.places:
        lost.append("system message")
    return [no_mark(what) for what in lost]


def _not_strict(writer: Writer, request: ChatRequest, messages: Any, body: Any) -> list[str]:
    """What is said of tools whose `strict` changes nothing of the body."""
    strict = [tool.name for tool in request.tools or () if tool.strict]
    if not strict:
        return []
    loose = [msgspec.structs.replace(tool, strict=None) for tool in request.tools or ()]
    if writer.body(msgspec.structs.replace(request, tools=loose), messages, writer.kept) != body:
        return []
    return [f"left out: strict of {', '.join(strict)} (here no arguments are held to a schema)"]


def _takes_of_each(template: Any, name: str, value: str) -> bool:
    """Whether the template takes `value` of the elements of `name`."""
    found = (word for word, _ in words(template) if isinstance(word, Take) and word.name == name)
    return any(takes(word.each, value) for word in found)


def _renamed(dialect: Dialect, request: ChatRequest) -> list[str]:
    seen = dialect.places
    return [
        f"renamed: {name} -> {seen[name]}"
        for name in PARAMETERS
        if getattr(request, name) is not None and seen.get(name, name) != name
    ]
