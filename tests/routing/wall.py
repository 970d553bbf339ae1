"""A provider whose faults are chosen by the model's name, on loopback, in whatever time the event loop has.

It speaks OpenAI's chat format; its whole answer is sixty words. It writes down every request with its time, so that
tests see what the provider sees. The faults are those of FailoverBench's methodology 0.1, in our own words and code.
"""

from __future__ import annotations

import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.abc
import msgspec

from miiflow_llm import LLMClient
from miiflow_llm.core import clock
from miiflow_llm.core.timeout import Timeout

WORDS = [f"word{number} " for number in range(60)]
ANSWER = "".join(WORDS)
Step = bytes | float | str
Fault = Callable[["Seen"], "list[Step]"]


class Seen(msgspec.Struct):
    """A request as the provider saw it: when, for which model, the how-manieth for it, with which messages."""

    at: float
    model: str
    number: int
    messages: list[dict[str, Any]]
    body: dict[str, Any]


def event(data: Any) -> bytes:
    """A server-sent event."""
    return b"data: " + msgspec.json.encode(data) + b"\n\n"


def token(model: str, text: str) -> bytes:
    """A chunk with one word."""
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    return event({"id": "c1", "object": "chat.completion.chunk", "model": model, "choices": [choice]})


def finish(model: str, reason: str = "stop") -> bytes:
    """The chunk with the finish reason and the usage."""
    choice = {"index": 0, "delta": {}, "finish_reason": reason}
    usage = {"prompt_tokens": 20, "completion_tokens": 60, "total_tokens": 80}
    return event({"id": "c1", "object": "chat.completion.chunk", "model": model, "choices": [choice], "usage": usage})


def head(status: int = 200, kind: str = "text/event-stream", **more: str) -> bytes:
    """A response's head; its body ends with the connection."""
    lines = {"content-type": kind, "connection": "close", **{name.replace("_", "-"): v for name, v in more.items()}}
    return f"HTTP/1.1 {status} .\r\n".encode() + b"".join(f"{n}: {v}\r\n".encode() for n, v in lines.items()) + b"\r\n"


def tokens(seen: Seen, number: int = 60, words: list[str] | None = None) -> list[Step]:
    """So many words, with a pause now and then."""
    steps: list[Step] = []
    for place, word in enumerate((words or WORDS)[:number]):
        steps += [token(seen.model, word), *([0.3] if place % 20 == 10 else [])]
    return steps


def healthy(seen: Seen) -> list[Step]:
    """The whole answer, as it was asked for."""
    if not seen.body.get("stream"):
        choice = {"index": 0, "message": {"role": "assistant", "content": ANSWER}, "finish_reason": "stop"}
        return [head(kind="application/json"), msgspec.json.encode({"model": seen.model, "choices": [choice]})]
    return [head(), *tokens(seen), finish(seen.model), b"data: [DONE]\n\n"]


def error(status: int, message: str = "try again later", code: str | None = None, **headers: str) -> Fault:
    """An error instead of an answer."""
    body = {"error": {"message": message, "type": "error", "code": code, "param": None}}
    return lambda seen: [head(status, "application/json", **headers), msgspec.json.encode(body)]


def once(fault: Fault, then: Fault = healthy) -> Fault:
    """The fault for the first request, then something else."""
    return lambda seen: fault(seen) if seen.number == 1 else then(seen)


def refuses_prefill(seen: Seen) -> list[Step]:
    """A model that takes no assistant's turn at the end."""
    if seen.messages[-1]["role"] == "assistant":
        return error(400, "prefilling is not supported", "invalid_request_error")(seen)
    return healthy(seen)


class Wall:
    """The provider. `seen` are its requests in order; `faults` by model, `healthy` for any other."""

    def __init__(self, faults: dict[str, Fault] | None = None) -> None:
        self.faults = dict(faults or {})
        self.seen: list[Seen] = []
        self.began = clock.monotonic()
        self.open = 0
        self.port = 0
        self._left = anyio.Event()
        self._numbers: Counter[str] = Counter()

    def of(self, model: str) -> list[Seen]:
        """The requests for a model."""
        return [one for one in self.seen if one.model == model]

    def times(self, model: str) -> list[float]:
        """When a model was asked."""
        return [one.at for one in self.of(model)]

    def client(self, model: str, **settings: Any) -> LLMClient:
        """A client of one of its models."""
        settings.setdefault("timeout", Timeout(connect=5, first_output=30, idle=30))
        return LLMClient.create("openai", model, "key", base_url=f"http://127.0.0.1:{self.port}/v1", **settings)

    async def serve(self, stream: anyio.abc.SocketStream) -> None:
        """Answer one connection's one request."""
        self.open += 1
        try:
            async with stream:
                await self._answer(stream)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream):
            pass  # the client left
        finally:
            self.open -= 1
            self._left.set()

    async def settled(self) -> None:
        """Wait until no connection is open; ten seconds at most."""
        with anyio.fail_after(10):
            while self.open:
                self._left = anyio.Event()
                await self._left.wait()

    async def _answer(self, stream: anyio.abc.SocketStream) -> None:
        data = b""
        while b"\r\n\r\n" not in data:
            data += await stream.receive()
        top, _, rest = data.partition(b"\r\n\r\n")
        length = next(int(line[15:]) for line in top.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        while len(rest) < length:
            rest += await stream.receive()
        body = msgspec.json.decode(rest)
        model = body["model"]
        self._numbers[model] += 1
        at = clock.monotonic() - self.began
        seen = Seen(at, model, self._numbers[model], body.get("messages", []), body)
        self.seen.append(seen)
        async with anyio.create_task_group() as group:
            group.start_soon(_until_gone, stream, group.cancel_scope)
            try:
                for step in self.faults.get(model, healthy)(seen):
                    await _do(stream, step)
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                pass  # the client left
            group.cancel_scope.cancel()


async def _until_gone(stream: anyio.abc.SocketStream, scope: anyio.CancelScope) -> None:
    """A client that hangs up is not answered any further."""
    try:
        while True:
            await stream.receive()
    except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
        scope.cancel()


async def _do(stream: anyio.abc.SocketStream, step: Step) -> None:
    if isinstance(step, float):
        await anyio.sleep(step)
    elif isinstance(step, bytes):
        await stream.send(step)
    elif step == "reset":
        raw = stream.extra(anyio.abc.SocketAttribute.raw_socket)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@asynccontextmanager
async def wall(faults: dict[str, Fault] | None = None) -> AsyncIterator[Wall]:
    """A running wall."""
    made = Wall(faults)
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    made.port = listener.extra(anyio.abc.SocketAttribute.local_port)
    group = anyio.create_task_group()
    await group.__aenter__()
    group.start_soon(_listen, listener, made)
    try:
        yield made
    finally:
        group.cancel_scope.cancel()
        await group.__aexit__(None, None, None)  # not told of the test's exception, it does not wrap it


async def _listen(listener: anyio.abc.SocketListener, made: Wall) -> None:
    async with listener:
        await listener.serve(made.serve)
