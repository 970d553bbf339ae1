"""Mend a conversation before it is written, so that no server refuses it for its turns.

A conversation that was answered once can so be continued, by any provider. Each thing that is mended leaves a note for
the plan; a message that needs nothing stays the very same object.
"""

from __future__ import annotations

from operator import is_

import msgspec

from ...core.exceptions import ConfigurationError
from ...core.messages import Message
from ...core.request import ChatRequest
from ...tables.dialect import Dialect
from .by_itself import mended_by_itself
from .calls_and_results import paired
from .settled import Recall, is_settled
from .tool_results import with_media_after
from .turns import arranged, in_turns


def mended(
    dialect: Dialect, request: ChatRequest, *, origin: str, notes: list[str], recall: Recall | None = None
) -> ChatRequest:
    """The request with its conversation as the dialect takes it; `origin` (`provider/dialect/model`) is who is asked.

    `recall` is what is known of it from before, if anything is kept.

    Raises:
        UnsupportedParameterError: a file is given by its id, and the wire has no place for one.
        ConfigurationError: a tool's message does not say which call it answers, or nothing is left to be said.
    """
    if is_settled(dialect, request.messages, origin, notes, recall):
        messages = arranged(dialect, request.messages, request.model, notes.append)
    else:
        messages = gone_through(dialect, request, origin, notes)
    if not messages:
        raise ConfigurationError("the messages hold nothing that could be sent: no text, no media, no calls")
    if len(messages) == len(request.messages) and all(map(is_, messages, request.messages)):
        return request
    return msgspec.structs.replace(request, messages=messages)


def gone_through(dialect: Dialect, request: ChatRequest, origin: str, notes: list[str]) -> list[Message]:
    """The conversation, each message looked at and mended."""
    note = notes.append
    messages = [mended_by_itself(dialect, message, origin, note) for message in request.messages]
    messages = paired(messages, dialect.turns.call_ids, note)
    messages = with_media_after(dialect, messages, notes)
    return in_turns(dialect, messages, request.model, origin, note)
