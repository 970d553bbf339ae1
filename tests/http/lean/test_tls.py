"""TLS: whom it trusts, what it says in the handshake, and how such connections end."""

from __future__ import annotations

import socket
import ssl
import threading
import time

import anyio
import httpx
import pytest
import trustme

from .helpers import books, lean, until
from .server import OK, Peer, Server

AUTHORITY = trustme.CA()


def server_context(*names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert(*(names or ("localhost", "127.0.0.1"))).configure_cert(context)
    return context


def client_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


@pytest.mark.anyio
async def test_trusted_server_is_used_again() -> None:
    """A certificate that the context trusts opens one connection, which serves many requests."""
    with Server(lambda peer: peer.serve(), context=server_context()) as server:
        async with lean(ssl_context=client_context()) as (client, transport):
            for _ in range(3):
                assert (await client.get(server.url)).text == "ok"
            assert (await client.get(f"https://127.0.0.1:{server.port}/")).text == "ok"
            assert server.connections == 2
            assert books(transport).idle == 2
        assert server.settled()


@pytest.mark.anyio
async def test_unknown_authority_is_refused() -> None:
    """By default only the public authorities are trusted."""
    with Server(lambda peer: peer.serve(), context=server_context()) as server:
        async with lean() as (client, transport):
            with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
                await client.get(server.url)
            assert books(transport).size == 0


@pytest.mark.anyio
async def test_certificate_of_another_name_is_refused() -> None:
    """A certificate must name the host, or the name that the request's `sni_hostname` gives."""
    with Server(lambda peer: peer.serve(), context=server_context("api.example")) as server:
        async with lean(ssl_context=client_context()) as (client, _):
            with pytest.raises(httpx.ConnectError):
                await client.get(server.url)
            response = await client.get(server.url, extensions={"sni_hostname": "api.example"})
            assert response.text == "ok"


@pytest.mark.anyio
async def test_handshake_says_name_and_protocol() -> None:
    """The handshake carries the host's name, and offers HTTP/1.1 only."""
    names: list[str | None] = []
    protocols: list[str | None] = []
    context = server_context()
    context.sni_callback = lambda sock, name, ctx: names.append(name)
    context.set_alpn_protocols(["h2", "http/1.1"])

    def serve(peer: Peer) -> None:
        assert isinstance(peer.sock, ssl.SSLSocket)
        protocols.append(peer.sock.selected_alpn_protocol())
        peer.serve()

    with Server(serve, context=context) as server:
        async with lean(ssl_context=client_context()) as (client, _):
            await client.get(server.url)
    assert names == ["localhost"]
    assert protocols == ["http/1.1"]


@pytest.mark.anyio
async def test_handshake_that_hangs() -> None:
    """A server that accepts and says nothing is a ConnectTimeout."""
    with Server(lambda peer: peer.wait_closed()) as server:
        async with lean(ssl_context=client_context()) as (client, transport):
            began = time.monotonic()
            with pytest.raises(httpx.ConnectTimeout):
                await client.get(f"https://localhost:{server.port}/", timeout=0.2)
            assert time.monotonic() - began < 8
            assert books(transport).size == 0
        assert server.settled()


@pytest.mark.anyio
@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad\r\n\r\n", b""])
async def test_server_without_tls(answer: bytes) -> None:
    """A server that answers the handshake in the clear, or hangs up on it, is a ConnectError."""
    with Server(lambda peer: (peer.recv(), peer.send(answer))) as server:
        async with lean(ssl_context=client_context()) as (client, transport):
            with pytest.raises(httpx.ConnectError):
                await client.get(f"https://localhost:{server.port}/", timeout=5)
            assert books(transport).size == 0


def cut(peer: Peer) -> None:
    """End the TCP connection under TLS, without the alert that says goodbye."""
    sock = socket.socket(fileno=peer.sock.detach())
    sock.shutdown(socket.SHUT_WR)
    sock.settimeout(10)
    try:
        while sock.recv(65536):
            pass
    except OSError:
        pass
    finally:
        sock.close()


@pytest.mark.anyio
@pytest.mark.parametrize("polite", [True, False], ids=["close_notify", "cut"])
@pytest.mark.parametrize(
    ("sent", "expect"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nabc", b"abc"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", b"abc"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", httpx.RemoteProtocolError),
        (b"", httpx.RemoteProtocolError),
    ],
    ids=["until close", "length", "length short", "chunks short", "nothing"],
)
async def test_end_of_the_connection(sent: bytes, expect: object, polite: bool) -> None:
    """The end of a TLS connection ends a body as on TCP, promptly, with close_notify or without."""

    def serve(peer: Peer) -> None:
        peer.request()
        peer.send(sent)
        if polite:
            try:
                peer.sock.unwrap()  # type: ignore[attr-defined]
            except OSError:
                pass
        else:
            cut(peer)

    with Server(serve, context=server_context()) as server:
        async with lean(ssl_context=client_context()) as (client, transport):
            began = time.monotonic()
            try:
                got: object = (await client.get(server.url, timeout=8)).content
            except httpx.TransportError as exc:
                got = type(exc)
            assert got == expect
            assert time.monotonic() - began < 8
            await until(lambda: not any(idle.is_quiet() for idle in books(transport)._idle))


@pytest.mark.anyio
async def test_excess_in_a_record_of_its_own() -> None:
    """A second response that nobody asked for, decrypted or not, is never taken for the answer to the next request."""

    def serve(peer: Peer) -> None:
        while peer.request() is not None:
            if peer.number == 1:
                evil = OK.replace(b"ok", b"no")
                peer.send(OK, evil)
            else:
                peer.send(OK)

    with Server(serve, context=server_context()) as server:
        async with lean(ssl_context=client_context()) as (client, _):
            for _ in range(4):
                assert (await client.get(server.url)).text == "ok"


@pytest.mark.anyio
async def test_warm_connection_is_used() -> None:
    """A connection opened ahead is used, though the server's session tickets lie in it; a dead one is not."""
    go = threading.Event()

    def serve(peer: Peer) -> None:
        if peer.number == 1:
            peer.serve()
        elif peer.number == 2:
            go.wait(5)
        else:
            peer.serve()

    with Server(serve, context=server_context()) as server:
        async with lean(ssl_context=client_context()) as (client, transport):
            await transport.warm(server.url)
            await anyio.sleep(0.05)
            assert (await client.get(server.url)).text == "ok"
            assert server.connections == 1
        async with lean(ssl_context=client_context()) as (client, transport):
            await transport.warm(server.url)
            go.set()
            await until(lambda: server.gone == 2)
            assert (await client.get(server.url)).text == "ok"
            assert server.connections == 3


@pytest.mark.anyio
async def test_large_bodies() -> None:
    """Bodies of many records go both ways."""
    body = b"0123456789abcdef" * 500_000

    def serve(peer: Peer) -> None:
        while (request := peer.request()) is not None:
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(request.body), request.body)

    with Server(serve, context=server_context()) as server:
        async with lean(ssl_context=client_context()) as (client, _):
            assert (await client.post(server.url, content=body)).content == body
            assert server.connections == 1


@pytest.mark.anyio
async def test_early_refusal() -> None:
    """A refusal that comes while the body is being sent is heard over TLS when the server reads on."""

    def serve(peer: Peer) -> None:
        peer.recv()
        peer.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")
        time.sleep(0.2)
        peer.wait_closed()

    with Server(serve, context=server_context()) as server:
        async with lean(ssl_context=client_context()) as (client, transport):
            response = await client.post(server.url, content=b"x" * 50_000_000)
            assert (response.status_code, response.text) == (413, "big")
            assert books(transport).size == 0
