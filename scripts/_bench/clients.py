"""One measurement: `clients.py KIND BACKEND URL STREAMS CA` streams with one client, prints CPU and wall seconds.

Each client is imported only for its own measurement: rivals run in environments of their own.
"""

from __future__ import annotations

import asyncio
import json
import resource
import ssl
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

Stream = Callable[[], Awaitable[int]]


def context(ca: str) -> ssl.SSLContext | None:
    """A TLS context that trusts the server made on the spot."""
    return ssl.create_default_context(cafile=ca) if ca else None


class Frames:
    """The floor's own reading: cut at blank lines, decode with msgspec."""

    def __init__(self) -> None:
        import msgspec

        delta = msgspec.defstruct("Delta", [("content", str | None, None)])
        choice = msgspec.defstruct("Choice", [("delta", delta)])
        self.decode = msgspec.json.Decoder(msgspec.defstruct("Frame", [("choices", list[choice])])).decode
        self.tail = b""
        self.number = 0
        self.done = False

    def feed(self, data: bytes) -> None:
        *blocks, self.tail = (self.tail + data).split(b"\n\n")
        for block in blocks:
            place = block.find(b"data: ")
            if block[place + 6 :] != b"[DONE]":
                self.decode(block[place + 6 :])
                self.number += 1
            else:
                self.done = True


class Raw(asyncio.Protocol):
    """A socket through asyncio's protocol: bytes in a list, the reader woken once."""

    def __init__(self) -> None:
        self.data: list[bytes] = []
        self.waiter: asyncio.Future[None] | None = None

    def data_received(self, data: bytes) -> None:
        self.data.append(data)
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)


def request(url: str) -> bytes:
    """The floor's request."""
    parts = urlsplit(url)
    return f"POST {parts.path}/chat/completions HTTP/1.1\r\nhost: {parts.netloc}\r\ncontent-length: 0\r\n\r\n".encode()


def floor(url: str, ca: str) -> Stream:
    """The raw socket with a msgspec decode: nothing can cost less."""
    parts, secure = urlsplit(url), context(ca)

    async def stream() -> int:
        loop, frames = asyncio.get_running_loop(), Frames()
        transport, raw = await loop.create_connection(
            Raw, "127.0.0.1", parts.port, ssl=secure, server_hostname="localhost" if secure else None
        )
        transport.write(request(url))
        while not frames.done:
            if not raw.data:
                raw.waiter = loop.create_future()
                await raw.waiter
                raw.waiter = None
            data = b"".join(raw.data)
            raw.data.clear()
            frames.feed(data)
        transport.abort()
        return frames.number

    return stream


def floor_trio(url: str, ca: str) -> Stream:
    """The same through trio's streams."""
    import trio

    parts, secure = urlsplit(url), context(ca)

    async def stream() -> int:
        frames = Frames()
        connection: Any = await trio.open_tcp_stream("127.0.0.1", parts.port or 0)
        if secure:
            connection = trio.SSLStream(connection, secure, server_hostname="localhost", https_compatible=True)
        await connection.send_all(request(url))
        while not frames.done:
            frames.feed(await connection.receive_some(65536))
        with trio.CancelScope(deadline=0):
            await connection.aclose()
        return frames.number

    return stream


def httpx_bytes(url: str, ca: str) -> Stream:
    """httpx reading bytes and nothing else."""
    import httpx

    limits = httpx.Limits(max_connections=2000)
    client = httpx.AsyncClient(verify=context(ca) or True, limits=limits, timeout=60, trust_env=False)

    async def stream() -> int:
        number = 0
        async with client.stream("POST", f"{url}/chat/completions") as response:
            async for data in response.aiter_raw():
                number += data.count(b"data: ")
        return number - 2

    return stream


def httpx_sse(url: str, ca: str) -> Stream:
    """httpx, httpx-sse and json: what a careful team writes by hand."""
    import httpx
    import httpx_sse

    limits = httpx.Limits(max_connections=2000)
    client = httpx.AsyncClient(verify=context(ca) or True, limits=limits, timeout=60, trust_env=False)

    async def stream() -> int:
        number = 0
        async with httpx_sse.aconnect_sse(client, "POST", f"{url}/chat/completions") as source:
            async for event in source.aiter_sse():
                if event.data == "[DONE]":
                    break
                number += bool(json.loads(event.data)["choices"][0]["delta"].get("content"))
        return number

    return stream


def ours(url: str, ca: str, *, provider: str = "openai", transport: str = "auto") -> Stream:
    """This library, whole."""
    import httpx

    from miiflow_llm import LLMClient
    from miiflow_llm.wire.lean import LeanTransport

    options: dict[str, Any] = {"transport": transport}
    if ca:
        options = {"http_client": httpx.AsyncClient(transport=LeanTransport(ssl_context=context(ca)))}
    base = url.removesuffix("/v1") if provider == "anthropic" else url
    client = LLMClient.create(provider, "m", "k", base_url=base, **options)

    async def stream() -> int:
        number = 0
        async with client.stream_chat("x") as chunks:
            async for chunk in chunks:
                number += bool(chunk.delta)
        return number

    return stream


def ours_anthropic(url: str, ca: str) -> Stream:
    """This library on Anthropic's dialect."""
    return ours(url, ca, provider="anthropic")


def ours_httpx(url: str, ca: str) -> Stream:
    """This library over httpx's own transport."""
    return ours(url, "", transport="httpx")


def openai(url: str, ca: str) -> Stream:
    """The vendor's SDK."""
    from openai import AsyncOpenAI

    client = AsyncOpenAI(api_key="k", base_url=url, max_retries=0)

    async def stream() -> int:
        number = 0
        messages: Any = [{"role": "user", "content": "x"}]
        async for chunk in await client.chat.completions.create(model="m", messages=messages, stream=True):
            number += bool(chunk.choices and chunk.choices[0].delta.content)
        return number

    return stream


def anthropic(url: str, ca: str) -> Stream:
    """The vendor's SDK."""
    from anthropic import AsyncAnthropic

    client = AsyncAnthropic(api_key="k", base_url=url.removesuffix("/v1"), max_retries=0)

    async def stream() -> int:
        number = 0
        messages: Any = [{"role": "user", "content": "x"}]
        async for item in await client.messages.create(model="m", max_tokens=9, messages=messages, stream=True):
            number += item.type == "content_block_delta"
        return number

    return stream


def litellm(url: str, ca: str) -> Stream:
    """litellm."""
    import litellm

    async def stream() -> int:
        number = 0
        answer = await litellm.acompletion(
            "openai/m", messages=[{"role": "user", "content": "x"}], stream=True, api_base=url, api_key="k"
        )
        async for chunk in answer:
            number += bool(chunk.choices[0].delta.content)
        return number

    return stream


def pydantic_ai(url: str, ca: str) -> Stream:
    """pydantic-ai's model layer."""
    from pydantic_ai.direct import model_request_stream
    from pydantic_ai.messages import ModelRequest
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    model = OpenAIChatModel("m", provider=OpenAIProvider(base_url=url, api_key="k"))

    async def stream() -> int:
        number = 0
        async with model_request_stream(model, [ModelRequest.user_text_prompt("x")]) as events:
            async for _ in events:
                number += 1
        return number

    return stream


def langchain_openai(url: str, ca: str) -> Stream:
    """langchain-openai."""
    from langchain_openai import ChatOpenAI

    model: Any = ChatOpenAI(model="m", base_url=url, api_key="k", max_retries=0)

    async def stream() -> int:
        number = 0
        async for chunk in model.astream("x"):
            number += bool(chunk.content)
        return number

    return stream


KINDS: dict[str, Callable[[str, str], Stream]] = {
    "floor": floor,
    "floor_trio": floor_trio,
    "httpx_bytes": httpx_bytes,
    "httpx_sse": httpx_sse,
    "ours": ours,
    "ours_anthropic": ours_anthropic,
    "ours_httpx": ours_httpx,
    "openai": openai,
    "anthropic": anthropic,
    "litellm": litellm,
    "pydantic_ai": pydantic_ai,
    "langchain_openai": langchain_openai,
}


def main() -> None:
    """Run one measurement: a warm-up stream, then so many at once."""
    kind, backend, url, streams, ca = sys.argv[1:6]
    stream = KINDS[kind](url, ca)
    measured: dict[str, float] = {}

    async def measure() -> None:
        import anyio

        await stream()
        cpu, wall, numbers = time.process_time(), time.perf_counter(), list[int]()

        async def one() -> None:
            numbers.append(await stream())

        async with anyio.create_task_group() as group:
            for _ in range(int(streams)):
                group.start_soon(one)
        measured.update(cpu=time.process_time() - cpu, wall=time.perf_counter() - wall, chunks=sum(numbers))

    import anyio

    options = {"use_uvloop": True} if backend == "uvloop" else {}
    anyio.run(measure, backend="trio" if backend == "trio" else "asyncio", backend_options=options)
    measured["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps(measured))


main()
