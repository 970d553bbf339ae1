"""Four servers on loopback that speak OpenAI's chat format; the one that is asked most fails for a while."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from math import exp
from random import Random

MEDIANS = (0.10, 0.12, 0.14, 0.18)
WORDS = ["Rivers ", "bring ", "the ", "salt."]


class Servers:
    """The servers; `urls` are their addresses, `asked` how often each was asked.

    From `fail` on the one that was asked most in the first 20 s, the caller's favourite, fails as told until 40 s.
    """

    def __init__(self) -> None:
        self.urls: list[str] = []
        self.asked = [0] * len(MEDIANS)
        self._fault, self._since = "", 0.0
        self._random = Random(1)  # noqa: S311  to be repeatable
        self._ready = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True).start()
        self._ready.wait()

    def fail(self, fault: str) -> None:
        """Time begins now; `fault` is `503`, `silent` or nothing."""
        self._fault, self._since = fault, time.monotonic()
        self.asked = [0] * len(MEDIANS)
        self._favourite: int | None = None

    async def _serve(self) -> None:
        for place in range(len(MEDIANS)):
            server = await asyncio.start_server(lambda r, w, at=place: self._connection(at, r, w), "127.0.0.1", 0)
            self.urls.append(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
        self._ready.set()
        await asyncio.Event().wait()

    async def _connection(self, place: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                top = await reader.readuntil(b"\r\n\r\n")
                length = next(int(line[15:]) for line in top.lower().split(b"\r\n") if line[:15] == b"content-length:")
                await self._answer(place, json.loads(await reader.readexactly(length)), writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, place: int, body: dict[str, object], writer: asyncio.StreamWriter) -> None:
        self.asked[place] += 1
        failing = 20 <= time.monotonic() - self._since < 40 and place == self._failing()
        if failing and self._fault == "silent":
            await asyncio.sleep(600)
        if failing and self._fault == "503":
            await self._send(writer, "503 Service Unavailable", "application/json", b'{"error": {"message": "busy"}}')
            return
        await asyncio.sleep(MEDIANS[place] * exp(0.3 * self._random.gauss(0, 1)))
        if body.get("stream"):
            await self._send(writer, "200 OK", "text/event-stream", b"".join(_frames(place)))
        else:
            message = {"role": "assistant", "content": "".join(WORDS)}
            whole = {**_head(place), "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
            await self._send(writer, "200 OK", "application/json", json.dumps({**whole, "usage": USAGE}).encode())

    def _failing(self) -> int:
        if self._favourite is None:
            self._favourite = self.asked.index(max(self.asked))
        return self._favourite

    async def _send(self, writer: asyncio.StreamWriter, status: str, kind: str, body: bytes) -> None:
        head = f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()


USAGE = {"prompt_tokens": 8, "completion_tokens": 4, "total_tokens": 12}


def _head(place: int) -> dict[str, object]:
    return {"id": "c", "object": "chat.completion", "created": 1, "model": f"m{place}"}


def _frames(place: int) -> list[bytes]:
    deltas = [{"delta": {"content": word}, "finish_reason": None} for word in WORDS]
    choices = [*deltas, {"delta": {}, "finish_reason": "stop"}]
    frames = [{**_head(place), "object": "chat.completion.chunk", "choices": [{"index": 0, **one}]} for one in choices]
    frames[-1]["usage"] = USAGE
    return [*(b"data: " + json.dumps(frame).encode() + b"\n\n" for frame in frames), b"data: [DONE]\n\n"]
