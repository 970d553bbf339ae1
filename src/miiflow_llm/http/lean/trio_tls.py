"""The connection for trio over TLS: the same, with a TLS session between the socket and the parser."""

from __future__ import annotations

import socket
import ssl

import anyio
import anyio.abc
import trio

from .buffers import LoopBuffers
from .origin import Origin
from .response import ResponseReader
from .tls_channel import PLAIN_BYTES, TlsChannel
from .trio_connection import TrioConnection

_decrypted = LoopBuffers(PLAIN_BYTES)


class TrioTlsConnection(TrioConnection):
    """One TLS connection over an anyio socket stream; of no use before `handshake` has returned."""

    def __init__(self, stream: anyio.abc.SocketStream, origin: Origin, context: ssl.SSLContext) -> None:
        super().__init__(stream, origin)
        self._tls = TlsChannel(context, origin.server_hostname)
        self._plain = _decrypted.of(anyio.lowlevel.current_token().native_token)
        self._untried = True
        self._sending = False

    async def handshake(self) -> None:
        """Agree on keys and check the certificate. Raises ssl.SSLError or OSError; the connection is then closed."""
        try:
            await self._shake()
        except BaseException:
            self.abort()
            raise

    def is_quiet(self) -> bool:
        if self._tls.pending or self._tls.ended:
            return False
        # A TLS 1.3 server sends session tickets on its own, which nobody has read before the first exchange.
        return super().is_quiet() or (self._untried and not self._is_closed_by_peer())

    def settle(self) -> None:
        self._untried = self._untried and self.response is None
        super().settle()

    async def _shake(self) -> None:
        try:
            while not self._tls.handshake():
                await self._flush()
                await trio.lowlevel.wait_readable(self._socket)
                self._feed()
        except ssl.SSLError:
            await self._flush()  # the alert that says why
            raise
        await self._flush()

    async def _put(self, data: bytes) -> None:
        self._tls.encrypt(memoryview(data))
        self._sending = True
        try:
            await self._flush()
        finally:
            self._sending = False

    async def _flush(self) -> None:
        ciphertext = self._tls.outgoing()
        if ciphertext:
            await self._stream.send(ciphertext)

    def _feed(self) -> None:
        try:
            size = self._socket.recv_into(self._buffer)
        except BlockingIOError:
            return
        if not size:
            raise ConnectionResetError("the server hung up during the TLS handshake")
        self._tls.feed(self._buffer[:size])

    def _take(self, response: ResponseReader, data: memoryview) -> bool:
        tls, plain = self._tls, self._plain
        tls.feed(data)
        while count := tls.read(plain):
            response.feed(plain[:count])
        if tls.ended:
            response.feed_eof()
        return tls.owes and not self._sending

    def _is_closed_by_peer(self) -> bool:
        try:
            return self._socket.recv(1, socket.MSG_PEEK) == b""
        except OSError:
            return True
