"""The faults of the matrix: what the server does to each wire format, and what the caller must then see.

A fault is data. `answers` gives the script for a wire; the rest is what is asserted: the type and phase of the error
(`None` for a finished answer), the text in hand, and the number of requests that reached the server.
"""

from __future__ import annotations

import email.utils
import gzip
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from miiflow_llm.core import exceptions as error
from miiflow_llm.core.timeout import Timeout

from .helpers import LONG, SHORT
from .server import CLOSE, HANG, LAST_CHUNK, RESET, Every, Step, Steps, Wait, chunk, head, whole
from .wires import ANTHROPIC, GEMINI, OLLAMA, OPENAI_CHAT, WIRES, Wire

HTML = b"<html><head><title>502 Bad Gateway</title><style>b{}</style></head><body>nginx</body></html>"
FRAME_OF_20_MB = 20 * 1024 * 1024
SSE = (OPENAI_CHAT, ANTHROPIC, GEMINI)
MAX_REQUESTS = 3
"""The first request and the two retries of `max_retries=2`: no retry stacks on another."""


class Fault(NamedTuple):
    """One row of the matrix."""

    name: str
    answers: Callable[[Wire], Sequence[Steps]]
    error: type[error.MiiflowLLMError] | None = None
    text: str = "Hello"
    requests: int = 1
    phase: str | None = None
    limits: Timeout = LONG
    wires: Sequence[Wire] = WIRES
    retry_after: float | None = None
    options: dict[str, Any] = {}  # noqa: RUF012  a default that nobody changes
    stream: bool = True
    slowest: float = 4.0
    """Seconds after which the call must be over."""


def _always(steps: Callable[[Wire], Steps]) -> Callable[[Wire], Sequence[Steps]]:
    return lambda wire: [list(steps(wire))]


def _then_well(steps: Callable[[Wire], Steps]) -> Callable[[Wire], Sequence[Steps]]:
    return lambda wire: [list(steps(wire)), wire.streamed(wire.stream)]


def _kinds(status: int) -> Iterator[Fault]:
    """The three bodies that an error may have: retried to the end, and retried once."""
    bodies: dict[str, Callable[[Wire], list[Step]]] = {
        "JSON": lambda wire: whole(wire.error, status),
        "page": lambda wire: whole(HTML, status, "text/html"),
        "nothing": lambda wire: whole(b"", status),
    }
    kind = error.RateLimitError if status == 429 else error.ServiceUnavailableError
    for name, body in bodies.items():
        if name == "JSON" and status == 429:
            yield Fault(f"{status} with JSON", _always(body), error.ProviderError, "", MAX_REQUESTS)
        else:
            yield Fault(f"{status} with {name}", _always(body), kind, "", MAX_REQUESTS)
    yield Fault(f"{status} once", _then_well(bodies["page"]), requests=2)


def _retry_after(value: str) -> Callable[[Wire], Steps]:
    return lambda wire: whole(HTML, 503, "text/html", value)


def _past() -> str:
    return email.utils.formatdate(1_000_000_000, usegmt=True)


STATUSES = [fault for status in (408, 409, 429, 500, 502, 503, 504, 524, 529) for fault in _kinds(status)]

REFUSALS = [
    Fault(f"{status}", _always(lambda wire, status=status: whole(HTML, status, "text/html")), kind, "")  # type: ignore[misc]
    for status, kind in {
        400: error.InvalidRequestError,
        401: error.AuthenticationError,
        402: error.QuotaExceededError,
        403: error.PermissionDeniedError,
        404: error.ModelNotFoundError,
        413: error.InvalidRequestError,
        422: error.InvalidRequestError,
        302: error.ProviderError,
    }.items()
]

HINTS = [
    Fault("retry-after of 0", _then_well(_retry_after("retry-after: 0")), requests=2),
    Fault("retry-after of a tenth", _then_well(_retry_after("retry-after: 0.1")), requests=2),
    Fault("retry-after in ms", _then_well(_retry_after("retry-after-ms: 20")), requests=2),
    Fault("retry-after of the past", _then_well(_retry_after(f"retry-after: {_past()}")), requests=2),
    Fault("retry-after below 0", _then_well(_retry_after("retry-after: -5")), requests=2),
    Fault("retry-after that is no number", _then_well(_retry_after("retry-after: soon")), requests=2),
    Fault("retry-after of NaN", _then_well(_retry_after("retry-after: nan")), requests=2),
    Fault(
        "retry-after of a year",
        _always(_retry_after("retry-after: 31536000")),
        error.ServiceUnavailableError,
        "",
        retry_after=86400.0,
    ),
    Fault(
        "retry-after without end",
        _always(_retry_after("retry-after: 1e999")),
        error.ServiceUnavailableError,
        "",
        retry_after=86400.0,
    ),
    Fault(
        "retry-after beyond the total",
        _always(_retry_after("retry-after: 30")),
        error.ServiceUnavailableError,
        "",
        retry_after=30.0,
        limits=Timeout(total=2),
    ),
    Fault(
        "x-should-retry: false",
        _always(lambda wire: whole(HTML, 500, "text/html", "x-should-retry: false")),
        error.ServiceUnavailableError,
        "",
    ),
    Fault(
        "x-should-retry: true",
        _always(lambda wire: whole(wire.invalid, 400, "application/json", "x-should-retry: true")),
        error.InvalidRequestError,
        "",
        MAX_REQUESTS,
    ),
    Fault(
        "quota used up",
        _always(lambda wire: whole(wire.quota, wire.quota_status)),
        error.QuotaExceededError,
        "",
        wires=SSE,
    ),
]

BEFORE_THE_ANSWER = [
    Fault(
        "no answer",
        _always(lambda wire: [HANG]),
        error.TimeoutError,
        "",
        phase="first_output",
        limits=SHORT,
    ),
    Fault(
        "head that trickles",
        _always(lambda wire: [b"HTTP/1.1 200 OK\r\n", Every(0.05, b"x-a: b\r\n")]),
        error.TimeoutError,
        "",
        phase="first_output",
        limits=SHORT,
    ),
    Fault("closed before the head", _always(lambda wire: [CLOSE]), error.NetworkError, "", MAX_REQUESTS),
    Fault("reset before the head", _always(lambda wire: [RESET]), error.NetworkError, "", MAX_REQUESTS),
    Fault("closed before the head, once", _then_well(lambda wire: [CLOSE]), requests=2),
    Fault("reset before the head, once", _then_well(lambda wire: [RESET]), requests=2),
    Fault(
        "head cut short",
        _always(lambda wire: [wire.head()[:30], CLOSE]),
        error.NetworkError,
        "",
        MAX_REQUESTS,
    ),
    Fault(
        "another protocol",
        _always(lambda wire: [b"SSH-2.0-OpenSSH_9.6\r\n", CLOSE]),
        error.NetworkError,
        "",
        MAX_REQUESTS,
    ),
    Fault(
        "error whose body never ends",
        _always(lambda wire: [head(503, "text/html", "content-length: 99"), b"<b>", HANG]),
        error.ServiceUnavailableError,
        "",
        MAX_REQUESTS,
        limits=SHORT,
    ),
    Fault(
        "error whose body is cut short",
        _always(lambda wire: [head(503, "text/html", "content-length: 99"), b"<b>", RESET]),
        error.ServiceUnavailableError,
        "",
        MAX_REQUESTS,
    ),
    Fault(
        "error of 4 MB",
        _always(lambda wire: [head(500, "text/html", f"content-length: {1 << 22}"), b"a" * (1 << 22)]),
        error.ServiceUnavailableError,
        "",
        MAX_REQUESTS,
    ),
]

ERRORS_UNDER_200 = [
    Fault(
        "overload before content",
        _always(lambda wire: wire.streamed(wire.opening, wire.overload)),
        error.ServiceUnavailableError,
        "",
        MAX_REQUESTS,
    ),
    Fault("overload before content, once", _then_well(lambda wire: wire.streamed(wire.overload)), requests=2),
    Fault(
        "overload after content",
        _always(lambda wire: wire.streamed(wire.opening, wire.hel, wire.overload)),
        error.ServiceUnavailableError,
        "Hel",
    ),
    Fault(
        "overload after reasoning",
        _always(lambda wire: wire.streamed(wire.opening, wire.reasoning, wire.overload)),
        error.ServiceUnavailableError,
        "",
    ),
    Fault(
        "overload after a piece of a call",
        _always(lambda wire: wire.streamed(wire.opening, wire.tool, wire.overload)),
        error.ServiceUnavailableError,
        "",
    ),
    Fault(
        "refusal before content",
        _always(lambda wire: wire.streamed(wire.opening, wire.refusal)),
        error.ProviderError,
        "",
    ),
    Fault(
        "JSON error under 200",
        _always(lambda wire: whole(wire.error)),
        error.ServiceUnavailableError,
        "",
        MAX_REQUESTS,
    ),
    Fault("JSON error under 200, once", _then_well(lambda wire: whole(wire.error)), requests=2),
    Fault("JSON refusal under 200", _always(lambda wire: whole(wire.invalid)), error.ProviderError, ""),
    Fault(
        "JSON error as a stream",
        _always(lambda wire: whole(wire.error, kind=wire.kind)),
        error.ServiceUnavailableError,
        "",
        MAX_REQUESTS,
    ),
    Fault(
        "JSON error of several lines as a stream",
        _always(lambda wire: whole(json.dumps(json.loads(wire.error), indent=1).encode(), kind=wire.kind)),
        error.ServiceUnavailableError,
        "",
        MAX_REQUESTS,
        wires=SSE,
    ),
    Fault("page under 200", _always(lambda wire: whole(HTML, kind="text/html")), error.StreamProtocolError, ""),
    Fault(
        "page as a stream",
        _always(lambda wire: whole(HTML, kind=wire.kind)),
        error.StreamProtocolError,
        "",
    ),
    Fault(
        "nothing under 200",
        _always(lambda wire: whole(b"", kind=wire.kind)),
        error.StreamInterruptedError,
        "",
        MAX_REQUESTS,
    ),
    Fault("whole answer for a stream", _always(lambda wire: whole(wire.answer))),
]


def _cuts() -> Iterator[Fault]:
    """The ways in which a stream breaks off, before content and after."""
    ways: dict[str, Callable[[Wire, bytes], Steps]] = {
        "clean end": lambda wire, data: wire.streamed(data),
        "end of the connection": lambda wire, data: [head(200, wire.kind), data, CLOSE],
        "chunks cut short": lambda wire, data: [*wire.begun(data), CLOSE],
        "chunk cut short": lambda wire, data: [wire.head() + b"%x\r\n" % (len(data) + 9) + data, CLOSE],
        "length too short": lambda wire, data: [head(200, wire.kind, f"content-length: {len(data) + 9}") + data, CLOSE],
        "reset": lambda wire, data: [*wire.begun(data), Wait(0.03), RESET],
        "chunks that are none": lambda wire, data: [*wire.begun(data), b"zz\r\n", CLOSE],
    }
    for name, way in ways.items():
        yield Fault(
            f"{name} before content",
            _always(lambda wire, way=way: way(wire, wire.opening)),  # type: ignore[misc]
            error.StreamInterruptedError,
            "",
            MAX_REQUESTS,
        )
        yield Fault(
            f"{name} after content",
            _always(lambda wire, way=way: way(wire, wire.opening + wire.hel)),  # type: ignore[misc]
            error.StreamInterruptedError,
            "Hel",
        )
        yield Fault(
            f"{name} inside a frame",
            _always(lambda wire, way=way: way(wire, wire.opening + wire.hel + wire.lo[:-12])),  # type: ignore[misc]
            error.StreamInterruptedError,
            "Hel",
        )
        yield Fault(
            f"{name} before completeness",
            _always(
                lambda wire, way=way: way(wire, wire.text if wire.complete_at == "finish" else wire.text + wire.finish)
            ),  # type: ignore[misc]
            error.StreamInterruptedError,
        )
        yield Fault(
            f"{name} after completeness",
            _always(
                lambda wire, way=way: way(
                    wire, wire.text + wire.finish if wire.complete_at == "finish" else wire.stream
                )
            ),  # type: ignore[misc]
        )


CUTS = [
    *_cuts(),
    Fault(
        "[DONE] without a finish reason",
        _always(lambda wire: wire.streamed(wire.text, wire.end)),
        wires=(OPENAI_CHAT,),
    ),
]


def _coded(coding: str, code: Callable[[bytes], bytes]) -> Callable[[Wire], Sequence[Steps]]:
    return _always(lambda wire: whole(code(wire.stream), 200, wire.kind, f"content-encoding: {coding}"))


def _deflate(data: bytes, bits: int) -> bytes:
    packer = zlib.compressobj(wbits=bits)
    return packer.compress(data) + packer.flush()


def _gzip_cut(wire: Wire) -> Steps:
    """The first half of a stream, flushed, without the rest."""
    packer = zlib.compressobj(wbits=31)
    data = packer.compress(wire.opening + wire.hel) + packer.flush(zlib.Z_SYNC_FLUSH)
    return whole(data, 200, wire.kind, "content-encoding: gzip")


ODD_BYTES = [
    Fault(
        "byte by byte",
        _always(lambda wire: [wire.head() + b"".join(chunk(bytes([b])) for b in wire.stream) + LAST_CHUNK]),
    ),
    Fault("byte order mark", _always(lambda wire: wire.streamed(b"\xef\xbb\xbf", wire.stream))),
    Fault(
        "CR only",
        _always(lambda wire: wire.streamed(wire.stream.replace(b"\r\n", b"\n").replace(b"\n", b"\r"))),
        wires=SSE,
    ),
    Fault("CRLF", _always(lambda wire: wire.streamed(wire.stream.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")))),
    Fault(
        "unknown event",
        _always(
            lambda wire: wire.streamed(
                wire.opening, wire.unknown, wire.hel, wire.unknown, wire.lo, wire.finish, wire.end
            )
        ),
    ),
    Fault(
        "comments between",
        _always(
            lambda wire: wire.streamed(
                wire.silent[0], wire.opening, wire.silent[0], wire.hel, wire.silent[0], wire.lo, wire.finish, wire.end
            )
        ),
    ),
    Fault(
        "garbage lines",
        _always(
            lambda wire: wire.streamed(
                wire.opening + wire.hel, b"\xff\x00\xfe garbage\n\n", wire.lo, wire.finish, wire.end
            )
        ),
        wires=SSE,
    ),
    Fault(
        "garbage lines",
        _always(lambda wire: wire.streamed(wire.opening + wire.hel, b"\xff\x00\xfe garbage\n", wire.lo)),
        error.StreamProtocolError,
        "Hel",
        wires=(OLLAMA,),
    ),
    Fault(
        "garbage frame",
        _always(lambda wire: wire.streamed(wire.opening + wire.hel, _payload(wire, b"{garbage"), wire.lo)),
        error.StreamProtocolError,
        "Hel",
    ),
    Fault(
        "NUL in a frame",
        _always(lambda wire: wire.streamed(wire.opening + wire.hel, wire.lo.replace(b"lo", b"l\x00o"))),
        error.StreamProtocolError,
        "Hel",
    ),
    Fault(
        "invalid UTF-8 in text",
        _always(
            lambda wire: wire.streamed(
                wire.opening, wire.hel.replace(b"Hel", b"H\xffl"), wire.lo, wire.finish, wire.end
            )
        ),
        text="H\ufffdllo",
    ),
    Fault(
        "numbers out of range",
        _always(lambda wire: wire.streamed(wire.text, (wire.finish + wire.end).replace(b": 2", b": 2e999"))),
    ),
    Fault(
        "null where a list was",
        _always(lambda wire: wire.streamed(wire.opening, wire.hel, _null_list(wire), wire.lo, wire.finish, wire.end)),
    ),
    Fault("gzip", _coded("gzip", gzip.compress)),
    Fault("x-gzip", _coded("x-gzip", gzip.compress)),
    Fault("deflate", _coded("deflate", zlib.compress)),
    Fault("raw deflate", _coded("deflate", lambda data: _deflate(data, -15))),
    Fault("gzip of two members", _coded("gzip", lambda data: gzip.compress(data[:40]) + gzip.compress(data[40:]))),
    Fault("gzip inside deflate", _coded("gzip, deflate", lambda data: zlib.compress(gzip.compress(data)))),
    Fault("identity", _coded("identity", bytes)),
    Fault("gzip cut short", _always(_gzip_cut), error.StreamInterruptedError, "Hel"),
    Fault(
        "gzip that is none",
        _coded("gzip", lambda data: b"\x1f\x8b" + data),
        error.StreamInterruptedError,
        "",
        MAX_REQUESTS,
    ),
    Fault("coding that nobody knows", _coded("rot13", bytes), error.StreamInterruptedError, "", MAX_REQUESTS),
]


def _payload(wire: Wire, data: bytes) -> bytes:
    return data + b"\n" if wire is OLLAMA else b"data: " + data + b"\n\n"


def _null_list(wire: Wire) -> bytes:
    nulls: dict[str, Any] = {
        "openai_chat": {"choices": None},
        "anthropic_messages": {"type": "content_block_delta", "index": None, "delta": None},
        "gemini_generate": {"candidates": None},
        "ollama_chat": {"message": None, "done": None},
    }
    return _payload(wire, json.dumps(nulls[wire.name]).encode())


SIZES = [
    Fault(
        "frame of 20 MB",
        _always(
            lambda wire: wire.streamed(
                wire.opening, wire.hel.replace(b"Hel", b"a" * FRAME_OF_20_MB), wire.finish, wire.end
            )
        ),
        text="a" * FRAME_OF_20_MB,
        slowest=20.0,
    ),
    Fault(
        "frame above the limit",
        _always(
            lambda wire: wire.streamed(
                wire.opening, wire.hel, wire.lo.replace(b"lo", b"a" * (1 << 21)), wire.finish, wire.end
            )
        ),
        error.StreamProtocolError,
        "Hel",
        options={"max_frame_bytes": 1 << 20},
    ),
    Fault(
        "line without end",
        _always(lambda wire: [*wire.begun(wire.opening, wire.hel), Every(0, chunk(b"a" * 4096))]),
        error.StreamProtocolError,
        "Hel",
        options={"max_frame_bytes": 100_000},
    ),
    Fault(
        "page without end",
        _always(lambda wire: [head(200, "text/html"), Every(0, b"a" * 4096)]),
        error.StreamProtocolError,
        "",
        options={"max_frame_bytes": 100_000},
    ),
]


def _silences() -> Iterator[Fault]:
    """What is no output keeps no stream alive."""
    for place, name in enumerate(("comments", "empty deltas", "other frames without output")):
        wires = [wire for wire in WIRES if len(wire.silent) > place]
        yield Fault(
            f"{name} for ever, before output",
            _always(lambda wire, place=place: [*wire.begun(wire.opening), Every(0.05, chunk(wire.silent[place]))]),  # type: ignore[misc]
            error.TimeoutError,
            "",
            phase="first_output",
            limits=Timeout(first_output=0.3, idle=5),
            wires=wires,
        )
        yield Fault(
            f"{name} for ever, after output",
            _always(
                lambda wire, place=place: [*wire.begun(wire.opening, wire.hel), Every(0.05, chunk(wire.silent[place]))]  # type: ignore[misc]
            ),
            error.TimeoutError,
            "Hel",
            phase="idle",
            limits=Timeout(first_output=5, idle=0.3),
            wires=wires,
        )


SILENCE = [
    *_silences(),
    Fault(
        "flood of comments",
        _always(lambda wire: [*wire.begun(wire.opening), Every(0, chunk(wire.silent[0] * 500))]),
        error.TimeoutError,
        "",
        phase="first_output",
        limits=Timeout(first_output=0.3, idle=5),
    ),
    Fault(
        "silence before output",
        _always(lambda wire: [*wire.begun(wire.opening), HANG]),
        error.TimeoutError,
        "",
        phase="first_output",
        limits=Timeout(first_output=0.3, idle=5),
    ),
    Fault(
        "silence after output",
        _always(lambda wire: [*wire.begun(wire.opening, wire.hel), HANG]),
        error.TimeoutError,
        "Hel",
        phase="idle",
        limits=Timeout(first_output=5, idle=0.3),
    ),
    Fault(
        "pause longer than first_output allows, within idle",
        _always(
            lambda wire: [
                *wire.begun(wire.opening, wire.hel),
                Wait(0.5),
                chunk(wire.lo + wire.finish + wire.end) + LAST_CHUNK,
            ]
        ),
        limits=Timeout(first_output=0.3, idle=5),
    ),
    Fault(
        "wait longer than idle allows, within first_output",
        _always(
            lambda wire: [
                *wire.begun(wire.opening),
                Wait(0.4),
                chunk(wire.hel + wire.lo + wire.finish + wire.end) + LAST_CHUNK,
            ]
        ),
        limits=Timeout(first_output=5, idle=0.2),
    ),
    Fault(
        "frames for ever, within a total",
        _always(lambda wire: [*wire.begun(wire.opening), Every(0.02, chunk(wire.hel))]),
        error.TimeoutError,
        "Hel…",
        phase="total",
        limits=Timeout(total=0.4),
    ),
    Fault(
        "silence within a total",
        _always(lambda wire: [*wire.begun(wire.opening, wire.hel), HANG]),
        error.TimeoutError,
        "Hel",
        phase="total",
        limits=Timeout(total=0.3, idle=5),
    ),
    Fault(
        "no answer within a total",
        _always(lambda wire: [HANG]),
        error.TimeoutError,
        "",
        phase="total",
        limits=Timeout(total=0.3),
    ),
    Fault(
        "silence between finish and end",
        _always(lambda wire: [*wire.begun(wire.text, wire.finish), HANG]),
        limits=Timeout(first_output=5, idle=0.3),
        wires=(OPENAI_CHAT, GEMINI),
    ),
    Fault(
        "silence between finish and end",
        _always(lambda wire: [*wire.begun(wire.text, wire.finish), HANG]),
        error.TimeoutError,
        phase="idle",
        limits=Timeout(first_output=5, idle=0.3),
        wires=(ANTHROPIC,),
    ),
    Fault(
        "connection kept open after the end",
        _always(lambda wire: [*wire.begun(wire.stream), HANG]),
        wires=(OPENAI_CHAT, ANTHROPIC, OLLAMA),
        slowest=1.5,
    ),
    Fault(
        "bytes without end after the end",
        _always(lambda wire: [*wire.begun(wire.stream), Every(0, chunk(b":" + b"a" * 4096 + b"\n\n"))]),
        wires=(OPENAI_CHAT, ANTHROPIC),
        slowest=1.5,
    ),
]

WHOLE = [
    Fault(f"whole: {fault.name}", *fault[1:-2], stream=False)
    for fault in (
        Fault("answer", _always(lambda wire: whole(wire.answer))),
        Fault(
            "answer in gzip",
            _always(lambda wire: whole(gzip.compress(wire.answer), 200, "application/json", "content-encoding: gzip")),
        ),
        Fault("503", _always(lambda wire: whole(wire.error, 503)), error.ServiceUnavailableError, "", MAX_REQUESTS),
        Fault("503 once", lambda wire: [whole(HTML, 503, "text/html"), whole(wire.answer)], requests=2),
        Fault("401", _always(lambda wire: whole(HTML, 401, "text/html")), error.AuthenticationError, ""),
        Fault(
            "error under 200", _always(lambda wire: whole(wire.error)), error.ServiceUnavailableError, "", MAX_REQUESTS
        ),
        Fault("refusal under 200", _always(lambda wire: whole(wire.invalid)), error.ProviderError, ""),
        Fault("page under 200", _always(lambda wire: whole(HTML, kind="text/html")), error.StreamProtocolError, ""),
        Fault("nothing under 200", _always(lambda wire: whole(b"")), error.StreamProtocolError, ""),
        Fault("no answer", _always(lambda wire: [HANG]), error.TimeoutError, "", phase="first_output", limits=SHORT),
        Fault(
            "body that trickles",
            _always(
                lambda wire: [head(200, "application/json", "transfer-encoding: chunked"), Every(0.05, chunk(b" "))]
            ),
            error.TimeoutError,
            "",
            phase="first_output",
            limits=SHORT,
        ),
        Fault(
            "body cut short",
            _always(lambda wire: [whole(wire.answer)[0][:-9], CLOSE]),  # type: ignore[index]
            error.NetworkError,
            "",
            MAX_REQUESTS,
        ),
        Fault(
            "body cut short, once",
            lambda wire: [[whole(wire.answer)[0][:-9], RESET], whole(wire.answer)],  # type: ignore[index]
            requests=2,
        ),
        Fault(
            "body without end",
            _always(lambda wire: [head(200, "application/json"), Every(0, b" " * 4096)]),
            error.StreamProtocolError,
            "",
            options={"max_frame_bytes": 100_000},
        ),
        Fault(
            "body cut in two",
            _always(lambda wire: whole(wire.answer[: len(wire.answer) // 2])),
            error.StreamProtocolError,
            "",
        ),
        Fault(
            "no answer within a total",
            _always(lambda wire: [HANG]),
            error.TimeoutError,
            "",
            phase="total",
            limits=Timeout(total=0.3),
        ),
    )
]

FAULTS = [
    *BEFORE_THE_ANSWER,
    *STATUSES,
    *REFUSALS,
    *HINTS,
    *ERRORS_UNDER_200,
    *CUTS,
    *ODD_BYTES,
    *SIZES,
    *SILENCE,
    *WHOLE,
]
