"""Fake answers in Anthropic's Messages format: named events that open, fill and close content blocks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...core.usage import TokenCount
from .answer import FakeAnswer, FakeError, arguments_of, finish_word, less, named_events, without_none, words

NAME = "anthropic_messages"
PROVIDER = "anthropic"
PATH = "/v1/messages"
FINISH = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}


def stream(answer: FakeAnswer) -> Iterator[bytes]:
    """The events of a streamed answer."""
    return named_events(_events(answer))


def whole(answer: FakeAnswer) -> dict[str, Any]:
    """The body of an answer in one piece."""
    blocks = [block for block, _ in _blocks(answer)]
    return {**_message(answer, blocks, finish_word(NAME, FINISH, answer.finish)), "usage": usage(answer.usage)}


def error(error: FakeError) -> dict[str, Any]:
    """The body of an error."""
    return {"type": "error", "error": {"type": error.code, "message": error.message}}


def usage(count: TokenCount) -> dict[str, Any]:
    """The counters; the input does not include what was read from or written to the cache."""
    return without_none(
        {
            "input_tokens": less(count.prompt_tokens, count.cache_read_tokens, count.cache_write_tokens),
            "cache_creation_input_tokens": count.cache_write_tokens,
            "cache_read_input_tokens": count.cache_read_tokens,
            "output_tokens": count.completion_tokens,
            "output_tokens_details": without_none({"thinking_tokens": count.reasoning_tokens}),
        }
    )


def _events(answer: FakeAnswer) -> Iterator[dict[str, Any]]:
    counted = usage(answer.usage)
    begun = {**counted, "output_tokens": 1} if "output_tokens" in counted else counted
    yield {"type": "message_start", "message": {**_message(answer, [], None), "usage": begun}}
    yield {"type": "ping"}
    for index, (block, deltas) in enumerate(_blocks(answer)):
        opened = {key: _empty(key, value) for key, value in block.items()}
        yield {"type": "content_block_start", "index": index, "content_block": opened}
        yield from ({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas)
        yield {"type": "content_block_stop", "index": index}
    if answer.error is not None:
        yield error(answer.error)
        return
    stop = {"stop_reason": finish_word(NAME, FINISH, answer.finish), "stop_sequence": None}
    yield {"type": "message_delta", "delta": stop, "usage": counted}
    yield {"type": "message_stop"}


def _blocks(answer: FakeAnswer) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Every block, and the deltas that fill it."""
    if answer.reasoning:
        signed = {"type": "signature_delta", "signature": "fake-signature"}
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in words(answer.reasoning)]
        yield {"type": "thinking", "thinking": answer.reasoning, "signature": "fake-signature"}, [*deltas, signed]
    if answer.text:
        deltas = [{"type": "text_delta", "text": piece} for piece in words(answer.text)]
        yield {"type": "text", "text": answer.text}, deltas
    for call in answer.tool_calls:
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in words(call.arguments)]
        yield {"type": "tool_use", "id": call.id, "name": call.name, "input": arguments_of(call)}, deltas


def _empty(key: str, value: Any) -> Any:
    """A block's field as it stands when the block is opened."""
    if key == "input":
        return {}
    return "" if key in ("text", "thinking", "signature") else value


def _message(answer: FakeAnswer, content: list[dict[str, Any]], stop: str | None) -> dict[str, Any]:
    head = {"id": "msg_fake", "type": "message", "role": "assistant", "model": answer.model}
    return {**head, "content": content, "stop_reason": stop, "stop_sequence": None}
