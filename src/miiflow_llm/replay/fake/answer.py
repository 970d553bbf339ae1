"""What a fake provider is to say, as a value, and the small tools with which every dialect says it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from ...core.messages import ToolCall
from ...core.response import FinishReason
from ...core.usage import TokenCount

CREATED = 1_767_225_600
"""The time that every fake answer bears, in seconds since 1970: an answer must not depend on when it was made."""


class FakeError(msgspec.Struct, frozen=True):
    """An error that a provider reports: before the answer with `status`, or `midstream`, after the text, inside a 200.

    `code` is the provider's own word for it, where its format has a place for one.
    """

    message: str
    status: int = 500
    code: str = "server_error"
    midstream: bool = False


class FakeAnswer(msgspec.Struct, kw_only=True):
    """One answer: its parts in the order reasoning, text, calls. `finish` is the unified word."""

    model: str
    text: str = ""
    reasoning: str = ""
    tool_calls: list[ToolCall] = []
    finish: FinishReason = "stop"
    usage: TokenCount = TokenCount()
    error: FakeError | None = None


def words(text: str) -> list[str]:
    """The text in the pieces in which a stream brings it: a word and the space after it."""
    return re.findall(r"\S+\s*|\s+", text)


def arguments_of(call: ToolCall) -> Any:
    """The call's arguments as a value, for the formats that send them so; text that is not JSON stays text."""
    try:
        return msgspec.json.decode(call.arguments) if call.arguments else {}
    except msgspec.DecodeError:
        return call.arguments


def event(payload: Any, name: str | None = None) -> bytes:
    """One server-sent event, with its name where the format has names."""
    head = f"event: {name}\n".encode() if name else b""
    return head + b"data: " + msgspec.json.encode(payload) + b"\n\n"


def named_events(payloads: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """Events whose name is their payload's type."""
    return (event(payload, payload["type"]) for payload in payloads)


DONE = b"data: [DONE]\n\n"


def without_none(value: dict[str, Any]) -> dict[str, Any]:
    """The dict without what was not reported."""
    return {key: entry for key, entry in value.items() if entry is not None and entry != {}}


def less(whole: int | None, *parts: int | None) -> int | None:
    """What is left of a count that includes the parts, for the formats that count them apart."""
    return None if whole is None else whole - sum(part or 0 for part in parts)


def finish_word(dialect: str, table: dict[str, str], finish: str) -> str:
    """The format's word for a finish reason.

    Raises:
        ValueError: it has none.
    """
    if finish not in table:
        raise ValueError(f"{dialect} has no word for the finish reason {finish!r}; it has {', '.join(table)}")
    return table[finish]
