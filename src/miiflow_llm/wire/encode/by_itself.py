"""Mend a message by itself, whatever stands before and after it."""

from __future__ import annotations

from collections.abc import Callable

from ...core.messages import Message
from ...tables.dialect import Dialect
from .lost_words import note_lost_words
from .own_words import in_own_words
from .sound_messages import sounded


def mended_by_itself(dialect: Dialect, message: Message, origin: str, note: Callable[[str], None]) -> Message:
    """The message as the wire takes it; the message itself if it is so.

    Raises:
        UnsupportedParameterError: a file is given by its id, and the wire has no place for one.
    """
    message = in_own_words(dialect, sounded(message, note), origin)
    note_lost_words(dialect, message, note)
    return message
