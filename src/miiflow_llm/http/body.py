"""An answer's body over asyncio or trio: its plain bytes, with a deadline on each read.

It knows the lean transport's seam, any other httpx transport, and content codings; nothing of what the bytes mean.
"""

from __future__ import annotations

import asyncio
import builtins
import sys
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol

import anyio
import anyio.lowlevel
import httpx

from ..core import clock
from .content_coding import Coding, CodingError, coding_of


class Body(Protocol):
    """An answer's body. `deadline` is a time of `clock.monotonic`, moved by plain assignment."""

    deadline: float | None

    async def read(self) -> bytes:
        """What came since the last read; `b""` at the end."""

    async def aclose(self) -> None:
        """Let go: the connection is kept when the body is complete."""

    def abort(self) -> None:
        """Close the connection now, without waiting."""


def body_of(response: httpx.Response, give_back: Callable[[], None] | None = None) -> Body:
    """The body of an answer of httpx's whose head has come. `deadline` limits its single waits now, not httpx.

    `give_back` is called when the connection is let go.
    """
    response.request.extensions.get("timeout", {})["read"] = None
    body = _lean_body(response) or HttpxBody(response, give_back)
    return body if response.is_stream_consumed else decoded(body, response.headers.get("content-encoding"))


def decoded(body: Body, content_encoding: str | None) -> Body:
    """The body with the coding that its header names undone."""
    if not content_encoding:
        return body
    try:
        coding = coding_of(content_encoding)
    except CodingError as reason:
        return UnreadableBody(body, reason)
    return body if coding is None else DecodedBody(body, coding)


def _lean_body(response: httpx.Response) -> Body | None:
    """The lean transport's own stream, if an httpx client stands around it: no timer and no copy between."""
    lean = response.extensions.get("miiflow_stream")
    if lean is None:
        return None
    lean.read_timeout = None
    wrapped = response.stream is not lean
    return WrappedBody(response, lean) if wrapped else lean


class WrappedBody:
    """The lean transport's stream if an httpx client stands around it, which hears of the end."""

    __slots__ = ("_response", "_stream", "abort", "read")

    def __init__(self, response: httpx.Response, stream: Any) -> None:
        self._response = response
        self._stream = stream
        self.read = stream.read
        self.abort = stream.abort

    @property
    def deadline(self) -> float | None:
        value: float | None = self._stream.deadline
        return value

    @deadline.setter
    def deadline(self, when: float | None) -> None:
        self._stream.deadline = when

    async def aclose(self) -> None:
        await self._response.aclose()


class HttpxBody:
    """Any httpx response: its raw bytes, with a cancel scope around each read that has a deadline."""

    __slots__ = ("_give_back", "_home", "_iterator", "_response", "_thread", "deadline")

    def __init__(self, response: httpx.Response, give_back: Callable[[], None] | None) -> None:
        self._response = response
        self._give_back = give_back
        # a response that was made whole, by a mock say, holds its bytes decoded
        whole = response.is_stream_consumed
        self._iterator: AsyncIterator[bytes] = response.aiter_bytes() if whole else response.aiter_raw()
        self._home: Any = anyio.lowlevel.current_token().native_token
        self._thread = threading.get_ident()
        self.deadline: float | None = None

    async def read(self) -> bytes:
        delay = None if self.deadline is None else self.deadline - clock.monotonic()
        try:
            with anyio.fail_after(delay) as scope:
                async for data in self._iterator:
                    if data:
                        return data
        except builtins.TimeoutError:
            if not scope.cancelled_caught:
                raise  # the transport's own word
            raise httpx.ReadTimeout("the deadline passed", request=self._response.request) from None
        return b""

    async def aclose(self) -> None:
        try:
            await self._response.aclose()
            await self._unwind()
        finally:
            if self._give_back is not None:
                self._give_back()

    async def _unwind(self) -> None:
        """End the generators between the socket and us, one in another, which trio warns about when they are dropped.

        Closing the outermost would drop the others; the innermost, once its connection is closed, ends them all.
        """
        try:
            if "network_stream" in self._response.extensions:
                async for _ in self._iterator:
                    pass
            else:
                await self._iterator.aclose()  # type: ignore[attr-defined]
        except (httpx.HTTPError, httpx.StreamError, OSError, RuntimeError):
            pass  # closed, or being read by another task, which ends them

    def abort(self) -> None:
        if threading.get_ident() == self._thread:
            self._close_soon()
        else:  # the collector may run in any thread
            schedule = getattr(self._home, "call_soon_threadsafe", None) or self._home.run_sync_soon
            try:
                schedule(self._close_soon)
            except RuntimeError:
                pass  # the loop has gone, and its sockets with it

    def _close_soon(self) -> None:
        """Close from where nothing can be awaited, on the event loop that runs; elsewhere the collector closes it."""
        try:
            task = asyncio.get_running_loop().create_task(self._close_quietly())
        except RuntimeError:
            self._close_soon_in_trio()
        else:
            _closing.add(task)
            task.add_done_callback(_closing.discard)

    def _close_soon_in_trio(self) -> None:
        trio = sys.modules.get("trio")
        if trio is None:
            return
        try:
            trio.lowlevel.spawn_system_task(self._close_quietly)
        except RuntimeError:  # no trio loop runs in this thread
            return

    async def _close_quietly(self) -> None:
        try:
            await self.aclose()
        except (httpx.HTTPError, httpx.StreamError, OSError):
            pass  # it is closed, and nobody waits for it


_closing: set[asyncio.Task[None]] = set()


class DecodedBody:
    """A body in a content coding, unpacked piece by piece as it is read."""

    __slots__ = ("_body", "_coding", "abort", "aclose")

    def __init__(self, body: Body, coding: Coding) -> None:
        self._body = body
        self._coding = coding
        self.aclose = body.aclose
        self.abort = body.abort

    @property
    def deadline(self) -> float | None:
        return self._body.deadline

    @deadline.setter
    def deadline(self, when: float | None) -> None:
        self._body.deadline = when

    async def read(self) -> bytes:
        try:
            return await self._unpacked()
        except CodingError as reason:
            raise httpx.DecodingError(str(reason)) from None

    async def _unpacked(self) -> bytes:
        data = self._coding.take()
        if data:
            await anyio.lowlevel.checkpoint()  # a bomb unpacks for long without a wait
        while not data:
            coded = await self._body.read()
            if not coded:
                self._coding.finish()
                return b""
            self._coding.feed(coded)
            data = self._coding.take()
        return data


class UnreadableBody:
    """A body in a coding that cannot be read: every read says so."""

    __slots__ = ("_reason", "abort", "aclose", "deadline")

    def __init__(self, body: Body, reason: CodingError) -> None:
        self._reason = reason
        self.deadline: float | None = None
        self.aclose = body.aclose
        self.abort = body.abort

    async def read(self) -> bytes:
        raise httpx.DecodingError(str(self._reason))
