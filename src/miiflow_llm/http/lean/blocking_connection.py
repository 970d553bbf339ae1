"""The connection of a thread: each wait is a wait of the socket's own, with its limit; nobody else watches the clock.

Whoever sends or receives holds `_io`. Another thread may break that off by `abort`: it shuts the socket, below TLS, and
leaves closing it to the one who uses it, so that the descriptor is never somebody else's meanwhile.
"""

from __future__ import annotations

import contextlib
import socket
import threading

import httpx

from ...core import clock
from .connection import RECEIVE_BYTES, Connection, is_refusal, read_error, timed_out
from .origin import Origin
from .request import Outgoing
from .response import ResponseReader
from .sockets import is_readable, wait_for_either
from .timeouts import LONGEST, Timeouts

_SLICE = 256 * 1024
_HIGH_WATER = 256 * 1024  # of an answer that comes while its request is sent


class _Buffers(threading.local):
    """The read buffer of a thread: it waits in one read at a time, and what came is parsed before the next."""

    def __init__(self) -> None:
        self.received = memoryview(bytearray(RECEIVE_BYTES))


_buffers = _Buffers()


class BlockingConnection(Connection):
    """One connection, used by one thread at a time."""

    def __init__(self, origin: Origin, sock: socket.socket) -> None:
        super().__init__(origin)
        self._socket = sock
        self._io = threading.Lock()
        self._ending = threading.RLock()  # held to shut and to close; the collector may call `abort` inside itself
        self._aborted = False

    def exchange(self, method: str, outgoing: Outgoing, timeouts: Timeouts) -> ResponseReader:
        """Send a request and wait for the head of its response.

        Raises httpx.ReadError, RemoteProtocolError, ReadTimeout or WriteTimeout; the connection is then of no use.
        """
        response = self.response = ResponseReader(method)
        self._sent = False
        try:
            with self._io:
                self._sent = self._send(response, outgoing, timeouts) and outgoing.keep_alive
                self._receive_head(response, timeouts.deadline(timeouts.read))
        finally:
            self._close_if_aborted()
        if response.error is not None and not response.head_done:
            raise response.error
        return response

    def more(self, response: ResponseReader, seconds: float | None, deadline: float | None) -> None:
        """Wait until body bytes have come or the response has ended.

        Raises httpx.ReadTimeout when `deadline`, or `seconds` counted from now, has passed.
        """
        if deadline is not None:
            left = max(deadline - clock.monotonic(), 0.0)
            seconds = left if seconds is None or left < seconds else seconds
        if not self._io.acquire(blocking=False):
            raise RuntimeError("another thread is already waiting on this response")
        try:
            self._receive(response, seconds)
        finally:
            self._io.release()
            self._close_if_aborted()

    @property
    def fileno(self) -> int:
        return self._socket.fileno()

    def is_quiet(self) -> bool:
        return not self._aborted and not is_readable(self.fileno)

    def abort(self) -> None:
        """Close the socket at once, without a wait; from any thread, and from the collector."""
        self._aborted = True
        if self.response is not None:
            self.response.fail(read_error(None))
        with self._ending, contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        if self._io.acquire(blocking=False):
            self._io.release()
            self._close()

    def abandon(self, *, inherited: bool) -> None:
        self._aborted = True
        self._socket.close()  # without a lock, which in a forked child a thread of the parent's may hold for ever

    def _close(self) -> None:
        with self._ending:
            self._socket.close()

    def _close_if_aborted(self) -> None:
        if self._aborted:
            self._close()

    # Sending.

    def _send(self, response: ResponseReader, outgoing: Outgoing, timeouts: Timeouts) -> bool:
        """Send; False when the peer hung up, or refused by an early answer, before everything was sent."""
        return all(self._write(response, part, timeouts) for part in outgoing.parts)

    def _write(self, response: ResponseReader, data: bytes, timeouts: Timeouts) -> bool:
        if len(data) <= _SLICE:
            return self._push(self._wire_form(memoryview(data)), timeouts)
        view, heard = memoryview(data), len(response.pieces)
        for start in range(0, len(data), _SLICE):
            wire = self._wire_form(view[start : start + _SLICE])
            if not self._push_and_listen(response, wire, timeouts, heard):
                return False
        return True

    def _wire_form(self, data: memoryview) -> memoryview:
        """What goes over the wire for `data`."""
        return data

    def _push(self, wire: memoryview, timeouts: Timeouts) -> bool:
        while wire:
            self._limit(timeouts.within(timeouts.write))
            try:
                wire = wire[self._socket.send(wire) :]
            except OSError as exc:
                if _is_timeout(exc):
                    raise timed_out(httpx.WriteTimeout) from None
                return False  # the peer may have answered before it hung up
        return True

    def _push_and_listen(self, response: ResponseReader, wire: memoryview, timeouts: Timeouts, heard: int) -> bool:
        """Send while an early answer is listened for, which a peer that reads no further may have given."""
        while wire:
            listening = len(response.pieces) - heard < _HIGH_WATER // RECEIVE_BYTES
            seconds = timeouts.within(timeouts.write)
            readable, writable = wait_for_either(self.fileno, seconds, listening=listening)
            if readable:
                self._receive(response, 0.0)
            if is_refusal(response):
                return False
            if not readable and not writable:
                raise timed_out(httpx.WriteTimeout)
            if writable:
                self._limit(0.0)
                try:
                    wire = wire[self._socket.send(wire) :]
                except OSError as exc:
                    if not _is_timeout(exc):
                        return False
        return True

    # Receiving.

    def _receive_head(self, response: ResponseReader, deadline: float | None) -> None:
        while not response.head_done and not response.ended:
            self._receive(response, None if deadline is None else max(deadline - clock.monotonic(), 0.0))

    def _receive(self, response: ResponseReader, seconds: float | None) -> None:
        """Wait for bytes, and parse those that have come; the response hears of an end or a break."""
        buffer = _buffers.received
        self._limit(seconds)
        try:
            size = self._socket.recv_into(buffer)
        except OSError as exc:
            if _is_timeout(exc) and not self._aborted:
                raise timed_out(httpx.ReadTimeout) from None
            response.fail(read_error(exc))
            return
        if self._aborted:
            response.fail(read_error(None))
        elif size:
            self._take(response, buffer[:size])
        else:
            response.feed_eof()

    def _take(self, response: ResponseReader, data: memoryview) -> None:
        response.feed(data)

    def _limit(self, seconds: float | None) -> None:
        """How long the socket's next call may wait."""
        with contextlib.suppress(OSError):  # closed: the call itself will say so
            self._socket.settimeout(None if seconds is None or seconds > LONGEST else seconds)


def _is_timeout(exc: OSError) -> bool:
    """Whether the limit of a call has passed; the system's own ETIMEDOUT is a broken connection."""
    return isinstance(exc, BlockingIOError) or (isinstance(exc, TimeoutError) and exc.errno is None)
