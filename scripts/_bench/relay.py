"""What a chunk costs on its way to a browser: 200 SSE readers through uvicorn and the FastAPI router, each alone.

`relay.py [STREAMS CHUNKS GAP REPEATS]` prints a table; `rows` gives it as values. The CPU is that of the serving
process alone; the provider and the readers run in processes of their own. Beside it stand the client's own CPU per
chunk in the same process, and a relay as one writes it by hand with FastAPI's StreamingResponse.
"""

from __future__ import annotations

import asyncio
import json
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

BODY = json.dumps({"messages": [{"role": "user", "content": "x"}]}).encode()
KINDS = {
    "client": "the client alone",
    "by_hand": "StreamingResponse by hand",
    "to_sse": "StreamingResponse of to_sse",
    "sse": "router, SSE",
    "ndjson": "router, NDJSON",
}


class Row(NamedTuple):
    """A way, and its CPU per chunk in microseconds: the median of the repeats, and the least."""

    kind: str
    name: str
    cpu_us: float
    least_us: float


def frame(delta: dict[str, str], finish: str | None = None) -> bytes:
    """A frame as OpenAI's chat streams have, as one HTTP chunk."""
    body = {
        "id": "chatcmpl-BenchBenchBench",
        "object": "chat.completion.chunk",
        "created": 1795000000,
        "model": "gpt-6-luna",
        "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}],
        "usage": None,
    }
    data = f"data: {json.dumps(body, separators=(',', ':'))}\n\n".encode()
    return b"%x\r\n%b\r\n" % (len(data), data)


async def provide() -> None:
    """The provider: `/{chunks}/{gap}/...` is answered by so many frames, so many seconds apart."""
    words = [frame({"content": f" w{place:03d}"}) for place in range(1000)]
    end = frame({}, "stop") + b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := (await reader.readuntil(b"\r\n\r\n") if not reader.at_eof() else b""):
            length = request.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length or 0))
            _, chunks, gap, *_ = request.split(b" ")[1].decode().split("/")
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
            for place in range(int(chunks)):
                writer.write(words[place % 1000])
                await (asyncio.sleep(float(gap)) if float(gap) else writer.drain())
            writer.write(end)

    async def quietly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            await answer(reader, writer)
        writer.close()

    server = await asyncio.start_server(quietly, "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


def application(provider: str) -> Any:
    """The service: the router, the same by hand, the client alone, and what the process has used."""
    from fastapi import FastAPI
    from fastapi.responses import StreamingResponse

    from miiflow_llm import LLMClient
    from miiflow_llm.web import to_sse
    from miiflow_llm.web.fastapi import router

    client = LLMClient.create("openai", "m", "k", base_url=f"http://127.0.0.1:{provider}")
    app = FastAPI()
    app.include_router(router(client), prefix="/router")

    async def read() -> int:
        number = 0
        async with client.stream_chat("x") as stream:
            async for chunk in stream:
                number += bool(chunk.delta)
        return number

    @app.post("/by_hand")
    async def by_hand() -> StreamingResponse:
        async def frames() -> Any:
            async with client.stream_chat("x") as stream:
                async for chunk in stream:
                    frame = {"delta": chunk.delta, "finish_reason": chunk.finish_reason}
                    yield f"data: {json.dumps(frame, separators=(',', ':'))}\n\n"

        return StreamingResponse(frames(), media_type="text/event-stream")

    @app.post("/to_sse")
    async def relayed() -> StreamingResponse:
        return StreamingResponse(to_sse(client.stream_chat("x")), media_type="text/event-stream")

    @app.get("/client/{streams}")
    async def alone(streams: int) -> int:
        return sum(await asyncio.gather(*(read() for _ in range(streams))))

    @app.get("/cpu")
    async def cpu() -> float:
        return time.process_time()

    return app


def serve(provider: str) -> None:
    """Serve on a free port; the port is printed."""
    import uvicorn

    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    print(listener.getsockname()[1], flush=True)
    config = uvicorn.Config(application(provider), log_level="error", access_log=False, lifespan="off", ws="none")
    asyncio.run(uvicorn.Server(config).serve(sockets=[listener]))


@contextmanager
def running(*arguments: str) -> Iterator[int]:
    """A server in a process of its own; its port."""
    process = subprocess.Popen([sys.executable, __file__, *arguments], stdout=subprocess.PIPE, text=True)
    try:
        yield int(process.stdout.readline()) if process.stdout else 0
    finally:
        process.terminate()
        process.communicate()


def head(port: int, path: str, accept: str, length: int = 0, method: str = "POST") -> bytes:
    """A request's head."""
    return (
        f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\naccept: {accept}\r\n"
        f"content-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    ).encode()


async def read(port: int, path: str, accept: str, mark: bytes) -> int:
    """Read one stream to its end; how many frames it had."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head(port, path, accept, len(BODY)) + BODY)
    found, tail = 0, b""
    while data := await reader.read(65536):
        found += (tail + data).count(mark)
        tail = data[1 - len(mark) :]
    writer.close()
    return found


async def got(port: int, path: str) -> float:
    """The number that the service answers with."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head(port, path, "*/*", method="GET"))
    body = (await reader.read()).partition(b"\r\n\r\n")[2]
    writer.close()
    return float(body)


async def through(port: int, kind: str, streams: int) -> float:
    """So many streams at once: the CPU that they took in the service's process, in microseconds for each chunk."""
    path = f"/{kind}" if kind in ("by_hand", "to_sse") else "/router/chat/stream"
    accept = "application/x-ndjson" if kind == "ndjson" else "text/event-stream"
    mark = b'"delta":"'
    await read(port, path, accept, mark)
    before = await got(port, "/cpu")
    if kind == "client":
        found = await got(port, f"/client/{streams}")
    else:
        found = sum(await asyncio.gather(*(read(port, path, accept, mark) for _ in range(streams))))
    return (await got(port, "/cpu") - before) / found * 1e6


def rows(streams: int = 200, chunks: int = 60, gap: float = 0.02, repeats: int = 3) -> list[Row]:
    """Measure every way so many times, in turn."""
    found: dict[str, list[float]] = {kind: [] for kind in KINDS}
    with running("--provide") as provider, running("--serve", f"{provider}/{chunks}/{gap}/v1") as port:
        for _ in range(repeats):
            for kind in KINDS:
                found[kind].append(asyncio.run(through(port, kind, streams)))
    return [Row(kind, name, statistics.median(found[kind]), min(found[kind])) for kind, name in KINDS.items()]


def table(found: list[Row]) -> str:
    """The rows as Markdown."""
    base = found[0].cpu_us
    lines = ["| way | CPU per chunk, µs | least | of the client's own |", "|---|--:|--:|--:|"]
    lines += [f"| {row.name} | {row.cpu_us:.1f} | {row.least_us:.1f} | {row.cpu_us / base:.2f} |" for row in found]
    return "\n".join(lines)


def main() -> None:
    """Serve, provide, or measure and print."""
    given = sys.argv[1:]
    if given[:1] == ["--provide"]:
        asyncio.run(provide())
    elif given[:1] == ["--serve"]:
        serve(given[1])
    else:
        kinds: tuple[type[Any], ...] = (int, int, float, int)
        print(table(rows(*(kind(value) for kind, value in zip(kinds, given, strict=False)))))


if __name__ == "__main__":
    main()
