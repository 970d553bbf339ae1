"""What real providers sent, where the recordings are: read as their independent expectations say."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from miiflow_llm import LLMClient
from miiflow_llm.core.exceptions import MiiflowLLMError
from miiflow_llm.replay.capture import Capture
from miiflow_llm.replay.server import ReplayServer

from .captured import Outcome, arguments, engine_of, fresh_engine_of, line, read, read_stream, sample, shared

OTHERWISE: dict[str, tuple[str, str]] = {
    "mistral/streaming-agent-sends-audio-cee979": (
        "prompt_tokens",
        "the expectation gives none; the wire's total is 11 + 375 audio + 15 tokens, so that the prompt has 386",
    ),
}
"""Where another reading is expected: the field, and why ours is right."""


def name(capture: Capture) -> str:
    """How a capture is called in a test's name."""
    return f"{capture.provider}-{capture.dialect}-{capture.name}"


def differences(capture: Capture, found: Outcome) -> set[str]:
    """The fields in which the reading is not what was expected; what the expectation leaves out is not asked."""
    wanted = capture.expected
    assert wanted is not None
    if wanted["error"] or found.error is not None:
        return set() if wanted["error"] and isinstance(found.error, MiiflowLLMError) else {"error"}
    assert found.response is not None
    return {field for field, value in reading(found).items() if field in wanted and value != expected(wanted, field)}


def reading(found: Outcome) -> dict[str, Any]:
    """The response in the expectation's words."""
    response = found.response
    assert response is not None
    calls = response.message.tool_calls
    return {
        "text": response.message.text,
        "reasoning": response.message.reasoning,
        "tool_calls": [(call.name, arguments(call.arguments)) for call in calls],
        "finish_reason": response.finish_reason,
        "prompt_tokens": response.usage.prompt_tokens,
        "completion_tokens": response.usage.completion_tokens,
        "refused": bool(response.message.refusal) or response.finish_reason == "content_filter",
    }


def expected(wanted: dict[str, Any], field: str) -> Any:
    """The expectation of a field, calls as pairs."""
    if field == "tool_calls":
        return [(call["name"], arguments(call["arguments"])) for call in wanted["tool_calls"]]
    return wanted[field]


SHARED = [capture for capture in shared() if capture.expected is not None]


@pytest.mark.skipif(not SHARED, reason="the shared captures are not here")
@pytest.mark.parametrize("part", range(40))
def test_sans_io(part: int) -> None:
    """Every recorded answer decodes to what is expected, but for the differences listed with their reasons."""
    for capture in SHARED[part::40]:
        found = differences(capture, read(capture))
        listed = OTHERWISE.get(capture.key)
        assert found == ({listed[0]} if listed and listed[0] in (capture.expected or {}) else set()), capture.key


@pytest.mark.skipif(not SHARED, reason="the shared captures are not here")
def test_no_unknown_events() -> None:
    """Every event that real providers sent is read by a rule or listed as ignored."""
    engines = {engine_of(capture).origin: fresh_engine_of(capture) for capture in SHARED}
    for capture in SHARED:
        if capture.streaming and capture.status < 400:
            read_stream(engines[engine_of(capture).origin], capture, [capture.body])
    unknown = {origin: engine.decoder.unknown for origin, engine in engines.items() if engine.decoder.unknown}
    assert unknown == {}


@pytest.mark.anyio
@pytest.mark.parametrize("capture", sample([one for one in SHARED if one.status == 200], 60), ids=name)
async def test_socket(capture: Capture) -> None:
    """Through the client and a socket they read the same as sans-I/O."""
    engine = engine_of(capture)
    wanted = read(capture)
    model = capture.model or "m"

    def client_at(base_url: str) -> LLMClient:
        return LLMClient.create(engine.provider, model, "k", base_url=base_url, dialect=capture.dialect, max_retries=0)

    # another provider of the dialect may stand in, with a path of its own
    path = urlsplit(client_at("http://localhost").plan("Hello", stream=capture.streaming).url).path
    async with ReplayServer([msgspec.structs.replace(capture, path=path)], cut="random", seed=3) as server:
        client = client_at(server.url_for(capture.provider, capture.name))
        async with client:
            if capture.streaming:
                async with client.stream_chat("Hello") as stream:
                    chunks = [chunk async for chunk in stream]
                assert [line(chunk) for chunk in chunks] == [line(chunk) for chunk in wanted.chunks]
                response = stream.response
            else:
                response = await client.chat("Hello")
    assert wanted.response is not None
    assert response.message == wanted.response.message
    assert response.usage == wanted.response.usage
