"""What happens between the answers of a conversation with tools: calls that begin and calls that end."""

from __future__ import annotations

import msgspec

from .messages import Message, ToolCall


class ToolStarted(msgspec.Struct, frozen=True, kw_only=True):
    """A call that the model asked for is run now. `round` is the number of the answer that asks for it, from 1."""

    round: int
    call: ToolCall


class ToolFinished(msgspec.Struct, frozen=True, kw_only=True):
    """A call has its result, which the model is told next.

    `message` is what it is told: text, or text and images. `is_error` says that the tool raised, was called wrongly or
    does not exist; `approved` is false if the caller did not let it run, and then it was not started either.
    `duration_ms` is how long it ran, in milliseconds. `round` and `call` are as for `ToolStarted`.
    """

    round: int
    call: ToolCall
    message: Message
    duration_ms: float = 0.0
    approved: bool = True

    @property
    def is_error(self) -> bool:
        """Whether the model is told of an error."""
        return self.message.is_error

    @property
    def content(self) -> str:
        """The text of what the model is told."""
        return self.message.text
