"""The faults of time: silence, and what comes without being output."""

from __future__ import annotations

from collections.abc import Iterator

from miiflow_llm.core import exceptions as error
from miiflow_llm.core.timeout import Timeout

from .fault import SSE, Fault, always
from .server import HANG, LAST_CHUNK, Every, Wait, chunk
from .wires import ANTHROPIC, BEDROCK, COHERE, GEMINI, MISTRAL, OPENAI_CHAT, RESPONSES, WIRES


def _silences() -> Iterator[Fault]:
    """What is no output keeps no stream alive."""
    for place, name in enumerate(("comments", "empty deltas", "other frames without output")):
        wires = [wire for wire in WIRES if len(wire.silent) > place]
        yield Fault(
            f"{name} for ever, before output",
            always(lambda wire, place=place: [*wire.begun(wire.opening), Every(0.05, chunk(wire.silent[place]))]),  # type: ignore[misc]
            error.TimeoutError,
            "",
            phase="first_output",
            limits=Timeout(first_output=0.3, idle=30),
            wires=wires,
        )
        yield Fault(
            f"{name} for ever, after output",
            always(
                lambda wire, place=place: [*wire.begun(wire.opening, wire.hel), Every(0.05, chunk(wire.silent[place]))]  # type: ignore[misc]
            ),
            error.TimeoutError,
            "Hel",
            phase="idle",
            limits=Timeout(first_output=30, idle=0.3),
            wires=wires,
        )


SILENCE = [
    *_silences(),
    Fault(
        "flood of comments",
        always(lambda wire: [*wire.begun(wire.opening), Every(0.001, chunk(wire.silent[0] * 500))]),
        error.TimeoutError,
        "",
        phase="first_output",
        limits=Timeout(first_output=0.3, idle=30),
    ),
    Fault(
        "silence before output",
        always(lambda wire: [*wire.begun(wire.opening), HANG]),
        error.TimeoutError,
        "",
        phase="first_output",
        limits=Timeout(first_output=0.3, idle=30),
    ),
    Fault(
        "silence after output",
        always(lambda wire: [*wire.begun(wire.opening, wire.hel), HANG]),
        error.TimeoutError,
        "Hel",
        phase="idle",
        limits=Timeout(first_output=30, idle=0.3),
    ),
    Fault(
        "pause longer than first_output allows, within idle",
        always(
            lambda wire: [
                *wire.begun(wire.opening, wire.hel),
                Wait(2.2),
                chunk(wire.lo + wire.finish + wire.end) + LAST_CHUNK,
            ]
        ),
        limits=Timeout(first_output=2, idle=30),
    ),
    Fault(
        "wait longer than idle allows, within first_output",
        always(
            lambda wire: [
                *wire.begun(wire.opening),
                Wait(1.0),
                chunk(wire.hel + wire.lo + wire.finish + wire.end) + LAST_CHUNK,
            ]
        ),
        limits=Timeout(first_output=30, idle=0.4),
    ),
    Fault(
        "frames for ever, within a total",
        always(lambda wire: [*wire.begun(wire.opening), Every(0.02, chunk(wire.hel))]),
        error.TimeoutError,
        "Hel…",
        phase="total",
        limits=Timeout(total=1.5),
    ),
    Fault(
        "silence within a total",
        always(lambda wire: [*wire.begun(wire.opening, wire.hel), HANG]),
        error.TimeoutError,
        "Hel",
        phase="total",
        limits=Timeout(total=1.5, idle=30),
    ),
    Fault(
        "no answer within a total",
        always(lambda wire: [HANG]),
        error.TimeoutError,
        "",
        phase="total",
        limits=Timeout(total=1.5),
    ),
    Fault(
        "silence between finish and end",
        always(lambda wire: [*wire.begun(wire.text, wire.finish), HANG]),
        limits=Timeout(first_output=30, idle=0.3),
        wires=(OPENAI_CHAT, GEMINI, MISTRAL, BEDROCK),
    ),
    Fault(
        "silence between finish and end",
        always(lambda wire: [*wire.begun(wire.text, wire.finish), HANG]),
        error.TimeoutError,
        phase="idle",
        limits=Timeout(first_output=30, idle=0.3),
        wires=(ANTHROPIC, COHERE, RESPONSES),
    ),
    Fault(
        "connection kept open after the end",
        always(lambda wire: [*wire.begun(wire.stream), HANG]),
        wires=[wire for wire in WIRES if wire not in (GEMINI, BEDROCK)],
        slowest=8.0,
    ),
    Fault(
        "bytes without end after the end",
        always(lambda wire: [*wire.begun(wire.stream), Every(0.001, chunk(b":" + b"a" * 4096 + b"\n\n"))]),
        wires=[wire for wire in SSE if wire is not GEMINI],
        slowest=8.0,
    ),
]
