"""The same limits as `streams_sync`, on the connections of httpx's own transports for event loops."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

import anyio
import anyio.lowlevel

from ..core import clock
from .course import Course
from .early_answer import LISTEN_ABOVE, SLICE, EarlyAnswer
from .lean.sockets import is_readable

Read = Callable[..., Awaitable[bytes]]
Write = Callable[..., Awaitable[None]]

now: ContextVar[Course | None] = ContextVar("now", default=None)
"""The course of the request that this task is making."""


def put_behind(stream: Any, course: Course) -> None:
    """Put a connection's reads and writes behind ours, once; one that takes no attributes stays as it is."""
    known = getattr(stream, "__dict__", None)
    if known is not None and "read" not in known:
        ours = _Stream(stream, course)
        stream.read, stream.write, stream.get_extra_info = ours.read, ours.write, ours.get_extra_info


class _Stream:
    """What stands before a connection of httpcore's."""

    def __init__(self, stream: Any, course: Course) -> None:
        kind, itself = type(stream), weakref.proxy(stream)
        self._read: Read = functools.partial(kind.read, itself)
        self._write: Write = functools.partial(kind.write, itself)
        self._extra_info: Callable[[str], Any] = functools.partial(kind.get_extra_info, itself)
        self._kept, self._place = course.kept, course.place
        self._used_at = clock.monotonic()
        self._early = EarlyAnswer()

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable" and self._kept.is_distrusted(self._place, self._used_at):
            return True  # as of a connection that the peer has closed: its pool lets go of it
        return self._extra_info(info)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._early:
            await anyio.lowlevel.checkpoint()
            return self._early.take(max_bytes)
        course = now.get()
        if course is None:
            return await self._read(max_bytes, timeout)
        course.heard = course.heard or False
        data = await self._read(max_bytes, course.seconds(timeout))
        course.heard = course.heard or bool(data)
        self._used_at = clock.monotonic()
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        course = now.get()
        if course is None or len(buffer) <= LISTEN_ABOVE:
            await self._write(buffer, timeout if course is None else course.seconds(timeout))
        elif not await self._write_and_listen(course, buffer, timeout):
            import httpcore  # late: it brings trio with it

            raise httpcore.WriteError("the server answered before it had read the request")

    async def _write_and_listen(self, course: Course, buffer: bytes, timeout: float | None) -> bool:
        """Write; False when the server answered, before it had read all, that it wants no more."""
        view, written = memoryview(buffer), False
        failure: Exception | None = None
        self._early.begin()
        async with anyio.create_task_group() as group:
            group.start_soon(self._listen, group.cancel_scope)
            try:
                for start in range(0, len(view), SLICE):
                    if self._is_readable():
                        await anyio.lowlevel.checkpoint()  # the listener's turn, before a write finds the end
                    await self._write(bytes(view[start : start + SLICE]), course.seconds(timeout))
                written = True
            except Exception as exc:  # raised below: the group would wrap it
                failure = exc
            group.cancel_scope.cancel()
        if failure is not None:
            raise failure
        return written

    def _is_readable(self) -> bool:
        sock = self._extra_info("socket")
        return sock is not None and hasattr(sock, "fileno") and is_readable(sock.fileno())

    async def _listen(self, writing: anyio.CancelScope) -> None:
        import httpcore  # late: it brings trio with it

        try:
            while self._early.is_wanted:
                if self._early.feed(await self._read(LISTEN_ABOVE, None)):
                    writing.cancel()
                    return
        except httpcore.NetworkError:
            writing.cancel()  # what is read next will say so again
