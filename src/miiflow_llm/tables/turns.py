"""What a wire wants of the turns of a conversation, as data; what does not follow it is mended before it is written."""

from __future__ import annotations

import msgspec


class Turns(msgspec.Struct, frozen=True, kw_only=True):
    """The rules of turns that a server refuses to see broken.

    Everywhere a call has its result right behind it, a result its call, a call an id of its own, an assistant's turn
    something to say, and arguments are a JSON object. What differs stands here.
    """

    alternate: bool = False
    """Whether neighbours of one role are joined to one message, for servers whose templates want user and assistant in
    turn."""
    one_system: bool = False
    """Whether all system messages stand as one at the head, for templates that take no other."""
    blank: bool = True
    """Whether text of white space alone is taken, and a message without any text."""
    begins_with_user: bool = False
    """Whether the first message must be the user's."""
    after_results: str | None = None
    """A pattern of models that take no user's message right behind a tool's result: an assistant's stands between."""
    call_ids: str = ".+"
    """The pattern of the ids that calls may have; others get one that is always the same for the same."""
