"""Orders sent by an httpx client in plain synchronous code: a caller's own, or one of ours behind a proxy or a mock.

Deadlines hold in each read (see `streams_sync`): no thread watches them, and nothing of a call outlives it.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx

from ..core import forks
from .answer import SyncAnswer, by_name
from .body_sync import decoded_sync
from .course import Course
from .environment import Proxy
from .errors import refused_by, unreachable
from .httpx_limits import SyncPlace, httpx_timeout, request_headers
from .kept import kept_of, place_of
from .order import Order
from .streams_sync import DeadlinePassed, followed, put_behind


class HttpxSyncSender:
    """By an httpx client, whatever its transport.

    `place` gives a place among its connections if we count them, `proxy` is the environment's that it goes by.
    """

    def __init__(self, client: httpx.Client, place: SyncPlace | None = None, proxy: Proxy | None = None) -> None:
        self._client = client
        self._place = place
        self._proxy = proxy

    def send(self, order: Order) -> SyncAnswer:
        close_dropped()
        give_back = None if self._place is None else self._place(order.timeouts.within(order.timeouts.pool))
        try:
            answer = self._answered(order, give_back)
            give_back = None
            return answer
        finally:
            if give_back is not None:
                give_back()

    def _answered(self, order: Order, give_back: Callable[[], None] | None) -> SyncAnswer:
        course = Course(order.timeouts, kept_of(self._client), place_of(order.url))
        response = self._sent(order, course)
        body = HttpxSyncBody(response, course, give_back)
        coding = None if response.is_stream_consumed else response.headers.get("content-encoding")
        return SyncAnswer(response.status_code, by_name(response.headers.raw), decoded_sync(body, coding))

    def _sent(self, order: Order, course: Course) -> httpx.Response:
        request = self._request(order, course)
        try:
            with followed(course):
                return self._client.send(request, stream=True, auth=None, follow_redirects=False)
        except DeadlinePassed:
            raise course.timed_out() from None
        except httpx.ProxyError as reason:
            raise refused_by(self._proxy, reason) from None
        except Exception as reason:
            what = course.what(reason)
            if self._proxy is not None and isinstance(what, httpx.ConnectError) and not course.asked_proxy:
                what = unreachable(self._proxy, what)
            raise what from None

    def _request(self, order: Order, course: Course) -> httpx.Request:
        def trace(name: str, info: Mapping[str, Any]) -> None:
            opened = course.note(name, info)
            if opened is not None:
                put_behind(opened, course)

        timeout, extensions = httpx_timeout(order.timeouts), {"trace": trace}
        request = self._client.build_request(
            order.method, order.url, content=order.body, timeout=timeout, extensions=extensions
        )
        request_headers(request, order)
        return request


class HttpxSyncBody:
    """Any httpx response: its raw bytes, each read limited by `deadline`."""

    def __init__(self, response: httpx.Response, course: Course, give_back: Callable[[], None] | None) -> None:
        response.request.extensions.get("timeout", {})["read"] = None  # from here on `deadline` limits the waits
        stream = response.extensions.get("network_stream")
        if stream is not None:
            put_behind(stream, course)
            course.owns(stream)
        self.deadline: float | None = None
        self._response = response
        self._course = course
        self._give_back = give_back
        self._io = threading.Lock()
        self._closed = False
        # a response that was made whole, by a mock say, holds its bytes decoded
        whole = response.is_stream_consumed
        self._iterator: Iterator[bytes] = response.iter_bytes() if whole else response.iter_raw()
        _open.add(self)

    def read(self) -> bytes:
        if not self._io.acquire(blocking=False):
            raise RuntimeError("another thread is already waiting on this response")
        self._course.begin_read(self.deadline)
        try:
            with followed(self._course):
                return next((data for data in self._iterator if data), b"")
        except DeadlinePassed:
            self._closed = True
            raise httpx.ReadTimeout("the deadline passed", request=self._response.request) from None
        finally:
            self._io.release()
            if self._closed:
                self.close()

    def disinherit(self) -> None:
        """In a forked child: the answer is the parent's, and its connection is neither read nor shut here."""
        self._course.disown()
        self._io = threading.Lock()
        self._iterator = _inherited_bytes()
        self._give_back = None
        self._response.stream = httpx.ByteStream(b"")  # what closing it closes

    def abort(self) -> None:
        """Close the connection without waiting for a lock, as the collector must, which may run inside the pool's.

        The socket is shut now; the pool hears of it before the next request.
        """
        self._course.shut()
        self._free_place()
        _dropped.append(self)

    def close(self) -> None:
        self._closed = True
        if not self._io.acquire(blocking=False):
            self._course.shut()  # another thread reads: it wakes, and closes
            return
        try:
            _open.discard(self)
            self._response.close()
        finally:
            self._io.release()
            self._free_place()

    def _free_place(self) -> None:
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            give_back()


_open: set[HttpxSyncBody] = set()
"""Bodies not closed yet, kept from the collector: their generators would close themselves in it, and wait for locks."""
_dropped: deque[HttpxSyncBody] = deque()
_inherited: list[object] = []


def close_dropped() -> None:
    """Give back the connections of streams that were dropped without being closed."""
    while _dropped:
        with contextlib.suppress(IndexError, httpx.HTTPError, OSError):
            _dropped.popleft().close()


def _inherited_bytes() -> Iterator[bytes]:
    raise httpx.ReadError("the process was forked while this answer came: it is the parent's")
    yield b""


def _disinherit() -> None:
    """A child never touches the connections of its parent's bodies, and keeps them from the collector."""
    for body in [*_open, *_dropped]:
        _inherited.append((body._iterator, body._response.stream))
        body.disinherit()
    _open.clear()
    _dropped.clear()


forks.in_child(_disinherit)
