"""Odd and ordinary responses, and what a strict client makes of each: shared by the framing and differential tests."""

from __future__ import annotations

from typing import NamedTuple

import httpx

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


class Case(NamedTuple):
    """What the server sends, and what must come of it.

    `end` is what the server does then: `keep` the connection, `close` or `reset` it.
    `expect` is the body, or the error.
    `reused`: whether the next request goes over the same connection.
    """

    sent: bytes
    expect: bytes | type[httpx.TransportError]
    reused: bool = False
    end: str = "keep"
    method: str = "GET"
    status: int = 200


PROTOCOL = httpx.RemoteProtocolError
READ = httpx.ReadError


def length(value: bytes, body: bytes = b"") -> bytes:
    return HEAD + b"Content-Length: " + value + b"\r\n\r\n" + body


CASES: dict[str, Case] = {
    # bodies that are whole
    "length": Case(length(b"3", b"abc"), b"abc", reused=True),
    "length zero": Case(length(b"0"), b"", reused=True),
    "length and close": Case(length(b"3", b"abc"), b"abc", end="close"),
    "chunked": Case(CHUNKED + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", b"abcde", reused=True),
    "chunked empty": Case(CHUNKED + b"0\r\n\r\n", b"", reused=True),
    "chunk extension": Case(CHUNKED + b'3;a=b;c="d"\r\nabc\r\n0\r\n\r\n', b"abc", reused=True),
    "chunk upper case": Case(CHUNKED + b"A\r\n0123456789\r\n0\r\n\r\n", b"0123456789", reused=True),
    "chunk size with zeros": Case(CHUNKED + b"0003\r\nabc\r\n0\r\n\r\n", b"abc", reused=True),
    "trailers": Case(CHUNKED + b"3\r\nabc\r\n0\r\nX-Sum: 1\r\nX-Other: 2\r\n\r\n", b"abc", reused=True),
    "coding name upper case": Case(
        HEAD + b"TRANSFER-ENCODING: Chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", b"abc", reused=True
    ),
    "until close": Case(HEAD + b"\r\nabc", b"abc", end="close"),
    "until close empty": Case(HEAD + b"\r\n", b"", end="close"),
    "http 1.0 until close": Case(b"HTTP/1.0 200 OK\r\n\r\nabc", b"abc", end="close"),
    "http 1.0 length": Case(b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", b"abc"),
    "http 1.0 keep-alive": Case(
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nabc", b"abc", reused=True
    ),
    "connection close": Case(HEAD + b"Connection: close\r\nContent-Length: 3\r\n\r\nabc", b"abc"),
    "connection close among others": Case(HEAD + b"Connection: foo, Close\r\nContent-Length: 3\r\n\r\nabc", b"abc"),
    "upgrade offered, not taken": Case(
        HEAD + b"Upgrade: h2c\r\nConnection: upgrade\r\nContent-Length: 3\r\n\r\nabc", b"abc", reused=True
    ),
    # heads
    "no reason": Case(b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", b"", reused=True),
    "empty header value": Case(HEAD + b"X-Empty:\r\nContent-Length: 0\r\n\r\n", b"", reused=True),
    "spaces around value": Case(HEAD + b"X-A: \t a b \t\r\nContent-Length: 0\r\n\r\n", b"", reused=True),
    "latin-1 header": Case(HEAD + b"X-A: caf\xe9\r\nContent-Length: 0\r\n\r\n", b"", reused=True),
    "repeated header": Case(HEAD + b"X-A: 1\r\nx-a: 2\r\nContent-Length: 0\r\n\r\n", b"", reused=True),
    "status 599": Case(b"HTTP/1.1 599 Odd\r\nContent-Length: 0\r\n\r\n", b"", reused=True, status=599),
    "blank lines first": Case(b"\r\n\r\n" + length(b"2", b"ok"), PROTOCOL),
    "line feeds only": Case(b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", PROTOCOL),
    "folded header": Case(HEAD + b"X-A: a\r\n b\r\nContent-Length: 0\r\n\r\n", PROTOCOL),
    "space before colon": Case(HEAD + b"X-A : a\r\nContent-Length: 0\r\n\r\n", PROTOCOL),
    "no colon": Case(HEAD + b"X-A\r\nContent-Length: 0\r\n\r\n", PROTOCOL),
    "empty header name": Case(HEAD + b": a\r\nContent-Length: 0\r\n\r\n", PROTOCOL),
    "NUL in value": Case(HEAD + b"X-A: a\0b\r\nContent-Length: 0\r\n\r\n", PROTOCOL),
    "bare CR in value": Case(HEAD + b"X-A: a\rb\r\nContent-Length: 0\r\n\r\n", PROTOCOL),
    "control in reason": Case(b"HTTP/1.1 200 O\x01K\r\nContent-Length: 0\r\n\r\n", PROTOCOL),
    "status of two digits": Case(b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n", PROTOCOL),
    "status of four digits": Case(b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n", PROTOCOL),
    "status 099": Case(b"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n", PROTOCOL),
    "http 2.0 line": Case(b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", PROTOCOL),
    "http 0.9": Case(b"<html>hello</html>", PROTOCOL, end="close"),
    "another protocol": Case(b"SSH-2.0-OpenSSH_9.6\r\n", PROTOCOL),
    "65 KiB in one header": Case(HEAD + b"X-A: " + b"a" * 66_600 + b"\r\nContent-Length: 0\r\n\r\n", PROTOCOL),
    "endless head": Case(HEAD + b"X-A: a\r\n" * 12_000, PROTOCOL),
    "300 headers": Case(HEAD + b"X-A: a\r\n" * 300 + b"Content-Length: 0\r\n\r\n", PROTOCOL),
    "200 headers": Case(HEAD + b"X-A: a\r\n" * 200 + b"Content-Length: 0\r\n\r\n", b"", reused=True),
    # statuses without a body
    "1xx skipped": Case(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + length(b"2", b"ok"),
        b"ok",
        reused=True,
    ),
    "1xx with a length": Case(b"HTTP/1.1 103 Odd\r\nContent-Length: 2\r\n\r\nab" + length(b"2", b"ok"), PROTOCOL),
    "endless 1xx": Case(b"HTTP/1.1 102 Processing\r\n\r\n" * 4000, PROTOCOL),
    "101 unasked": Case(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nzz", PROTOCOL),
    "204": Case(b"HTTP/1.1 204 No Content\r\n\r\n", b"", reused=True, status=204),
    "204 with a length": Case(b"HTTP/1.1 204 N\r\nContent-Length: 3\r\n\r\n", b"", reused=True, status=204),
    "304 with a length": Case(b"HTTP/1.1 304 N\r\nContent-Length: 3\r\n\r\n", b"", reused=True, status=304),
    "304 chunked": Case(b"HTTP/1.1 304 N\r\nTransfer-Encoding: chunked\r\n\r\n", b"", reused=True, status=304),
    "HEAD with a length": Case(length(b"3"), b"", reused=True, method="HEAD"),
    "HEAD chunked": Case(CHUNKED, b"", reused=True, method="HEAD"),
    "HEAD without a length": Case(HEAD + b"\r\n", b"", reused=True, method="HEAD"),
    "HEAD with a body": Case(length(b"3", b"abc"), b"", method="HEAD"),
    "HEAD and close": Case(HEAD + b"Connection: close\r\n\r\n", b"", method="HEAD"),
    "HEAD http 1.0": Case(b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\n", b"", method="HEAD"),
    # leftovers
    "second response unasked": Case(length(b"3", b"abc") + length(b"4", b"evil"), b"abc"),
    "second response after chunks": Case(CHUNKED + b"0\r\n\r\n" + length(b"4", b"evil"), b""),
    "second response after 204": Case(b"HTTP/1.1 204 N\r\n\r\nHTTP/1.1 204 N\r\n\r\n", b"", status=204),
    "garbage after the body": Case(length(b"3", b"abcGARBAGE"), b"abc"),
    "body longer than announced, then close": Case(length(b"3", b"abcdef"), b"abc", end="close"),
    # lengths that conflict
    "two lengths that differ": Case(HEAD + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", PROTOCOL),
    "two lengths that agree": Case(HEAD + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", PROTOCOL),
    "length list": Case(length(b"3, 3", b"abc"), PROTOCOL),
    "length and chunked": Case(
        HEAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", PROTOCOL
    ),
    "chunked and length": Case(
        HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n3\r\nabc\r\n0\r\n\r\n", PROTOCOL
    ),
    "length with sign": Case(length(b"+3", b"abc"), PROTOCOL),
    "length negative": Case(length(b"-3", b"abc"), PROTOCOL),
    "length hexadecimal": Case(length(b"0x3", b"abc"), PROTOCOL),
    "length empty": Case(length(b"", b"abc"), PROTOCOL),
    "length huge": Case(length(b"9" * 30, b"abc"), PROTOCOL),
    "coding gzip": Case(HEAD + b"Transfer-Encoding: gzip\r\n\r\nabc", PROTOCOL, end="close"),
    "coding gzip, chunked": Case(HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", PROTOCOL),
    "coding chunked twice": Case(
        HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", PROTOCOL
    ),
    "coding misspelt": Case(HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", PROTOCOL, end="close"),
    "coding in http 1.0": Case(
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", PROTOCOL, end="close"
    ),
    # chunks that are wrong
    "chunk size not a number": Case(CHUNKED + b"xyz\r\nabc\r\n0\r\n\r\n", PROTOCOL),
    "chunk size negative": Case(CHUNKED + b"-3\r\nabc\r\n0\r\n\r\n", PROTOCOL),
    "chunk size huge": Case(CHUNKED + b"f" * 20 + b"\r\nabc", PROTOCOL),
    "chunk size with space": Case(CHUNKED + b"3 \r\nabc\r\n0\r\n\r\n", PROTOCOL),
    "chunk longer than said": Case(CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n", PROTOCOL),
    "chunk lines end in LF": Case(CHUNKED + b"3\nabc\n0\n\n", PROTOCOL),
    "chunk extension without end": Case(CHUNKED + b"3;" + b"a" * 200_000, PROTOCOL),
    "trailer without end": Case(CHUNKED + b"0\r\nX-A: " + b"a" * 200_000, PROTOCOL),
    "trailers too many": Case(CHUNKED + b"0\r\n" + b"X-A: a\r\n" * 12_000 + b"\r\n", PROTOCOL),
    # cut short
    "nothing": Case(b"", PROTOCOL, end="close"),
    "cut in the status line": Case(b"HTTP/1.1 20", PROTOCOL, end="close"),
    "cut in a header": Case(HEAD + b"Content-Le", PROTOCOL, end="close"),
    "cut after 1xx": Case(b"HTTP/1.1 100 Continue\r\n\r\n", PROTOCOL, end="close"),
    "cut in a length body": Case(length(b"10", b"abc"), PROTOCOL, end="close"),
    "cut before a length body": Case(length(b"10"), PROTOCOL, end="close"),
    "cut in a chunk": Case(CHUNKED + b"5\r\nab", PROTOCOL, end="close"),
    "cut between chunks": Case(CHUNKED + b"2\r\nab\r\n", PROTOCOL, end="close"),
    "cut in the last chunk": Case(CHUNKED + b"2\r\nab\r\n0\r\n", PROTOCOL, end="close"),
    "reset in a head": Case(b"HTTP/1.1 20", READ, end="reset"),
    "reset in a length body": Case(length(b"10", b"abc"), READ, end="reset"),
    "reset in chunks": Case(CHUNKED + b"2\r\nab\r\n", READ, end="reset"),
    "reset in a body until close": Case(HEAD + b"\r\nabc", READ, end="reset"),
    "half close after the body": Case(length(b"3", b"abc"), b"abc", end="half close"),
    "half close in the body": Case(length(b"5", b"abc"), PROTOCOL, end="half close"),
}
