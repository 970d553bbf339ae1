"""The connection of a thread over TLS: the same, with a TLS session between the socket and the parser.

The session never holds the socket, so that whatever becomes of the socket, what is sent is ciphertext.
"""

from __future__ import annotations

import socket
import ssl
import threading

from .blocking_connection import BlockingConnection
from .connection import RECEIVE_BYTES, read_error
from .origin import Origin
from .request import Outgoing
from .response import ResponseReader
from .timeouts import Timeouts
from .tls_channel import PLAIN_BYTES, TlsChannel


class _Buffers(threading.local):
    """What a thread has decrypted, until it is parsed."""

    def __init__(self) -> None:
        self.plain = memoryview(bytearray(PLAIN_BYTES))


_buffers = _Buffers()


class BlockingTlsConnection(BlockingConnection):
    """One TLS connection; of no use before `handshake` has returned."""

    def __init__(self, origin: Origin, sock: socket.socket, context: ssl.SSLContext) -> None:
        super().__init__(origin, sock)
        self._tls = TlsChannel(context, origin.server_hostname)
        self._owed_within = Timeouts()

    def handshake(self, timeouts: Timeouts) -> None:
        """Agree on keys and check the certificate, within `timeouts.until`. Raises ssl.SSLError or OSError."""
        try:
            while not self._tls.handshake():
                self._flush(timeouts)
                self._limit(timeouts.within(None))
                data = self._socket.recv(RECEIVE_BYTES)
                if not data:
                    raise ConnectionResetError("the server hung up during the TLS handshake")
                self._tls.feed(memoryview(data))
        except ssl.SSLError:
            self._flush(timeouts)  # the alert that says why
            raise
        self._flush(timeouts)

    def is_quiet(self) -> bool:
        if self._tls.pending or self._tls.ended:
            return False
        return super().is_quiet() or (not self._aborted and self._brought_no_data())

    def _brought_no_data(self) -> bool:
        """Whether what there is to read is only TLS's own: a session ticket, which servers send unasked."""
        self._limit(0.0)
        try:
            data = self._socket.recv(RECEIVE_BYTES)
            self._tls.feed(memoryview(data))
            return bool(data) and not self._tls.read(_buffers.plain) and not (self._tls.ended or self._tls.pending)
        except OSError:  # ssl.SSLError is one
            return False

    def _send(self, response: ResponseReader, outgoing: Outgoing, timeouts: Timeouts) -> bool:
        self._owed_within = timeouts
        try:
            return super()._send(response, outgoing, timeouts)
        except ssl.SSLError as exc:
            response.fail(read_error(exc))
            return False

    def _wire_form(self, data: memoryview) -> memoryview:
        self._tls.encrypt(data)
        return memoryview(self._tls.outgoing())

    def _take(self, response: ResponseReader, data: memoryview) -> None:
        tls, plain = self._tls, _buffers.plain
        try:
            tls.feed(data)
            while count := tls.read(plain):
                response.feed(plain[:count])
        except ssl.SSLError as exc:
            response.fail(read_error(exc))
            return
        if tls.ended:
            response.feed_eof()
        elif tls.owes:
            self._flush(Timeouts(write=self._owed_within.write))

    def _flush(self, timeouts: Timeouts) -> None:
        """Send what TLS has to say. A peer that no longer listens will be noticed by the next read."""
        ciphertext = self._tls.outgoing()
        if ciphertext:
            self._push(memoryview(ciphertext), timeouts)
