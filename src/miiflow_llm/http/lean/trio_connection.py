"""The connection for trio, which says when the socket has something; that is then read at once and parsed.

anyio's stream serves to write: to read by it takes a new buffer each time. A body's reads are timed by one lazy timer,
and broken off by closing the socket; the waits that come once in a request (to connect, write, or see the head) by
anyio's cancel scopes.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import cast

import anyio
import anyio.abc
import anyio.lowlevel
import httpx
import trio

from .buffers import LoopBuffers
from .connection import RECEIVE_BYTES, is_refusal, read_error, timed_out
from .loop_connection import LoopConnection
from .origin import Origin
from .request import Outgoing
from .response import ResponseReader
from .sockets import is_readable
from .timeouts import Timeouts
from .trio_timers import TrioTimers
from .wait_timer import WaitTimer

_received = LoopBuffers(RECEIVE_BYTES)

_SLICE = 64 * 1024  # up to here a body is sent without listening for an early answer


class TrioConnection(LoopConnection):
    """One connection over an anyio socket stream."""

    def __init__(self, stream: anyio.abc.SocketStream, origin: Origin) -> None:
        loop = anyio.lowlevel.current_token().native_token
        super().__init__(origin, loop)
        self._stream = stream
        extra = stream.extra
        self._socket: socket.socket = extra(anyio.abc.SocketAttribute.raw_socket)
        self._buffer = _received.of(loop)
        self._timer = WaitTimer(TrioTimers.current().call_later, self._expire)
        self._expired = False

    # What the stream and the pool call.

    async def more(self, response: ResponseReader, seconds: float | None, deadline: float | None) -> None:
        if seconds is not None or deadline is not None:
            self._timer.begin(seconds, deadline)
        try:
            await self._receive(response)
        finally:
            self._timer.waiting = False
        if self._expired:
            raise timed_out(httpx.ReadTimeout)

    def follow(self, deadline: Callable[[], float | None]) -> None:
        self._timer.follow(deadline)

    def drained(self) -> None:
        pass  # nothing is read ahead of the stream

    @property
    def fileno(self) -> int:
        return self._socket.fileno()

    def is_quiet(self) -> bool:
        return not is_readable(self.fileno)

    def settle(self) -> None:
        self._timer.stop()
        super().settle()

    def abort(self) -> None:
        self._timer.stop()
        if self.response is not None:
            self.response.fail(read_error(None))
        if self.fileno >= 0:
            try:
                trio.lowlevel.notify_closing(self._socket)
            except RuntimeError:
                pass  # called from outside the event loop: no task of it can be waiting in this thread
            self._socket.close()

    def abandon(self, *, inherited: bool) -> None:
        self._socket.close()

    # Sending and waiting.

    async def _send(self, outgoing: Outgoing, timeouts: Timeouts) -> bool:
        if outgoing.rest is None and len(outgoing.parts) == 1:
            return await self._write(outgoing.parts[0], timeouts)
        sent, failure = False, None
        async with anyio.create_task_group() as group:
            group.start_soon(self._listen, group.cancel_scope)
            try:
                sent = await self._write_all(outgoing, timeouts)
            except Exception as exc:  # raised below: the group would wrap it
                failure = exc
            group.cancel_scope.cancel()
        if failure is not None:
            raise failure
        return sent

    async def _listen(self, sending: anyio.CancelScope) -> None:
        response = cast("ResponseReader", self.response)
        while not response.head_done and not response.ended:
            await self._receive(response)
        if is_refusal(response):
            sending.cancel()

    async def _write_all(self, outgoing: Outgoing, timeouts: Timeouts) -> bool:
        for part in outgoing.parts:
            if not await self._write_slices(part, timeouts):
                return False
        if outgoing.rest is not None:
            async with contextlib.aclosing(outgoing.rest) as rest:
                async for part in rest:
                    if not await self._write_slices(part, timeouts):
                        return False
        return True

    async def _write_slices(self, data: bytes, timeouts: Timeouts) -> bool:
        response = cast("ResponseReader", self.response)
        for start in range(0, len(data), _SLICE):
            if is_refusal(response) or not await self._write(data[start : start + _SLICE], timeouts):
                return False
        return True

    async def _write(self, data: bytes, timeouts: Timeouts) -> bool:
        try:
            with anyio.move_on_after(timeouts.within(timeouts.write)) as scope:
                await self._put(data)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, ssl.SSLError):
            return False  # the peer may have answered before it hung up
        if scope.cancelled_caught:
            raise timed_out(httpx.WriteTimeout)
        return True

    async def _receive_head(self, response: ResponseReader, timeouts: Timeouts) -> None:
        seconds = timeouts.within(timeouts.read)
        if seconds is None:
            await self._receive_all_of_the_head(response)
            return
        with anyio.move_on_after(seconds) as scope:
            await self._receive_all_of_the_head(response)
        if scope.cancelled_caught and not response.head_done and not response.ended:
            raise timed_out(httpx.ReadTimeout)

    async def _receive_all_of_the_head(self, response: ResponseReader) -> None:
        while not response.head_done and not response.ended:
            await self._receive(response)

    async def _put(self, data: bytes) -> None:
        await self._stream.send(data)

    async def _receive(self, response: ResponseReader) -> None:
        """Wait for bytes, and parse those that have come; the response hears of an end or a break."""
        try:
            await trio.lowlevel.wait_readable(self._socket)
            size = self._socket.recv_into(self._buffer)
            if not size:
                response.feed_eof()
            elif self._take(response, self._buffer[:size]):
                await self._flush()
        except BlockingIOError:
            pass  # the wait was in vain
        except (trio.ClosedResourceError, anyio.ClosedResourceError, anyio.BrokenResourceError, OSError) as exc:
            response.fail(read_error(exc.__cause__ or exc))

    def _take(self, response: ResponseReader, data: memoryview) -> bool:
        """Parse; whether the peer is owed an answer, which `_flush` sends."""
        response.feed(data)
        return False

    async def _flush(self) -> None:
        """Send what is owed."""

    def _expire(self) -> None:
        self._expired = True
        self.abort()  # wakes the reader, which a cancel scope around each read would do at a far higher price
