"""Fake answers in Gemini's generateContent format: every event a whole candidate with the next parts of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...core.usage import TokenCount
from .answer import FakeAnswer, FakeError, arguments_of, event, finish_word, less, without_none, words

NAME = "gemini_generate"
PROVIDER = "gemini"
PATH = "/v1beta/models/{model}:generateContent"
STREAM_PATH = "/v1beta/models/{model}:streamGenerateContent?alt=sse"
FINISH = {"stop": "STOP", "length": "MAX_TOKENS", "tool_calls": "STOP", "content_filter": "SAFETY"}
STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
}


def stream(answer: FakeAnswer) -> Iterator[bytes]:
    """The events of a streamed answer."""
    for part in _parts(answer, words):
        yield event(_body(answer, [part]))
    if answer.error is not None:
        yield event(error(answer.error))
        return
    yield event(_body(answer, [{"text": ""}], finish_word(NAME, FINISH, answer.finish)))


def whole(answer: FakeAnswer) -> dict[str, Any]:
    """The body of an answer in one piece."""
    return _body(
        answer, list(_parts(answer, lambda text: [text] if text else [])), finish_word(NAME, FINISH, answer.finish)
    )


def error(error: FakeError) -> dict[str, Any]:
    """The body of an error; its word is Google's for the status, where that has one."""
    status = STATUSES.get(error.status, "INTERNAL")
    return {"error": {"code": error.status, "message": error.message, "status": status}}


def usage(count: TokenCount) -> dict[str, Any]:
    """The counters; the candidates' do not include the thoughts'."""
    return without_none(
        {
            "promptTokenCount": count.prompt_tokens,
            "candidatesTokenCount": less(count.completion_tokens, count.reasoning_tokens),
            "totalTokenCount": count.total_tokens,
            "cachedContentTokenCount": count.cache_read_tokens,
            "thoughtsTokenCount": count.reasoning_tokens,
        }
    )


def _parts(answer: FakeAnswer, cut: Any) -> Iterator[dict[str, Any]]:
    yield from ({"text": piece, "thought": True} for piece in cut(answer.reasoning))
    yield from ({"text": piece} for piece in cut(answer.text))
    for call in answer.tool_calls:
        yield {"functionCall": {"id": call.id, "name": call.name, "args": arguments_of(call)}}


def _body(answer: FakeAnswer, parts: list[dict[str, Any]], finish: str | None = None) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    counted = {"usageMetadata": usage(answer.usage)} if answer.usage else {}
    return {"candidates": [candidate], **counted, "modelVersion": answer.model, "responseId": "fake"}
