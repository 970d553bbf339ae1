"""Fake answers in Mistral's chat format: OpenAI's shape, with reasoning as parts of the content and calls whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...core.messages import ToolCall
from .answer import CREATED, DONE, FakeAnswer, FakeError, event, finish_word, words
from .openai_chat import FINISH, usage

NAME = "mistral_chat"
PROVIDER = "mistral"
PATH = "/v1/chat/completions"


def stream(answer: FakeAnswer) -> Iterator[bytes]:
    """The events of a streamed answer; the last one that says anything bears the finish reason and the usage."""
    for delta in _deltas(answer):
        yield event(_body(answer, "chat.completion.chunk", {"delta": delta, "finish_reason": None}))
    if answer.error is not None:
        yield event(error(answer.error))
        return
    calls = {"tool_calls": [_call(index, call) for index, call in enumerate(answer.tool_calls)]}
    delta = calls if answer.tool_calls else {"content": ""}
    last = {"delta": delta, "finish_reason": finish_word(NAME, FINISH, answer.finish)}
    yield event(_body(answer, "chat.completion.chunk", last, counted=True))
    yield DONE


def whole(answer: FakeAnswer) -> dict[str, Any]:
    """The body of an answer in one piece."""
    content: Any = answer.text
    if answer.reasoning:
        text = [{"type": "text", "text": answer.text}] if answer.text else []
        content = [_thinking(answer.reasoning), *text]
    calls = [_call(index, call) for index, call in enumerate(answer.tool_calls)]
    message = {"role": "assistant", "content": content, "tool_calls": calls or None}
    choice = {"message": message, "finish_reason": finish_word(NAME, FINISH, answer.finish)}
    return _body(answer, "chat.completion", choice, counted=True)


def error(error: FakeError) -> dict[str, Any]:
    """The body of an error."""
    head = {"object": "error", "message": error.message, "type": error.code}
    return {**head, "param": None, "code": error.code, "raw_status_code": error.status}


def _deltas(answer: FakeAnswer) -> Iterator[dict[str, Any]]:
    yield {"role": "assistant", "content": ""}
    yield from ({"content": [_thinking(piece)]} for piece in words(answer.reasoning))
    yield from ({"content": piece} for piece in words(answer.text))


def _thinking(text: str) -> dict[str, Any]:
    return {"type": "thinking", "thinking": [{"type": "text", "text": text}]}


def _call(index: int, call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function, "index": index}


def _body(answer: FakeAnswer, kind: str, choice: dict[str, Any], *, counted: bool = False) -> dict[str, Any]:
    head = {"id": "fake", "object": kind, "created": CREATED, "model": answer.model}
    body = {**head, "choices": [{"index": 0, **choice}]}
    return {**body, "usage": usage(answer.usage)} if counted and answer.usage else body
