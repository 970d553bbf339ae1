"""Limits on the reads and writes of httpx's own connections, for plain synchronous code.

httpx limits each single read, so that a server which sends a byte now and then is waited for without end, and of a body
a read cannot be told another limit. So a connection's `read` and `write` are put behind ours, which ask the course of
the request that this thread is making.
"""

from __future__ import annotations

import functools
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..core import clock
from .course import Course
from .early_answer import LISTEN_ABOVE, SLICE, EarlyAnswer
from .lean.sockets import wait_for_either

Read = Callable[..., bytes]
Write = Callable[..., None]


class DeadlinePassed(BaseException):
    """Time is up on a connection that others use too.

    Not an `Exception`, which httpcore would take for the end of the connection and of everybody's requests on it.
    """


class _Now(threading.local):
    """The course of the request that this thread is making."""

    course: Course | None = None


_now = _Now()


@contextmanager
def followed(course: Course) -> Iterator[None]:
    """What this thread reads and writes meanwhile is of this course."""
    before, _now.course = _now.course, course
    try:
        yield
    finally:
        _now.course = before


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

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        import httpcore  # late: it brings trio with it

        if self._early:
            return self._early.take(max_bytes)
        course = _now.course
        if course is None:
            return self._read(max_bytes, timeout)
        course.heard = course.heard or False
        try:
            data = self._read(max_bytes, course.seconds(timeout))
        except httpcore.ReadTimeout:
            if course.shared:
                raise DeadlinePassed from None
            raise
        course.heard = course.heard or bool(data)
        self._used_at = clock.monotonic()
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        course = _now.course
        if course is None or len(buffer) <= LISTEN_ABOVE:
            self._write(buffer, timeout if course is None else course.seconds(timeout))
            return
        self._early.begin()
        view = memoryview(buffer)
        for start in range(0, len(view), SLICE):
            if self._is_refused(course.seconds(timeout)):
                import httpcore  # as above

                raise httpcore.WriteError("the server answered before it had read the request")
            self._write(bytes(view[start : start + SLICE]), course.seconds(timeout))

    def _is_refused(self, seconds: float | None) -> bool:
        """Wait until the socket can be written; whether an answer came meanwhile that wants no more."""
        sock = self._extra_info("socket")
        if sock is None or not hasattr(sock, "fileno"):
            return False
        while True:
            readable, writable = wait_for_either(sock.fileno(), seconds, listening=self._early.is_wanted)
            if readable and self._hears_a_refusal():
                return True
            if writable or not readable:
                return False

    def _hears_a_refusal(self) -> bool:
        import httpcore  # as above

        try:
            return self._early.feed(self._read(LISTEN_ABOVE, 0.001))
        except httpcore.ReadTimeout:
            return False  # only of TLS: no bytes of the answer
        except httpcore.ReadError:
            return True
