"""Read the bytes of one HTTP/1.1 response: its status, headers, pieces of the body, and why it ended.

Sans-I/O and shared by every backend. It is as strict as llhttp can be made: no leniency flag is set, conflicting
framing is refused, and bytes that bring no body (heads, 1xx, chunk extensions, trailers) are bounded. It does not
know sockets, pools or timeouts, and it never raises: what is wrong is kept in `error`.
"""

from __future__ import annotations

import re

import httptools
import httpx

_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_FIRST_BYTE = b"H"[0]

MAX_HEAD_BYTES = 64 * 1024
MAX_HEADERS = 256

_CUT_SHORT = {
    "head": "the server closed the connection in the middle of the response head",
    "chunked": "the server closed the connection before the last chunk of the body",
    "length": "the server closed the connection before content-length bytes had come",
}


class ResponseReader:
    """The state of one response; fed by a connection, read by a stream.

    `pieces` is filled by the parser and emptied by `take`; `head_done` says that `status` and `headers` stand;
    `ended` is true once `complete` is, or `error` is set. `keep_alive` is meaningful when `complete` is.
    """

    __slots__ = (
        "_framing",
        "_head_bytes",
        "_idle_bytes",
        "_method",
        "_parser",
        "complete",
        "ended",
        "error",
        "head_done",
        "headers",
        "http_version",
        "keep_alive",
        "on_body",
        "pieces",
        "reason",
        "started",
        "status",
    )

    def __init__(self, method: str) -> None:
        self._method = method
        self.status = 0
        self.reason = b""
        self.http_version = b"HTTP/1.1"
        self.headers: list[tuple[bytes, bytes]] = []
        self.pieces: list[bytes] = []
        self.on_body = self.pieces.append  # llhttp calls list.append itself: no Python frame per piece
        self.started = self.head_done = self.complete = self.ended = self.keep_alive = False
        self.error: httpx.TransportError | None = None
        self._framing = "head"
        self._head_bytes = self._idle_bytes = 0
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)

    def feed(self, data: bytes | memoryview) -> None:
        """Parse what a read brought; the result shows in the attributes."""
        first = not self.started
        if first and not self._begins(data):
            return
        parser = self._parser
        if parser is None:
            self.keep_alive = False  # bytes after the end: whoever sent them is out of step
            return
        try:
            parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as exc:
            self._refuse(exc, bytes(data) if first else b"")
        if not self.pieces:
            self._count_idle(len(data))
        elif self._idle_bytes:
            self._idle_bytes = 0

    def feed_eof(self) -> None:
        """The peer will send no more: the end of a body without a length, or a response cut short."""
        if self.ended:
            self.keep_alive = False
        elif self._framing == "close":
            self._finish(keep_alive=False)
        elif not self.started:
            self.fail(httpx.RemoteProtocolError("the server closed the connection without sending a response"))
        else:
            self.fail(httpx.RemoteProtocolError(_CUT_SHORT[self._framing]))

    def fail(self, error: httpx.TransportError) -> None:
        """End the response with `error`, unless it has ended; pieces that came before stay readable."""
        self.keep_alive = False
        if not self.ended:
            self.error = error
            self.ended = True
            self._parser = None

    def _begins(self, data: bytes | memoryview) -> bool:
        self.started = bool(data)
        if self.started and data[0] != _FIRST_BYTE:  # llhttp would skip line ends before the status line
            self.fail(httpx.RemoteProtocolError("what the server sent does not begin like HTTP"))
        return self.started and not self.ended

    def _finish(self, *, keep_alive: bool) -> None:
        self.complete = self.ended = True
        self.keep_alive = keep_alive
        self._parser = None  # the parser holds our bound methods: without this each response is a cycle

    def _refuse(self, exc: Exception, data: bytes) -> None:
        if self.complete:
            # The answer to HEAD was ended by us, and is fine when it came in one read and nothing follows it; all
            # else that llhttp refuses after a complete message is excess.
            bodiless = isinstance(exc.__context__, _BodilessEndError)
            alone = data.endswith(b"\r\n\r\n") and data.count(b"\r\n\r\n") == 1
            self.keep_alive = self.keep_alive and bodiless and alone
        else:
            self.fail(httpx.RemoteProtocolError(f"the response is not valid HTTP/1.1: {exc}"))

    def _count_idle(self, size: int) -> None:
        self._idle_bytes += size
        if self._idle_bytes > MAX_HEAD_BYTES and not self.ended:
            what = "chunk extensions or trailers" if self.head_done else "a response head"
            self.fail(httpx.RemoteProtocolError(f"the server sent {what} of more than {MAX_HEAD_BYTES} bytes"))

    # What llhttp calls. An exception raised here stops the parser; `_refuse` sees it as the context.

    def on_message_begin(self) -> None:
        if self.complete:
            raise _ExcessError

    def on_status(self, reason: bytes) -> None:
        self._count_head(len(reason))
        if _CONTROL.search(reason):
            self._reject("the reason in the status line holds a control character")
        self.reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count_head(len(name) + len(value) + 4)
        if self.head_done:
            return  # a trailer: nothing of ours reads them
        if len(self.headers) >= MAX_HEADERS:
            self._reject(f"the response has more than {MAX_HEADERS} headers")
        self.headers.append((name, value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        parser = self._parser
        if parser is None or self.complete:
            raise _ExcessError
        self.status = parser.get_status_code()
        self._framing = self._body_framing(parser.get_http_version())
        if self.status < 200:
            self._skip_informational()
            return
        self.head_done = True
        if self._method == "HEAD":
            self._finish(keep_alive=self._may_keep_alive())
            raise _BodilessEndError

    def on_message_complete(self) -> None:
        if self.head_done and self._parser is not None:
            self._finish(keep_alive=self._parser.should_keep_alive())

    def _count_head(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD_BYTES:
            self._reject(f"the headers or trailers have more than {MAX_HEAD_BYTES} bytes")

    def _reject(self, message: str) -> None:
        self.fail(httpx.RemoteProtocolError(message))
        raise _ExcessError

    def _skip_informational(self) -> None:
        if self.status < 100 or self.status == 101:
            self._reject(f"the server answered with status {self.status}, which was not asked for")
        if self._framing == "chunked" or self._declared_length() not in (b"", b"0"):
            self._reject(f"the server sent a body with status {self.status}")
        self.headers.clear()
        self.reason = b""
        self._framing = "head"

    def _body_framing(self, version: str) -> str:
        if version not in ("1.1", "1.0"):
            self._reject(f"the server answered in HTTP/{version}")
        self.http_version = b"HTTP/1.1" if version == "1.1" else b"HTTP/1.0"
        coding = self._values(b"transfer-encoding")
        if coding and (version == "1.0" or len(coding) > 1 or coding[0].lower() != b"chunked"):
            self._reject("the only transfer-encoding that is understood is `chunked`, in HTTP/1.1")
        if self.status >= 200 and (self._method == "HEAD" or self.status in (204, 304)):
            return "none"
        if coding:
            return "chunked"
        return "length" if self._declared_length() else "close"

    def _may_keep_alive(self) -> bool:
        # llhttp waits for the body that an answer to HEAD announces, so it cannot be asked.
        options = b",".join(self._values(b"connection")).lower().replace(b" ", b"").split(b",")
        if b"close" in options:
            return False
        return self.http_version == b"HTTP/1.1" or b"keep-alive" in options

    def _declared_length(self) -> bytes:
        return b"".join(self._values(b"content-length"))

    def _values(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.headers if key.lower() == name]


class _ExcessError(Exception):
    """Stops llhttp: what comes now belongs to no response, or the response has been refused."""


class _BodilessEndError(Exception):
    """Stops llhttp at the end of a head after which no body comes, though its headers may announce one."""
