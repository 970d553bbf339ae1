"""An answer's body as a call reads it: the same for event loops and threads, and no exception of httpx's comes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from ..core.exceptions import MiiflowLLMError
from ..core.timeout import Timeout
from .transport import translated

if TYPE_CHECKING:
    from .body import Body
    from .transport_sync import SyncBody

_HTTPX = (httpx.HTTPError, httpx.StreamError, OSError)
_NO_LIMITS = Timeout.of(None)


class DeadlineError(Exception):
    """A read waited past the body's deadline. Which of the caller's limits that was, its call knows."""


class BrokenBodyError(Exception):
    """The connection broke, or its bytes cannot be unpacked; `error` is what that is to the caller."""

    def __init__(self, error: MiiflowLLMError) -> None:
        super().__init__(error.message)
        self.error = error


ReadError = DeadlineError | BrokenBodyError
READ_ERRORS = (DeadlineError, BrokenBodyError)
"""What `read` raises, beside errors of ours from a transport of the caller's."""


class LoopBody:
    """The body of an asynchronous answer. `deadline` is a time of `clock.monotonic`, heeded by the next read."""

    __slots__ = ("_body", "abort", "deadline")

    def __init__(self, body: Body) -> None:
        self._body = body
        self.abort = body.abort
        self.deadline: float | None = None

    async def read(self) -> bytes:
        """What came since the last read; `b""` at the end.

        Raises:
            DeadlineError: the deadline passed.
            BrokenBodyError: the connection broke.
        """
        self._body.deadline = self.deadline
        try:
            return await self._body.read()
        except _HTTPX as reason:
            failure = told(reason)
        raise failure  # here, since httpx's exception holds the request and its key, and would be this one's context

    async def aclose(self) -> None:
        """Let go: the connection is kept when the body is complete; one that broke is closed."""
        try:
            await self._body.aclose()
        except _HTTPX:
            pass


class ThreadBody:
    """The body of a synchronous answer: as `LoopBody`, but its coroutines block and never suspend."""

    __slots__ = ("_body", "abort", "deadline")

    def __init__(self, body: SyncBody) -> None:
        self._body = body
        self.abort = body.abort
        self.deadline: float | None = None

    async def read(self) -> bytes:
        """As `LoopBody.read`."""
        self._body.deadline = self.deadline
        try:
            return self._body.read()
        except _HTTPX as reason:
            failure = told(reason)
        raise failure

    async def aclose(self) -> None:
        """As `LoopBody.aclose`."""
        try:
            self._body.close()
        except _HTTPX:
            pass


def told(reason: BaseException) -> Exception:
    """What a failed read raises: an error of ours as it is, any other without what it holds."""
    if isinstance(reason, MiiflowLLMError):  # our TimeoutError is an OSError too
        return reason
    if isinstance(reason, httpx.TimeoutException):
        return DeadlineError()
    return BrokenBodyError(translated(reason, _NO_LIMITS))
