"""A whole answer as bytes, and bytes as an answer again: what a store keeps.

An answer is the log of what was said (`Transcript`) and, if it was streamed, where each of its chunks stood in it. So
an answer that is played again has the same chunks as the live one, each with everything that came before it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from ..core.messages import Block, Message, OpaqueBlock, ReasoningBlock, TextBlock, ToolCall
from ..core.pieces import Fill, Opaque, Reasoning, Text, ToolCallPiece
from ..core.price import Cost
from ..core.response import ChatResponse, FinishReason, StreamChunk, ToolCallDelta
from ..core.transcript import Entry, Transcript
from ..core.usage import TokenCount

VERSION = 1
"""The form of what is kept; an answer of another form is as good as missing."""
_DIGEST = 8

_KINDS: tuple[type[Entry], ...] = (Text, Reasoning, ToolCallPiece, Opaque, Fill)
_NUMBERS = {kind: number for number, kind in enumerate(_KINDS)}


class Step(msgspec.Struct, array_like=True, omit_defaults=True):
    """One chunk: when it came, in milliseconds after the first, and what it said; `seen` is its place in the log."""

    at_ms: float
    seen: int
    delta: str = ""
    reasoning: str = ""
    refusal: str = ""
    calls: list[ToolCallDelta] = []
    logprobs: list[Any] | None = None
    citations: list[Any] | None = None


class Kept(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A finished answer as it is kept.

    `entries` are the pieces of its transcript, a plain string where it has one. `created` and `expires` are in seconds
    since 1970; `took_ms` is how long the provider needed for it. `value` is a kept vector or other plain answer.
    """

    version: int = VERSION
    created: float
    expires: float
    took_ms: float = 0.0
    entries: list[Any] = []
    steps: list[Step] = []
    origin: str | None = None
    refusal: str | None = None
    usage: TokenCount = TokenCount()
    finish_reason: FinishReason | None = None
    raw_finish_reason: str | None = None
    provider: str = ""
    model: str = ""
    id: str | None = None
    request_id: str | None = None
    logprobs: list[Any] | None = None
    citations: list[Any] | None = None
    cost: Cost | None = None
    served_by: str | None = None
    vectors: list[list[float]] | None = None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Kept).decode


def kept(
    response: ChatResponse, steps: Iterable[Step], transcript: Transcript | None, *, now: float, ttl: float
) -> Kept:
    """An answer to keep, for `ttl` seconds from `now`. Without a transcript it is made from the message's parts."""
    log = transcript if transcript is not None else transcript_of(response.message.parts)
    return Kept(
        created=now,
        expires=now + ttl,
        took_ms=response.latency_ms or 0.0,
        entries=[_plain(entry) for entry in log.entries],
        steps=list(steps),
        origin=log.origin,
        refusal=response.message.refusal,
        usage=response.usage,
        finish_reason=response.finish_reason,
        raw_finish_reason=response.raw_finish_reason,
        provider=response.provider,
        model=response.model,
        id=response.id,
        request_id=response.request_id,
        logprobs=response.logprobs,
        citations=response.citations,
        cost=response.cost,
        served_by=response.served_by,
    )


def dumped(answer: Kept) -> bytes:
    """The bytes that a store keeps: a digest, and the answer."""
    body = _encode(answer)
    return _digest(body) + body


def loaded(data: bytes) -> Kept | None:
    """The answer in bytes from a store; `None` if they are of another form, or damaged."""
    body = data[_DIGEST:]
    if _digest(body) != data[:_DIGEST]:
        return None
    try:
        answer = _decode(body)
    except (msgspec.MsgspecError, ValueError, TypeError):
        return None
    return answer if answer.version == VERSION else None


def _digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=_DIGEST).digest()


def response_of(answer: Kept) -> ChatResponse:
    """The whole answer; its attempts and times are those of nobody, since nobody was asked."""
    parts = transcript_in(answer).parts()
    return ChatResponse(
        message=message_of(parts, answer.refusal),
        usage=answer.usage,
        finish_reason=answer.finish_reason,
        raw_finish_reason=answer.raw_finish_reason,
        provider=answer.provider,
        model=answer.model,
        id=answer.id,
        request_id=answer.request_id,
        logprobs=answer.logprobs,
        citations=answer.citations,
        cost=answer.cost,
        served_by=answer.served_by,
    )


def message_of(parts: list[Block], refusal: str | None) -> Message:
    """The message that an answer of these parts is."""
    return Message(
        "assistant",
        "".join([part.text for part in parts if isinstance(part, TextBlock)]),
        tool_calls=[part for part in parts if isinstance(part, ToolCall)],
        refusal=refusal,
        parts=parts,
    )


def chunks_of(answer: Kept) -> Iterator[tuple[float, StreamChunk]]:
    """The chunks as they came, each with its time in milliseconds after the first; the last has end and usage."""
    log = transcript_in(answer)
    steps = answer.steps or steps_of(log, answer.refusal)
    for number, step in enumerate(steps, 1):
        chunk = StreamChunk(
            step.delta,
            step.reasoning,
            step.calls,
            refusal_delta=step.refusal,
            logprobs=step.logprobs,
            citations=step.citations,
            _log=log,
            _seen=step.seen,
        )
        if number == len(steps):
            chunk.finish_reason, chunk.raw_finish_reason = answer.finish_reason, answer.raw_finish_reason
            chunk.usage, chunk.cost = answer.usage, answer.cost
        yield step.at_ms, chunk


def step_of(chunk: StreamChunk, at_ms: float) -> Step:
    """A live chunk as it is kept."""
    return Step(
        round(at_ms, 1),
        chunk._seen,
        chunk.delta,
        chunk.reasoning_delta,
        chunk.refusal_delta,
        chunk.tool_call_deltas,
        chunk.logprobs,
        chunk.citations,
    )


def steps_of(log: Transcript, refusal: str | None) -> list[Step]:
    """The chunks of an answer that came whole: one for each thing it says."""
    steps = [
        _step_of_entry(entry, seen)
        for seen, entry in enumerate(log.entries, 1)
        if isinstance(entry, (Text, Reasoning, ToolCallPiece))
    ]
    if refusal:
        steps.append(Step(0.0, len(log.entries), refusal=refusal))
    steps = steps or [Step(0.0, 0)]
    steps[-1].seen = len(log.entries)
    return steps


def _step_of_entry(entry: Text | Reasoning | ToolCallPiece, seen: int) -> Step:
    if isinstance(entry, Text):
        return Step(0.0, seen, delta=entry.text or "")
    if isinstance(entry, Reasoning):
        return Step(0.0, seen, reasoning=entry.text or "")
    index = entry.index if isinstance(entry.index, int) else 0
    return Step(0.0, seen, calls=[ToolCallDelta(index, entry.id, entry.name, entry.arguments or "")])


def transcript_in(answer: Kept) -> Transcript:
    """The log that was kept."""
    log = Transcript(answer.origin)
    for plain in answer.entries:
        entry = plain if isinstance(plain, str) else msgspec.convert(plain[1], _KINDS[plain[0]], strict=False)
        log.entries.append(entry)
        if isinstance(entry, ToolCallPiece) and isinstance(entry.index, int):
            log.calls = max(log.calls, entry.index + 1)
    return log


def _plain(entry: Entry | str) -> Any:
    return (
        entry if isinstance(entry, str) else (_NUMBERS[type(entry)], msgspec.to_builtins(entry, builtin_types=(bytes,)))
    )


def transcript_of(parts: Iterable[Block]) -> Transcript:
    """The log of an answer that came whole: an entry for each of its parts."""
    log = Transcript()
    for number, part in enumerate(parts):
        entry, origin = _entry(part, number, log.calls)
        log.entries.append(entry)
        log.origin = log.origin or origin
        log.calls += isinstance(entry, ToolCallPiece)
    return log


def _entry(part: Block, number: int, calls: int) -> tuple[Entry, str | None]:
    match part:
        case TextBlock():
            entry: Entry = _alike(Text, part, number)
        case ReasoningBlock():
            entry = _alike(Reasoning, part, number)
        case ToolCall():
            entry = ToolCallPiece(
                calls, part.id, part.name, part.arguments, True, part.custom, part.signature, part.item_id
            )
        case OpaqueBlock():
            entry = Opaque(bytes(part.payload), number)
        case _:
            raise TypeError(f"{type(part).__name__} is not part of an answer")
    return entry, part.origin


def _alike(kind: type[Text | Reasoning], part: Block, number: int) -> Text | Reasoning:
    """The piece that says all that the block does."""
    shared = set(kind.__struct_fields__).intersection(part.__struct_fields__)
    return kind(**{name: getattr(part, name) for name in shared}, block=number)
