"""One connection of the replay server: requests off the socket, the captures' timed pieces onto it.

One task reads all the time, so that a client that leaves ends its answer at once, whatever that is waiting for.
"""

from __future__ import annotations

import math
import socket
import struct
from http import HTTPStatus
from typing import Protocol

import anyio
import anyio.abc
import msgspec

from .batch_desk import Answer
from .capture import Capture
from .errors import NoMatchError
from .faults import FaultPlan
from .http_reader import HttpRequest, RequestReader
from .match import CaptureIndex, Received
from .playback import Playback, answer_headers, timed

_LEFT = (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream, OSError)


class Answers(Protocol):
    """What a connection asks of its server: what is served, and how."""

    index: CaptureIndex
    faults: FaultPlan

    def received(self, request: HttpRequest, connection: int) -> Received:
        """The request as captures are matched with it, written down."""

    def batch_answer(self, request: HttpRequest, received: Received) -> Answer | None:
        """What a batch API answers; `None` if the request is for another API."""

    def playback(self, capture: Capture) -> Playback:
        """When which bytes of the capture are sent."""


class Connection:
    """Answers the requests of one connection, one after the other, until either side closes it."""

    def __init__(self, server: Answers, stream: anyio.abc.SocketStream, number: int) -> None:
        self._server = server
        self._stream = stream
        self._number = number
        self._reader = RequestReader()
        self._arrived = anyio.Event()
        self._answering: Received | None = None

    async def run(self) -> None:
        """Serve until the connection ends."""
        async with self._stream, anyio.create_task_group() as group:
            group.start_soon(self._read, group.cancel_scope)
            await self._answer_all()
            group.cancel_scope.cancel()

    async def _read(self, scope: anyio.CancelScope) -> None:
        try:
            while True:
                self._reader.feed(await self._stream.receive(65536))
                if self._reader.wants_continue:
                    self._reader.wants_continue = False
                    await self._stream.send(b"HTTP/1.1 100 Continue\r\n\r\n")
                self._arrived.set()
        except _LEFT:
            self._note_left()
        except ValueError as error:
            await self._refuse(400, str(error))
        scope.cancel()

    def _note_left(self) -> None:
        if self._answering is not None and self._answering.outcome == "open":
            self._answering.outcome = "left"

    async def _answer_all(self) -> None:
        try:
            while await self._answer(await self._next()):
                pass
        except _LEFT:
            self._note_left()

    async def _next(self) -> HttpRequest:
        while not self._reader.requests:
            self._arrived = anyio.Event()
            await self._arrived.wait()
        return self._reader.requests.popleft()

    async def _answer(self, request: HttpRequest) -> bool:
        """Answer one request; whether the connection serves another."""
        received = self._answering = self._server.received(request, self._number)
        early = self._server.faults.next_status()
        if early is not None:
            headers = {"content-type": "application/json", **early.headers}
            await self._stream.send(_head(early.status, headers, len(early.body)) + early.body)
            received.outcome = "sent"
            return request.keep_alive
        batch = self._server.batch_answer(request, received)
        if batch is not None:
            status, headers, body = batch
            await self._stream.send(_head(status, headers, len(body)) + body)
            received.outcome, received.sent = "sent", len(body)
            return request.keep_alive
        try:
            capture = self._server.index.find(received)
        except NoMatchError as error:
            await self._refuse(404, str(error), nearest=error.nearest, differs=error.differs, diff=error.diff)
            received.outcome = "sent"
            return request.keep_alive
        received.capture = capture.key
        return await self._play(capture, self._server.playback(capture), received) and request.keep_alive

    async def _play(self, capture: Capture, playback: Playback, received: Received) -> bool:
        await _wait(playback.head_delay)
        chunked = capture.streaming
        if playback.head:
            size = None if chunked else _size(capture, playback)
            await self._stream.send(_head(capture.status, answer_headers(capture), size))
        for due, piece in timed(playback, anyio.current_time()):
            await _wait(due - anyio.current_time())
            if piece:
                await self._stream.send(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
                received.sent += len(piece)
        if playback.ending == "end" and chunked:
            await self._stream.send(b"0\r\n\r\n")
        received.outcome = "sent"
        if playback.ending == "reset":
            await self._reset()
        return playback.ending == "end"

    async def _reset(self) -> None:
        raw = self._stream.extra(anyio.abc.SocketAttribute.raw_socket)  # noqa: S610  anyio's, not Django's
        # Lingering for no time makes the close a reset.
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport = getattr(self._stream, "_transport", None)
        if transport is not None:  # anyio up to 4.13 ends asyncio's streams in good order first, which is not a reset
            transport.abort()
        await anyio.aclose_forcefully(self._stream)

    async def _refuse(self, status: int, message: str, **details: object) -> None:
        error = {"message": message, "type": "replay_error", "code": "no_capture", **details}
        body = msgspec.json.encode({"error": error})
        try:
            await self._stream.send(_head(status, {"content-type": "application/json"}, len(body)) + body)
        except _LEFT:
            self._note_left()


async def _wait(seconds: float) -> None:
    if math.isinf(seconds):
        await anyio.sleep_forever()
    elif seconds > 0:
        await anyio.sleep(seconds)


def _size(capture: Capture, playback: Playback) -> int:
    """The length that the head announces: a body that breaks off announces what it would have been."""
    return sum(len(step.data) for step in playback.steps) if playback.ending == "end" else len(capture.body)


def _head(status: int, headers: dict[str, str], size: int | None) -> bytes:
    """The head of an answer: of `size` body bytes, or chunked if that is `None`."""
    phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else ""
    length = ("transfer-encoding", "chunked") if size is None else ("content-length", str(size))
    lines = "".join(f"{name}: {value}\r\n" for name, value in [*headers.items(), length])
    return f"HTTP/1.1 {status} {phrase}\r\n{lines}\r\n".encode("latin-1")
