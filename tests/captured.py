"""The captures as tests use them: our own, the shared ones where they are, their engines, and chunks as text."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from miiflow_llm import providers
from miiflow_llm.calls.target import engine_for
from miiflow_llm.core.exceptions import ConfigurationError, MiiflowLLMError, StreamInterruptedError
from miiflow_llm.core.messages import Message
from miiflow_llm.core.response import ChatResponse, StreamChunk
from miiflow_llm.replay import eventstream
from miiflow_llm.replay.capture import Capture
from miiflow_llm.replay.store import load_folder, load_shared
from miiflow_llm.wire.engine import Engine

ROOT = Path(__file__).parent.parent
OWN = ROOT / "fixtures" / "sse_captures"
SHARED = ROOT.parent / "shared" / "captures"
DIALECTS = (
    "openai_chat",
    "openai_responses",
    "anthropic_messages",
    "gemini_generate",
    "mistral_chat",
    "ollama_chat",
    "cohere_v2",
    "bedrock_converse",
)
HELLO = [Message.user("Hello")]
"""The conversation that every capture answers: ids that a provider leaves out are made of it."""

_SPOKEN_LIKE = {"vertex": "gemini"}


@cache
def own() -> list[Capture]:
    """The project's own captures."""
    return load_folder(OWN)


@cache
def shared() -> list[Capture]:
    """The recorded ones of the dialects that are spoken here; none where the folder is missing."""
    found = load_shared(SHARED) if SHARED.is_dir() else []
    return [capture for capture in found if capture.dialect in DIALECTS]


def sample(captures: list[Capture], number: int, seed: int = 7) -> list[Capture]:
    """Some of the captures, the same ones for the same seed."""
    return random.Random(seed).sample(captures, min(number, len(captures)))


def engine_of(capture: Capture) -> Engine:
    """The engine of the capture's dialect as its provider speaks it; a bare one for a provider that has no table."""
    return _engine(_SPOKEN_LIKE.get(capture.provider, capture.provider), capture.dialect)


def fresh_engine_of(capture: Capture) -> Engine:
    """An engine of its own, which nobody else has used."""
    used = engine_of(capture)
    return Engine(used.dialect, used.provider)


@cache
def _engine(name: str, dialect: str) -> Engine:
    for provider in (name, "openai-compatible", "openai", "anthropic", "gemini"):
        try:
            found = providers.get(provider)
        except ConfigurationError:
            continue
        for rows in found.options:
            if rows.dialect.name == dialect:
                return engine_for(found, rows)
    raise AssertionError(f"nobody speaks {dialect}")


class Outcome(msgspec.Struct):
    """What reading a capture came to."""

    chunks: list[StreamChunk]
    response: ChatResponse | None
    error: MiiflowLLMError | None


def read(capture: Capture, pieces: list[bytes] | None = None) -> Outcome:
    """Read the capture sans-I/O, its body in `pieces` (whole where `None`)."""
    engine = engine_of(capture)
    if capture.status >= 400:
        headers = {name.lower(): value for name, value in capture.headers.items()}
        return Outcome([], None, engine.error(capture.status, headers, capture.body, capture.model))
    if not capture.streaming:
        try:
            return Outcome([], engine.read_whole(capture.body, capture.model or "m", HELLO), None)
        except MiiflowLLMError as error:
            return Outcome([], None, error)
    return read_stream(engine, capture, [capture.body] if pieces is None else pieces)


def edited(capture: Capture, edit: Callable[[bytes], bytes]) -> Capture:
    """The capture with another body; of binary messages with other payloads, their lengths and checksums made right."""
    body = capture.body
    if "eventstream" not in capture.content_type:
        return msgspec.structs.replace(capture, body=edit(body))
    ends = [0, *(end for end in eventstream.ends(body) if end <= len(body))]
    made = b"".join(_edited(body[start:end], edit) for start, end in itertools.pairwise(ends))
    return msgspec.structs.replace(capture, body=made + body[ends[-1] :])


def _edited(message: bytes, edit: Callable[[bytes], bytes]) -> bytes:
    begin = 12 + int.from_bytes(message[4:8])
    payload = edit(message[begin:-4])
    return eventstream.resealed((begin + len(payload) + 4).to_bytes(4) + message[4:begin] + payload + bytes(4))


def read_stream(engine: Engine, capture: Capture, pieces: list[bytes]) -> Outcome:
    """Feed the pieces to a reader of the engine's."""
    reader = engine.stream(capture.model or "m", HELLO)
    chunks = [chunk for piece in pieces for chunk in reader.feed(piece)] + reader.finish()
    return Outcome(chunks, reader.response(finished=reader.error is None), reader.error)


def line(chunk: StreamChunk) -> str:
    """A chunk in a line: what it says, in a fixed order."""
    names = (name for name in chunk.__struct_fields__ if not name.startswith("_") and name != "raw")
    values = ((name, getattr(chunk, name)) for name in names)
    said = {name: value for name, value in values if value is not False and value not in (None, "", [])}
    return msgspec.json.encode(said).decode()


def shown(outcome: Outcome) -> str:
    """The whole outcome as text, one chunk a line, and the message at the end."""
    lines = [line(chunk) for chunk in outcome.chunks]
    if outcome.error is not None:
        lines.append(f"{type(outcome.error).__name__}: {outcome.error}")
    response = outcome.error.partial if outcome.error is not None else outcome.response
    if response is not None:
        lines.append(f"= {msgspec.json.encode(response.message).decode()}")
        lines.append(
            f"= {response.finish_reason} ({response.raw_finish_reason}) {msgspec.json.encode(response.usage).decode()}"
        )
        lines.append(f"= id {response.id}, model {response.model}")
        for extra in ("logprobs", "citations"):
            if values := getattr(response, extra):
                lines.append(f"= {extra} {msgspec.json.encode(values).decode()}")
    return "\n".join(lines) + "\n"


def facts(outcome: Outcome) -> dict[str, Any]:
    """What captures' expectations speak of."""
    error = outcome.error
    response = error.partial if error is not None else outcome.response
    kind = "finished" if error is None else "interrupted" if isinstance(error, StreamInterruptedError) else "error"
    if response is None:
        return {"outcome": kind, "error": type(error).__name__ if error else None}
    message = response.message
    usage = msgspec.structs.asdict(response.usage)
    return {
        "outcome": kind,
        "error": type(error).__name__ if error else None,
        "text": message.text,
        "reasoning": message.reasoning,
        "refusal": message.refusal,
        "finish_reason": response.finish_reason,
        "tool_calls": [(call.name, arguments(call.arguments)) for call in message.tool_calls],
        "usage": {name: value for name, value in usage.items() if value is not None},
    }


def arguments(text: Any) -> Any:
    """A call's arguments as values; nothing at all and null are `{}`; what is no JSON stays text."""
    if not isinstance(text, str):
        return {} if text is None else text
    try:
        return msgspec.json.decode(text) or {} if text.strip() else {}
    except msgspec.DecodeError:
        return text
