"""A server of raw sockets for tests: a handler in a thread says byte for byte what each connection hears."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from typing import NamedTuple, Self

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Request(NamedTuple):
    method: str
    target: str
    head: bytes
    body: bytes


class Peer:
    """The server's end of one connection."""

    def __init__(self, sock: socket.socket, number: int) -> None:
        self.sock = sock
        self.number = number
        self._buffer = b""

    def request(self) -> Request | None:
        """The next request, or None at the end of the connection."""
        if (head := self._until(b"\r\n\r\n")) is None:
            return None
        method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
        body = b""
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                body = self._exactly(int(line.split(b":")[1]))
            elif line.startswith(b"transfer-encoding:"):
                body = self._chunks()
        return Request(method, target, head, body)

    def send(self, *parts: bytes) -> None:
        for part in parts:
            with contextlib.suppress(OSError):
                self.sock.sendall(part)

    def recv(self) -> bytes:
        try:
            return self.sock.recv(65536)
        except OSError:
            return b""

    def serve(self, answer: bytes = OK) -> None:
        """Answer every further request alike."""
        while self.request() is not None:
            self.send(answer)

    def close(self) -> None:
        self.sock.close()

    def half_close(self) -> None:
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def wait_closed(self) -> bool:
        """Whether the client hangs up, within the socket's timeout."""
        while True:
            try:
                if not self.sock.recv(65536):
                    return True
            except TimeoutError:
                return False
            except OSError:
                return True

    def _until(self, mark: bytes) -> bytes | None:
        while mark not in self._buffer:
            data = self.recv()
            if not data:
                return None
            self._buffer += data
        found, _, self._buffer = self._buffer.partition(mark)
        return found

    def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            data = self.recv()
            if not data:
                break
            self._buffer += data
        found, self._buffer = self._buffer[:size], self._buffer[size:]
        return found

    def _chunks(self) -> bytes:
        body = b""
        while (line := self._until(b"\r\n")) is not None and (size := int(line, 16)):
            body += self._exactly(size)
            self._exactly(2)
        self._exactly(2)
        return body


class Server:
    """Listens on loopback and runs `handler` for every connection, each in its own thread."""

    def __init__(self, handler: Callable[[Peer], object], *, context: ssl.SSLContext | None = None) -> None:
        self._handler = handler
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = int(self._listener.getsockname()[1])
        self.connections = 0
        self.gone = 0
        self.failures: list[BaseException] = []
        self._peers: list[Peer] = []
        self._threads: list[threading.Thread] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/" if self._context is None else f"https://localhost:{self.port}/"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for peer in self._peers:
            with contextlib.suppress(OSError):
                peer.sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for peer in self._peers:
            peer.sock.close()
        if self.failures:
            raise self.failures[0]

    def settled(self, seconds: float = 5) -> bool:
        """Whether every connection comes to its end, on the server's side too."""
        limit = time.monotonic() + seconds
        while self.gone < self.connections and time.monotonic() < limit:
            time.sleep(0.005)
        return self.gone == self.connections

    def _start(self, target: Callable[..., object], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.settimeout(10)
            self.connections += 1
            self._start(self._serve, sock, self.connections)

    def _serve(self, sock: socket.socket, number: int) -> None:
        try:
            if self._context is not None:
                sock = self._context.wrap_socket(sock, server_side=True)
            peer = Peer(sock, number)
            self._peers.append(peer)
            self._handler(peer)
        except OSError:
            pass  # the client's doing
        except BaseException as exc:
            self.failures.append(exc)
        finally:
            sock.close()
            self.gone += 1
