"""A fault server: scripted bytes over raw sockets, from threads, so that it serves every event loop alike.

A script is a list of answers, one for each request that arrives, the last one for all that follow. An answer is a list
of steps: bytes to send, a `Wait`, an `Every`, or one of the words `CLOSE`, `RESET` and `HANG`. It knows no dialect.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple, Self, TypeAlias

CLOSE: Literal["close"] = "close"
"""Close the connection in good order."""
RESET: Literal["reset"] = "reset"
"""Break the connection off with a TCP reset."""
HANG: Literal["hang"] = "hang"
"""Say nothing more until the client hangs up."""


class Wait(NamedTuple):
    """Do nothing for so many seconds."""

    seconds: float


class Every(NamedTuple):
    """Send the same bytes again and again, until the client hangs up or they were sent `times` times."""

    seconds: float
    data: bytes
    times: int | None = None


Step: TypeAlias = bytes | Wait | Every | Literal["close", "reset", "hang"]
Steps: TypeAlias = Iterable[Step]
Script: TypeAlias = "Sequence[Steps] | Callable[[Request], Steps]"


class Request(NamedTuple):
    """A request as it arrived; `number` counts those of the server from 0, `connection` its connections from 1."""

    number: int
    connection: int
    line: bytes
    headers: dict[str, str]
    body: bytes


class _LeftError(Exception):
    """The client hung up."""


class FaultServer:
    """Serves `script` on loopback; counts what arrives. Use it in a `with`.

    `open` is the number of connections that neither side has closed, `sent` the bytes of answers that the kernel took,
    `broken_tls` what came over TLS connections that is not TLS. Requests with an `early` first line are answered before
    their body is read. A client that says nothing for `patience` seconds has gone.
    """

    def __init__(
        self,
        script: Script,
        *,
        context: ssl.SSLContext | None = None,
        accepts: bool = True,
        early: Callable[[bytes], bool] = lambda line: False,
        patience: float = 15,
    ) -> None:
        self.script = script
        self.early = early
        self.requests: list[Request] = []
        self.connections = 0
        self.sent = 0
        self.broken_tls: list[str] = []
        self.failures: list[BaseException] = []
        self._context = context
        self._accepts = accepts
        self._patience = patience
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024 if accepts else 0)
        self._sockets: dict[int, socket.socket] = {}
        self._fillers: list[socket.socket] = []
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._threads: list[threading.Thread] = []

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}" if self._context is None else f"https://localhost:{self.port}"

    @property
    def open(self) -> int:
        return len(self._sockets)

    def unsettled(self) -> list[bytes]:
        """The first lines of what was asked on connections that are open."""
        return [request.line for request in self.requests if request.connection in self._sockets]

    def settled(self, seconds: float = 5.0) -> bool:
        """Whether every connection comes to its end within so many seconds."""
        limit = time.monotonic() + seconds
        while self.open and time.monotonic() < limit:
            time.sleep(0.002)
        return not self.open

    def __enter__(self) -> Self:
        self._at = self._listener.getsockname()
        if self._accepts:
            self._start(self._accept)
        else:
            self._fill()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for sock in self._sockets.values():
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
        for sock in self._fillers:
            sock.close()
        for thread in list(self._threads):
            thread.join(10)
        if self.failures:
            raise self.failures[0]

    def _fill(self) -> None:
        """Fill the queue of connections that wait to be accepted, so that the next one is not even answered."""
        for _ in range(8):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(self._at)
            self._fillers.append(sock)
        time.sleep(0.01)

    def _start(self, target: Callable[..., object], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        thread.start()
        self._threads = [*filter(threading.Thread.is_alive, self._threads), thread]

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                number = self.connections
                self._sockets[number] = sock
            sock.settimeout(self._patience)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._start(self._serve, sock, number)

    def _serve(self, sock: socket.socket, number: int) -> None:
        peer = sock
        try:
            if self._context is not None:
                peer = self._context.wrap_socket(sock, server_side=True)
            _Connection(self, peer, number).serve()
        except (OSError, _LeftError) as exc:  # the client's doing
            if isinstance(exc, ssl.SSLError) and not isinstance(exc, ssl.SSLEOFError):
                self.broken_tls.append(str(exc.reason))
        except BaseException as exc:
            self.failures.append(exc)
        finally:
            peer.close()
            with self._lock:
                del self._sockets[number]

    def answer(self, request: Request) -> Steps:
        """The steps for a request."""
        if callable(self.script):
            return self.script(request)
        return self.script[min(request.number, len(self.script) - 1)]

    def arrived(self, connection: int, line: bytes, headers: dict[str, str], body: bytes) -> Request:
        """Write a request down."""
        with self._lock:
            request = Request(len(self.requests), connection, line, headers, body)
            self.requests.append(request)
        return request


class _Connection:
    """The server's end of one connection."""

    def __init__(self, server: FaultServer, sock: socket.socket, number: int) -> None:
        self._server = server
        self._sock = sock
        self._number = number
        self._buffer = b""

    def serve(self) -> None:
        while (request := self._request()) is not None:
            for step in self._server.answer(request):
                if not self._do(step):
                    return

    def _do(self, step: Step) -> bool:
        """Take a step; `False` where it was the last of the connection."""
        if isinstance(step, bytes):
            self._send(step)
        elif isinstance(step, Wait):
            self._wait(step.seconds)
        elif isinstance(step, Every):
            for _ in range(step.times) if step.times is not None else itertools.count():
                self._send(step.data)
                self._wait(step.seconds)
        elif step == HANG:
            self._wait(15)
        elif step == RESET:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        else:
            return False
        return True

    def _send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            sent = self._sock.send(view[:65536])
            self._server.sent += sent
            view = view[sent:]

    def _wait(self, seconds: float) -> None:
        """Wait, but not for a client that has gone."""
        if seconds <= 0:
            return
        before = self._sock.gettimeout()
        self._sock.settimeout(seconds)
        try:
            data = self._sock.recv(65536)
        except TimeoutError:
            return
        finally:
            self._sock.settimeout(before)
        if not data:
            raise _LeftError
        self._buffer += data

    def _request(self) -> Request | None:
        head = self._until(b"\r\n\r\n")
        if head is None:
            return None
        line, *fields = head.split(b"\r\n")
        pairs = (field.decode("latin-1").partition(":") for field in fields)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        body = b"" if self._server.early(line) else self._exactly(int(headers.get("content-length", 0)))
        return self._server.arrived(self._number, line, headers, body)

    def _until(self, mark: bytes) -> bytes | None:
        while mark not in self._buffer:
            data = self._sock.recv(65536)
            if not data:
                return None
            self._buffer += data
        found, _, self._buffer = self._buffer.partition(mark)
        return found

    def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            data = self._sock.recv(65536)
            if not data:
                raise _LeftError
            self._buffer += data
        found, self._buffer = self._buffer[:size], self._buffer[size:]
        return found


def refusing_port() -> int:
    """A port of loopback on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def head(status: int = 200, kind: str = "application/json", *lines: str) -> bytes:
    """A response head without framing, up to the blank line."""
    fields = "".join(f"{line}\r\n" for line in (f"content-type: {kind}", *lines))
    return f"HTTP/1.1 {status} Status\r\n{fields}\r\n".encode("latin-1")


def whole(body: bytes, status: int = 200, kind: str = "application/json", *lines: str) -> list[Step]:
    """An answer with a content-length, in one piece."""
    return [head(status, kind, f"content-length: {len(body)}", *lines) + body]


def chunk(data: bytes) -> bytes:
    """`data` as one chunk of a chunked body; no data is no chunk, since an empty one would be the last."""
    return b"" if not data else b"%x\r\n%b\r\n" % (len(data), data)


LAST_CHUNK = b"0\r\n\r\n"
