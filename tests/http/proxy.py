"""A proxy of raw sockets for tests: it tunnels, or does to a CONNECT what the test says."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .lean.server import Peer, Server


class Proxy:
    """What a proxy does. `asked` are the heads of the requests that it got."""

    def __init__(self, answer: Callable[[Peer], object] | bytes | None = None) -> None:
        self.asked: list[bytes] = []
        self._answer = answer

    def __call__(self, peer: Peer) -> None:
        while (request := peer.request()) is not None:
            self.asked.append(request.head)
            if isinstance(self._answer, bytes):
                peer.send(self._answer)
            elif self._answer is not None:
                self._answer(peer)
                return
            elif request.method == "CONNECT":
                tunnel(peer, int(request.target.rpartition(":")[2]))
                return
            else:
                peer.send(b"HTTP/1.1 501 No\r\nContent-Length: 0\r\n\r\n")


def tunnel(peer: Peer, port: int) -> None:
    """Pass bytes on to this machine, whichever host was asked for, and back, until one side is done."""
    with socket.create_connection(("127.0.0.1", port)) as there:
        peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        back = threading.Thread(target=_pass_on, args=(there, peer.sock), daemon=True)
        back.start()
        _pass_on(peer.sock, there)
        back.join(5)


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@contextmanager
def proxy(answer: Callable[[Peer], object] | bytes | None = None) -> Iterator[tuple[str, Proxy]]:
    """A proxy, by its URL."""
    does = Proxy(answer)
    with Server(does) as server:
        yield server.url.rstrip("/"), does
