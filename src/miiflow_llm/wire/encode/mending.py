"""Mend a conversation before it is written, so that no server refuses it for its turns.

A conversation that was answered once can so be continued, by any provider. Each thing that is mended leaves a note for
the plan; a message that needs nothing stays the very same object.
"""

from __future__ import annotations

import msgspec

from ...core.exceptions import ConfigurationError
from ...core.request import ChatRequest
from ...tables.dialect import Dialect
from .calls_and_results import paired
from .lost_words import note_lost_words
from .own_words import in_own_words
from .sound_messages import sounded
from .tool_results import with_media_after
from .turns import in_turns


def mended(dialect: Dialect, request: ChatRequest, *, origin: str, notes: list[str]) -> ChatRequest:
    """The request with its conversation as the dialect takes it; `origin` (`provider/dialect/model`) is who is asked.

    Raises:
        UnsupportedParameterError: a file is given by its id, and the wire has no place for one.
        ConfigurationError: a tool's message does not say which call it answers, or nothing is left to be said.
    """
    note = notes.append
    messages = [in_own_words(dialect, sounded(message, note), origin) for message in request.messages]
    for message in messages:
        note_lost_words(dialect, message, note)
    messages = paired(messages, dialect.turns.call_ids, note)
    messages = with_media_after(dialect, messages, notes)
    messages = in_turns(dialect, messages, request.model, origin, note)
    if not messages:
        raise ConfigurationError("the messages hold nothing that could be sent: no text, no media, no calls")
    pairs = zip(messages, request.messages, strict=False)
    if len(messages) == len(request.messages) and all(new is old for new, old in pairs):
        return request
    return msgspec.structs.replace(request, messages=messages)
