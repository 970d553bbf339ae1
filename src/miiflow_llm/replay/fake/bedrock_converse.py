"""Fake answers in Bedrock's Converse format: binary messages that fill blocks, and open only those of calls."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...core.usage import TokenCount
from ..eventstream import event, exception
from .answer import FakeAnswer, FakeError, arguments_of, finish_word, less, without_none, words

NAME = "bedrock_converse"
PROVIDER = "bedrock"
PATH = "/model/{model}/converse"
STREAM_PATH = "/model/{model}/converse-stream"
FINISH = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "content_filtered"}
FAILURES = {
    400: "validationException",
    429: "throttlingException",
    500: "internalServerException",
    503: "serviceUnavailableException",
}
"""What a stream says of a failure that would have this status."""

SIGNATURE = "fake-signature"


def stream(answer: FakeAnswer) -> Iterator[bytes]:
    """The messages of a streamed answer."""
    yield event("messageStart", {"role": "assistant"})
    for index, (start, deltas) in enumerate(_blocks(answer)):
        if start is not None:
            yield event("contentBlockStart", {"contentBlockIndex": index, "start": start})
        yield from (event("contentBlockDelta", {"contentBlockIndex": index, "delta": delta}) for delta in deltas)
        yield event("contentBlockStop", {"contentBlockIndex": index})
    if answer.error is not None:
        yield exception(FAILURES.get(answer.error.status, "modelStreamErrorException"), error(answer.error))
        return
    yield event("messageStop", {"stopReason": finish_word(NAME, FINISH, answer.finish)})
    yield event("metadata", {**_counted(answer.usage), "metrics": {"latencyMs": 8}})


def whole(answer: FakeAnswer) -> dict[str, Any]:
    """The body of an answer in one piece."""
    content: list[dict[str, Any]] = []
    if answer.reasoning:
        content.append({"reasoningContent": {"reasoningText": {"text": answer.reasoning, "signature": SIGNATURE}}})
    if answer.text:
        content.append({"text": answer.text})
    for call in answer.tool_calls:
        content.append({"toolUse": {"toolUseId": call.id, "name": call.name, "input": arguments_of(call)}})
    message = {"role": "assistant", "content": content}
    finish = finish_word(NAME, FINISH, answer.finish)
    return {
        "output": {"message": message},
        "stopReason": finish,
        **_counted(answer.usage),
        "metrics": {"latencyMs": 8},
    }


def error(error: FakeError) -> dict[str, Any]:
    """The body of an error; its type is beside it, in a header."""
    return {"message": error.message}


def _counted(count: TokenCount) -> dict[str, Any]:
    """The counters; the input does not include what was read from or written to the cache."""
    counters = {
        "inputTokens": less(count.prompt_tokens, count.cache_read_tokens, count.cache_write_tokens),
        "outputTokens": count.completion_tokens,
        "totalTokens": count.total_tokens,
        "cacheReadInputTokens": count.cache_read_tokens,
        "cacheWriteInputTokens": count.cache_write_tokens,
    }
    return without_none({"usage": without_none(counters)})


def _blocks(answer: FakeAnswer) -> Iterator[tuple[dict[str, Any] | None, list[dict[str, Any]]]]:
    """Every block: how it is opened, if it is, and what fills it."""
    if answer.reasoning:
        pieces: list[dict[str, Any]] = [{"reasoningContent": {"text": piece}} for piece in words(answer.reasoning)]
        yield None, [*pieces, {"reasoningContent": {"signature": SIGNATURE}}]
    if answer.text:
        yield None, [{"text": piece} for piece in words(answer.text)]
    for call in answer.tool_calls:
        opened = {"toolUse": {"toolUseId": call.id, "name": call.name}}
        yield opened, [{"toolUse": {"input": piece}} for piece in words(call.arguments)]
