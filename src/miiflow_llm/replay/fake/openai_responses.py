"""Fake answers in OpenAI's Responses format: typed events with sequence numbers, around a response object."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...core.usage import TokenCount
from .answer import CREATED, FakeAnswer, FakeError, finish_word, named_events, without_none, words

NAME = "openai_responses"
PROVIDER = "openai"
PATH = "/v1/responses"
FINISH = {"stop": "", "tool_calls": "", "length": "max_output_tokens", "content_filter": "content_filter"}
"""Why a response is incomplete; the empty text if it is complete."""


def stream(answer: FakeAnswer) -> Iterator[bytes]:
    """The events of a streamed answer."""
    numbered = ({**payload, "sequence_number": number} for number, payload in enumerate(_events(answer)))
    return named_events(numbered)


def whole(answer: FakeAnswer) -> dict[str, Any]:
    """The response object of an answer in one piece."""
    reason = finish_word(NAME, FINISH, answer.finish)
    return {
        "id": "resp_fake",
        "object": "response",
        "created_at": CREATED,
        "model": answer.model,
        "status": "incomplete" if reason else "completed",
        "incomplete_details": {"reason": reason} if reason else None,
        "error": None,
        "output": [item for item, _ in _items(answer)],
        "usage": usage(answer.usage) if answer.usage else None,
    }


def error(error: FakeError) -> dict[str, Any]:
    """The body of an error before the answer."""
    return {"error": {"message": error.message, "type": error.code, "param": None, "code": error.code}}


def usage(count: TokenCount) -> dict[str, Any]:
    """The counters."""
    cached = {"cached_tokens": count.cache_read_tokens, "cache_write_tokens": count.cache_write_tokens}
    return without_none(
        {
            "input_tokens": count.prompt_tokens,
            "input_tokens_details": without_none(cached),
            "output_tokens": count.completion_tokens,
            "output_tokens_details": without_none({"reasoning_tokens": count.reasoning_tokens}),
            "total_tokens": count.total_tokens,
        }
    )


def _events(answer: FakeAnswer) -> Iterator[dict[str, Any]]:
    begun = {**whole(answer), "status": "in_progress", "incomplete_details": None, "output": [], "usage": None}
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    for index, (item, empty) in enumerate(_items(answer)):
        yield {"type": "response.output_item.added", "output_index": index, "item": empty}
        place = {"item_id": item["id"], "output_index": index}
        yield from _inside(item, place)
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
    if answer.error is not None:
        failure = {"code": answer.error.code, "message": answer.error.message}
        yield {"type": "response.failed", "response": {**begun, "status": "failed", "error": failure}}
        return
    ended = whole(answer)
    yield {"type": f"response.{ended['status']}", "response": ended}


def _items(answer: FakeAnswer) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Every item of the output, and the same as it stands when it is opened."""
    if answer.reasoning:
        item: dict[str, Any] = {"id": "rs_fake", "type": "reasoning"}
        yield {**item, "summary": [{"type": "summary_text", "text": answer.reasoning}]}, {**item, "summary": []}
    if answer.text:
        item = {"id": "msg_fake", "type": "message", "role": "assistant"}
        part = {"type": "output_text", "annotations": [], "text": answer.text}
        yield {**item, "status": "completed", "content": [part]}, {**item, "status": "in_progress", "content": []}
    for number, call in enumerate(answer.tool_calls, 1):
        item = {"id": f"fc_{number}", "type": "function_call", "call_id": call.id, "name": call.name}
        opened = {**item, "status": "in_progress", "arguments": ""}
        yield {**item, "status": "completed", "arguments": call.arguments}, opened


def _inside(item: dict[str, Any], place: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if item["type"] == "reasoning":
        yield from _part("response.reasoning_summary", item["summary"][0], {**place, "summary_index": 0})
    elif item["type"] == "message":
        yield from _part("response.content", item["content"][0], {**place, "content_index": 0})
    else:
        kind = "response.function_call_arguments"
        yield from ({"type": f"{kind}.delta", **place, "delta": piece} for piece in words(item["arguments"]))
        yield {"type": f"{kind}.done", **place, "arguments": item["arguments"]}


def _part(kind: str, part: dict[str, Any], place: dict[str, Any]) -> Iterator[dict[str, Any]]:
    text = "response.output_text" if part["type"] == "output_text" else "response.reasoning_summary_text"
    yield {"type": f"{kind}_part.added", **place, "part": {**part, "text": ""}}
    yield from ({"type": f"{text}.delta", **place, "delta": piece} for piece in words(part["text"]))
    yield {"type": f"{text}.done", **place, "text": part["text"]}
    yield {"type": f"{kind}_part.done", **place, "part": part}
