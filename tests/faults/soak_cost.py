"""The fuzzer of costs: whatever the bytes are and however they are cut, reading four times as many takes four times
the CPU, not sixteen.

Every reader of bytes from elsewhere is given short patterns, repeated: framings, JSON, heads and chunks of HTTP,
codings, errors, secrets, requests of browsers. What is measured is the process's own CPU time, best of several.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import gzip
import random
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from miiflow_llm.calls.target import engine_for
from miiflow_llm.core.blot import Blot
from miiflow_llm.core.exceptions import MiiflowLLMError
from miiflow_llm.core.json_text import repair_json
from miiflow_llm.core.text import clean, printable
from miiflow_llm.http.content_coding import CodingError, coding_of
from miiflow_llm.http.lean.response import ResponseReader
from miiflow_llm.replay.secrets import Redactor
from miiflow_llm.schema.json_in_text import answers_in, holds_json_alone, without_draft
from miiflow_llm.schema.partial_json import PartialJSON
from miiflow_llm.web.body import Limits, read_body
from miiflow_llm.web.safe_errors import Rejected
from miiflow_llm.wire.decode.eventstream import BrokenStreamError, EventStreamFramer
from miiflow_llm.wire.decode.frames import NDJSONFramer, SSEFramer

from .wires import WIRES

SMALL, TIMES = 8 * 1024, 4
CUTS = (1, 7, 100, 4096, 0)
"""How many bytes a read brings; 0 is all of them."""
SLACK = 0.004
"""Seconds of CPU that say nothing: the machine's own."""
MOST = 2.2
"""How much more than in proportion the larger may take."""
PER_BYTE = 20e-6
"""Seconds of CPU that a byte may take at most, cut into single bytes too."""

Read = Callable[[bytes, int], object]


class Pattern(NamedTuple):
    """A text of any size: a beginning, what is repeated, and an end."""

    begin: bytes
    middle: bytes
    end: bytes

    def of(self, size: int) -> bytes:
        """The pattern, so many bytes long or a little more."""
        return self.begin + self.middle * (size // len(self.middle) + 1) + self.end


class Case(NamedTuple):
    """What reads which pattern in which cuts."""

    reader: str
    pattern: Pattern
    cut: int


def pieces(data: bytes, cut: int) -> Iterator[bytes]:
    """The reads in which the data come."""
    return (data[at : at + cut] for at in range(0, len(data), cut)) if cut else iter((data,))


def _framed(kind: Any) -> Read:
    def read(data: bytes, cut: int) -> None:
        framer = kind()
        with contextlib.suppress(MiiflowLLMError, BrokenStreamError):
            for piece in pieces(data, cut):
                framer.feed(piece)
            framer.finish()

    return read


def _dialect(place: int) -> Read:
    wire = WIRES[place]

    def read(data: bytes, cut: int) -> None:
        reader = _engine(wire).stream("m")
        for piece in pieces(data, cut):
            reader.feed(piece)
        reader.finish()

    return read


def _engine(wire: Any) -> Any:
    from miiflow_llm import providers

    provider = providers.get(wire.provider)
    return engine_for(provider, next(one for one in provider.options if one.dialect.name == wire.name))


def _error(place: int) -> Read:
    wire = WIRES[place]

    def read(data: bytes, _: int) -> None:
        shown = data[:2000].decode("latin-1")
        _engine(wire).error(400, {"retry-after": shown, "x-request-id": shown, "content-type": shown}, data, "m")

    return read


def _response(method: str) -> Read:
    def read(data: bytes, cut: int) -> None:
        reader = ResponseReader(method)
        for piece in pieces(data, cut):
            reader.feed(piece)
            reader.pieces.clear()
        reader.feed_eof()

    return read


def _growing(**options: Any) -> Read:
    def read(data: bytes, cut: int) -> None:
        growing = PartialJSON(**options)
        with contextlib.suppress(MiiflowLLMError):
            for piece in pieces(data, cut):
                growing.feed(piece.decode("latin-1"))
            growing.finish()

    return read


def _text(function: Callable[[str], object]) -> Read:
    def read(data: bytes, _: int) -> None:
        with contextlib.suppress(MiiflowLLMError, RecursionError, msgspec.DecodeError):
            function(data.decode("latin-1"))

    return read


def _coded(name: str, pack: Callable[[bytes], bytes]) -> Read:
    def read(data: bytes, cut: int) -> None:
        coding = coding_of(name)
        if coding is None:
            return
        with contextlib.suppress(CodingError):
            for piece in pieces(pack(data), cut and max(cut, 100)):
                coding.feed(piece)
                while coding.take():
                    pass
            coding.finish()

    return read


def _browser(data: bytes, _: int) -> None:
    with contextlib.suppress(Rejected):
        read_body(data, Limits(max_body=1 << 30, max_text=1 << 30))


SECRET = 'a+b/c="d&e<f>0123456789'
READERS: Mapping[str, Read] = {
    "SSE": _framed(SSEFramer),
    "NDJSON": _framed(NDJSONFramer),
    "event stream": _framed(EventStreamFramer),
    **{f"stream of {wire.name}": _dialect(place) for place, wire in enumerate(WIRES)},
    **{f"error of {wire.name}": _error(place) for place, wire in enumerate(WIRES)},
    "response to GET": _response("GET"),
    "response to HEAD": _response("HEAD"),
    "growing JSON": _growing(),
    "growing JSON in prose": _growing(lenient=True),
    "JSON in a text": _text(answers_in),
    "a draft": _text(without_draft),
    "JSON alone": _text(holds_json_alone),
    "mended JSON": _text(repair_json),
    "a message": _text(clean),
    "a terminal": _text(printable),
    "secrets": _text(Blot([SECRET, "sk-another-0123456789"]).text),
    "a recording": lambda data, _: Redactor([SECRET]).redact(data, cut=True),
    "gzip": _coded("gzip", gzip.compress),
    "deflate": _coded("deflate", zlib.compress),
    "not gzip": _coded("gzip", lambda data: data),
    "a browser": _browser,
}

BEGINNINGS = (
    b"",
    b"\xef\xbb\xbf",
    b"data: ",
    b'data: {"choices":[{"delta":{"content":"',
    b'data: {"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"',
    b'{"error":{"message":"',
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n",
    b'{"messages":[{"role":"user","content":"',
    b'{"messages":[',
    b"```json\n",
    b"<think>",
)
ATOMS = (
    *(bytes([code]) for code in b"{}[]()<>\"'\\,:;#%&=+-*/`|~^!?@$._ \t\n\r0123456789eEuxn"),
    *(b"\0", b"\x1b", b"\x80", b"\xff", b"\xc3\xa9", b"\xe2\x80\xa8"),
    *(b"\r\n", b"\n\n", b"\r\n\r\n", b"data:", b"data: ", b"data: {}\n\n", b"event: x\n", b"error: x\n", b": ping\n\n"),
    *(
        b"data: [DONE]\n\n",
        b"[DONE]",
        b"{}\n",
        b"{\n",
        b"}\n",
        b"<html>",
        b"</html",
        b"<!--",
        b"retry: 1\n",
        b"id: 1\n",
    ),
    *(b"1\r\nx\r\n", b"0\r\n", b"1;a=b\r\nx\r\n", b"a: b\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"00000", b"ffff"),
    *(
        b'{"a":',
        b'"a":1,',
        b"[[",
        b'""',
        b'\\"',
        b"\\u0000",
        b"\\ud800",
        b"\\u",
        b"\\n",
        b"null",
        b"1e9",
        b"-0",
        b"tru",
    ),
    *(
        b"```",
        b"```json\n",
        b"<think>",
        b"</think>",
        b"%25",
        b"&#0",
        b"&amp;",
        b"sk-",
        b"eyJ",
        b"eyJaaaaaaaaaa.",
        b"Bearer ",
    ),
    *(b'{"role":"user","content":"x"},', b'{"choices":[{"delta":{"content":"x"}}]}', b"\x00\x00\x00\x10", b"hello "),
)
ENDS = (b"", b"\n\n", b'"}}]}\n\n', b'"}}', b"}", b"]", b"\r\n", b"</html>")


def cases(seed: int) -> Iterator[Case]:
    """An endless, reproducible sequence; every atom comes first by itself."""
    dice = random.Random(seed)
    readers = list(READERS)
    while True:
        middle = b"".join(dice.choice(ATOMS) for _ in range(dice.choice((1, 1, 1, 2, 2, 3, 4))))
        begin = dice.choice(BEGINNINGS) if dice.random() < 0.6 else b""
        pattern = Pattern(begin, middle, dice.choice(ENDS))
        yield Case(dice.choice(readers), pattern, dice.choice(CUTS))


def cost(case: Case, size: int, tries: int = 1) -> float:
    """The seconds of CPU that reading so many bytes takes, best of several."""
    read, data, best = READERS[case.reader], case.pattern.of(size), float("inf")
    for _ in range(tries):
        began = time.process_time()
        read(data, case.cut)
        best = min(best, time.process_time() - began)
    return best


def wrong(case: Case) -> str:
    """What is wrong with a case, in words; `""` if its cost is in proportion."""
    if _is_cheap(cost(case, TIMES * SMALL), cost(case, SMALL)):
        return ""
    gc.collect()
    large, small = cost(case, TIMES * SMALL, 4), cost(case, SMALL, 4)
    if _is_cheap(large, small):
        return ""
    return f"{case}: {small * 1e3:.1f} ms for {SMALL} bytes, {large * 1e3:.1f} ms for {TIMES} times as many"


def _is_cheap(large: float, small: float) -> bool:
    in_proportion = large <= SLACK + MOST * TIMES * small
    return in_proportion and large <= SLACK + PER_BYTE * TIMES * SMALL


def search(seed: int, count: int, seconds: float) -> list[str]:
    """Try so many cases, while there is time; what is wrong, in words."""
    until, found, tried = time.monotonic() + seconds, list[str](), 0
    for tried, case in enumerate(cases(seed)):
        if tried >= count or time.monotonic() > until:
            break
        words = wrong(case)
        if words:
            found.append(words)
    sys.stdout.write(f"costs: {tried} patterns, {len(found)} that cost more than in proportion\n")
    return found


def soak_cost(arguments: argparse.Namespace) -> list[str]:
    """The search as `scripts/soak` runs it."""
    return search(arguments.seed, arguments.patterns, arguments.seconds)
