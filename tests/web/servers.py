"""What the tests of `miiflow_llm.web` share: chunks by the script, and an ASGI app under uvicorn in a thread."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import anyio
import pytest

from miiflow_llm import LLMClient
from miiflow_llm.calls.tool_loop import ToolEvent
from miiflow_llm.core.response import StreamChunk
from miiflow_llm.core.usage import TokenCount

LAST = StreamChunk(finish_reason="stop", usage=TokenCount(3, 2, 5))


class Scripted(AsyncIterator[ToolEvent]):
    """Gives what it is told: a chunk, a wait in seconds, or an error to raise. `closed` says that it was left."""

    def __init__(self, steps: Iterable[ToolEvent | float | Exception]) -> None:
        self._steps = iter(steps)
        self.closed = False

    async def __anext__(self) -> ToolEvent:
        for step in self._steps:
            if isinstance(step, Exception):
                raise step
            if not isinstance(step, (int, float)):
                return step
            await anyio.sleep(step)
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Note that the stream was left."""
        self.closed = True


@contextmanager
def uvicorn_serving(
    app: Any, *, lifespan: Literal["on", "off"] = "off", closing: LLMClient | None = None
) -> Iterator[str]:
    """The address of `app` under uvicorn, which at its end closes a client in the loop where it was used."""
    uvicorn = pytest.importorskip("uvicorn", reason="uvicorn is not installed")

    class Server(uvicorn.Server):  # type: ignore[name-defined,misc]
        async def shutdown(self, sockets: Any = None) -> None:
            await super().shutdown(sockets)
            if closing is not None:
                await closing.aclose()

    server = Server(
        uvicorn.Config(
            app, port=0, log_level="error", lifespan=lifespan, ws="none", loop="asyncio", timeout_graceful_shutdown=1
        )
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(5)
