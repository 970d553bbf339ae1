"""The asyncio connection over TLS: the same protocol, with a TLS session between the socket and the parser."""

from __future__ import annotations

import asyncio
import ssl

from .asyncio_connection import AsyncioConnection
from .buffers import LoopBuffers
from .connection import read_error
from .origin import Origin
from .tls_channel import PLAIN_BYTES, TlsChannel

_decrypted = LoopBuffers(PLAIN_BYTES)


class AsyncioTlsConnection(AsyncioConnection):
    """One TLS connection on an asyncio loop; of no use before `handshake` has returned."""

    def __init__(self, loop: asyncio.AbstractEventLoop, origin: Origin, context: ssl.SSLContext) -> None:
        super().__init__(loop, origin)
        self._tls = TlsChannel(context, origin.server_hostname)
        self._plain = _decrypted.of(loop)
        self._shaken: asyncio.Future[None] | None = None

    async def handshake(self) -> None:
        """Agree on keys and check the certificate. Raises ssl.SSLError or OSError; the connection is then closed."""
        self._shaken = self._loop.create_future()
        try:
            self._shake()
            await self._shaken
        except BaseException:
            self.abort()
            raise
        finally:
            self._shaken = None

    def _received(self, data: memoryview) -> None:
        self._tls.feed(data)
        if self._shaken is not None and not self._shaken.done():
            self._shake()
        else:
            self._decrypt()

    def is_quiet(self) -> bool:
        return not self._tls.pending and super().is_quiet()

    def eof_received(self) -> None:
        super().eof_received()
        self._fail_handshake(ConnectionResetError("the server hung up during the TLS handshake"))

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._fail_handshake(exc or ConnectionResetError("the server hung up during the TLS handshake"))

    def _shake(self) -> None:
        try:
            done = self._tls.handshake()
        except ssl.SSLError as exc:
            self._flush()  # the alert that says why
            self._fail_handshake(exc)
            return
        self._flush()
        if done and self._shaken is not None:
            self._shaken.set_result(None)
            self._decrypt()

    def _fail_handshake(self, exc: Exception) -> None:
        if self._shaken is not None and not self._shaken.done():
            self._shaken.set_exception(exc)

    def _decrypt(self) -> None:
        tls, plain = self._tls, self._plain
        try:
            while count := tls.read(plain):
                self._take(plain[:count])
        except ssl.SSLError as exc:
            if self.response is not None:
                self.response.fail(read_error(exc))
            self.abort()
            return
        if tls.owes:
            self._flush()
        if tls.ended:
            super().eof_received()
            self.abort()

    def _put(self, data: memoryview) -> None:
        try:
            self._tls.encrypt(data)
        except ssl.SSLError as exc:
            if self.response is not None:
                self.response.fail(read_error(exc))
            self.abort()
            return
        self._flush()

    def _flush(self) -> None:
        ciphertext = self._tls.outgoing()
        if ciphertext and self._transport is not None:
            self._transport.write(ciphertext)
