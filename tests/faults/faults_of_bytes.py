"""The faults of the bytes of a stream: broken off, odd, coded, too large."""

from __future__ import annotations

import gzip
import importlib.util
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from miiflow_llm.core import exceptions as error

from .fault import MAX_REQUESTS, SSE, TEXT, Fault, always
from .server import CLOSE, LAST_CHUNK, RESET, Every, Steps, Wait, chunk, head, whole
from .wire import Wire
from .wires import BEDROCK, OLLAMA, OPENAI_CHAT

FRAME_OF_20_MB = 20 * 1024 * 1024
LONE = b"Hel", rb"H\ud83dl"
"""A text, and the same with half a surrogate pair in it, as a server that cuts UTF-16 sends it."""


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
            always(lambda wire, way=way: way(wire, wire.opening)),  # type: ignore[misc]
            error.StreamInterruptedError,
            "",
            MAX_REQUESTS,
        )
        yield Fault(
            f"{name} after content",
            always(lambda wire, way=way: way(wire, wire.opening + wire.hel)),  # type: ignore[misc]
            error.StreamInterruptedError,
            "Hel",
        )
        yield Fault(
            f"{name} inside a frame",
            always(lambda wire, way=way: way(wire, wire.opening + wire.hel + wire.lo[:-12])),  # type: ignore[misc]
            error.StreamInterruptedError,
            "Hel",
        )
        yield Fault(
            f"{name} before completeness",
            always(
                lambda wire, way=way: way(wire, wire.text if wire.complete_at == "finish" else wire.text + wire.finish)
            ),  # type: ignore[misc]
            error.StreamInterruptedError,
        )
        yield Fault(
            f"{name} after completeness",
            always(
                lambda wire, way=way: way(
                    wire, wire.text + wire.finish if wire.complete_at == "finish" else wire.stream
                )
            ),  # type: ignore[misc]
        )


CUTS = [
    *_cuts(),
    Fault(
        "[DONE] without a finish reason",
        always(lambda wire: wire.streamed(wire.text, wire.end)),
        wires=(OPENAI_CHAT,),
        finish="unknown",
    ),
]


def _coded(coding: str, code: Callable[[bytes], bytes]) -> Callable[[Wire], Sequence[Steps]]:
    return always(lambda wire: whole(code(wire.stream), 200, wire.kind, f"content-encoding: {coding}"))


def _deflate(data: bytes, bits: int) -> bytes:
    packer = zlib.compressobj(wbits=bits)
    return packer.compress(data) + packer.flush()


def _installed() -> Iterator[Fault]:
    """The codings that need a package."""
    if importlib.util.find_spec("brotli"):
        import brotli

        yield Fault("br", _coded("br", brotli.compress))
    if importlib.util.find_spec("zstandard"):
        import zstandard

        yield Fault("zstd", _coded("zstd", zstandard.compress))


def _gzip_cut(wire: Wire) -> Steps:
    """The first half of a stream, flushed, without the rest."""
    packer = zlib.compressobj(wbits=31)
    data = packer.compress(wire.opening + wire.hel) + packer.flush(zlib.Z_SYNC_FLUSH)
    return whole(data, 200, wire.kind, "content-encoding: gzip")


ODD_BYTES = [
    Fault(
        "byte by byte",
        always(lambda wire: [wire.head() + b"".join(chunk(bytes([b])) for b in wire.stream) + LAST_CHUNK]),
    ),
    Fault("byte order mark", always(lambda wire: wire.streamed(b"\xef\xbb\xbf", wire.stream)), wires=TEXT),
    Fault(
        "CR only",
        always(lambda wire: wire.streamed(wire.stream.replace(b"\r\n", b"\n").replace(b"\n", b"\r"))),
        wires=SSE,
    ),
    Fault(
        "CRLF",
        always(lambda wire: wire.streamed(wire.stream.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))),
        wires=TEXT,
    ),
    Fault(
        "a bit of a message",
        always(lambda wire: wire.streamed(wire.opening + wire.hel, wire.lo[:-6] + b"!" + wire.lo[-5:], wire.finish)),
        error.StreamProtocolError,
        "Hel",
        wires=(BEDROCK,),
    ),
    Fault(
        "a bit of a message's length",
        always(lambda wire: wire.streamed(wire.opening + wire.hel + wire.lo[:3] + b"!" + wire.lo[4:], wire.finish)),
        error.StreamProtocolError,
        "Hel",
        wires=(BEDROCK,),
    ),
    Fault(
        "events in place of messages",
        always(lambda wire: wire.streamed(wire.opening + wire.hel, b"data: {}\n\n" * 2)),
        error.StreamProtocolError,
        "Hel",
        wires=(BEDROCK,),
    ),
    Fault(
        "unknown event",
        always(
            lambda wire: wire.streamed(
                wire.opening, wire.unknown, wire.hel, wire.unknown, wire.lo, wire.finish, wire.end
            )
        ),
    ),
    Fault(
        "comments between",
        always(
            lambda wire: wire.streamed(
                wire.silent[0], wire.opening, wire.silent[0], wire.hel, wire.silent[0], wire.lo, wire.finish, wire.end
            )
        ),
    ),
    Fault(
        "comments as data",
        always(
            lambda wire: wire.streamed(
                wire.frame(b": keepalive"), wire.text, wire.frame(b": PROCESSING"), wire.finish, wire.end
            )
        ),
        wires=SSE,
    ),
    Fault(
        "garbage lines",
        always(
            lambda wire: wire.streamed(
                wire.opening + wire.hel, b"\xff\x00\xfe garbage\n\n", wire.lo, wire.finish, wire.end
            )
        ),
        wires=SSE,
    ),
    Fault(
        "garbage lines",
        always(lambda wire: wire.streamed(wire.opening + wire.hel, b"\xff\x00\xfe garbage\n", wire.lo)),
        error.StreamProtocolError,
        "Hel",
        wires=(OLLAMA,),
    ),
    Fault(
        "garbage frame",
        always(lambda wire: wire.streamed(wire.opening + wire.hel, wire.frame(b"{garbage"), wire.lo)),
        error.StreamProtocolError,
        "Hel",
    ),
    Fault(
        "NUL in a frame",
        always(
            lambda wire: wire.streamed(
                wire.opening, wire.hel, wire.swapped(wire.lo, b'lo"', b'l\x00o"'), wire.finish, wire.end
            )
        ),
        text="Hell\x00o",
    ),
    Fault(
        "invalid UTF-8 in text",
        always(
            lambda wire: wire.streamed(
                wire.opening, wire.swapped(wire.hel, b"Hel", b"H\xffl"), wire.lo, wire.finish, wire.end
            )
        ),
        text="H\ufffdllo",
    ),
    Fault(
        "lone surrogate",
        always(lambda wire: wire.streamed(wire.opening, wire.swapped(wire.hel, *LONE), wire.lo, wire.finish, wire.end)),
        text="H\ufffdllo",
    ),
    Fault(
        "numbers out of range",
        always(lambda wire: wire.streamed(wire.text, wire.swapped(wire.finish + wire.end, b": 2", b": 2e999"))),
    ),
    Fault(
        "null where a list was",
        always(lambda wire: wire.streamed(wire.opening, wire.hel, _null_list(wire), wire.lo, wire.finish, wire.end)),
    ),
    Fault("gzip", _coded("gzip", gzip.compress)),
    Fault("x-gzip", _coded("x-gzip", gzip.compress)),
    Fault("deflate", _coded("deflate", zlib.compress)),
    Fault("raw deflate", _coded("deflate", lambda data: _deflate(data, -15))),
    Fault("gzip of two members", _coded("gzip", lambda data: gzip.compress(data[:40]) + gzip.compress(data[40:]))),
    Fault("gzip inside deflate", _coded("gzip, deflate", lambda data: zlib.compress(gzip.compress(data)))),
    Fault("identity", _coded("identity", bytes)),
    Fault("gzip cut short", always(_gzip_cut), error.StreamInterruptedError, "Hel"),
    Fault(
        "gzip that is none",
        _coded("gzip", lambda data: b"\x1f\x8b" + data),
        error.StreamInterruptedError,
        "",
        MAX_REQUESTS,
    ),
    *_installed(),
    Fault("coding that nobody knows", _coded("rot13", bytes), error.StreamInterruptedError, "", MAX_REQUESTS),
]


def _null_list(wire: Wire) -> bytes:
    nulls: dict[str, Any] = {
        "openai_chat": {"choices": None},
        "anthropic_messages": {"type": "content_block_delta", "index": None, "delta": None},
        "gemini_generate": {"candidates": None},
        "mistral_chat": {"choices": None},
        "cohere_v2": {"type": "content-delta", "index": None, "delta": None},
        "openai_responses": {"type": "response.output_text.delta", "delta": None, "logprobs": None},
        "ollama_chat": {"message": None, "done": None},
        "bedrock_converse": {"contentBlockIndex": None, "delta": None},
    }
    return wire.frame(json.dumps(nulls[wire.name]).encode())


SIZES = [
    Fault(
        "frame of 20 MB",
        always(
            lambda wire: wire.streamed(
                wire.opening, wire.swapped(wire.hel, b"Hel", b"a" * FRAME_OF_20_MB), wire.finish, wire.end
            )
        ),
        text="a" * FRAME_OF_20_MB,
        slowest=29.0,
    ),
    Fault(
        "frame above the limit",
        always(
            lambda wire: wire.streamed(
                wire.opening, wire.hel, wire.swapped(wire.lo, b"lo", b"a" * (1 << 21)), wire.finish, wire.end
            )
        ),
        error.StreamProtocolError,
        "Hel",
        options={"max_frame_bytes": 1 << 20},
    ),
    Fault(
        "line without end",
        always(lambda wire: [*wire.begun(wire.opening, wire.hel), Every(0.001, chunk(b"a" * 4096))]),
        error.StreamProtocolError,
        "Hel",
        options={"max_frame_bytes": 100_000},
    ),
    Fault(
        "page without end",
        always(lambda wire: [head(200, "text/html"), Every(0.001, b"a" * 4096)]),
        error.StreamProtocolError,
        "",
        options={"max_frame_bytes": 100_000},
    ),
]
