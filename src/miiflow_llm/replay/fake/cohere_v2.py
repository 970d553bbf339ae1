"""Fake answers in Cohere's v2 chat format: named events that open, fill and close parts of one message."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...core.messages import ToolCall
from ...core.usage import TokenCount
from .answer import DONE, FakeAnswer, FakeError, finish_word, named_events, without_none, words

NAME = "cohere_v2"
PROVIDER = "cohere"
PATH = "/v2/chat"
FINISH = {"stop": "COMPLETE", "length": "MAX_TOKENS", "tool_calls": "TOOL_CALL", "content_filter": "ERROR_TOXIC"}


def stream(answer: FakeAnswer) -> Iterator[bytes]:
    """The events of a streamed answer."""
    yield from named_events(_events(answer))
    yield DONE


def whole(answer: FakeAnswer) -> dict[str, Any]:
    """The body of an answer in one piece."""
    content = [{"type": kind, kind: text} for kind, text in _contents(answer)]
    message: dict[str, Any] = {"role": "assistant", "content": content}
    if answer.tool_calls:
        message["tool_calls"] = [_call(call) for call in answer.tool_calls]
    finish = finish_word(NAME, FINISH, answer.finish)
    counted = {"usage": usage(answer.usage)} if answer.usage else {}
    return {"id": "fake", "message": message, "finish_reason": finish, **counted}


def error(error: FakeError) -> dict[str, Any]:
    """The body of an error."""
    return {"id": "fake", "message": error.message}


def usage(count: TokenCount) -> dict[str, Any]:
    """The counters."""
    tokens = {
        "input_tokens": count.prompt_tokens,
        "output_tokens": count.completion_tokens,
        "reasoning_tokens": count.reasoning_tokens,
    }
    return without_none({"tokens": without_none(tokens), "cached_tokens": count.cache_read_tokens})


def _events(answer: FakeAnswer) -> Iterator[dict[str, Any]]:
    begun = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    yield {"id": "fake", "type": "message-start", "delta": {"message": begun}}
    for index, (kind, text) in enumerate(_contents(answer)):
        yield _content("content-start", index, {"type": kind, kind: ""})
        yield from (_content("content-delta", index, {kind: piece}) for piece in words(text))
        yield {"type": "content-end", "index": index}
    for index, call in enumerate(answer.tool_calls):
        opened = {**_call(call), "function": {"name": call.name, "arguments": ""}}
        yield _called("tool-call-start", index, opened)
        yield from (_called("tool-call-delta", index, {"function": {"arguments": p}}) for p in words(call.arguments))
        yield {"type": "tool-call-end", "index": index}
    if answer.error is not None:
        yield {"type": "message-end", "delta": {"finish_reason": "ERROR", "error": answer.error.message}}
        return
    ended: dict[str, Any] = {"finish_reason": finish_word(NAME, FINISH, answer.finish)}
    if answer.usage:
        ended["usage"] = usage(answer.usage)
    yield {"type": "message-end", "delta": ended}


def _contents(answer: FakeAnswer) -> list[tuple[str, str]]:
    return [(kind, text) for kind, text in (("thinking", answer.reasoning), ("text", answer.text)) if text]


def _content(kind: str, index: int, content: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "index": index, "delta": {"message": {"content": content}}}


def _called(kind: str, index: int, call: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "index": index, "delta": {"message": {"tool_calls": call}}}


def _call(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
