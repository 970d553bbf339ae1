"""Threads share a transport: whoever leaves touches no one else, whatever the moment; signals, forks, the collector."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import socket
import threading
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from miiflow_llm.http.lean import BlockingLeanTransport

from .blocking import blocking, books, eventually, seam
from .server import OK, Peer, Server
from .test_tls import client_context, server_context

STREAM = b"HTTP/1.1 200 OK\r\n\r\nabc"


def hang(peer: Peer) -> None:
    """Begin an answer to `/hang` and say no more; answer everything else."""
    while (request := peer.request()) is not None:
        if request.target == "/hang":
            peer.send(STREAM)
            peer.wait_closed()
            return
        peer.send(OK)


def test_threads_share_connections_and_each_gets_its_answer() -> None:
    """Fifty threads over ten connections: each has its own answers, and no more connections are open than allowed."""

    def serve(peer: Peer) -> None:
        while (request := peer.request()) is not None:
            body = request.target.encode()
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    limits = httpx.Limits(max_connections=10, max_keepalive_connections=10)
    with Server(serve) as server, blocking(limits=limits) as (client, transport):

        def ask(number: int) -> None:
            for turn in range(20):
                path = f"{number}/{turn}"
                assert client.get(server.url + path).text == f"/{path}"

        with ThreadPoolExecutor(50) as threads:
            list(threads.map(ask, range(50)))
        assert server.connections == 10
        assert books(transport).size == books(transport).idle == 10


def test_waiting_threads_are_served_in_order() -> None:
    """First come, first served; a newcomer does not overtake those who wait."""
    served: list[int] = []
    with Server(lambda peer: peer.serve()) as server:
        with blocking(limits=httpx.Limits(max_connections=1)) as (client, transport):
            threads = []

            def ask(number: int) -> None:
                with client.stream("GET", server.url) as response:
                    served.append(number)
                    response.read()

            with client.stream("GET", server.url) as response:
                for number in range(15):
                    threads.append(threading.Thread(target=ask, args=(number,)))
                    threads[-1].start()
                    eventually(lambda number=number: books(transport).waiting == number + 1)
                response.read()
            for thread in threads:
                thread.join(10)
    assert served == list(range(15))


def test_a_place_is_waited_for_within_its_limit() -> None:
    """A request that gets no connection in time raises PoolTimeout, and costs the pool nothing."""
    with Server(lambda peer: peer.serve()) as server:
        with blocking(limits=httpx.Limits(max_connections=1)) as (client, transport):
            with client.stream("GET", server.url):
                with pytest.raises(httpx.PoolTimeout):
                    client.get(server.url, timeout=httpx.Timeout(None, pool=0.05))
                assert (books(transport).size, books(transport).waiting) == (1, 0)
            assert client.get(server.url, timeout=httpx.Timeout(None, pool=1)).text == "ok"


@pytest.mark.parametrize("tls", [False, True])
def test_a_stream_is_closed_by_another_thread(tls: bool) -> None:
    """Closing a stream that another thread waits on wakes that thread with an error, and frees the place."""
    with Server(hang, context=server_context() if tls else None) as server:
        with blocking(ssl_context=client_context(), limits=httpx.Limits(max_connections=1)) as (client, transport):
            with client.stream("GET", server.url + "hang") as response:
                stream, ended = seam(response), []

                def read() -> None:
                    try:
                        while stream.read():
                            pass
                    except httpx.ReadError as exc:
                        ended.append(exc)

                thread = threading.Thread(target=read)
                thread.start()
                time.sleep(0.05)
                stream.close()
                thread.join(5)
                assert len(ended) == 1
            assert client.get(server.url).text == "ok"
            assert books(transport).size == 1
            assert server.connections == 2


def test_two_threads_close_one_stream() -> None:
    """Of two that close a finished stream at once, one gives the connection back, and nobody takes it from its next."""
    with Server(lambda peer: peer.serve()) as server, blocking() as (client, transport):
        for _ in range(100):
            response = transport.handle_request(httpx.Request("GET", server.url))
            stream, barrier = seam(response), threading.Barrier(2)

            def close(stream: Any = stream, barrier: threading.Barrier = barrier) -> None:
                barrier.wait()
                stream.close()

            threads = [threading.Thread(target=close) for _ in range(2)]
            for thread in threads:
                thread.start()
            assert client.get(server.url).text == "ok"
            for thread in threads:
                thread.join()
        assert books(transport).size == books(transport).idle


def test_what_is_over_touches_nobody() -> None:
    """A late close or abort of a finished stream leaves its connection alone, which serves another thread by then."""
    with Server(lambda peer: peer.serve()) as server, blocking() as (_, transport):
        first = transport.handle_request(httpx.Request("GET", server.url))
        done = seam(first)
        done.deadline = time.monotonic() + 0.05
        assert first.read() == b"ok"
        second = transport.handle_request(httpx.Request("GET", server.url))
        time.sleep(0.1)
        done.abort()
        done.close()
        assert second.read() == b"ok"
        assert server.connections == 1


def test_nothing_is_kept_of_what_is_over() -> None:
    """A finished request and its body are let go of while the client lives."""

    with Server(lambda peer: peer.serve()) as server, blocking() as (client, _):
        for _ in range(3):
            client.post(server.url, content=b"x" * 1_000_000)
        gc.collect()
        big = [found for found in gc.get_objects() if isinstance(found, bytes) and len(found) > 500_000]
        assert big == []
        assert not [thread for thread in threading.enumerate() if "deadline" in thread.name]


class Tap:
    """Passes everything on to a server, and keeps what the clients sent."""

    def __init__(self, port: int) -> None:
        self.sent: list[bytes] = []
        self._to = port

    def __call__(self, peer: Peer) -> None:
        with socket.create_connection(("127.0.0.1", self._to)) as there:
            back = threading.Thread(target=self._pass_back, args=(there, peer), daemon=True)
            back.start()
            while data := peer.recv():
                self.sent.append(data)
                try:
                    there.sendall(data)
                except OSError:
                    break
            there.close()
            back.join(5)

    def _pass_back(self, there: socket.socket, peer: Peer) -> None:
        try:
            while data := there.recv(65536):
                peer.send(data)
        except OSError:
            pass


def test_nothing_goes_out_in_clear() -> None:
    """Streams over TLS are broken off by other threads and by deadlines at every moment: only ciphertext goes out."""
    with Server(hang, context=server_context()) as server:
        tap = Tap(server.port)
        with Server(tap) as tapped, blocking(ssl_context=client_context()) as (client, _):
            url = f"https://localhost:{tapped.port}/"

            def ask(number: int) -> None:
                try:
                    path = "hang" if number % 3 == 0 else ""
                    with client.stream("POST", url + path, content=b"plain text " * 20_000) as response:
                        stream = seam(response)
                        stream.deadline = time.monotonic() + 0.0005 * (number % 20)
                        if number % 2:
                            threading.Timer(0.0005 * (number % 9), stream.abort).start()
                        while stream.read():
                            pass
                except httpx.TransportError:
                    pass

            with ThreadPoolExecutor(20) as threads:
                list(threads.map(ask, range(60)))
            assert client.get(url).text == "ok"
        assert not [data for data in tap.sent if b"plain text" in data or b"POST" in data]
        assert sum(map(len, tap.sent)) > 500_000


class _InterruptError(BaseException):
    """What a signal's handler raises, as Ctrl-C does."""


@contextmanager
def interrupted_after(seconds: float) -> Iterator[None]:
    """A signal comes to the main thread, and its handler raises."""

    def raise_it(*_: object) -> None:
        raise _InterruptError

    before = signal.signal(signal.SIGALRM, raise_it)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.skipif("not hasattr(__import__('signal'), 'setitimer')", reason="no timer signals here")
@pytest.mark.parametrize("where", ["head", "body", "pool", "sending", "handshake"])
def test_a_signal_breaks_every_wait(where: str) -> None:
    """Ctrl-C ends a wait at once, whatever is waited for; the connection is closed and its place is free."""
    context = server_context() if where == "handshake" else None
    with Server(lambda peer: peer.wait_closed() if where in ("head", "sending") else hang(peer)) as server:
        limits = httpx.Limits(max_connections=1)
        with blocking(ssl_context=client_context(), limits=limits) as (client, transport):
            began = time.monotonic()
            if where == "pool":
                with client.stream("GET", server.url):
                    with interrupted_after(0.1), pytest.raises(_InterruptError):
                        client.get(server.url)
                assert books(transport).waiting == 0
            elif where == "body":
                with client.stream("GET", server.url + "hang") as response:
                    assert seam(response).read() == b"abc"
                    with interrupted_after(0.1), pytest.raises(_InterruptError):
                        seam(response).read()
            elif where == "handshake":
                assert context is not None
                with interrupted_after(0.1), pytest.raises(_InterruptError):
                    client.get(f"https://localhost:{server.port}/")
            else:
                content = b"x" * (50_000_000 if where == "sending" else 1)
                with interrupted_after(0.1), pytest.raises(_InterruptError):
                    client.post(server.url, content=content)
            assert time.monotonic() - began < 3
            assert books(transport).size == books(transport).idle


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_dropped_streams_free_their_places_whoever_has_the_lock() -> None:
    """The collector frees places inside the pool's lock too, and for a thread that waits for one."""
    with Server(hang) as server, blocking(limits=httpx.Limits(max_connections=2)) as (client, transport):
        for _ in range(2):
            response = transport.handle_request(httpx.Request("GET", server.url + "hang"))
            response.cycle = response  # type: ignore[attr-defined]  so that only the collector frees it
            del response
        texts: list[str] = []
        waiting = threading.Thread(target=lambda: texts.append(client.get(server.url).text))
        waiting.start()
        eventually(lambda: books(transport).waiting == 1)
        held = threading.Thread(target=_collect_inside, args=(transport,))
        held.start()
        held.join(5)
        waiting.join(5)
        assert texts == ["ok"]
        eventually(lambda: books(transport).size == 1)


def _collect_inside(transport: BlockingLeanTransport) -> None:
    with transport.pool._lock:
        gc.collect()


def _in_child(transport: BlockingLeanTransport, stream: Any, url: str) -> None:
    warnings.simplefilter("ignore")
    with pytest.raises(httpx.ReadError):
        while stream.read():
            pass
    stream.close()
    request = httpx.Request("GET", url)
    assert transport.handle_request(request).read() == b"ok"
    assert transport.handle_request(request).read() == b"ok"
    assert books(transport).size == 1
    transport.close()


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_shares_nothing() -> None:
    """A child opens its own connections, cannot read an answer of its parent's, and ends none of them."""
    go = threading.Event()

    def serve(peer: Peer) -> None:
        while (request := peer.request()) is not None:
            if request.target != "/slow":
                peer.send(OK)
                continue
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc")
            go.wait(10)
            peer.send(b"def")

    with Server(serve) as server, blocking() as (client, transport):
        assert client.get(server.url).text == "ok"
        response = transport.handle_request(httpx.Request("GET", server.url + "slow"))
        assert seam(response).read() == b"abc"
        assert client.get(server.url).text == "ok"
        assert server.connections == 2
        context = multiprocessing.get_context("fork")
        process = context.Process(target=_in_child, args=(transport, seam(response), server.url))
        process.start()
        process.join(10)
        assert process.exitcode == 0
        assert server.connections == 3
        go.set()
        assert seam(response).read() == b"def"
        response.close()
        assert client.get(server.url).text == "ok"
        assert server.connections == 3


@pytest.mark.skipif("not hasattr(__import__('os'), 'fork')", reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_fork_inside_the_lock_does_not_stop_the_child() -> None:
    """A child does not wait for a lock that a thread of its parent's had."""
    with Server(lambda peer: peer.serve()) as server, blocking() as (client, transport):
        assert client.get(server.url).text == "ok"
        locked, done = threading.Event(), threading.Event()

        def hold() -> None:
            with transport.pool._lock:
                locked.set()
                done.wait(10)

        thread = threading.Thread(target=hold)
        thread.start()
        locked.wait(5)
        child = os.fork()
        if not child:
            signal.alarm(5)
            ok = client.get(server.url).text == "ok"
            os._exit(0 if ok else 1)
        _, status = os.waitpid(child, 0)
        done.set()
        thread.join()
        assert status == 0


def test_a_dropped_transport_closes_its_connections_in_silence() -> None:
    """A client that nobody closed leaves no socket open, and warns of none."""
    with Server(lambda peer: peer.serve()) as server:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            transport = BlockingLeanTransport()
            assert transport.handle_request(httpx.Request("GET", server.url)).read() == b"ok"
            del transport
            gc.collect()
        assert server.settled()


def test_close_ends_everything() -> None:
    """close ends idle connections, running streams and waiting requests, and the transport can be used again."""
    with Server(hang) as server, blocking(limits=httpx.Limits(max_connections=1)) as (client, transport):
        errors: list[str] = []

        def ask(path: str) -> None:
            try:
                client.get(server.url + path)
            except httpx.TransportError as exc:
                errors.append(type(exc).__name__)

        reading = threading.Thread(target=ask, args=("hang",))
        reading.start()
        eventually(lambda: len(books(transport)._active) == 1)
        waiting = threading.Thread(target=ask, args=("",))
        waiting.start()
        eventually(lambda: books(transport).waiting == 1)
        time.sleep(0.05)
        transport.close()
        reading.join(5)
        waiting.join(5)
        assert sorted(errors) == ["ConnectError", "ReadError"]
        assert server.settled()
        assert client.get(server.url).text == "ok"


def test_a_descriptor_is_closed_by_whoever_uses_it() -> None:
    """Aborting shuts the socket, but leaves its number taken while another thread's read is under way."""
    with Server(hang) as server, blocking() as (client, transport):
        with client.stream("GET", server.url + "hang") as response:
            assert seam(response).read() == b"abc"
            (connection,) = books(transport)._active
            with connection._io:  # as a read has it
                aborting = threading.Thread(target=seam(response).abort)
                aborting.start()
                aborting.join(5)
                assert connection.fileno >= 0
                assert connection._socket.recv(100) == b""
            connection._close_if_aborted()
            assert connection.fileno == -1
