"""One small answer in each wire format, cut into the parts that faults are put between: "Hel", "lo", the finish.

Written from the formats' public documentation; a wire says nothing of how the engine reads it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from .wire import BINARY, STREAM_MODEL, Wire, binary, failed, lines, named, sse


def _openai(delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return sse({"id": "c1", "object": "chat.completion.chunk", "model": STREAM_MODEL, "choices": [choice], **more})


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
    overload=sse(_openai_error("overloaded, try later", "service_unavailable", "server_error")),
    refusal=sse(_openai_error("no such field", "bad", "invalid_request_error")),
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
    return named({"type": "content_block_delta", "index": index, "delta": delta})


ANTHROPIC = Wire(
    name="anthropic_messages",
    provider="anthropic",
    kind="text/event-stream",
    opening=named(
        {"type": "message_start", "message": _ANTHROPIC_MESSAGE},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    ),
    hel=_block({"type": "text_delta", "text": "Hel"}),
    lo=_block({"type": "text_delta", "text": "lo"}),
    reasoning=named(
        {"type": "content_block_start", "index": 1, "content_block": {"type": "thinking", "thinking": ""}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "thinking_delta", "thinking": "hm"}},
    ),
    tool=named(
        {
            "type": "content_block_start",
            "index": 1,
            "content_block": {"type": "tool_use", "id": "t1", "name": "f", "input": {}},
        },
        {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": "{"}},
    ),
    finish=named(
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
    ),
    end=named({"type": "message_stop"}),
    complete_at="end",
    silent=(b": PROCESSING\n\n", named({"type": "ping"}), _block({"type": "text_delta", "text": ""})),
    unknown=named({"type": "brand_new", "x": [1]}),
    overload=named(_anthropic_error("Overloaded", "overloaded_error")),
    refusal=named(_anthropic_error("no such field", "invalid_request_error")),
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
    return sse(*payloads, line="\r\n")


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
    return lines({"model": STREAM_MODEL, "message": message, "done": False, **more})


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
    unknown=lines({"brand_new": [1]}),
    overload=lines({"error": "server busy, please try again.  maximum pending requests exceeded"}),
    refusal=lines({"error": "invalid format: no such field"}),
    error=json.dumps({"error": "server busy, please try again.  maximum pending requests exceeded"}).encode(),
    quota=b"",
    quota_status=0,
    invalid=json.dumps({"error": "invalid format: no such field"}).encode(),
    answer=_ollama("Hello", done=True, done_reason="stop", prompt_eval_count=3, eval_count=2).strip(),
)


def _mistral(delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return sse({"id": "s1", "object": "chat.completion.chunk", "model": STREAM_MODEL, "choices": [choice], **more})


def _mistral_error(status: int, kind: str, message: str) -> dict[str, Any]:
    return {"object": "error", "message": message, "type": kind, "param": None, "code": "1", "raw_status_code": status}


_MISTRAL_USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}

MISTRAL = Wire(
    name="mistral_chat",
    provider="mistral",
    kind="text/event-stream",
    opening=_mistral({"role": "assistant", "content": ""}),
    hel=_mistral({"content": "Hel"}),
    lo=_mistral({"content": "lo"}),
    reasoning=_mistral({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]}),
    tool=_mistral({"tool_calls": [{"index": 0, "id": "t12345678", "function": {"name": "f", "arguments": "{"}}]}),
    finish=_mistral({"content": ""}, "stop", usage=_MISTRAL_USAGE),
    end=b"data: [DONE]\n\n",
    complete_at="finish",
    silent=(b": PROCESSING\n\n", _mistral({"content": ""}), _mistral({})),
    unknown=sse({"object": "brand.new", "x": [1]}),
    overload=sse(_mistral_error(503, "internal_server_error", "Service unavailable.")),
    refusal=sse(_mistral_error(400, "invalid_request_error", "no such field")),
    error=json.dumps(_mistral_error(503, "internal_server_error", "Service unavailable.")).encode(),
    quota=json.dumps({"detail": "pay first"}).encode(),
    quota_status=402,
    invalid=json.dumps(_mistral_error(400, "invalid_request_error", "no such field")).encode(),
    answer=json.dumps(
        {
            "id": "s1",
            "object": "chat.completion",
            "model": STREAM_MODEL,
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
            "usage": _MISTRAL_USAGE,
        }
    ).encode(),
)


def _cohere(kind: str, message: dict[str, Any], index: int = 0) -> bytes:
    return named({"type": kind, "index": index, "delta": {"message": message}})


def _cohere_text(text: str) -> bytes:
    return _cohere("content-delta", {"content": {"text": text}})


_COHERE_USAGE = {"tokens": {"input_tokens": 3, "output_tokens": 2}}

COHERE = Wire(
    name="cohere_v2",
    provider="cohere",
    kind="text/event-stream",
    opening=named({"id": "k1", "type": "message-start", "delta": {"message": {"role": "assistant", "content": []}}})
    + _cohere("content-start", {"content": {"type": "text", "text": ""}}),
    hel=_cohere_text("Hel"),
    lo=_cohere_text("lo"),
    reasoning=_cohere("content-start", {"content": {"type": "thinking", "thinking": "hm"}}, 1),
    tool=_cohere(
        "tool-call-start",
        {"tool_calls": {"id": "t1", "type": "function", "function": {"name": "f", "arguments": "{"}}},
    ),
    finish=named({"type": "content-end", "index": 0}),
    end=named({"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": _COHERE_USAGE}}),
    complete_at="end",
    silent=(b": PROCESSING\n\n", _cohere_text(""), named({"type": "debug", "prompt": "p"})),
    unknown=named({"type": "brand-new", "x": [1]}),
    overload=named({"type": "message-end", "delta": {"finish_reason": "ERROR", "error": "try later"}}),
    refusal=b"",
    error=json.dumps({"id": "e1", "message": "internal server error, this has been reported"}).encode(),
    quota=json.dumps({"message": "a trial key is limited to 1000 API calls / month"}).encode(),
    quota_status=429,
    invalid=json.dumps({"id": "e1", "message": "no such field"}).encode(),
    answer=json.dumps(
        {
            "id": "k1",
            "message": {"role": "assistant", "content": [{"type": "text", "text": "Hello"}]},
            "finish_reason": "COMPLETE",
            "usage": _COHERE_USAGE,
        }
    ).encode(),
)


_RESPONSE: dict[str, Any] = {"id": "r1", "object": "response", "model": STREAM_MODEL, "status": "in_progress"}
_SAID = {"type": "output_text", "text": "Hello", "annotations": []}
_ITEM = {"id": "m1", "type": "message", "role": "assistant", "status": "completed", "content": [_SAID]}
_DONE = {
    **_RESPONSE,
    "status": "completed",
    "output": [_ITEM],
    "usage": {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5},
}


def _response_text(text: str) -> bytes:
    delta = {"item_id": "m1", "output_index": 0, "content_index": 0, "delta": text}
    return named({"type": "response.output_text.delta", **delta})


RESPONSES = Wire(
    name="openai_responses",
    provider="openai",
    kind="text/event-stream",
    opening=named(
        {"type": "response.created", "response": _RESPONSE}, {"type": "response.in_progress", "response": _RESPONSE}
    ),
    hel=named({"type": "response.output_item.added", "output_index": 0, "item": {**_ITEM, "content": []}})
    + _response_text("Hel"),
    lo=_response_text("lo"),
    reasoning=named(
        {"type": "response.reasoning_summary_text.delta", "output_index": 1, "summary_index": 0, "delta": "hm"}
    ),
    tool=named(
        {
            "type": "response.output_item.added",
            "output_index": 1,
            "item": {"id": "f1", "type": "function_call", "call_id": "t1", "name": "f", "arguments": ""},
        },
        {"type": "response.function_call_arguments.delta", "output_index": 1, "delta": "{"},
    ),
    finish=named({"type": "response.output_item.done", "output_index": 0, "item": _ITEM}),
    end=named({"type": "response.completed", "response": _DONE}),
    complete_at="end",
    silent=(b": PROCESSING\n\n", _response_text(""), named({"type": "response.in_progress", "response": _RESPONSE})),
    unknown=named({"type": "response.brand_new", "x": [1]}),
    overload=named(
        {
            "type": "response.failed",
            "response": {**_RESPONSE, "status": "failed", "error": {"code": "server_error", "message": "try later"}},
        }
    ),
    refusal=named({"type": "error", "code": "invalid_prompt", "message": "no such field", "param": None}),
    error=OPENAI_CHAT.error,
    quota=OPENAI_CHAT.quota,
    quota_status=429,
    invalid=OPENAI_CHAT.invalid,
    answer=json.dumps(_DONE).encode(),
)


def _converse_delta(delta: dict[str, Any], index: int = 0) -> bytes:
    return binary("contentBlockDelta", {"contentBlockIndex": index, "delta": delta})


def _aws_error(kind: str, message: str) -> bytes:
    return json.dumps({"__type": kind, "message": message}).encode()


_CONVERSE_USAGE = {"usage": {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5}, "metrics": {"latencyMs": 9}}

BEDROCK = Wire(
    name="bedrock_converse",
    provider="bedrock",
    kind=BINARY,
    opening=binary("messageStart", {"role": "assistant"}),
    hel=_converse_delta({"text": "Hel"}),
    lo=_converse_delta({"text": "lo"}),
    reasoning=_converse_delta({"reasoningContent": {"text": "hm"}}, 1),
    tool=binary("contentBlockStart", {"contentBlockIndex": 1, "start": {"toolUse": {"toolUseId": "t1", "name": "f"}}})
    + _converse_delta({"toolUse": {"input": "{"}}, 1),
    finish=binary("contentBlockStop", {"contentBlockIndex": 0}) + binary("messageStop", {"stopReason": "end_turn"}),
    end=binary("metadata", _CONVERSE_USAGE),
    complete_at="finish",
    silent=(_converse_delta({"text": ""}), _converse_delta({"reasoningContent": {"text": ""}}, 1)),
    unknown=binary("brandNew", {"x": [1]}),
    overload=failed("serviceUnavailableException", {"message": "try later"}),
    refusal=failed("validationException", {"message": "no such field"}),
    error=_aws_error("ServiceUnavailableException", "try later"),
    quota=_aws_error("ServiceQuotaExceededException", "pay first"),
    quota_status=400,
    invalid=_aws_error("ValidationException", "no such field"),
    answer=json.dumps(
        {
            "output": {"message": {"role": "assistant", "content": [{"text": "Hello"}]}},
            "stopReason": "end_turn",
            **_CONVERSE_USAGE,
        }
    ).encode(),
)

WIRES = (OPENAI_CHAT, ANTHROPIC, GEMINI, OLLAMA, MISTRAL, COHERE, RESPONSES, BEDROCK)
