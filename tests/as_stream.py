"""Whole answers as their providers would have streamed them: a body's JSON in, the bytes of a stream out.

One small function for each dialect, written from the wire's documentation and not from the tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from miiflow_llm.replay.eventstream import event as binary

Json = dict[str, Any]


def streamed(dialect: str, whole: Json) -> bytes:
    """The answer as a stream of its dialect."""
    events = list(_EVENTS[dialect](whole))
    if dialect == "bedrock_converse":
        return b"".join(binary(name, payload) for name, payload in events)
    if dialect == "ollama_chat":
        return b"".join(msgspec.json.encode(event) + b"\n" for event in events)
    frames = b"".join(b"data: " + msgspec.json.encode(event) + b"\n\n" for event in events)
    return frames + (b"data: [DONE]\n\n" if dialect in ("openai_chat", "mistral_chat") else b"")


def halves(text: str) -> list[str]:
    """A text in two pieces, one where there is nothing to cut."""
    middle = (len(text) + 1) // 2
    return [piece for piece in (text[:middle], text[middle:]) if piece]


def _chat(whole: Json) -> Iterator[Json]:
    base = {key: value for key, value in whole.items() if key not in ("choices", "usage")}
    for choice in whole.get("choices") or []:
        yield from ({**base, "choices": [one]} for one in _choice(choice))
    if "usage" in whole:
        yield {**base, "choices": [], "usage": whole["usage"]}


def _choice(choice: Json) -> Iterator[Json]:
    at, message = {"index": choice.get("index", 0)}, dict(choice.get("message") or {})
    calls, content = message.pop("tool_calls", None), message.pop("content", None)
    thought = {key: message.pop(key) for key in ("reasoning_content", "reasoning") if isinstance(message.get(key), str)}
    for pieces in zip(*(halves(text) for text in thought.values()), strict=True):
        yield {**at, "delta": dict(zip(thought, pieces, strict=True))}
    yield {**at, "delta": message}
    for piece in halves(content) if isinstance(content, str) else [content]:
        yield {**at, "delta": {"content": piece}}
    for place, call in enumerate(calls or []):
        yield from ({**at, "delta": {"tool_calls": [piece]}} for piece in _call({"index": place, **call}))
    rest = {key: value for key, value in choice.items() if key not in ("index", "message")}
    yield {**at, "delta": {}, **rest}


def _call(call: Json) -> Iterator[Json]:
    kind, field = ("custom", "input") if "custom" in call else ("function", "arguments")
    function = call[kind]
    pieces = halves(function[field]) if isinstance(function.get(field), str) else [function.get(field)]
    yield {**call, kind: {**function, field: pieces[0] if pieces else ""}}
    for piece in pieces[1:]:
        yield {"index": call["index"], kind: {field: piece}}


def _messages(whole: Json) -> Iterator[Json]:
    yield {"type": "message_start", "message": {**whole, "content": [], "stop_reason": None, "stop_sequence": None}}
    for index, block in enumerate(whole["content"]):
        start, deltas = _block(block)
        yield {"type": "content_block_start", "index": index, "content_block": start}
        yield from ({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas)
        yield {"type": "content_block_stop", "index": index}
    ends = ("stop_reason", "stop_sequence", "stop_details", "container")
    delta = {key: whole[key] for key in ends if key in whole}
    yield {"type": "message_delta", "delta": delta, "usage": whole["usage"]}
    yield {"type": "message_stop"}


def _block(block: Json) -> tuple[Json, list[Json]]:
    kind = block["type"]
    if kind == "text":
        cited = [{"type": "citations_delta", "citation": one} for one in block.get("citations") or []]
        start = {**block, "text": ""} | ({"citations": []} if block.get("citations") else {})
        return start, [{"type": "text_delta", "text": piece} for piece in halves(block["text"])] + cited
    if kind == "thinking":
        thought: list[Json] = [{"type": "thinking_delta", "thinking": piece} for piece in halves(block["thinking"])]
        signature = {"type": "signature_delta", "signature": block["signature"]}
        return {**block, "thinking": "", "signature": ""}, [*thought, signature]
    if kind in ("tool_use", "server_tool_use", "mcp_tool_use"):
        text = msgspec.json.encode(block["input"]).decode() if block["input"] else ""
        return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": piece} for piece in halves(text)]
    return block, []


def _gemini(whole: Json) -> Iterator[Json]:
    first, *others = whole.get("candidates") or [{}]
    parts = (first.get("content") or {}).get("parts") or []
    base = {key: value for key, value in whole.items() if key not in ("candidates", "usageMetadata")}
    for part in parts[:-1]:
        yield {**base, "candidates": [{"index": 0, "content": {"role": "model", "parts": [part]}}]}
    last = {**first, "content": {**(first.get("content") or {}), "parts": parts[-1:]}} if parts else first
    yield {**whole, **({"candidates": [last, *others]} if whole.get("candidates") else {})}


def _responses(whole: Json) -> Iterator[Json]:
    begun = {**whole, "output": [], "status": "in_progress", "usage": None}
    yield {"type": "response.created", "response": begun}
    for place, item in enumerate(whole["output"]):
        at = {"output_index": place, "item_id": item.get("id")}
        yield {"type": "response.output_item.added", **at, "item": _emptied(item)}
        yield from ({**at, **event} for event in _item(item))
        yield {"type": "response.output_item.done", **at, "item": item}
    ends = {"completed": "response.completed", "incomplete": "response.incomplete", "failed": "response.failed"}
    yield {"type": ends[whole["status"]], "response": whole}


def _emptied(item: Json) -> Json:
    holes: Json = {"content": [], "summary": [], "arguments": "", "input": "", "encrypted_content": ""}
    if item["type"] not in ("message", "reasoning", "function_call", "custom_tool_call"):
        return item
    return {**item, "status": "in_progress", **{key: holes[key] for key in item if key in holes}}


def _item(item: Json) -> Iterator[Json]:
    if item["type"] == "message":
        for place, part in enumerate(item["content"]):
            yield from ({"content_index": place, **event} for event in _part(part))
    elif item["type"] == "reasoning":
        for place, part in enumerate(item.get("summary") or []):
            yield {
                "type": "response.reasoning_summary_part.added",
                "summary_index": place,
                "part": {**part, "text": ""},
            }
            for piece in halves(part["text"]):
                yield {"type": "response.reasoning_summary_text.delta", "summary_index": place, "delta": piece}
            yield {"type": "response.reasoning_summary_text.done", "summary_index": place, "text": part["text"]}
        for place, part in enumerate(item.get("content") or []):
            for piece in halves(part["text"]):
                yield {"type": "response.reasoning_text.delta", "content_index": place, "delta": piece}
    elif item["type"] in ("function_call", "custom_tool_call"):
        name, field = ("function_call_arguments", "arguments")
        if item["type"] == "custom_tool_call":
            name, field = ("custom_tool_call_input", "input")
        yield from ({"type": f"response.{name}.delta", "delta": piece} for piece in halves(item[field]))
        yield {"type": f"response.{name}.done", field: item[field]}


def _part(part: Json) -> Iterator[Json]:
    if part["type"] == "refusal":
        yield from ({"type": "response.refusal.delta", "delta": piece} for piece in halves(part["refusal"]))
        yield {"type": "response.refusal.done", "refusal": part["refusal"]}
        return
    yield {"type": "response.content_part.added", "part": {**part, "text": "", "annotations": [], "logprobs": []}}
    logprobs = part.get("logprobs") or []
    for place, piece in enumerate(halves(part["text"])):
        yield {"type": "response.output_text.delta", "delta": piece, "logprobs": [] if place else logprobs}
    for place, note in enumerate(part.get("annotations") or []):
        yield {"type": "response.output_text.annotation.added", "annotation_index": place, "annotation": note}
    yield {"type": "response.output_text.done", "text": part["text"], "logprobs": logprobs}
    yield {"type": "response.content_part.done", "part": part}


def _ollama(whole: Json) -> Iterator[Json]:
    base, message = {"model": whole["model"], "created_at": whole["created_at"]}, whole["message"]
    for key in ("thinking", "content"):
        for piece in halves(message.get(key) or ""):
            yield {**base, "message": {"role": "assistant", "content": "", key: piece}, "done": False}
    if message.get("tool_calls"):
        calls = message["tool_calls"]
        yield {**base, "message": {"role": "assistant", "content": "", "tool_calls": calls}, "done": False}
    yield {**whole, "message": {"role": "assistant", "content": ""}}


def _cohere(whole: Json) -> Iterator[Json]:
    message = whole["message"]
    started = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    yield {"type": "message-start", "id": whole.get("id"), "delta": {"message": started}}
    for piece in halves(message.get("tool_plan") or ""):
        yield {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": piece}}}
    for index, part in enumerate(message.get("content") or []):
        key = part["type"]
        yield {"type": "content-start", "index": index, "delta": {"message": {"content": {**part, key: ""}}}}
        for piece in halves(part[key]):
            yield {"type": "content-delta", "index": index, "delta": {"message": {"content": {key: piece}}}}
        yield {"type": "content-end", "index": index}
    for index, call in enumerate(message.get("tool_calls") or []):
        first, *rest = halves(call["function"]["arguments"]) or [""]
        begun = {**call, "function": {**call["function"], "arguments": first}}
        yield {"type": "tool-call-start", "index": index, "delta": {"message": {"tool_calls": begun}}}
        for piece in rest:
            delta = {"message": {"tool_calls": {"function": {"arguments": piece}}}}
            yield {"type": "tool-call-delta", "index": index, "delta": delta}
        yield {"type": "tool-call-end", "index": index}
    for index, citation in enumerate(message.get("citations") or []):
        yield {"type": "citation-start", "index": index, "delta": {"message": {"citations": citation}}}
        yield {"type": "citation-end", "index": index}
    end = {key: whole[key] for key in ("finish_reason", "usage") if key in whole}
    yield {"type": "message-end", "id": whole.get("id"), "delta": end}


def _converse(whole: Json) -> Iterator[tuple[str, Json]]:
    yield "messageStart", {"role": "assistant"}
    for index, block in enumerate(whole["output"]["message"]["content"]):
        at = {"contentBlockIndex": index}
        for key in ("toolUse", "toolResult"):
            if key in block:
                opened = {name: value for name, value in block[key].items() if name not in ("input", "content")}
                yield "contentBlockStart", {**at, "start": {key: opened}}
        yield from (("contentBlockDelta", {**at, "delta": delta}) for delta in _converse_deltas(block))
        yield "contentBlockStop", at
    yield "messageStop", {"stopReason": whole["stopReason"]}
    yield "metadata", {key: whole[key] for key in ("usage", "metrics") if key in whole}


def _converse_deltas(block: Json) -> Iterator[Json]:
    for piece in halves(block.get("text") or ""):
        yield {"text": piece}
    for piece in halves(msgspec.json.encode(block["toolUse"]["input"]).decode()) if "toolUse" in block else []:
        yield {"toolUse": {"input": piece}}
    thought = block.get("reasoningContent") or {}
    for piece in halves((thought.get("reasoningText") or {}).get("text") or ""):
        yield {"reasoningContent": {"text": piece}}
    if "signature" in (thought.get("reasoningText") or {}):
        yield {"reasoningContent": {"signature": thought["reasoningText"]["signature"]}}
    if "redactedContent" in thought:
        yield {"reasoningContent": thought}
    for part in (block.get("citationsContent") or {}).get("content") or []:
        yield {"text": part["text"]}
    for citation in (block.get("citationsContent") or {}).get("citations") or []:
        yield {"citation": citation}


_EVENTS: dict[str, Callable[[Json], Iterator[Any]]] = {
    "openai_chat": _chat,
    "mistral_chat": _chat,
    "openai_responses": _responses,
    "anthropic_messages": _messages,
    "gemini_generate": _gemini,
    "ollama_chat": _ollama,
    "cohere_v2": _cohere,
    "bedrock_converse": _converse,
}
