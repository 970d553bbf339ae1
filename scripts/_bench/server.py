"""A provider for measurements: `/n-100-gap-20-gate-7-stamp-1/v1/chat/completions` answers with 100 frames.

`gap` is the milliseconds between two frames (0: as fast as they are taken, in large writes); with `gate` an answer
stops after its first frame until that gate opens; with `stamp` a frame's text is the nanosecond of its sending. Each
frame is one HTTP chunk. `/gate/7/arm`, `/count` and `/go` close a gate, count who waits at it, and open it.

Prints its ports. Its own cost is nobody's: it runs in a process of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import ssl
import sys
import time
from collections.abc import Iterator

from frames import FORMATS, Format, chunked

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
LAST = b"0\r\n\r\n"
BLOCK = 256
"""Frames in one write of a burst: the client, not the server, sets the pace."""


class Gate:
    """Where answers wait for each other."""

    def __init__(self) -> None:
        self.arm()

    def arm(self) -> None:
        self.waiting = 0
        self.open = asyncio.Event()


GATES: dict[str, Gate] = {}


class Connection(asyncio.Protocol):
    """Reads requests, answers each in a task."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  asyncio's word, for the type checker
        self.transport = transport
        self.buffer = b""
        self.room = asyncio.Event()
        self.room.set()
        self.task: asyncio.Task[None] | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        if self.task is not None:
            self.task.cancel()

    def pause_writing(self) -> None:
        self.room.clear()

    def resume_writing(self) -> None:
        self.room.set()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, rest = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return
        lines = head.lower().split(b"\r\n")
        length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
        if len(rest) >= length:
            self.buffer = rest[length:]
            path = head.split(b" ")[1].decode().strip("/").split("/")
            if path[0] == "gate":
                self.transport.write(control(path[1], path[2]))
            else:
                self.task = asyncio.get_running_loop().create_task(self.answer(path[0], FORMATS[path[-1]]))

    async def answer(self, spec: str, wire: Format) -> None:
        words = spec.split("-")
        options = dict(zip(words[::2], map(int, words[1::2]), strict=True))
        number, gap, stamped = options["n"], options.get("gap", 0) / 1000, bool(options.get("stamp"))
        frames = wire.stamped if stamped else wire.numbered
        self.transport.write(HEAD + wire.start + frames(0))
        phase = 0.0
        if options.get("gate"):
            gate = GATES[str(options["gate"])]
            place, gate.waiting = gate.waiting, gate.waiting + 1
            await gate.open.wait()
            phase = gap * place / gate.waiting  # so that the streams take turns, as strangers' do
        if gap:
            began = time.monotonic() + phase
            for frame in range(1, number):
                await asyncio.sleep(max(0.0, began + (frame - 1) * gap - time.monotonic()))
                self.transport.write(frames(frame))
        else:
            for block in _blocks(number):
                await self.room.wait()
                self.transport.write(wire.block(block.start, block.stop))
        self.transport.write(chunked(wire.end) + LAST)


def _blocks(number: int) -> Iterator[range]:
    for start in range(1, number, BLOCK):
        yield range(start, min(start + BLOCK, number))


def control(name: str, verb: str) -> bytes:
    """The answer to a word about a gate: how many wait at it."""
    gate = GATES.setdefault(name, Gate())
    if verb == "arm":
        gate.arm()
    elif verb == "go":
        gate.open.set()
    body = b"%d" % gate.waiting
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


async def main() -> None:
    """Serve plain TCP, and TLS where a certificate is named."""
    context = None
    if len(sys.argv) > 2:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[1], sys.argv[2])
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    loop = asyncio.get_running_loop()
    plain = await loop.create_server(Connection, "127.0.0.1", 0, backlog=2048)
    secure = await loop.create_server(Connection, "127.0.0.1", 0, backlog=2048, ssl=context) if context else None
    ports = [server.sockets[0].getsockname()[1] if server else 0 for server in (plain, secure)]
    print(*ports, flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
