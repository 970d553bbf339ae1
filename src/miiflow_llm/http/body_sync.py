"""An answer's body in plain synchronous code: content codings undone, as `body` does it for event loops."""

from __future__ import annotations

from collections.abc import Callable

import httpx

from .answer import SyncBody
from .content_coding import Coding, CodingError, coding_of


def decoded_sync(body: SyncBody, content_encoding: str | None) -> SyncBody:
    """The body with the coding that its header names undone."""
    if not content_encoding:
        return body
    try:
        coding = coding_of(content_encoding)
    except CodingError as reason:
        return UnreadableSyncBody(body, reason)
    return body if coding is None else DecodedSyncBody(body, coding)


class DecodedSyncBody:
    """A body in a content coding, unpacked piece by piece as it is read."""

    __slots__ = ("_body", "_coding", "abort", "close")

    def __init__(self, body: SyncBody, coding: Coding) -> None:
        self._body = body
        self._coding = coding
        self.close: Callable[[], None] = body.close
        self.abort: Callable[[], None] = body.abort

    @property
    def deadline(self) -> float | None:
        return self._body.deadline

    @deadline.setter
    def deadline(self, when: float | None) -> None:
        self._body.deadline = when

    def read(self) -> bytes:
        try:
            return self._unpacked()
        except CodingError as reason:
            raise httpx.DecodingError(str(reason)) from None

    def _unpacked(self) -> bytes:
        data = self._coding.take()
        while not data:
            coded = self._body.read()
            if not coded:
                self._coding.finish()
                return b""
            self._coding.feed(coded)
            data = self._coding.take()
        return data


class UnreadableSyncBody:
    """A body in a coding that cannot be read: every read says so."""

    __slots__ = ("_reason", "abort", "close", "deadline")

    def __init__(self, body: SyncBody, reason: CodingError) -> None:
        self._reason = reason
        self.deadline: float | None = None
        self.close: Callable[[], None] = body.close
        self.abort: Callable[[], None] = body.abort

    def read(self) -> bytes:
        raise httpx.DecodingError(str(self._reason))
