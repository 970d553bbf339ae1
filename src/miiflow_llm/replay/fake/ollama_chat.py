"""Fake answers in Ollama's chat format: a JSON object a line, the last one with the counters."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from ...core.messages import ToolCall
from ...core.usage import TokenCount
from .answer import CREATED, FakeAnswer, FakeError, arguments_of, finish_word, without_none, words

NAME = "ollama_chat"
PROVIDER = "ollama"
PATH = "/api/chat"
FINISH = {"stop": "stop", "length": "length", "tool_calls": "stop"}


def stream(answer: FakeAnswer) -> Iterator[bytes]:
    """The lines of a streamed answer."""
    for message in _messages(answer):
        yield _line(_body(answer, message))
    if answer.error is not None:
        yield _line(error(answer.error))
        return
    yield _line(_done(answer, {"content": ""}))


def whole(answer: FakeAnswer) -> dict[str, Any]:
    """The body of an answer in one piece."""
    message: dict[str, Any] = {"content": answer.text}
    if answer.reasoning:
        message["thinking"] = answer.reasoning
    if answer.tool_calls:
        message["tool_calls"] = [_call(index, call) for index, call in enumerate(answer.tool_calls)]
    return _done(answer, message)


def error(error: FakeError) -> dict[str, Any]:
    """The body of an error."""
    return {"error": error.message}


def usage(count: TokenCount) -> dict[str, Any]:
    """The counters; the format has none for cached or reasoning tokens."""
    return without_none({"prompt_eval_count": count.prompt_tokens, "eval_count": count.completion_tokens})


def _messages(answer: FakeAnswer) -> Iterator[dict[str, Any]]:
    yield from ({"content": "", "thinking": piece} for piece in words(answer.reasoning))
    yield from ({"content": piece} for piece in words(answer.text))
    for index, call in enumerate(answer.tool_calls):
        yield {"content": "", "tool_calls": [_call(index, call)]}


def _call(index: int, call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "function": {"index": index, "name": call.name, "arguments": arguments_of(call)}}


def _body(answer: FakeAnswer, message: dict[str, Any]) -> dict[str, Any]:
    created = datetime.fromtimestamp(CREATED, UTC).isoformat().replace("+00:00", "Z")
    head = {"model": answer.model, "created_at": created}
    return {**head, "message": {"role": "assistant", **message}, "done": False}


def _done(answer: FakeAnswer, message: dict[str, Any]) -> dict[str, Any]:
    done = {"done": True, "done_reason": finish_word(NAME, FINISH, answer.finish)}
    return {**_body(answer, message), **done, **usage(answer.usage)}


def _line(body: dict[str, Any]) -> bytes:
    return msgspec.json.encode(body) + b"\n"
