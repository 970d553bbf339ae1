"""The response reader without a socket: what it makes of bytes does not depend on how they were cut."""

from __future__ import annotations

import gc
import weakref

import httpx
import pytest

from miiflow_llm.http.lean.response import MAX_HEAD_BYTES, ResponseReader

from .cases import CASES, CHUNKED, HEAD, Case
from .helpers import taken

SHORT = {name: case for name, case in CASES.items() if len(case.sent) < 400 and case.end != "reset"}


def read(case: Case, parts: list[bytes]) -> tuple[object, ...]:
    reader = ResponseReader(case.method)
    body = b""
    for part in parts:
        reader.feed(part)
        body += taken(reader)
    if not reader.ended:
        reader.feed_eof()
    head = (reader.status, reader.reason, tuple(reader.headers)) if reader.head_done else None
    return head, body, type(reader.error)


@pytest.mark.parametrize("name", SHORT)
def test_every_cut_reads_the_same(name: str) -> None:
    """Cut in two at any byte, or into single bytes, a response reads as it does whole."""
    case = SHORT[name]
    whole = read(case, [case.sent])
    for at in range(1, len(case.sent)):
        assert read(case, [case.sent[:at], case.sent[at:]]) == whole, at
    assert read(case, [case.sent[i : i + 1] for i in range(len(case.sent))]) == whole


@pytest.mark.parametrize("name", [k for k, case in SHORT.items() if case.end == "keep" and not case.reused])
def test_no_cut_makes_an_unfit_connection_fit(name: str) -> None:
    """Excess or a broken response forbids reuse, wherever the bytes were cut."""
    case = SHORT[name]
    for at in range(1, len(case.sent)):
        reader = ResponseReader(case.method)
        reader.feed(case.sent[:at])
        reader.feed(case.sent[at:])
        assert not (reader.complete and reader.keep_alive), at


def test_body_pieces_are_parsed_from_a_shared_buffer() -> None:
    """Pieces are copies: the buffer that was fed may be overwritten at once."""
    buffer = bytearray(CHUNKED + b"3\r\nabc\r\n")
    reader = ResponseReader("GET")
    reader.feed(memoryview(buffer))
    buffer[:] = b"x" * len(buffer)
    assert taken(reader) == b"abc"


def test_long_chunked_body_is_not_mistaken_for_overhead() -> None:
    """Chunk heads that come in reads of their own never add up to a refusal while body comes between them."""
    reader = ResponseReader("GET")
    reader.feed(CHUNKED)
    for _ in range(MAX_HEAD_BYTES):
        reader.feed(b"1\r\n")
        reader.feed(b"a")
        reader.feed(b"\r\n")
        taken(reader)
    assert not reader.ended


def test_endless_head_is_refused_while_it_comes() -> None:
    """A header that never ends is refused near the limit, and not kept beyond it."""
    reader = ResponseReader("GET")
    reader.feed(HEAD + b"X-A: ")
    fed = 0
    while not reader.ended:
        reader.feed(b"a" * 1000)
        fed += 1000
    assert isinstance(reader.error, httpx.RemoteProtocolError)
    assert fed <= MAX_HEAD_BYTES + 1000


@pytest.mark.parametrize("sent", [CHUNKED + b"0\r\n\r\n", HEAD + b"Broken\r\n\r\n", b"HTTP/1.1 204 N\r\n\r\n"])
def test_reader_is_freed_without_the_collector(sent: bytes) -> None:
    """An ended response is no reference cycle, so its memory goes when its owner lets go."""

    class Watched(ResponseReader):
        __slots__ = ("__weakref__",)

    gc.disable()
    try:
        reader = Watched("GET")
        reader.feed(sent)
        assert reader.ended
        alive = weakref.ref(reader)
        del reader
        assert alive() is None
    finally:
        gc.enable()
