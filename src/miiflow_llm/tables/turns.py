"""Say, as data, what a wire wants of the turns of a conversation; the engine mends what does not follow it."""

from __future__ import annotations

import msgspec


class Turns(msgspec.Struct, frozen=True, kw_only=True):
    """What a server refuses in the turns of a conversation.

    On every wire a call gets its result right behind it, a result its call, each call an id of its own, an assistant's
    turn something to say, and arguments are a JSON object. These rows are what differs.
    """

    alternate: bool = False
    """Whether neighbours of one role are joined to one message, for servers whose templates want user and assistant in
    turn."""
    one_system: bool = False
    """Whether all system messages stand as one at the head, for templates that take no other."""
    blank: bool = True
    """Whether text of white space is taken, and a message without any text."""
    begins_with_user: bool = False
    """Whether the first message must be the user's."""
    after_results: str | None = None
    """A pattern of models that take no user's message right behind a tool's result: an assistant's stands between."""
    call_ids: str = ".+"
    """The pattern of the ids that calls may have. Others get one that is always the same for the same: their letters
    and digits if that is enough, or `call_` and 24 hexadecimal digits, which the pattern has to take."""
