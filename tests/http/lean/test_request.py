"""The request writer without a socket: what goes on the wire, and what is refused before it can."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from miiflow_llm.http.lean.origin import Origin
from miiflow_llm.http.lean.request import outgoing

from .helpers import Body

URL = "http://example.org/a/b?q=1"


def raw(headers: list[tuple[bytes, bytes]], **kwargs: Any) -> httpx.Request:
    request = httpx.Request(kwargs.pop("method", "POST"), URL, **kwargs)
    request.headers = httpx.Headers(headers)
    return request


HOST = (b"Host", b"example.org")


def test_head_and_body_are_written_once() -> None:
    """A request with bytes for a body is one write, its headers in order and spelt as given."""
    request = raw([HOST, (b"X-Odd", b"a\tb \xe9"), (b"Content-Length", b"5")], content=b"hello")
    sent = outgoing(request)
    head = b"POST /a/b?q=1 HTTP/1.1\r\nHost: example.org\r\nX-Odd: a\tb \xe9\r\nContent-Length: 5\r\n\r\n"
    assert sent.parts == (head + b"hello",)
    assert sent.replayable
    assert sent.keep_alive


def test_large_body_is_not_copied() -> None:
    """A large body goes out as it is, beside its head."""
    body = b"x" * 1_000_000
    _, part = outgoing(httpx.Request("POST", URL, content=body)).parts
    assert part == body


def test_chunked_bytes() -> None:
    """Bytes sent with `transfer-encoding: chunked` are one chunk and the last one; no bytes are the last one alone."""
    chunked = [HOST, (b"Transfer-Encoding", b"chunked")]
    assert outgoing(raw(chunked, content=b"hello")).parts[0].endswith(b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
    assert outgoing(raw(chunked)).parts[0].endswith(b"\r\n\r\n0\r\n\r\n")


@pytest.mark.parametrize("bad", [b"\r\n", b"\n", b"\r", b"\0", b"\x0b", b"\x7f"])
@pytest.mark.parametrize("at", [0, 3, 6])
def test_control_characters_are_refused(bad: bytes, at: int) -> None:
    """CR, LF, NUL and other controls in a header's value or name, the method or the target never reach the wire."""
    text = b"secret"[:at] + bad + b"secret"[at:]
    with pytest.raises(httpx.LocalProtocolError) as caught:
        outgoing(raw([HOST, (b"Authorization", text)]))
    assert "secret" not in str(caught.value)
    with pytest.raises(httpx.LocalProtocolError):
        outgoing(raw([HOST, (text, b"x")]))
    with pytest.raises(httpx.LocalProtocolError):
        outgoing(raw([HOST], method=text.decode("latin-1")))
    with pytest.raises(httpx.LocalProtocolError):
        outgoing(raw([HOST], extensions={"target": b"/" + text}))


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([], id="no host"),
        pytest.param([HOST, HOST], id="two hosts"),
        pytest.param([HOST, (b"", b"x")], id="empty name"),
        pytest.param([HOST, (b"X Y", b"x")], id="space in a name"),
        pytest.param([HOST, (b"X:Y", b"x")], id="colon in a name"),
        pytest.param([HOST, (b"Content-Length", b"5"), (b"content-length", b"5")], id="two lengths"),
        pytest.param([HOST, (b"Content-Length", b"5"), (b"Transfer-Encoding", b"chunked")], id="length and chunked"),
        pytest.param([HOST, (b"Transfer-Encoding", b"gzip")], id="another coding"),
        pytest.param([HOST, (b"Content-Length", b"5, 5")], id="length list"),
        pytest.param([HOST, (b"Content-Length", b"+5")], id="length with a sign"),
        pytest.param([HOST, (b"Content-Length", b"4")], id="length too small"),
        pytest.param([HOST, (b"Content-Length", b"6")], id="length too large"),
        pytest.param([HOST], id="body without framing"),
    ],
)
def test_ambiguous_requests_are_refused(headers: list[tuple[bytes, bytes]]) -> None:
    """A request that two servers could read in two ways is not sent."""
    with pytest.raises(httpx.LocalProtocolError):
        outgoing(raw(headers, content=b"hello"))


@pytest.mark.anyio
async def test_async_body_is_framed_as_it_comes() -> None:
    """An async body goes out in chunks, or bare under its length, and cannot be sent twice."""
    sent = outgoing(raw([HOST, (b"Transfer-Encoding", b"chunked")], content=Body(b"ab", b"", b"c")))
    assert not sent.replayable
    assert sent.rest is not None
    assert [part async for part in sent.rest] == [b"2\r\nab\r\n", b"1\r\nc\r\n", b"0\r\n\r\n"]
    sent = outgoing(raw([HOST, (b"Content-Length", b"3")], content=Body(b"ab", b"c")))
    assert sent.rest is not None
    assert b"".join([part async for part in sent.rest]) == b"abc"


@pytest.mark.anyio
@pytest.mark.parametrize("length", [b"2", b"4"])
async def test_async_body_of_another_length_is_refused(length: bytes) -> None:
    """An async body that is not as long as announced breaks off."""
    sent = outgoing(raw([HOST, (b"Content-Length", length)], content=Body(b"ab", b"c")))
    assert sent.rest is not None
    with pytest.raises(httpx.LocalProtocolError):
        [part async for part in sent.rest]


def test_sync_body_is_refused() -> None:
    """A body that can only be read synchronously would block the event loop."""
    with pytest.raises(httpx.LocalProtocolError):
        outgoing(raw([HOST, (b"Transfer-Encoding", b"chunked")], content=iter([b"x"])))


@pytest.mark.parametrize("url", ["ftp://example.org/", "/relative", "http:///nohost"])
def test_other_schemes_are_refused(url: str) -> None:
    """Only http and https lead anywhere."""
    with pytest.raises(httpx.UnsupportedProtocol):
        Origin.of(httpx.URL(url))


def test_origin() -> None:
    """Scheme, host, port and the name on the certificate make an origin; nothing else of the URL does."""
    assert Origin.of(httpx.URL("https://Example.org/a")) == ("https", "example.org", 443, "example.org")
    assert Origin.of(httpx.URL("http://[::1]:81/?x")) == ("http", "::1", 81, "::1")
    assert Origin.of(httpx.URL("https://bücher.de"), "other.de").server_hostname == "other.de"
    assert Origin.of(httpx.URL("http://[::1]")).is_address
    assert not Origin.of(httpx.URL("http://localhost")).is_address
