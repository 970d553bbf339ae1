"""Serve captures to an httpx client without a socket: the body comes in the capture's timed pieces.

The same matching, cuts, times and faults as `ReplayServer`; a fault shows as the exception that httpx raises for it.
"""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import httpx

from ..core.secrets import hide, hide_query, hide_values
from .capture import Capture
from .cuts import Cut
from .faults import Fault, FaultPlan
from .http_reader import json_of
from .match import ASPECTS, Aspect, CaptureIndex, Received
from .playback import Playback, answer_headers, plan, timed
from .secrets import Redactor
from .store import captures_of
from .virtual_clock import follow_virtual_time


class ReplayTransport(httpx.AsyncBaseTransport, httpx.BaseTransport):
    """Answers an `httpx.AsyncClient` or `httpx.Client` from captures, or those of a folder; nothing goes out.

    `name` (`text`, `openai/text`) answers every request from that capture or its `whole_` sibling. Else `match` names
    what must agree, the empty tuple handing the captures out in order, and `repeat` whether they may be handed out
    again. `redact` are the values that were blotted out when recording. `cut`, `pace`, `seed` and `fault` are those of
    `ReplayServer`. Waits obey the request's read timeout, and take no real time under `virtual_time`. `requests` are
    those received, in order.

    A request that nothing answers raises `NoMatchError`, with the nearest capture and a diff.
    """

    def __init__(
        self,
        captures: Iterable[Capture] | Path | str,
        *,
        name: str | None = None,
        match: Sequence[Aspect] = ASPECTS,
        repeat: bool = True,
        redact: Iterable[str] = (),
        cut: Cut = "frames",
        pace: float = 0.0,
        seed: int = 0,
        fault: Fault | Sequence[Fault] | None = None,
    ) -> None:
        follow_virtual_time()
        self._redactor = Redactor(redact)
        self.index = CaptureIndex(captures_of(captures), match, repeat=repeat, redactor=self._redactor)
        self.requests: list[Received] = []
        self.faults = FaultPlan(fault)
        self.cut = cut
        self.pace = pace
        self.seed = seed
        provider, _, self._name = (name or "").rpartition("/")
        self._provider = provider or None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer the request. Raises `NoMatchError`, and what httpx raises for a fault before the head."""
        await request.aread()
        answer = self._answer(request)
        await answer.body.wait(answer.head_delay)
        answer.body.begun = anyio.current_time()
        return answer.response(request)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """`handle_async_request` without an event loop."""
        request.read()
        answer = self._answer(request)
        answer.body.sleep(answer.head_delay)
        answer.body.begun = time.monotonic()
        return answer.response(request)

    def _answer(self, request: httpx.Request) -> _Answer:
        self._redactor.learn(request.headers, request.url.params)
        redact = self._redactor.redact_text
        path, _, query = request.url.raw_path.decode("ascii").partition("?")
        received = Received(
            method=request.method,
            path=redact(path),
            query=hide_query(query),
            headers={name: redact(value) for name, value in hide(request.headers).items()},
            body=hide_values(json_of(request.content)),
            provider=self._provider,
            name=self._name or None,
        )
        self.requests.append(received)
        early = self.faults.next_status()
        if early is not None:
            headers = {"content-type": "application/json", **early.headers}
            return _Answer(early.status, headers, plan_of(early.body), received, request)
        capture = self.index.find(received)
        received.capture = capture.key
        played = plan(capture, cut=self.cut, seed=self.seed, pace=self.pace, faults=self.faults.faults)
        return _Answer(capture.status, answer_headers(capture), played, received, request)


def plan_of(body: bytes) -> Playback:
    """A body in one piece."""
    return plan(Capture(name="", provider="", dialect="", model="", streaming=False, path="", body=body))


class _Answer:
    def __init__(
        self, status: int, headers: dict[str, str], playback: Playback, received: Received, request: httpx.Request
    ) -> None:
        self._status = status
        self._headers = headers
        self._playback = playback
        self.head_delay = playback.head_delay
        self.body = _Body(playback, received, request)

    def response(self, request: httpx.Request) -> httpx.Response:
        if not self._playback.head:
            raise httpx.ReadError("the replayed connection was reset", request=request)
        extensions = {"http_version": b"HTTP/1.1"}
        return httpx.Response(self._status, headers=self._headers, stream=self.body, extensions=extensions)


class _Body(httpx.AsyncByteStream, httpx.SyncByteStream):
    """The pieces of an answer, each at its time since the head: the provider does not wait for a slow consumer.

    `begun` is when the head was there, on the event loop's clock, or on `time.monotonic` without one.
    """

    def __init__(self, playback: Playback, received: Received, request: httpx.Request) -> None:
        self._playback = playback
        self._received = received
        self._request = request
        self.begun = 0.0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for due, piece in timed(self._playback, self.begun):
            await self.wait(due - anyio.current_time())
            if piece:
                self._received.sent += len(piece)
                yield piece
        self._end()

    def __iter__(self) -> Iterator[bytes]:
        for due, piece in timed(self._playback, self.begun):
            self.sleep(due - time.monotonic())
            if piece:
                self._received.sent += len(piece)
                yield piece
        self._end()

    async def aclose(self) -> None:
        self.close()

    def close(self) -> None:
        if self._received.outcome == "open":
            self._received.outcome = "left"

    async def wait(self, delay: float) -> None:
        if delay <= 0:
            await anyio.lowlevel.checkpoint()
            return
        limit = self._limit()
        await (anyio.sleep_forever() if math.isinf(min(delay, limit)) else anyio.sleep(min(delay, limit)))
        if delay > limit:
            raise self._timed_out()

    def sleep(self, delay: float) -> None:
        limit = self._limit()
        if math.isinf(delay) and math.isinf(limit):
            raise self._timed_out()  # without a limit the thread would sleep for ever, and nobody could wake it
        time.sleep(max(min(delay, limit), 0.0))
        if delay > limit:
            raise self._timed_out()

    def _limit(self) -> float:
        timeout: dict[str, Any] = self._request.extensions.get("timeout") or {}
        seconds = timeout.get("read")
        return math.inf if seconds is None else float(seconds)

    def _timed_out(self) -> httpx.ReadTimeout:
        return httpx.ReadTimeout("the replayed answer stalls", request=self._request)

    def _end(self) -> None:
        self._received.outcome = "sent"
        if self._playback.ending == "reset":
            raise httpx.ReadError("the replayed connection was reset", request=self._request)
        if self._playback.ending == "close":
            message = "peer closed connection without sending complete message body (a replayed fault)"
            raise httpx.RemoteProtocolError(message, request=self._request)
