"""Proxies: what they refuse, keep silent about and pass on, for every client that goes by one."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from miiflow_llm import Timeout
from miiflow_llm.core.exceptions import ConfigurationError, MiiflowLLMError, NetworkError, ProviderError, TimeoutError
from miiflow_llm.core.response import ChatResponse

from ..faults.server import refusing_port
from .lean.server import Peer, Server
from .lean.test_tls import client_context, server_context
from .proxy import proxy
from .ways import AUTO, LOOPS, Way, ask, trusting

ANSWER = b'{"choices":[{"message":{"content":"hi"},"finish_reason":"stop"}]}'
WHOLE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(ANSWER) + ANSWER
PROXIED = [*AUTO, *[Way(loop, "own") for loop in LOOPS]]
"""By the environment's proxy, and by that of a caller's own client."""


@pytest.fixture(autouse=True)
def _trusting() -> Iterator[None]:
    with trusting(client_context()):
        yield


def asked_by(
    way: Way, at: str, monkeypatch: pytest.MonkeyPatch, *, url: str, timeout: Timeout | None = None, retries: int = 0
) -> ChatResponse | MiiflowLLMError:
    """Ask `url` by the proxy at `at`."""
    if way.by == "auto":
        monkeypatch.setenv("HTTPS_PROXY", at)
    own = at if way.by == "own" else None
    return ask(way, url, verify=client_context(), proxy=own, timeout=timeout or Timeout(), max_retries=retries)


@pytest.mark.parametrize("way", PROXIED, ids=str)
def test_a_proxy_passes_on(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request goes by CONNECT, and its key is not the proxy's to see."""
    with Server(lambda peer: peer.serve(WHOLE), context=server_context("api.example")) as server, proxy() as (at, does):
        answer = asked_by(way, at, monkeypatch, url=f"https://api.example:{server.port}")
        assert isinstance(answer, ChatResponse), answer
        assert answer.content == "hi"
        assert [head.split(b" ")[0] for head in does.asked] == [b"CONNECT"]
        assert b"sk-test" not in does.asked[0]


@pytest.mark.parametrize("status", [b"407 Proxy Authentication Required", b"403 Forbidden"])
@pytest.mark.parametrize("way", PROXIED, ids=str)
def test_a_refusal_says_what_it_is(way: Way, status: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """407 and 403 to CONNECT are not tried again, and say which proxy said what, without its password."""
    with proxy(b"HTTP/1.1 %s\r\ncontent-length: 0\r\n\r\n" % status) as (at, does):
        at = at.replace("//", "//user:hunter22@")
        raised = asked_by(way, at, monkeypatch, url="https://api.example", retries=2)
    assert isinstance(raised, NetworkError)
    assert status.decode() in str(raised)
    assert "proxy" in str(raised)
    assert "hunter22" not in str(raised)
    assert (way.by == "own") or "HTTPS_PROXY" in str(raised)
    assert not raised.retryable
    assert len(does.asked) == len(raised.attempts) == 1


@pytest.mark.parametrize("way", PROXIED, ids=str)
def test_a_proxy_that_is_down_is_tried_again(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    """502, 503 and 504 to CONNECT may pass."""
    monkeypatch.setattr("backoff.full_jitter", lambda value: 0.0)
    with proxy(b"HTTP/1.1 503 Down\r\ncontent-length: 0\r\n\r\n") as (at, does):
        raised = asked_by(way, at, monkeypatch, url="https://api.example", retries=1)
    assert isinstance(raised, NetworkError)
    assert raised.retryable
    assert len(does.asked) == 2


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("way", AUTO, ids=str)
def test_a_proxy_that_nobody_answers_for(way: Way, scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the proxy and its variable, and asks nothing about base_url, which is not to blame."""
    monkeypatch.setenv(f"{scheme.upper()}_PROXY", f"http://user:hunter22@127.0.0.1:{refusing_port()}")
    raised = ask(way, f"{scheme}://api.example", allow_http=True)
    assert isinstance(raised, NetworkError)
    assert f"{scheme.upper()}_PROXY" in str(raised)
    assert "base_url" not in str(raised)
    assert "hunter22" not in str(raised)
    assert raised.retryable


def drip(peer: Peer) -> None:
    """Begin an answer and never end it."""
    for byte in b"HTTP/1.1 200 OK\r\nx-slow: 1\r\n" * 30:
        peer.sock.sendall(bytes([byte]))  # which ends it when the client has gone
        time.sleep(0.05)


@pytest.mark.parametrize("how", ["silent", "dripping", "silent after CONNECT"])
@pytest.mark.parametrize("way", PROXIED, ids=str)
def test_silence_is_of_the_phase_connect(way: Way, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that does not answer, or answers a byte at a time, or gives no handshake, is not connected to in time."""
    does = {
        "silent": lambda peer: peer.wait_closed(),
        "dripping": drip,
        "silent after CONNECT": lambda peer: (peer.send(b"HTTP/1.1 200 OK\r\n\r\n"), peer.wait_closed()),
    }[how]
    with proxy(does) as (at, _):
        began = time.monotonic()
        limits = Timeout(connect=0.4, pool=5, write=5, first_output=20)
        raised = asked_by(way, at, monkeypatch, url="https://api.example", timeout=limits)
        assert time.monotonic() - began < 4
    assert isinstance(raised, TimeoutError), raised
    assert raised.phase == "connect"


@pytest.mark.parametrize("said", [b"SSH-2.0-x\r\n", b"", b"HTTP/1.1 abc\r\n\r\n"])
@pytest.mark.parametrize("way", PROXIED, ids=str)
def test_what_is_no_proxy_is_a_network_error(way: Way, said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer that does not speak as a proxy does is a typed error."""
    with proxy(lambda peer: peer.send(said)) as (at, _):
        raised = asked_by(way, at, monkeypatch, url="https://api.example")
    assert isinstance(raised, NetworkError), raised


@pytest.mark.parametrize("way", PROXIED, ids=str)
@pytest.mark.parametrize("status", [413, 429])
def test_an_early_answer_through_a_proxy(way: Way, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that refuses a large request before it has read it is heard through a tunnel too."""

    over = threading.Event()

    def serve(peer: Peer) -> None:
        peer.recv()
        peer.send(b"HTTP/1.1 %d No\r\nretry-after: 7\r\ncontent-length: 2\r\n\r\n{}" % status)
        if status == 429:
            peer.wait_closed()
        else:
            over.wait(5)

    with Server(serve, context=server_context("api.example")) as server, proxy() as (at, _):
        if way.by == "auto":
            monkeypatch.setenv("HTTPS_PROXY", at)
        own = at if way.by == "own" else None
        raised = ask(way, f"https://api.example:{server.port}", "x" * 8_000_000, verify=client_context(), proxy=own)
        over.set()
    assert isinstance(raised, ProviderError), raised
    assert raised.status_code == status


@pytest.mark.parametrize("way", AUTO, ids=str)
def test_only_a_proxy_that_applies_is_used(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hosts in NO_PROXY and this machine go straight, whatever the proxy is worth; others say what is wrong with it."""
    monkeypatch.setenv("HTTPS_PROXY", "socks://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "::1,fd07:b51a:cc66:f0::/64,exempt.invalid")
    with Server(lambda peer: peer.serve(WHOLE), context=server_context()) as server:
        answer = ask(way, server.url)
        assert isinstance(answer, ChatResponse), answer
    raised = ask(way, "https://exempt.invalid")
    assert isinstance(raised, NetworkError)
    assert "exempt.invalid" in str(raised)
    raised = ask(way, "https://api.example")
    assert isinstance(raised, ConfigurationError)
    assert "HTTPS_PROXY" in str(raised)


@pytest.mark.parametrize("way", AUTO, ids=str)
def test_a_key_for_this_machine_goes_by_no_proxy(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key may go in clear to a server on loopback, and therefore never to a proxy on its way there."""
    with proxy() as (at, does), Server(lambda peer: peer.serve(WHOLE)) as server:
        monkeypatch.setenv("HTTP_PROXY", at)
        assert isinstance(ask(way, server.url), ChatResponse)
        assert does.asked == []
