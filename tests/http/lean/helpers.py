"""Small things that the transport's tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
import httpx

from miiflow_llm.http.lean import LeanTransport, ResponseStream
from miiflow_llm.http.lean.pool import Pool
from miiflow_llm.http.lean.response import ResponseReader


class Body:
    """An async request body of some parts, to be read once, that needs no closing."""

    def __init__(self, *parts: bytes) -> None:
        self._parts = iter(parts)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        for part in self._parts:
            return part
        raise StopAsyncIteration


def books(transport: LeanTransport) -> Pool:
    """The running loop's pool."""
    return transport._pools.current().pool


def taken(reader: ResponseReader) -> bytes:
    """All body bytes since the last call."""
    data = b"".join(reader.pieces)
    reader.pieces.clear()
    return data


def seam(response: httpx.Response) -> ResponseStream:
    stream = response.extensions["miiflow_stream"]
    assert isinstance(stream, ResponseStream)
    return stream


@asynccontextmanager
async def lean(**options: object) -> AsyncIterator[tuple[httpx.AsyncClient, LeanTransport]]:
    """A client over a transport, without time limits."""
    transport = LeanTransport(**options)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, timeout=None) as client:
        yield client, transport


async def until(holds: Callable[[], bool], seconds: float = 5) -> None:
    """Wait until `holds`, which must happen."""
    with anyio.fail_after(seconds):
        while not holds():  # noqa: ASYNC110 - what it waits for happens in a thread
            await anyio.sleep(0.002)


async def cancelled_in(action: Callable[[], Awaitable[object]], reached: Callable[[], bool]) -> None:
    """Start `action` and cancel it once `reached` holds."""
    async with anyio.create_task_group() as group:
        group.start_soon(action)
        await until(reached)
        await anyio.sleep(0.01)
        group.cancel_scope.cancel()
