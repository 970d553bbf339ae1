"""A provider for measurements: `/{chunks}/{gap}/...` answers with so many frames, `gap` seconds apart.

Each frame is one HTTP chunk.

Prints its port. Its own cost is nobody's: it runs in a process of its own.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def chat_frame(place: int) -> bytes:
    """A frame of 280 bytes, as OpenAI's chat streams have."""
    body = {
        "id": "chatcmpl-BenchBenchBench",
        "object": "chat.completion.chunk",
        "created": 1795000000,
        "model": "gpt-6-luna",
        "service_tier": "default",
        "system_fingerprint": "fp_bench",
        "choices": [
            {"index": 0, "delta": {"content": f" w{place % 1000:03d}"}, "logprobs": None, "finish_reason": None}
        ],
        "usage": None,
        "obfuscation": "",
    }
    short = len(b"data: " + json.dumps(body, separators=(",", ":")).encode() + b"\n\n")
    body["obfuscation"] = "x" * max(0, 280 - short)
    return b"data: " + json.dumps(body, separators=(",", ":")).encode() + b"\n\n"


CHAT_END = (
    b'data: {"id":"chatcmpl-BenchBenchBench","object":"chat.completion.chunk","created":1795000000,"model":"m",'
    b'"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
)


def event(kind: str, **fields: object) -> bytes:
    """An event as Anthropic's streams have."""
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields}, separators=(',', ':'))}\n\n".encode()


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
MESSAGES_START = event("message_start", message=MESSAGE) + event(
    "content_block_start", index=0, content_block={"type": "text", "text": ""}
)
MESSAGES_END = (
    event("content_block_stop", index=0)
    + event("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage={"output_tokens": 4})
    + event("message_stop")
)


def messages_frame(place: int) -> bytes:
    """A text delta."""
    return event("content_block_delta", index=0, delta={"type": "text_delta", "text": f" w{place % 1000:03d}"})


def chunked(data: bytes) -> bytes:
    """One HTTP chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


CHAT = [chunked(chat_frame(place)) for place in range(1000)]
MESSAGES = [chunked(messages_frame(place)) for place in range(1000)]


class Connection(asyncio.Protocol):
    """Reads requests, answers each in a task."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.buffer = b""
        self.gate = asyncio.Event()
        self.gate.set()

    def pause_writing(self) -> None:
        self.gate.clear()

    def resume_writing(self) -> None:
        self.gate.set()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, rest = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = next(
            (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
        )
        if len(rest) >= length:
            self.buffer = rest[length:]
            asyncio.get_running_loop().create_task(self.answer(head.split(b" ")[1].decode()))

    async def answer(self, path: str) -> None:
        _, number, gap, *tail = path.split("/")
        frames, start, end = (
            (CHAT, b"", CHAT_END) if tail[-1] != "messages" else (MESSAGES, MESSAGES_START, MESSAGES_END)
        )
        write = self.transport.write  # type: ignore[attr-defined]
        write(HEAD + (chunked(start) if start else b""))
        pause = float(gap)
        for place in range(int(number)):
            if pause:
                await asyncio.sleep(pause)
            elif not self.gate.is_set():
                await self.gate.wait()
            write(frames[place % 1000])
        write(chunked(end) + b"0\r\n\r\n")


async def main() -> None:
    """Serve plain TCP, and TLS where a certificate is named."""
    context = None
    if len(sys.argv) > 2:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[1], sys.argv[2])
    loop = asyncio.get_running_loop()
    plain = await loop.create_server(Connection, "127.0.0.1", 0, backlog=2048)
    secure = await loop.create_server(Connection, "127.0.0.1", 0, backlog=2048, ssl=context) if context else None
    ports = [server.sockets[0].getsockname()[1] if server else 0 for server in (plain, secure)]
    print(*ports, flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
