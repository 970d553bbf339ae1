"""Send a request and read its answer without an event loop: httpx's synchronous side, with our deadlines.

While a head is awaited, each read of the socket is given what is left. Of a body, a read that blocks cannot be told a
new limit, so one daemon thread for the process looks at the deadlines and shuts the socket of a read whose time is
over; it runs no event loop and touches nothing else.
"""

from __future__ import annotations

import contextlib
import functools
import os
import socket
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx
import msgspec

from ..core.exceptions import ConfigurationError
from ..core.timeout import Timeout
from .content_coding import ACCEPTED, CodingError, coding_of
from .loops import tls_context
from .transport import MAX_CONNECTIONS, Credential, at_most, lower_headers, phases, timed_out, translated


class SyncBody:
    """An answer's body. `deadline` is a time of `time.monotonic`, moved by plain assignment."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        response.request.extensions.get("timeout", {})["read"] = None  # from here on `deadline` limits the waits
        self._iterator: Iterator[bytes] = _plain(response)
        self._deadline: float | None = None
        self._expired = False
        self._reading = False
        _open.add(self)

    @property
    def deadline(self) -> float | None:
        """The time at which a waiting read is over, `None` for none."""
        return self._deadline

    @deadline.setter
    def deadline(self, when: float | None) -> None:
        self._deadline = when

    def read(self) -> bytes:
        """What came since the last read; `b""` at the end.

        Raises:
            httpx.HTTPError: the connection broke, or (`ReadTimeout`) the deadline passed.
        """
        self._reading = True
        if self._deadline is not None:
            _watchdog.watch(self, self._deadline)
        try:
            data = next((data for data in self._iterator if data), b"")
        except (httpx.HTTPError, OSError):
            if self._expired:
                raise self._timeout() from None
            raise
        finally:
            self._reading = False
        if self._expired:
            raise self._timeout()
        return data

    def _timeout(self) -> httpx.ReadTimeout:
        return httpx.ReadTimeout("the deadline passed", request=self._response.request)

    def overdue(self, now: float) -> bool:
        """Whether a read waits past its deadline."""
        return self._reading and self._deadline is not None and now >= self._deadline

    def expire(self) -> None:
        """End a waiting read: shut the socket under it."""
        self._expired = True
        self._shut()

    def abort(self) -> None:
        """Let go where no lock may be waited for, as in the collector, which may run inside the pool that has it.

        The socket is shut now; the pool hears of it from the watchdog, or before the next request.
        """
        self._shut()
        _dropped.append(self)
        _watchdog.wake()

    def _shut(self) -> None:
        stream = self._response.extensions.get("network_stream")
        connection = stream.get_extra_info("socket") if stream is not None else None
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go: the connection is kept when the body is complete."""
        _open.discard(self)
        self._response.close()


def _plain(response: httpx.Response) -> Iterator[bytes]:
    """The body with its content coding undone, in pieces of bounded size."""
    if response.is_stream_consumed:  # made whole, by a mock say: it holds its bytes decoded
        yield from response.iter_bytes()
        return
    try:
        coding = coding_of(response.headers.get("content-encoding", ""))
        for data in response.iter_raw():
            if coding is None:
                yield data
                continue
            coding.feed(data)
            while piece := coding.take():
                yield piece
        if coding is not None:
            coding.finish()
    except CodingError as reason:
        raise httpx.DecodingError(str(reason)) from None


class _Watchdog:
    """One thread that ends reads whose deadline has passed; it sleeps until the earliest it knows of."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._bodies: set[SyncBody] = set()
        self._thread: threading.Thread | None = None
        self._wakes = float("inf")

    def watch(self, body: SyncBody, deadline: float) -> None:
        """Have `body` in view until its read is over."""
        with self._changed:
            self._bodies.add(body)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="miiflow_llm deadlines", daemon=True)
                self._thread.start()
            elif deadline < self._wakes:
                self._changed.notify()

    def wake(self) -> None:
        """Have dropped bodies closed soon; where another thread is in the way, later."""
        if self._changed.acquire(blocking=False):
            self._changed.notify()
            self._changed.release()

    def _run(self) -> None:
        while True:
            close_dropped()
            self._wait()

    def _wait(self) -> None:
        """End what is overdue, and sleep until something may be."""
        with self._changed:
            if not _dropped:
                now = time.monotonic()
                waiting = [body for body in self._bodies if body._reading and body.deadline is not None]
                for body in waiting:
                    if body.overdue(now):
                        body.expire()
                self._bodies = {body for body in waiting if not body._expired}
                self._wakes = min((body.deadline or now for body in self._bodies), default=now + 60.0)
                self._changed.wait(max(self._wakes - now, 0.001))


_watchdog = _Watchdog()

_open: set[SyncBody] = set()
"""Bodies not closed yet, kept from the collector: their generators would close themselves in it, and wait for locks."""
_dropped: deque[SyncBody] = deque()
_inherited: list[object] = []


def close_dropped() -> None:
    """Give back the connections of streams that were dropped without being closed."""
    while _dropped:
        with contextlib.suppress(IndexError, httpx.HTTPError, OSError):
            _dropped.popleft().close()


def _after_fork() -> None:
    """A child has no thread of its parent's, and maybe a lock that nobody will release."""
    global _watchdog  # noqa: PLW0603  the one watchdog of the process
    _watchdog = _Watchdog()
    _inherited.append([*_open, *_dropped])  # the parent's, never to be touched
    _open.clear()
    _dropped.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class _Head(threading.local):
    """Until when this thread waits for the head of an answer; `None` for no limit, and while it waits for none."""

    until: float | None = None


_head = _Head()


def _traced(name: str, info: Mapping[str, Any]) -> None:
    """What httpcore tells of a request: the reads of each connection that it opens are bounded from here on.

    httpx limits each single read, so that a server which sends a byte now and then would be waited for without end.
    """
    if name.endswith((".connect_tcp.complete", ".start_tls.complete")):
        stream = info["return_value"]
        stream.read = functools.partial(_read, type(stream).read, weakref.proxy(stream))


def _read(read: Callable[..., bytes], stream: Any, max_bytes: int, timeout: float | None = None) -> bytes:
    """A connection's read, with no more time than is left for the head."""
    if _head.until is None:
        return read(stream, max_bytes, timeout)
    left = max(_head.until - time.monotonic(), 0.0001)
    return read(stream, max_bytes, left if timeout is None else min(timeout, left))


class SyncAnswer(msgspec.Struct):
    """The head of an answer, and its body to read; `headers` are by lower-case name."""

    status: int
    headers: Mapping[str, str]
    body: SyncBody

    @property
    def content_type(self) -> str:
        """What the answer says its body is."""
        return self.headers.get("content-type", "")


def _is_over(until: float | None) -> bool:
    return until is not None and time.monotonic() >= until


class SyncTransport:
    """Connections of one synchronous client; safe to use from several threads. A caller's own `client` stays open."""

    def __init__(self, client: httpx.Client | None = None) -> None:
        self._own = client is None
        self._client = client
        self._lock = threading.Lock()
        self.closed = False

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None,
        credential: Credential | None,
        timeout: Timeout,
        total: float | None,
    ) -> SyncAnswer:
        """Send the request and wait for the head of the answer; `total` is what is left of the whole call, in seconds.

        Raises:
            TimeoutError: a phase took too long.
            NetworkError: the connection could not be made, or broke.
        """
        client = self._opened()
        close_dropped()
        request = client.build_request(
            method,
            url,
            headers={"accept-encoding": ACCEPTED, **headers},
            content=body,
            timeout=phases(timeout, total),
            extensions={"trace": _traced},
        )
        limit = at_most(timeout, total)
        _head.until = None if limit is None else time.monotonic() + limit
        try:
            response = client.send(request, stream=True, auth=credential, follow_redirects=False)
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError) as reason:
            failure = translated(reason, timeout, total)
            if isinstance(reason, httpx.ReadTimeout) and limit == total and _is_over(_head.until):
                failure = timed_out("total", timeout.total)
        else:
            return SyncAnswer(response.status_code, lower_headers(response.headers), SyncBody(response))
        finally:
            _head.until = None
        raise failure  # here, since httpx's exception holds the request and its key, and would be this one's context

    def warm(self, url: str, timeout: Timeout) -> None:
        """Do ahead what the first request would wait for: the TLS context."""
        self._opened()

    def _opened(self) -> httpx.Client:
        with self._lock:
            if self.closed:
                raise ConfigurationError("this client is closed; make a new one")
            if self._client is None:
                limits = httpx.Limits(max_connections=MAX_CONNECTIONS, max_keepalive_connections=100)
                self._client = httpx.Client(limits=limits, follow_redirects=False, verify=tls_context())
            return self._client

    def close(self) -> None:
        """Close the connections; a client that the caller gave stays open."""
        self.closed = True
        if self._own and self._client is not None:
            self._client.close()
