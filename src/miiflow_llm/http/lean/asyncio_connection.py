"""The asyncio connection: parses in the protocol's callback and wakes the one reader once, by one future."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import cast

import httpx

from ...core import clock
from .buffers import LoopBuffers
from .connection import RECEIVE_BYTES, is_refusal, read_error, timed_out
from .loop_connection import LoopConnection
from .origin import Origin
from .request import Outgoing
from .response import ResponseReader
from .sockets import is_readable, left_to_read, let_go_of, shut_down
from .timeouts import Timeouts
from .wait_timer import WaitTimer

HIGH_WATER = 256 * 1024
"""Bytes read but not taken above which reading pauses."""

_SLICE = 256 * 1024

_received = LoopBuffers(RECEIVE_BYTES)


class AsyncioConnection(LoopConnection, asyncio.BufferedProtocol):
    """One connection on an asyncio loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, origin: Origin) -> None:
        super().__init__(origin, loop)
        self._loop = loop
        self._buffer = _received.of(loop)
        self._transport: asyncio.Transport | None = None
        self._lost = False
        self._write_paused = self._read_paused = False
        self._streaming = False
        self._waiter: asyncio.Future[None] | None = None
        self._wait_error: type[httpx.TimeoutException] = httpx.ReadTimeout
        self._timer = WaitTimer(loop.call_later, self._expire)

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._received(self._buffer[:nbytes])

    def _received(self, data: memoryview) -> None:
        """Bytes have come from the socket."""
        self._take(data)

    def _take(self, data: memoryview) -> None:
        response = self.response
        if response is None:
            self.abort()  # an idle connection has nothing to say: whatever this is, it answers no request
            return
        response.feed(data)
        waiter = self._waiter
        if waiter is None or not self._streaming or waiter.done():
            self._hold_back(response, len(data))
            self._wake()
        elif response.pieces or response.ended:
            self._waiter = None
            self._timer.waiting = False
            waiter.set_result(None)
        if response.error is not None:
            self.abort()

    def eof_received(self) -> None:
        self._lost = True
        if self.response is not None:
            self.response.feed_eof()
            self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        if exc is not None and self.response is not None and not self.response.ended:
            for data in left_to_read(self.fileno):  # a write failed, but what came before is still to be heard
                self._received(memoryview(data))
        if self.response is not None:
            if exc is None:
                self.response.feed_eof()
            else:
                self.response.fail(read_error(exc))
        self._wake()
        if self.on_lost is not None:
            self.on_lost(self)

    def pause_writing(self) -> None:
        self._write_paused = True

    def resume_writing(self) -> None:
        self._write_paused = False
        self._wake()

    # What the stream and the pool call.

    def follow(self, deadline: Callable[[], float | None]) -> None:
        self._timer.follow(deadline)

    def more(self, response: ResponseReader, seconds: float | None, deadline: float | None) -> Awaitable[None]:
        return self._future(seconds, httpx.ReadTimeout, deadline)

    def drained(self) -> None:
        self.backlog = 0
        if self._read_paused and self._transport is not None:
            self._read_paused = False
            self._transport.resume_reading()

    def settle(self) -> None:
        super().settle()
        self._streaming = False
        self._timer.stop()
        self.drained()

    def is_quiet(self) -> bool:
        return not self._lost and self._transport is not None and not is_readable(self.fileno)

    def abort(self) -> None:
        self._lost = True
        self._timer.stop()
        if self.response is not None:
            self.response.fail(read_error(None))
        if self._loop.is_closed():
            self.abandon(inherited=False)
            return
        if self._transport is not None:
            self._transport.abort()
        self._wake()

    def abandon(self, *, inherited: bool) -> None:
        # The loop must not be touched. Ending the connection is safe; the descriptor closes with the transport.
        fileno = self.fileno
        self._transport = None
        if fileno >= 0:
            (let_go_of if inherited else shut_down)(fileno)

    # Sending and waiting.

    async def _send(self, outgoing: Outgoing, timeouts: Timeouts) -> bool:
        self._streaming = False
        for part in outgoing.parts:
            if not await self._write(part, timeouts):
                return False
        if outgoing.rest is not None:
            async with contextlib.aclosing(outgoing.rest) as rest:
                async for part in rest:
                    if not await self._write(part, timeouts):
                        return False
                    await asyncio.sleep(0)  # a body that never waits would keep its connection's end from us
        return True

    async def _write(self, data: bytes, timeouts: Timeouts) -> bool:
        view = memoryview(data)
        for start in range(0, len(data), _SLICE):
            if start:
                await asyncio.sleep(0)  # a peer that reads as fast as we send never makes us wait, nor hear it
            if not self._is_wanted():
                return False
            self._put(view[start : start + _SLICE])
            while self._write_paused and self._is_wanted():
                await self._future(timeouts.within(timeouts.write), httpx.WriteTimeout, None)
        return self._is_wanted()

    def _put(self, data: memoryview) -> None:
        cast("asyncio.Transport", self._transport).write(data)

    def _is_wanted(self) -> bool:
        if self._lost or self.response is None or self._transport is None or self._transport.is_closing():
            return False
        return not is_refusal(self.response)

    async def _receive_head(self, response: ResponseReader, timeouts: Timeouts) -> None:
        if self._lost:
            response.feed_eof()  # the end came before the request: nobody else will tell
        deadline = timeouts.deadline(timeouts.read)
        while not response.head_done and not response.ended:
            seconds = None if deadline is None else max(deadline - clock.monotonic(), 0.0)
            await self._future(seconds, httpx.ReadTimeout, None)
        self._streaming = True

    def _future(
        self, seconds: float | None, error: type[httpx.TimeoutException], deadline: float | None
    ) -> asyncio.Future[None]:
        """Done when there is something to look at; whoever waits and is cancelled leaves it done."""
        if self._waiter is not None and not self._waiter.done():
            raise RuntimeError("another task is already waiting on this response")
        self._waiter = waiter = self._loop.create_future()
        if seconds is None and deadline is None:
            self._timer.waiting = False
        else:
            self._wait_error = error
            self._timer.begin(seconds, deadline)
        return waiter

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        self._timer.waiting = False
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _hold_back(self, response: ResponseReader, size: int) -> None:
        self.backlog += size
        if self.backlog > HIGH_WATER and not self._read_paused and not response.ended:
            self._read_paused = True
            cast("asyncio.Transport", self._transport).pause_reading()

    def _expire(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(timed_out(self._wait_error))

    @property
    def fileno(self) -> int:
        sock = self._transport.get_extra_info("socket") if self._transport is not None else None
        return -1 if sock is None else cast("int", sock.fileno())
