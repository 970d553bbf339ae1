"""Answers as a store keeps them: what comes back is what went in, chunk by chunk, for every capture."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from miiflow_llm.caching.answer import Kept, chunks_of, dumped, kept, loaded, response_of, step_of
from miiflow_llm.core.response import ChatResponse, StreamChunk

from ..captured import Outcome, line, own, read, sample, shared

FINISHED = [
    (capture.key, found)
    for capture in [*own(), *sample(shared(), 300)]
    if (found := read(capture)).error is None and found.response is not None
]


def again(found: Outcome) -> Kept:
    """The answer after a stay in a store."""
    assert found.response is not None
    log = found.chunks[-1]._log if found.chunks else None
    steps = [step_of(chunk, 2.0 * number) for number, chunk in enumerate(found.chunks)]
    back = loaded(dumped(kept(found.response, steps, log, now=100.0, ttl=60.0)))
    assert back is not None
    return back


def said(response: ChatResponse) -> bytes:
    """What an answer says, without what belongs to one call alone."""
    bare = msgspec.structs.replace(response, raw=None, attempts=[], latency_ms=None, time_to_first_token_ms=None)
    bare.rate_limit = None
    return msgspec.json.encode(bare)


def cumulative(chunk: StreamChunk) -> tuple[str, str, bytes]:
    """All so far, as a chunk tells it."""
    return chunk.content, chunk.reasoning, msgspec.json.encode(chunk.tool_calls)


def test_there_are_answers_of_every_kind() -> None:
    """The captures hold whole and streamed answers, with calls, reasoning, refusals and opaque parts."""
    responses = [found.response for _, found in FINISHED if found.response is not None]
    kinds = {type(part).__name__ for response in responses for part in response.message.parts}
    assert kinds == {"TextBlock", "ReasoningBlock", "ToolCall", "OpaqueBlock"}
    assert any(response.message.refusal for response in responses)
    assert any(found.chunks for _, found in FINISHED)
    assert any(not found.chunks for _, found in FINISHED)


@pytest.mark.parametrize("part", range(10))
def test_answers_come_back(part: int) -> None:
    """The whole answer is equal, its message's parts, signatures and calls included."""
    for key, found in FINISHED[part::10]:
        assert found.response is not None
        assert said(response_of(again(found))) == said(found.response), key


@pytest.mark.parametrize("part", range(10))
def test_streams_come_back(part: int) -> None:
    """A streamed answer has its chunks again, each with its time and with all that came before it."""
    for key, found in FINISHED[part::10]:
        if found.chunks:
            played = list(chunks_of(again(found)))
            assert [line(chunk) for _, chunk in played] == [line(chunk) for chunk in found.chunks], key
            assert [cumulative(chunk) for _, chunk in played] == [cumulative(chunk) for chunk in found.chunks], key
            assert [at for at, _ in played] == [2.0 * number for number in range(len(played))]


@pytest.mark.parametrize("part", range(10))
def test_whole_answers_can_be_streamed(part: int) -> None:
    """An answer that came whole plays as a stream with the same laws: one end, on the last chunk, with the usage."""
    for key, found in FINISHED[part::10]:
        if found.chunks or found.response is None:
            continue
        chunks = [chunk for _, chunk in chunks_of(again(found))]
        assert [chunk.finish_reason for chunk in chunks[:-1]] == [None] * (len(chunks) - 1), key
        assert (chunks[-1].finish_reason, chunks[-1].usage) == (found.response.finish_reason, found.response.usage)
        assert "".join(chunk.delta for chunk in chunks) == found.response.content == chunks[-1].content, key
        assert "".join(chunk.refusal_delta for chunk in chunks) == (found.response.message.refusal or "")
        assert [(call.name, call.arguments) for call in chunks[-1].tool_calls] == [
            (call.name, call.arguments) for call in found.response.tool_calls
        ], key


@given(st.data())
def test_damaged_bytes_are_missing(data: st.DataObject) -> None:
    """Bytes that were cut or changed are missing: never another answer, never an exception."""
    _, found = FINISHED[data.draw(st.integers(0, min(40, len(FINISHED) - 1)))]
    whole = bytearray(dumped(again(found)))
    place = data.draw(st.integers(0, len(whole) - 1))
    assert loaded(bytes(whole[:place])) is None
    whole[place] ^= data.draw(st.integers(1, 255))
    assert loaded(bytes(whole)) is None


def test_another_form_is_missing() -> None:
    """What an earlier or later version kept is not read."""
    answer = Kept(created=0.0, expires=1.0)
    answer.version += 1
    assert loaded(dumped(answer)) is None
    assert loaded(b"") is None
    assert loaded(msgspec.msgpack.encode({"created": 1})) is None
