"""Cookies: none is kept and none is sent, since one key's answer must not speak with another key's request."""

from __future__ import annotations

import httpx
import pytest

from miiflow_llm import LLMClient, SyncLLMClient

from .lean.server import Peer, Server
from .test_proxies import WHOLE
from .ways import WAYS, Way

COOKIE = WHOLE.replace(b"content-type", b"set-cookie: session=of-key-one; Path=/\r\nset-cookie: b=2\r\ncontent-type")


def ask_twice(way: Way, url: str) -> None:
    """Two requests with two keys over the same connections."""
    import anyio

    keys = ("key-one-0123456789", "key-two-0123456789")
    if way.loop == "none":
        http = httpx.Client(trust_env=False) if way.by == "own" else None
        for key in keys:
            kind = "auto" if http else way.by
            one = SyncLLMClient.create(
                "openai", "m", key, base_url=url, allow_http=True, http_client=http, transport=kind
            )  # type: ignore[arg-type]
            for _ in range(2):
                one.chat("Hi")
            if http is None:
                one.close()
        if http is not None:
            http.close()
        return

    async def run() -> None:
        http = httpx.AsyncClient(trust_env=False) if way.by == "own" else None
        for key in keys:
            kind = "auto" if http else way.by
            one = LLMClient.create("openai", "m", key, base_url=url, allow_http=True, http_client=http, transport=kind)  # type: ignore[arg-type]
            for _ in range(2):
                await one.chat("Hi")
            if http is None:
                await one.aclose()
        if http is not None:
            await http.aclose()

    anyio.run(run, backend=way.loop)


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_a_cookie_goes_nowhere(way: Way) -> None:
    """What a server sets is sent in no later request, of the same key or another."""
    heads: list[bytes] = []

    def serve(peer: Peer) -> None:
        while (request := peer.request()) is not None:
            heads.append(request.head.lower())
            peer.send(COOKIE)

    with Server(serve) as server:
        ask_twice(way, server.url)
    assert len(heads) == 4
    assert not [head for head in heads if b"cookie" in head]


@pytest.mark.parametrize("loop", ["asyncio", "none"])
def test_a_proxys_client_keeps_none(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests by a proxy of the environment, where httpx's client serves, neither."""
    heads: list[bytes] = []

    def serve(peer: Peer) -> None:
        while (request := peer.request()) is not None:
            heads.append(request.head.lower())
            peer.send(COOKIE)

    with Server(serve) as server:
        monkeypatch.setenv("HTTP_PROXY", server.url)
        ask_twice(Way(loop, "auto"), "http://api.example")
    assert len(heads) == 4
    assert all(head.startswith(b"post http://api.example/") for head in heads)
    assert not [head for head in heads if b"cookie" in head]


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_a_traced_client_keeps_none(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor where somebody listens to httpx's clients, who stand around our transport then."""
    heads: list[bytes] = []

    def serve(peer: Peer) -> None:
        while (request := peer.request()) is not None:
            heads.append(request.head.lower())
            peer.send(COOKIE)

    for kind in (httpx.Client, httpx.AsyncClient):
        send = kind.send
        monkeypatch.setattr(kind, "send", lambda self, *args, send=send, **kwargs: send(self, *args, **kwargs))
    with Server(serve) as server:
        ask_twice(way, server.url)
    assert not [head for head in heads if b"cookie" in head]
