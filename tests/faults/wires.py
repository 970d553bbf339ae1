"""One small answer in each wire format, cut into the parts that faults are put between: "Hel", "lo", the finish.

Written from the formats' public documentation; a wire says nothing of how the engine reads it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from .server import LAST_CHUNK, Step, chunk, head

STREAM_MODEL = "test-model"


class Wire(NamedTuple):
    """A dialect's bytes.

    `complete_at` is the first of `finish` and `end` after which the end of the bytes is a finished answer.
    `overload` is an error inside a stream that may be retried, `refusal` one that may not; `silent` are frames that
    carry no output; `quota` is the body of a status 429 or 402 that says that waiting does not help.
    """

    name: str
    provider: str
    kind: str
    opening: bytes
    hel: bytes
    lo: bytes
    reasoning: bytes
    tool: bytes
    finish: bytes
    end: bytes
    complete_at: str
    silent: tuple[bytes, ...]
    unknown: bytes
    overload: bytes
    refusal: bytes
    error: bytes
    quota: bytes
    quota_status: int
    invalid: bytes
    answer: bytes

    @property
    def text(self) -> bytes:
        return self.opening + self.hel + self.lo

    @property
    def stream(self) -> bytes:
        return self.text + self.finish + self.end

    def head(self, *lines: str) -> bytes:
        """The head of a chunked stream."""
        return head(200, self.kind, "transfer-encoding: chunked", *lines)

    def streamed(self, *parts: bytes) -> list[Step]:
        """A whole chunked stream, each part a chunk."""
        return [self.head() + b"".join(map(chunk, parts)) + LAST_CHUNK]

    def begun(self, *parts: bytes) -> list[Step]:
        """A chunked stream that goes on."""
        return [self.head() + b"".join(map(chunk, parts))]


def _sse(*payloads: Any, line: str = "\n") -> bytes:
    return b"".join(f"data: {json.dumps(payload)}{line}{line}".encode() for payload in payloads)


def _named(*payloads: dict[str, Any]) -> bytes:
    return b"".join(f"event: {p['type']}\ndata: {json.dumps(p)}\n\n".encode() for p in payloads)


def _line(*payloads: Any) -> bytes:
    return b"".join(json.dumps(payload).encode() + b"\n" for payload in payloads)


def _openai(delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return _sse({"id": "c1", "object": "chat.completion.chunk", "model": STREAM_MODEL, "choices": [choice], **more})


def _openai_error(message: str, code: str, kind: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "code": code, "param": None}}


OPENAI_CHAT = Wire(
    name="openai_chat",
    provider="openai",
    kind="text/event-stream",
    opening=_openai({"role": "assistant", "content": ""}),
    hel=_openai({"content": "Hel"}),
    lo=_openai({"content": "lo"}),
    reasoning=_openai({"reasoning_content": "hm"}),
    tool=_openai({"tool_calls": [{"index": 0, "id": "t1", "function": {"name": "f", "arguments": "{"}}]}),
    finish=_openai({}, "stop", usage={"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}),
    end=b"data: [DONE]\n\n",
    complete_at="finish",
    silent=(b": PROCESSING\n\n", _openai({"content": ""}), _openai({}), b"event: ping\ndata: {}\n\n"),
    unknown=b"event: brand.new\ndata: " + json.dumps({"type": "brand.new", "x": [1]}).encode() + b"\n\n",
    overload=_sse(_openai_error("overloaded, try later", "service_unavailable", "server_error")),
    refusal=_sse(_openai_error("no such field", "bad", "invalid_request_error")),
    error=json.dumps(_openai_error("overloaded, try later", "service_unavailable", "server_error")).encode(),
    quota=json.dumps(_openai_error("pay first", "insufficient_quota", "insufficient_quota")).encode(),
    quota_status=429,
    invalid=json.dumps(_openai_error("no such field", "bad", "invalid_request_error")).encode(),
    answer=json.dumps(
        {
            "id": "c1",
            "model": STREAM_MODEL,
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
        }
    ).encode(),
)


def _anthropic_error(message: str, kind: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}


_ANTHROPIC_MESSAGE: dict[str, Any] = {
    "id": "m1",
    "type": "message",
    "role": "assistant",
    "model": STREAM_MODEL,
    "content": [],
    "stop_reason": None,
    "usage": {"input_tokens": 3, "output_tokens": 1},
}


def _block(delta: dict[str, Any], index: int = 0) -> bytes:
    return _named({"type": "content_block_delta", "index": index, "delta": delta})


ANTHROPIC = Wire(
    name="anthropic_messages",
    provider="anthropic",
    kind="text/event-stream",
    opening=_named(
        {"type": "message_start", "message": _ANTHROPIC_MESSAGE},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    ),
    hel=_block({"type": "text_delta", "text": "Hel"}),
    lo=_block({"type": "text_delta", "text": "lo"}),
    reasoning=_named(
        {"type": "content_block_start", "index": 1, "content_block": {"type": "thinking", "thinking": ""}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "thinking_delta", "thinking": "hm"}},
    ),
    tool=_named(
        {
            "type": "content_block_start",
            "index": 1,
            "content_block": {"type": "tool_use", "id": "t1", "name": "f", "input": {}},
        },
        {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": "{"}},
    ),
    finish=_named(
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
    ),
    end=_named({"type": "message_stop"}),
    complete_at="end",
    silent=(b": PROCESSING\n\n", _named({"type": "ping"}), _block({"type": "text_delta", "text": ""})),
    unknown=_named({"type": "brand_new", "x": [1]}),
    overload=_named(_anthropic_error("Overloaded", "overloaded_error")),
    refusal=_named(_anthropic_error("no such field", "invalid_request_error")),
    error=json.dumps(_anthropic_error("Overloaded", "overloaded_error")).encode(),
    quota=json.dumps(_anthropic_error("pay first", "billing_error")).encode(),
    quota_status=402,
    invalid=json.dumps(_anthropic_error("no such field", "invalid_request_error")).encode(),
    answer=json.dumps(
        {
            **_ANTHROPIC_MESSAGE,
            "content": [{"type": "text", "text": "Hello"}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 3, "output_tokens": 2},
        }
    ).encode(),
)


def _gemini(parts: Sequence[dict[str, Any]], finish: str | None = None, **more: Any) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": list(parts)}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "modelVersion": STREAM_MODEL, "responseId": "g1", **more}


def _gemini_sse(*payloads: Any) -> bytes:
    return _sse(*payloads, line="\r\n")


def _gemini_error(code: int, status: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "status": status, "message": message}}


_GEMINI_USAGE = {"usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5}}

GEMINI = Wire(
    name="gemini_generate",
    provider="gemini",
    kind="text/event-stream",
    opening=b"",
    hel=_gemini_sse(_gemini([{"text": "Hel"}])),
    lo=_gemini_sse(_gemini([{"text": "lo"}])),
    reasoning=_gemini_sse(_gemini([{"text": "hm", "thought": True}])),
    tool=_gemini_sse(_gemini([{"functionCall": {"name": "f", "args": {}}}])),
    finish=_gemini_sse(_gemini([{"text": ""}], "STOP", **_GEMINI_USAGE)),
    end=b"",
    complete_at="finish",
    silent=(b": PROCESSING\r\n\r\n", _gemini_sse(_gemini([{"text": ""}])), _gemini_sse({"candidates": []})),
    unknown=b"event: brand.new\r\n" + _gemini_sse({"brandNew": [1]}),
    overload=_gemini_sse(_gemini_error(503, "UNAVAILABLE", "The model is overloaded.")),
    refusal=_gemini_sse(_gemini_error(400, "INVALID_ARGUMENT", "no such field")),
    error=json.dumps(_gemini_error(503, "UNAVAILABLE", "The model is overloaded.")).encode(),
    quota=json.dumps(
        _gemini_error(429, "RESOURCE_EXHAUSTED", "Quota exceeded: GenerateRequestsPerDayPerProject")
    ).encode(),
    quota_status=429,
    invalid=json.dumps(_gemini_error(400, "INVALID_ARGUMENT", "no such field")).encode(),
    answer=json.dumps(_gemini([{"text": "Hello"}], "STOP", **_GEMINI_USAGE)).encode(),
)


def _ollama(content: str, **more: Any) -> bytes:
    message = {"role": "assistant", "content": content, **more.pop("message", {})}
    return _line({"model": STREAM_MODEL, "message": message, "done": False, **more})


OLLAMA = Wire(
    name="ollama_chat",
    provider="ollama",
    kind="application/x-ndjson",
    opening=b"",
    hel=_ollama("Hel"),
    lo=_ollama("lo"),
    reasoning=_ollama("", message={"thinking": "hm"}),
    tool=_ollama("", message={"tool_calls": [{"function": {"name": "f", "arguments": {}}}]}),
    finish=b"",
    end=_ollama("", done=True, done_reason="stop", prompt_eval_count=3, eval_count=2),
    complete_at="end",
    silent=(b"\n", _ollama("")),
    unknown=_line({"brand_new": [1]}),
    overload=_line({"error": "server busy, please try again.  maximum pending requests exceeded"}),
    refusal=_line({"error": "invalid format: no such field"}),
    error=json.dumps({"error": "server busy, please try again.  maximum pending requests exceeded"}).encode(),
    quota=b"",
    quota_status=0,
    invalid=json.dumps({"error": "invalid format: no such field"}).encode(),
    answer=_ollama("Hello", done=True, done_reason="stop", prompt_eval_count=3, eval_count=2).strip(),
)

WIRES = (OPENAI_CHAT, ANTHROPIC, GEMINI, OLLAMA)
