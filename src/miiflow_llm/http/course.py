"""Follows one request through httpx's transports, by httpcore's public `trace` extension.

It tells in which of `Timeout`'s phases the request is, until when that phase may last, and whether the connection is
still the request's own. What it is told by is the same with an event loop and without.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import httpx

from ..core import clock
from ..core.exceptions import TimeoutPhase
from .kept import Kept
from .lean.errors import stale
from .lean.sockets import keep_alive, shut_down
from .lean.timeouts import Timeouts

_CONNECTING = ("connect_tcp", "connect_unix_socket", "setup_socks5_connection", "start_tls")


class Course:
    """Where a request stands. `deadline` is when the wait of its phase is over, `None` for no limit of its own."""

    def __init__(self, timeouts: Timeouts, kept: Kept, place: str) -> None:
        self.timeouts = timeouts
        self.kept = kept
        self.place = place
        self.phase: TimeoutPhase = "pool"
        self.deadline: float | None = None
        self.reused = True
        """Whether the connection had served before."""
        self.heard: bool | None = None
        """Whether bytes of an answer have come; None while nobody has listened."""
        self.asked_proxy = False
        """Whether a proxy has been reached, and asked for a connection."""
        self.shared = False
        """Whether other requests are on the same connection (HTTP/2)."""
        self._connect_deadline: float | None = None
        self._stream: Any = None
        self._ownership = threading.RLock()  # the collector may come inside it

    def note(self, name: str, info: Mapping[str, Any]) -> Any:
        """What httpcore tells; a stream that has just been opened is given back."""
        origin, _, what = name.partition(".")
        step, _, stage = what.partition(".")
        self.shared = self.shared or origin == "http2"
        if stage == "started":
            self._begins(step, info)
        elif step in _CONNECTING and stage == "complete":
            stream = info["return_value"]
            _probe(stream)
            return stream
        return None

    def seconds(self, given: float | None) -> float | None:
        """How long a wait may last of which httpcore says `given`."""
        waits = [given, self.timeouts.within(None)]
        if self.deadline is not None:
            waits.append(self.deadline - clock.monotonic())
        known = [wait for wait in waits if wait is not None]
        return max(min(known), 0.001) if known else None

    def is_over(self) -> bool:
        """Whether the phase, or the whole call, has no time left."""
        now, until = clock.monotonic(), self.timeouts.until
        return (self.deadline is not None and now >= self.deadline) or (until is not None and now >= until)

    def timed_out(self) -> httpx.TimeoutException:
        """httpx's exception for the phase, whose time is up."""
        kinds: dict[TimeoutPhase, type[httpx.TimeoutException]] = {
            "pool": httpx.PoolTimeout,
            "connect": httpx.ConnectTimeout,
            "write": httpx.WriteTimeout,
        }
        return kinds.get(self.phase, httpx.ReadTimeout)(f"no more time for the phase `{self.phase}`")

    def what(self, reason: Exception) -> Exception:
        """What failed in truth: a wait for a proxy's answer is one to connect, and a used connection may have died.

        A proxy that does not speak its protocol is met by exceptions of all kinds.
        """
        if isinstance(reason, httpx.TimeoutException) and not isinstance(reason, httpx.PoolTimeout):
            return self.timed_out()
        broken = isinstance(reason, (httpx.ReadError, httpx.RemoteProtocolError))
        if broken and self.reused and not self.shared and self.phase == "first_output" and self.heard is False:
            self.kept.found_dead(self.place)
            return stale(reason)
        if self.phase == "connect" and not isinstance(reason, (httpx.TransportError, OSError)):
            return httpx.ConnectError(f"the proxy cannot be understood: {type(reason).__name__} {reason}".rstrip())
        return reason

    def begin_read(self, deadline: float | None) -> None:
        """The body is read from here on, each time until a deadline of its own."""
        self.deadline = deadline

    def owns(self, stream: Any) -> None:
        """The head of the answer has come on `stream`."""
        with self._ownership:
            self._stream = stream

    def disown(self) -> None:
        """In a forked child: the connection is the parent's."""
        self._ownership, self._stream = threading.RLock(), None

    def shut(self) -> None:
        """Shut the connection's socket, below TLS, if it is still this request's and no other's."""
        with self._ownership:
            sock = self._stream.get_extra_info("socket") if self._stream is not None and not self.shared else None
            if sock is not None:
                shut_down(sock.fileno())

    def _begins(self, step: str, info: Mapping[str, Any]) -> None:
        if step in _CONNECTING or (step == "send_request_headers" and _is_connect(info)):
            self.asked_proxy = self.asked_proxy or step not in _CONNECTING
            self._connects(opened=step in _CONNECTING)
        elif step == "send_request_headers":
            self.phase, self.deadline = "write", None
        elif step == "receive_response_headers" and not _is_connect(info):
            self.phase, self.deadline = "first_output", self.timeouts.deadline(self.timeouts.read)
        elif step == "response_closed":
            with self._ownership:
                self._stream = None  # from here on the pool's, and soon another request's

    def _connects(self, *, opened: bool) -> None:
        self.reused = self.reused and not opened
        if self.phase != "connect":
            self.phase = "connect"
            self._connect_deadline = self.timeouts.deadline(self.timeouts.connect)
        self.deadline = self._connect_deadline


def _is_connect(info: Mapping[str, Any]) -> bool:
    """Whether an event is of the request by which a proxy is asked for a connection."""
    request = info.get("request")
    return request is not None and request.method == b"CONNECT"


def _probe(stream: Any) -> None:
    sock = stream.get_extra_info("socket")
    if sock is not None and hasattr(sock, "fileno"):
        keep_alive(sock.fileno())
