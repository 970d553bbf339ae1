"""Malformed HTTP on demand: seeded, endless, and run against the transport over sockets.

`cases(seed)` yields them, `run(seed, count)` plays them; a soak calls `run` with other seeds and a larger count.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

import anyio
import httpx

from miiflow_llm.http.lean import LeanTransport

from .cases import CASES
from .server import Peer, Server

_SEEDS = [case.sent for case in CASES.values() if len(case.sent) < 2000]
_TOKENS = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b"\t",
    b":",
    b";",
    b"\xff",
    b"\r\n\r\n",
    b"0\r\n\r\n",
    b"-1",
    b"ffffffffffffffff\r\n",
    b"7fffffffffffffff\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: 99999999999999999999\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip\r\n",
    b"Connection: close\r\n",
    b"Connection: upgrade\r\nUpgrade: x\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/0.9 200 OK\r\n",
    b"data: {}\n\n",
]


class Malformed(NamedTuple):
    """A response in the pieces in which it is sent, how the connection then ends, and the request's method."""

    parts: tuple[bytes, ...]
    end: str
    method: str


def cases(seed: int) -> Iterator[Malformed]:
    """An endless, reproducible sequence of responses that are wrong in some way, mostly."""
    rng = random.Random(seed)
    while True:
        data = bytearray(rng.choice(_SEEDS))
        for _ in range(rng.choice((0, 1, 1, 2, 3, 8))):
            _mutate(rng, data)
        if rng.random() < 0.05:
            data = bytearray(rng.randbytes(rng.randrange(200)))
        end = rng.choice(("close", "close", "close", "half close", "reset"))
        yield Malformed(tuple(_cut(rng, bytes(data))), end, rng.choice(("GET", "GET", "POST", "HEAD")))


def _mutate(rng: random.Random, data: bytearray) -> None:
    at = rng.randrange(len(data) + 1)
    to = min(len(data), at + rng.randrange(1, 20))
    match rng.randrange(7):
        case 0:
            data[at:at] = rng.choice(_TOKENS)
        case 1:
            data[at:to] = rng.choice(_TOKENS)
        case 2:
            del data[at:to]
        case 3:
            del data[at:]
        case 4:
            data[at:at] = data[at:to] * rng.randrange(1, 5)
        case 5:
            data[at : at + 1] = rng.randbytes(1)
        case _:
            data[at:] = rng.choice(_SEEDS)[-rng.randrange(1, 60) :]


def _cut(rng: random.Random, data: bytes) -> Iterator[bytes]:
    cuts = sorted(rng.randrange(len(data) + 1) for _ in range(rng.choice((0, 0, 1, 2, 5))))
    for start, stop in zip([0, *cuts], [*cuts, len(data)], strict=True):
        yield data[start:stop]


async def run(seed: int, count: int) -> Counter[str]:
    """Play `count` cases; how often each outcome came: `whole`, or the name of an httpx error.

    Raises whatever else the transport raises, and TimeoutError when a case takes longer than five seconds.
    """
    played = list(islice(cases(seed), count))

    def serve(peer: Peer) -> None:
        while (request := peer.request()) is not None:
            case = played[int(request.target.strip("/"))]
            for part in case.parts:
                peer.send(part)
            if case.end == "half close":
                peer.half_close()
                peer.wait_closed()
            elif case.end == "reset":
                time.sleep(0.001)
                peer.reset()
            return

    outcomes: Counter[str] = Counter()
    transport = LeanTransport()
    with Server(serve) as server:
        async with transport:
            for number, case in enumerate(played):
                request = httpx.Request(case.method, f"{server.url}{number}", content=b"")
                with anyio.fail_after(30):
                    outcomes[await _outcome(transport, request)] += 1
            assert transport._pools.current().pool.size <= 1, "places leak"
        assert server.settled(), "connections leak"
    return outcomes


async def _outcome(transport: LeanTransport, request: httpx.Request) -> str:
    try:
        response = await transport.handle_async_request(request)
        stream = response.extensions["miiflow_stream"]
        while await stream.read():
            pass
    except httpx.TransportError as exc:
        return type(exc).__name__
    return "whole"
