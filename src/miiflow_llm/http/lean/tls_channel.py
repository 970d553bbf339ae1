"""TLS without a socket: it turns ciphertext into plaintext and back.

asyncio's own TLS keeps a buffer of 256 KiB for every connection and costs an exception for every read; this does not.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import cast

PLAIN_BYTES = 64 * 1024
"""The size of a buffer for `read`: more than a record (16 KiB), so that one read leaves nothing of it behind."""


class TlsChannel:
    """The client's end of one TLS session. Every method may raise ssl.SSLError, after which the session is over."""

    __slots__ = ("_incoming", "_object", "_outgoing", "_read_into", "ended")

    def __init__(self, context: ssl.SSLContext, server_hostname: str) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_hostname)
        # The standard library's stubs do not know that with a buffer the count of bytes comes back.
        self._read_into = cast("Callable[[int, memoryview], int]", self._object.read)
        self.ended = False
        """Whether the peer has said goodbye (close_notify)."""

    def handshake(self) -> bool:
        """Go on with the handshake as far as what has come allows; whether it is done."""
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def feed(self, ciphertext: memoryview) -> None:
        self._incoming.write(ciphertext)

    def read(self, buffer: memoryview) -> int:
        """Decrypt the next record into `buffer`; 0 when no whole record is left, or the peer has said goodbye."""
        if not self._incoming.pending:
            return 0
        try:
            count = self._read_into(len(buffer), buffer)
        except ssl.SSLWantReadError:
            return 0
        self.ended = count == 0
        return count

    @property
    def pending(self) -> bool:
        """Whether ciphertext has come that `read` has not used: a part of a record."""
        return self._incoming.pending > 0

    def encrypt(self, plaintext: memoryview) -> None:
        self._object.write(plaintext)

    @property
    def owes(self) -> bool:
        """Whether there is ciphertext to be sent: some records call for an answer."""
        return self._outgoing.pending > 0

    def outgoing(self) -> bytes:
        """Ciphertext that is to be sent."""
        return self._outgoing.read()
