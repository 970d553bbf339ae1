"""Connections as they are made: probes of silent ones, and that whatever an event loop raises comes out typed."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from miiflow_llm.core.exceptions import NetworkError
from miiflow_llm.core.response import ChatResponse
from miiflow_llm.http.lean import eyeballs
from miiflow_llm.http.lean.sockets import KEEPALIVE

from .lean.server import Server
from .lean.test_tls import client_context, server_context
from .proxy import proxy
from .test_proxies import WHOLE
from .ways import AUTO, WAYS, Way, ask, trusting


@pytest.fixture(autouse=True)
def _trusting() -> Iterator[None]:
    with trusting(client_context()):
        yield


class Options:
    """The options that sockets of this process were given."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.set: list[tuple[int, int, Any]] = []
        original = socket.socket.setsockopt

        def noted(sock: socket.socket, *args: Any) -> None:
            self.set.append(args[:3])
            original(sock, *args)

        monkeypatch.setattr(socket.socket, "setsockopt", noted)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("way", WAYS, ids=str)
def test_the_system_probes_silent_connections(way: Way, tls: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every connection has SO_KEEPALIVE: a NAT forgets one that is silent while a model thinks."""
    options = Options(monkeypatch)
    with Server(lambda peer: peer.serve(WHOLE), context=server_context() if tls else None) as server:
        answer = ask(way, server.url, verify=client_context())
        assert isinstance(answer, ChatResponse), answer
    assert set(KEEPALIVE) <= set(options.set)


@pytest.mark.parametrize("way", AUTO, ids=str)
def test_those_to_a_proxy_too(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection to a proxy is the one that is silent then."""
    options = Options(monkeypatch)
    with Server(lambda peer: peer.serve(WHOLE), context=server_context("api.example")) as server, proxy() as (at, _):
        monkeypatch.setenv("HTTPS_PROXY", at)
        assert isinstance(ask(way, f"https://api.example:{server.port}"), ChatResponse)
    assert set(KEEPALIVE) <= set(options.set)


@pytest.mark.parametrize(
    "raised",
    [
        IndexError("list index out of range"),
        RuntimeError("odd"),
        OSError(),
        ExceptionGroup("several", [OSError("one")]),
        UnicodeError("label too long"),
        OverflowError("port"),
    ],
    ids=lambda raised: type(raised).__name__,
)
@pytest.mark.parametrize("loop", ["asyncio", "trio", "none"])
def test_whatever_connecting_raises_is_typed(loop: str, raised: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """Event loops raise many kinds, some of them by mistake (an IndexError where no address answers)."""

    async def broken(*_: object, **__: object) -> None:
        raise raised

    def broken_now(*_: object, **__: object) -> None:
        raise raised

    monkeypatch.setattr(asyncio.BaseEventLoop, "create_connection", broken)
    monkeypatch.setattr("anyio.connect_tcp", broken)
    monkeypatch.setattr("miiflow_llm.http.lean.blocking_dial.first_to_connect", broken_now)
    failure = ask(Way(loop, "lean"), "http://127.0.0.1:9")
    assert isinstance(failure, NetworkError), failure
    assert "could not connect to 127.0.0.1:9" in str(failure)


def test_no_socket_is_left_of_a_race(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if a race of addresses breaks off in the middle."""
    made: list[socket.socket] = []

    class Counted(socket.socket):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            made.append(self)

    def breaks(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(eyeballs.socket, "socket", Counted)
    monkeypatch.setattr(eyeballs._Race, "_look", breaks)
    address = eyeballs.Address(socket.AF_INET, ("127.0.0.1", 9))
    with pytest.raises(KeyboardInterrupt):
        eyeballs.first_to_connect([address], None, eyeballs.Timeouts())
    assert [sock.fileno() for sock in made] == [-1]
