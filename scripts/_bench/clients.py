"""The contestants that need no environment of their own: raw sockets (the floors), httpx, and this library.

Each makes, for a server's address, a function that streams one answer and hands each delta's text to `seen`. Everything
heavy is imported where it is used: a measurement imports only its own client.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

Seen = Callable[[str], object]
Stream = Callable[[Seen], Awaitable[object]]


@dataclass(frozen=True)
class Target:
    """A server: `url` ends in `/v1`, `dialect` is `chat` or `messages`, `ca` the file of its authority under TLS."""

    url: str
    dialect: str
    ca: str

    def context(self) -> ssl.SSLContext | None:
        """A TLS context that trusts the server; None for plain TCP."""
        return ssl.create_default_context(cafile=self.ca) if self.ca else None

    @property
    def port(self) -> int:
        """Its port."""
        return urlsplit(self.url).port or 0

    @property
    def endpoint(self) -> str:
        """The whole URL that a request goes to."""
        return f"{self.url}/chat/completions" if self.dialect == "chat" else f"{self.url}/messages"

    def request(self) -> bytes:
        """The smallest request, for a raw socket."""
        parts = urlsplit(self.endpoint)
        return f"POST {parts.path} HTTP/1.1\r\nhost: {parts.netloc}\r\ncontent-length: 0\r\n\r\n".encode()


class Frames:
    """The floors' reading: cut at blank lines, decode what a chunk needs with msgspec, no HTTP parser at all."""

    def __init__(self, decode: Callable[[bytes], Any], text: Callable[[Any], str], last: bytes, seen: Seen) -> None:
        self.decode = decode
        self.text = text
        self.last = last
        self.seen = seen
        self.tail = b""
        self.ended = False

    def feed(self, data: bytes) -> bool:
        """Read; whether the body is over."""
        *blocks, self.tail = (self.tail + data).split(b"\n\n")
        for block in blocks:
            payload = block[block.find(b"data: ") + 6 :]
            if payload == self.last:
                self.ended = True
            else:
                text = self.text(self.decode(payload))
                if text:
                    self.seen(text)
        return self.ended and self.tail.endswith(b"0\r\n\r\n")


def reader(dialect: str) -> Callable[[Seen], Frames]:
    """Makes the `Frames` of one stream."""
    import msgspec

    if dialect == "chat":
        delta = msgspec.defstruct("Delta", [("content", str | None, None)])
        choice = msgspec.defstruct("Choice", [("delta", delta)])
        decode = msgspec.json.Decoder(msgspec.defstruct("Frame", [("choices", list[choice])])).decode
        return lambda seen: Frames(decode, lambda frame: frame.choices[0].delta.content, b"[DONE]", seen)
    piece = msgspec.defstruct("Piece", [("text", str, "")])
    decode = msgspec.json.Decoder(msgspec.defstruct("Frame", [("delta", piece | None, None)])).decode
    return lambda seen: Frames(decode, lambda frame: frame.delta and frame.delta.text, b'{"type":"message_stop"}', seen)


class Raw(asyncio.Protocol):
    """A socket through asyncio's protocol: bytes in a list, the reader woken once."""

    def __init__(self) -> None:
        self.data: list[bytes] = []
        self.waiter: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.data.append(data)
        self.wake()

    def wake(self) -> None:
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)


class RawBuffered(asyncio.BufferedProtocol, Raw):
    """The same with one buffer for all connections, which saves asyncio's fresh 256 KiB for each read."""

    shared = memoryview(bytearray(65536))

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.shared

    def buffer_updated(self, nbytes: int) -> None:
        self.data.append(bytes(self.shared[:nbytes]))
        self.wake()


def floor(target: Target, protocol: type[Raw] = Raw) -> Stream:
    """The raw socket with a msgspec decode, connections kept."""
    secure, request, frames_of, idle = target.context(), target.request(), reader(target.dialect), list[Any]()

    async def stream(seen: Seen) -> None:
        loop, frames = asyncio.get_running_loop(), frames_of(seen)
        raw = idle.pop() if idle else await opened(loop)
        raw.transport.write(request)
        over = False
        while not over:
            if not raw.data:
                raw.waiter = loop.create_future()
                await raw.waiter
                raw.waiter = None
            data = raw.data[0] if len(raw.data) == 1 else b"".join(raw.data)
            raw.data.clear()
            over = frames.feed(data)
        idle.append(raw)

    async def opened(loop: asyncio.AbstractEventLoop) -> Any:
        name = "localhost" if secure else None
        _, raw = await loop.create_connection(protocol, "127.0.0.1", target.port, ssl=secure, server_hostname=name)
        return raw

    return stream


def floor_buffered(target: Target) -> Stream:
    """The floor without asyncio's allocation for each read."""
    return floor(target, RawBuffered)


def bare_tls(target: Target) -> Stream:
    """A TLS socket and nothing else, one for each stream: the memory that OpenSSL takes by itself."""
    secure, request, frames_of = target.context(), target.request(), reader(target.dialect)
    assert secure is not None  # noqa: S101  a client of the TLS cases alone
    buffer = memoryview(bytearray(65536))

    async def stream(seen: Seen) -> None:
        loop, frames = asyncio.get_running_loop(), frames_of(seen)
        plain = socket.create_connection(("127.0.0.1", target.port))
        with secure.wrap_socket(plain, server_hostname="localhost", do_handshake_on_connect=False) as tls:
            tls.setblocking(False)
            await retried(loop, tls, tls.do_handshake)
            tls.sendall(request)
            while not frames.feed(bytes(buffer[: await retried(loop, tls, lambda: tls.recv_into(buffer))])):
                pass

    async def retried(loop: asyncio.AbstractEventLoop, tls: ssl.SSLSocket, step: Callable[[], Any]) -> Any:
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                readable = loop.create_future()
                loop.add_reader(tls, readable.set_result, None)
                await readable
                loop.remove_reader(tls)

    return stream


def floor_trio(target: Target) -> Stream:
    """The floor through trio's streams."""
    import trio

    secure, request, frames_of, idle = target.context(), target.request(), reader(target.dialect), list[Any]()

    async def stream(seen: Seen) -> None:
        frames = frames_of(seen)
        raw = idle.pop() if idle else await opened()
        await raw.send_all(request)
        while not frames.feed(await raw.receive_some(65536)):
            pass
        idle.append(raw)

    async def opened() -> Any:
        raw: Any = await trio.open_tcp_stream("127.0.0.1", target.port)
        return trio.SSLStream(raw, secure, server_hostname="localhost", https_compatible=True) if secure else raw

    return stream


def httpx_client(target: Target, keep: int | None = 20) -> Any:
    """An httpx client that may open what it likes, with httpx's default of kept connections.

    Its pool looks at every connection for every request and end of one: with 200 kept, a request takes 70 ms.
    """
    import httpx

    limits = httpx.Limits(max_connections=2000, max_keepalive_connections=keep)
    return httpx.AsyncClient(verify=target.context() or True, limits=limits, timeout=60, trust_env=False)


def httpx_bytes(target: Target, keep: int | None = 20) -> Stream:
    """httpx reading bytes and nothing else."""
    client = httpx_client(target, keep)

    async def stream(seen: Seen) -> None:
        async with client.stream("POST", target.endpoint) as response:
            async for _ in response.aiter_raw():
                pass

    return stream


def httpx_keeping(target: Target) -> Stream:
    """The same with all connections kept for the next requests, as ours are."""
    return httpx_bytes(target, None)


def httpx_sse(target: Target) -> Stream:
    """httpx, httpx-sse and json: what a careful team writes by hand."""
    import httpx_sse

    client, chat = httpx_client(target), target.dialect == "chat"

    async def stream(seen: Seen) -> None:
        async with httpx_sse.aconnect_sse(client, "POST", target.endpoint) as source:
            async for event in source.aiter_sse():
                if event.data == "[DONE]":
                    break
                frame = json.loads(event.data)
                delta = frame["choices"][0]["delta"] if chat else frame.get("delta", {})
                text = delta.get("content") if chat else delta.get("text")
                if text:
                    seen(text)

    return stream


def ours(target: Target, transport: str = "auto") -> Stream:
    """This library, whole."""
    from miiflow_llm import LLMClient

    if target.ca:
        os.environ["SSL_CERT_FILE"] = target.ca  # the library's own transport, with its own context
    options: dict[str, Any] = {"transport": transport}
    if target.dialect == "chat":
        client = LLMClient.create("openai", "m", "k", base_url=target.url, dialect="openai_chat", **options)
    else:
        client = LLMClient.create("anthropic", "m", "k", base_url=target.url.removesuffix("/v1"), **options)

    async def stream(seen: Seen) -> None:
        async with client.stream_chat("x") as chunks:
            async for chunk in chunks:
                if chunk.delta:
                    seen(chunk.delta)

    return stream


def ours_httpx(target: Target) -> Stream:
    """This library over httpx's own transport."""
    return ours(target, "httpx")


CLIENTS: dict[str, Callable[[Target], Stream]] = {
    "floor": floor,
    "floor_buffered": floor_buffered,
    "floor_trio": floor_trio,
    "bare_tls": bare_tls,
    "httpx_bytes": httpx_bytes,
    "httpx_keeping": httpx_keeping,
    "httpx_sse": httpx_sse,
    "ours": ours,
    "ours_httpx": ours_httpx,
}
