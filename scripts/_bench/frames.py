"""The frames of the two dialects that are measured, as bytes ready to send, each one HTTP chunk."""

from __future__ import annotations

import functools
import json
import time

SIZE = 280
"""Bytes of an OpenAI chat frame, as measured on recorded streams."""
KINDS = 1000
"""Frames that differ; then they come again."""
ZEROS = "0" * 19
"""Where a stamped frame has its time, in nanoseconds."""


def chunked(data: bytes) -> bytes:
    """One HTTP chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def chat_frame(text: str) -> bytes:
    """A frame of an OpenAI chat stream."""
    body = {
        "id": "chatcmpl-BenchBenchBench",
        "object": "chat.completion.chunk",
        "created": 1795000000,
        "model": "gpt-6-luna",
        "service_tier": "default",
        "system_fingerprint": "fp_bench",
        "choices": [{"index": 0, "delta": {"content": text}, "logprobs": None, "finish_reason": None}],
        "usage": None,
        "obfuscation": "",
    }
    short = len(event(None, body))
    body["obfuscation"] = "x" * max(0, SIZE - short)
    return event(None, body)


def event(name: str | None, body: object) -> bytes:
    """A server-sent event."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(body, separators=(',', ':'))}\n\n".encode()


def typed(kind: str, **fields: object) -> bytes:
    """An event as Anthropic's streams have."""
    return event(kind, {"type": kind, **fields})


def messages_frame(text: str) -> bytes:
    """A text delta of an Anthropic stream."""
    return typed("content_block_delta", index=0, delta={"type": "text_delta", "text": text})


CHAT_END = (
    b'data: {"id":"chatcmpl-BenchBenchBench","object":"chat.completion.chunk","created":1795000000,"model":"m",'
    b'"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
)
MESSAGE = {
    "id": "msg_bench",
    "type": "message",
    "role": "assistant",
    "model": "claude-haiku-4-5",
    "content": [],
    "stop_reason": None,
    "stop_sequence": None,
    "usage": {"input_tokens": 9, "output_tokens": 1},
}
MESSAGES_START = typed("message_start", message=MESSAGE) + typed(
    "content_block_start", index=0, content_block={"type": "text", "text": ""}
)
MESSAGES_END = (
    typed("content_block_stop", index=0)
    + typed("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage={"output_tokens": 4})
    + typed("message_stop")
)


class Format:
    """One dialect's frames."""

    def __init__(self, start: bytes, frames: list[bytes], stamped: bytes, end: bytes) -> None:
        self.start = chunked(start) if start else b""
        self.end = end
        self._frames = [chunked(frame) for frame in frames]
        self._before, self._after = chunked(stamped).split(ZEROS.encode())

    def numbered(self, place: int) -> bytes:
        """The frame at a place."""
        return self._frames[place % KINDS]

    def stamped(self, _place: int) -> bytes:
        """A frame whose text is now, by the clock that all processes of the machine share."""
        return self._before + b"%019d" % time.monotonic_ns() + self._after

    @functools.lru_cache(maxsize=1024)  # noqa: B019  there are two of these, for ever
    def block(self, start: int, stop: int) -> bytes:
        """Frames in a row."""
        return b"".join(self._frames[place % KINDS] for place in range(start, stop))


TEXTS = [f" w{place:03d}" for place in range(KINDS)]
FORMATS = {
    "completions": Format(b"", [chat_frame(text) for text in TEXTS], chat_frame(ZEROS), CHAT_END),
    "messages": Format(MESSAGES_START, [messages_frame(text) for text in TEXTS], messages_frame(ZEROS), MESSAGES_END),
}
