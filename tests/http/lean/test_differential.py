"""The same odd responses through httpx's own transport: the same outcome, or a difference listed with its reason."""

from __future__ import annotations

from itertools import islice

import h11
import httpx
import pytest

from miiflow_llm.http.lean import LeanTransport
from miiflow_llm.http.lean.response import ResponseReader

from .cases import CASES
from .fuzz import Malformed, cases
from .helpers import taken
from .server import Server
from .test_framing import play

_STRICT = "RFC 9112 2.2 lets a recipient take a bare LF for CRLF; two readings of one message are what smuggling needs"
_BOUND = "heads, trailers and 1xx are bounded here, so that a server cannot make a client read for ever"
_LENGTHS = "RFC 9112 6.3: a length beside another, or beside a coding, is a sign of smuggling; llhttp refuses it"
_EARLY = "refused at once; h11 goes on waiting for bytes that could make it right"

ACCEPTED: dict[str, str] = {
    "coding name upper case": "the header is given as it was sent; h11 gives it in lower case",
    "line feeds only": _STRICT,
    "chunk lines end in LF": _STRICT,
    "folded header": "RFC 9112 5.2 lets a client refuse line folding, which HTTP/1.1 has dropped",
    "chunk size with space": "RFC 9112 7.1 has no space there; it has hidden chunk extensions from proxies",
    "control in reason": "RFC 9112 4 has no control characters there; they would get into logs",
    "http 2.0 line": "a server that answers in another major version is not understood",
    "coding in http 1.0": "RFC 9112 6.1: framing is faulty when an HTTP/1.0 message has a transfer coding",
    "65 KiB in one header": _BOUND,
    "endless head": _BOUND,
    "300 headers": _BOUND,
    "endless 1xx": _BOUND,
    "trailers too many": _BOUND,
    "two lengths that agree": _LENGTHS,
    "length list": _LENGTHS,
    "length and chunked": _LENGTHS,
    "chunked and length": _LENGTHS,
    "another protocol": _EARLY,
    "chunk size huge": _EARLY,
}
"""Where we differ from httpx, and why."""


async def outcome(transport: httpx.AsyncBaseTransport, name: str) -> tuple[object, ...]:
    """Status, version, reason, headers and body, or the class of the error."""
    case = CASES[name]
    with Server(lambda peer: play(case, peer)) as server:
        async with httpx.AsyncClient(transport=transport, timeout=0.5) as client:
            try:
                response = await client.request(case.method, server.url)
            except httpx.HTTPError as exc:
                return (type(exc),)
            facts = response.extensions
            return (
                response.status_code,
                facts["http_version"],
                facts["reason_phrase"],
                response.headers.raw,
                response.content,
            )


def ours(case: Malformed) -> tuple[object, ...] | None:
    """What we make of a response, sans-I/O; None when it is refused."""
    reader = ResponseReader(case.method)
    reader.feed(b"".join(case.parts))
    body = taken(reader)
    reader.feed_eof()
    if reader.error is not None:
        return None
    return reader.status, reader.http_version, reader.reason, reader.headers, body


def theirs(case: Malformed) -> tuple[object, ...] | None:
    """What h11, httpx's parser, makes of it."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
    connection.send(h11.Request(method=case.method, target="/", headers=[("Host", "x")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(b"".join(case.parts))
    head, body = None, b""
    try:
        while True:
            match event := connection.next_event():
                case h11.Response():
                    version = b"HTTP/" + event.http_version
                    head = (event.status_code, version, event.reason, event.headers.raw_items())
                case h11.Data():
                    body += bytes(event.data)
                case h11.EndOfMessage():
                    return (*(head or ()), body)
                case h11.NEED_DATA:
                    connection.receive_data(b"")
    except h11.RemoteProtocolError:
        return None


def test_what_is_taken_is_read_as_h11_reads_it() -> None:
    """Of ten thousand malformed responses, each that we take whole means the same to httpx's own parser."""
    taken = 0
    for case in islice(cases(20261125), 10_000):
        data = b"".join(case.parts)
        if b"TRANSFER-ENCODING: Chunked" in data or (read := ours(case)) is None:
            continue  # see ACCEPTED
        taken += 1
        assert read == theirs(case), data
    assert taken > 1000


@pytest.mark.anyio
@pytest.mark.parametrize("name", CASES)
async def test_same_as_httpx(name: str) -> None:
    """An odd response gives what httpx gives, unless the list says why not; and the list names nothing that agrees."""
    ours = await outcome(LeanTransport(), name)
    theirs = await outcome(httpx.AsyncHTTPTransport(), name)
    assert (ours != theirs) is (name in ACCEPTED), (ours, theirs)
