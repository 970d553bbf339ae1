"""The normalizer reads one frame without memory: its chunks, joined, say what the stream says."""

from __future__ import annotations

from typing import Any

import msgspec
import pydantic
import pytest

from miiflow_llm import ProviderStreamNormalizer
from miiflow_llm.core import exceptions as error
from miiflow_llm.core.response import StreamChunk
from miiflow_llm.replay.capture import Capture

from ..captured import engine_of, own, read, sample, shared
from ..wire.test_two_readings import frames

IN_FULL = {
    "message_for_delta",
    "message_repeated",
    "message_refused",
    "responses_done_only",
    "responses_only_completed",
}
"""Answers that are told in full, or only there: of one frame nobody can know whether it was said before."""

FINISHED = [
    one for one in own() if one.streaming and one.status < 400 and one.name not in IN_FULL and read(one).error is None
]
RECORDED = sample([one for one in shared() if one.streaming and one.status < 400 and read(one).error is None], 200)


def chunks_of(capture: Capture, form: type) -> list[StreamChunk]:
    """A chunk for every frame that says something, its payload given as `form`."""
    normalizer, engine = ProviderStreamNormalizer(), engine_of(capture)
    found = []
    for _, data in frames(capture, engine.decoder):
        if not is_json(data):  # `[DONE]` with a blank behind it
            continue
        given: Any = msgspec.json.decode(data) if form is dict else data.decode() if form is str else data
        found.append(normalizer.normalize_chunk(given, provider=engine.provider, dialect=capture.dialect))
    return [chunk for chunk in found if chunk is not None]


def is_json(data: bytes) -> bool:
    """Whether the payload is JSON."""
    try:
        msgspec.json.decode(data)
    except msgspec.DecodeError:
        return False
    return True


def check(capture: Capture, form: type) -> None:
    """Text, reasoning, the finish and each call's name are there without memory."""
    chunks, wanted = chunks_of(capture, form), read(capture).response
    assert wanted is not None
    assert "".join(chunk.delta for chunk in chunks) == wanted.content, capture.key
    reasoning = wanted.message.reasoning  # that a summary has another part is known only by the one before it
    said = "".join(chunk.reasoning_delta for chunk in chunks)
    # MiniMax says it only in details, in which others say it again: which it is cannot be told without memory
    assert said.replace("\n\n", "") == reasoning.replace("\n\n", "") or (capture.provider == "minimax" and not said)
    named = {delta.name for chunk in chunks for delta in chunk.tool_call_deltas if delta.name}
    assert named == {call.name for call in wanted.tool_calls}, capture.key
    reasons = [chunk.raw_finish_reason for chunk in chunks if chunk.finish_reason]
    assert not wanted.raw_finish_reason or wanted.raw_finish_reason in reasons, capture.key


@pytest.mark.parametrize("form", [dict, str, bytes])
@pytest.mark.parametrize("part", range(10))
def test_frame_by_frame(part: int, form: type) -> None:
    """For every capture of our own, whatever form the payload has."""
    for capture in FINISHED[part::10]:
        check(capture, form)


@pytest.mark.skipif(not RECORDED, reason="the shared captures are not here")
def test_recorded() -> None:
    """And for what real providers sent."""
    for capture in RECORDED:
        check(capture, bytes)


def test_nothing_is_remembered() -> None:
    """A frame says the same before and after others, from whatever provider."""
    normalizer = ProviderStreamNormalizer()
    payload = {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 3, "id": "a", "function": {"name": "f"}}]}}]}
    first = normalizer.normalize_chunk(payload, provider="openai")
    normalizer.normalize_chunk({"type": "ping"}, provider="anthropic")
    again = normalizer.normalize_chunk(payload, provider="openai")
    assert first is not None
    assert again is not None
    assert first.tool_call_deltas == again.tool_call_deltas
    assert first.tool_call_deltas[0].index == 0


@pytest.mark.parametrize(
    ("payload", "provider", "kind", "words"),
    [
        (b"{}", "opnai", error.ConfigurationError, "openai"),
        (b"nonsense", "openai", error.StreamProtocolError, "openai_chat"),
        (b'{"choices": [{"delta": {"content": {}}}]}', "openai", error.StreamProtocolError, "content"),
        (b"\xff\xfe", "groq", error.StreamProtocolError, "openai_chat"),
        ('{"error": {"message": "m", "code": 429}}', "openrouter", error.RateLimitError, "m"),
        (
            {"type": "error", "error": {"type": "overloaded_error", "message": "m"}},
            "anthropic",
            error.ServiceUnavailableError,
            "m",
        ),
        (
            {"error": {"code": 503, "message": "m", "status": "UNAVAILABLE"}},
            "google",
            error.ServiceUnavailableError,
            "m",
        ),
        ({"error": "m"}, "ollama", error.ProviderError, "m"),
    ],
)
def test_bad_payloads(payload: Any, provider: str, kind: type[Exception], words: str) -> None:
    """A payload that is none, or reports an error, is a typed error."""
    with pytest.raises(kind, match=words):
        ProviderStreamNormalizer().normalize_chunk(payload, provider=provider)


@pytest.mark.parametrize(
    ("payload", "provider"),
    [("[DONE]", "openai"), (b"[DONE]", "mistral"), ({}, "gemini"), ({"type": "ping"}, "anthropic"), ("{}", "xai")],
)
def test_what_says_nothing(payload: Any, provider: str) -> None:
    """A frame that says nothing is `None`."""
    assert ProviderStreamNormalizer().normalize_chunk(payload, provider=provider) is None


def test_openai_responses() -> None:
    """Another wire format of the provider's is named."""
    event = {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "Moss"}
    chunk = ProviderStreamNormalizer().normalize_chunk(event, provider="openai", dialect="openai_responses")
    assert chunk is not None
    assert chunk.delta == "Moss"


class OfAnSDK(pydantic.BaseModel):
    """A chunk as a vendor's SDK makes it: fields that were not sent have values, and names of its own."""

    model_config = pydantic.ConfigDict(populate_by_name=True)
    choices: list[dict[str, Any]] = pydantic.Field(alias="choices")
    usage_metadata: dict[str, int] | None = pydantic.Field(default=None, alias="usageMetadata")


class WithToDict:
    """Another SDK's."""

    def to_dict(self) -> dict[str, Any]:
        """Its values."""
        return {"choices": [{"index": 0, "delta": {"content": "Moss"}}]}


class WithADumpOfItsOwn:
    """An object whose `model_dump` takes no arguments."""

    def model_dump(self) -> dict[str, Any]:
        """Its values."""
        return WithToDict().to_dict()


@pytest.mark.parametrize(
    "chunk", [OfAnSDK(choices=WithToDict().to_dict()["choices"]), WithToDict(), WithADumpOfItsOwn()]
)
def test_a_chunk_of_an_sdk(chunk: Any) -> None:
    """An SDK's object is what the server sent; the provider may be given by position."""
    found = ProviderStreamNormalizer().normalize_chunk(chunk, "openai")
    assert found is not None
    assert found.delta == "Moss"


@pytest.mark.parametrize("chunk", [5, None, object(), ["x"]])
def test_what_is_not_a_chunk(chunk: Any) -> None:
    """Anything else is refused, with what would do."""
    with pytest.raises(error.ConfigurationError, match="model_dump"):
        ProviderStreamNormalizer().normalize_chunk(chunk, "openai")
