"""The connection for trio: reads and writes through anyio's streams.

A body's reads are timed by one lazy timer, and broken off by closing the socket; the waits that come once in a request
(to connect, write, or see the head) by anyio's cancel scopes.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import anyio
import anyio.abc
import anyio.lowlevel
import httpx
from anyio.streams.tls import TLSAttribute

from .connection import RECEIVE_BYTES, Connection, is_refusal, read_error, timed_out
from .origin import Origin
from .request import Outgoing
from .response import ResponseReader
from .sockets import is_readable
from .trio_timers import TrioTimers
from .wait_timer import WaitTimer

if TYPE_CHECKING:
    from .stream import ResponseStream

_SLICE = 64 * 1024  # up to here a body is sent without listening for an early answer


async def open_connection(origin: Origin, context: ssl.SSLContext | None, local_address: str | None) -> AnyioConnection:
    """Connect through anyio. Raises what anyio raises: OSError, ssl.SSLError, EndOfStream, BrokenResourceError."""
    if context is None:
        stream: anyio.abc.ByteStream = await anyio.connect_tcp(origin.host, origin.port, local_host=local_address)
    else:
        stream = await anyio.connect_tcp(
            origin.host,
            origin.port,
            local_host=local_address,
            ssl_context=context,
            tls_standard_compatible=False,  # servers seldom send close_notify; length and chunks tell the end
            tls_hostname=origin.server_hostname,
        )
    return AnyioConnection(stream, origin)


class AnyioConnection(Connection):
    """One connection over an anyio byte stream."""

    def __init__(self, stream: anyio.abc.ByteStream, origin: Origin) -> None:
        super().__init__(origin, anyio.lowlevel.current_token().native_token)
        self._stream = stream
        extra = stream.extra
        self._socket: socket.socket = extra(anyio.abc.SocketAttribute.raw_socket)
        self._ssl_object: ssl.SSLObject | None = extra(TLSAttribute.ssl_object, None)
        self._untried = True
        self._timer = WaitTimer(TrioTimers.current().call_later, self._expire)
        self._expired = False

    # What the stream and the pool call.

    async def more(self, stream: ResponseStream) -> None:
        response = stream.response
        try:
            while not response.pieces and not response.ended:
                if stream.read_timeout is not None or stream.deadline is not None:
                    self._timer.begin(stream.read_timeout, stream.deadline)
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
        if self._ssl_object is not None and _has_plaintext(self._ssl_object):
            return False
        if not is_readable(self.fileno):
            return True
        # A TLS 1.3 server sends session tickets on its own, which nobody has read before the first exchange.
        return self._untried and self._ssl_object is not None and not self._is_closed_by_peer()

    def settle(self) -> None:
        self._untried = self._untried and self.response is None
        self._timer.stop()
        super().settle()

    def abort(self) -> None:
        self._timer.stop()
        if self.response is not None:
            self.response.fail(read_error(None))
        if self.fileno >= 0:
            try:
                anyio.notify_closing(self._socket)
            except RuntimeError:
                pass  # called from outside the event loop: no task of it can be waiting in this thread
            self._socket.close()

    def abandon(self, *, inherited: bool) -> None:
        self._socket.close()

    # Sending and waiting.

    async def _send(self, outgoing: Outgoing, timeout: float | None) -> bool:
        if outgoing.rest is None and len(outgoing.parts) == 1:
            return await self._write(outgoing.parts[0], timeout)
        sent, failure = False, None
        async with anyio.create_task_group() as group:
            group.start_soon(self._listen, group.cancel_scope)
            try:
                sent = await self._write_all(outgoing, timeout)
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
        # A TLS record that is cut off breaks reading too: there the sender looks between two slices instead.
        if is_refusal(response) and self._ssl_object is None:
            sending.cancel()

    async def _write_all(self, outgoing: Outgoing, timeout: float | None) -> bool:
        for part in outgoing.parts:
            if not await self._write_slices(part, timeout):
                return False
        if outgoing.rest is not None:
            async with contextlib.aclosing(outgoing.rest) as rest:
                async for part in rest:
                    if not await self._write_slices(part, timeout):
                        return False
        return True

    async def _write_slices(self, data: bytes, timeout: float | None) -> bool:
        response = cast("ResponseReader", self.response)
        for start in range(0, len(data), _SLICE):
            if is_refusal(response) or not await self._write(data[start : start + _SLICE], timeout):
                return False
        return True

    async def _write(self, data: bytes, timeout: float | None) -> bool:
        try:
            with anyio.move_on_after(timeout) as scope:
                await self._stream.send(data)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, ssl.SSLError):
            return False  # the peer may have answered before it hung up
        if scope.cancelled_caught:
            raise timed_out(httpx.WriteTimeout)
        return True

    async def _receive_head(self, response: ResponseReader, timeout: float | None) -> None:
        while not response.head_done and not response.ended:
            if timeout is None:
                await self._receive(response)
            elif not await self._receive_within(timeout, response):
                raise timed_out(httpx.ReadTimeout)

    async def _receive_within(self, seconds: float, response: ResponseReader) -> bool:
        with anyio.move_on_after(seconds) as scope:
            await self._receive(response)
        return not scope.cancelled_caught

    async def _receive(self, response: ResponseReader) -> None:
        try:
            data = await self._stream.receive(RECEIVE_BYTES)
        except anyio.EndOfStream:
            response.feed_eof()
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, ssl.SSLError) as exc:
            response.fail(read_error(exc.__cause__ or exc))
        else:
            response.feed(data)

    def _expire(self) -> None:
        self._expired = True
        self.abort()  # wakes the reader, which a cancel scope around each read would do at a far higher price

    def _is_closed_by_peer(self) -> bool:
        try:
            return self._socket.recv(1, socket.MSG_PEEK) == b""
        except OSError:
            return True


def _has_plaintext(ssl_object: ssl.SSLObject) -> bool:
    try:
        ssl_object.read(1)
    except ssl.SSLWantReadError:
        return False
    except ssl.SSLError:
        return True
    return True
