"""Fake answers in OpenAI's Chat Completions format; reasoning as `reasoning_content`, as DeepSeek sends it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...core.messages import ToolCall
from ...core.usage import TokenCount
from .answer import CREATED, DONE, FakeAnswer, FakeError, event, finish_word, without_none, words

NAME = "openai_chat"
PROVIDER = "openai"
PATH = "/v1/chat/completions"
FINISH = {name: name for name in ("stop", "length", "tool_calls", "content_filter")}


def stream(answer: FakeAnswer) -> Iterator[bytes]:
    """The events of a streamed answer."""
    for delta in _deltas(answer):
        yield event(_chunk(answer, [{"index": 0, "delta": delta, "finish_reason": None}]))
    if answer.error is not None:
        yield event(error(answer.error))
        return
    finish = finish_word(NAME, FINISH, answer.finish)
    yield event(_chunk(answer, [{"index": 0, "delta": {}, "finish_reason": finish}]))
    if answer.usage:
        yield event({**_chunk(answer, []), "usage": usage(answer.usage)})
    yield DONE


def whole(answer: FakeAnswer) -> dict[str, Any]:
    """The body of an answer in one piece."""
    message: dict[str, Any] = {"role": "assistant", "content": answer.text or None}
    if answer.reasoning:
        message["reasoning_content"] = answer.reasoning
    if answer.tool_calls:
        message["tool_calls"] = [_call(call) for call in answer.tool_calls]
    choice = {"index": 0, "message": message, "finish_reason": finish_word(NAME, FINISH, answer.finish)}
    counted = {"usage": usage(answer.usage)} if answer.usage else {}
    return {**_head(answer, "chat.completion"), "choices": [choice], **counted}


def error(error: FakeError) -> dict[str, Any]:
    """The body of an error."""
    return {"error": {"message": error.message, "type": error.code, "param": None, "code": error.code}}


def usage(count: TokenCount) -> dict[str, Any]:
    """The counters."""
    return without_none(
        {
            "prompt_tokens": count.prompt_tokens,
            "completion_tokens": count.completion_tokens,
            "total_tokens": count.total_tokens,
            "prompt_tokens_details": without_none({"cached_tokens": count.cache_read_tokens}),
            "completion_tokens_details": without_none({"reasoning_tokens": count.reasoning_tokens}),
        }
    )


def _deltas(answer: FakeAnswer) -> Iterator[dict[str, Any]]:
    yield {"role": "assistant", "content": ""}
    yield from ({"reasoning_content": piece} for piece in words(answer.reasoning))
    yield from ({"content": piece} for piece in words(answer.text))
    for index, call in enumerate(answer.tool_calls):
        opened = {**_call(call), "index": index}
        opened["function"] = {"name": call.name, "arguments": ""}
        yield {"tool_calls": [opened]}
        for piece in words(call.arguments):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def _call(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _chunk(answer: FakeAnswer, choices: list[dict[str, Any]]) -> dict[str, Any]:
    return {**_head(answer, "chat.completion.chunk"), "choices": choices}


def _head(answer: FakeAnswer, kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-fake", "object": kind, "created": CREATED, "model": answer.model}
