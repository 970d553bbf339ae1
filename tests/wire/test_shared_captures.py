"""What real providers sent, where the recordings are: read as their independent expectations say."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from miiflow_llm import LLMClient
from miiflow_llm.core import exceptions as error
from miiflow_llm.core.exceptions import MiiflowLLMError
from miiflow_llm.core.messages import ReasoningBlock
from miiflow_llm.core.response import ChatResponse
from miiflow_llm.core.usage import TokenCount
from miiflow_llm.replay.capture import Capture
from miiflow_llm.replay.server import ReplayServer

from ..captured import Outcome, arguments, engine_of, fresh_engine_of, line, read, read_stream, sample, shared

PARAGRAPHS = "the expectation glues the parts of a summary together, which are paragraphs"
PARTED = (
    "azure/thinking-streaming-1-27c383",
    "openai/agent-run-reasoning-stream-0-43a7c9",
    "openai/async-0-14d3c2",
    "openai/stream-0-ec9d4f",
)

DETAILS = "the expectation has no reasoning; the wire has it, in `reasoning_details` only"
DETAILED = (
    "minimax/minimax-m2-1-no-tool-0-594342",
    "minimax/minimax-m2-1-object-streaming-0-ff32e6",
    "minimax/minimax-m2-1-reasoning-basic-0-364473",
    "minimax/minimax-m2-1-tool-round-trip-1-0-7610b0",
    "minimax/minimax-m2-1-tool-round-trip-2-0-fccd07",
    "minimax/minimax-m2-1-usage-0-4cfa41",
    "minimax/minimax-m2-5-reasoning-streaming-0-fac875",
    "minimax/minimax-m2-5-streaming-0-64da14",
    "minimax/minimax-m2-7-basic-0-1b00e8",
    "minimax/minimax-m2-7-multi-tool-0-c3512e",
    "minimax/minimax-m2-7-token-limit-0-4dad4e",
)

OTHERWISE: dict[str, tuple[str, str]] = {
    "mistral/streaming-agent-sends-audio-cee979": (
        "prompt_tokens",
        "the expectation gives none; the wire's total is 11 + 375 audio + 15 tokens, so that the prompt has 386",
    ),
    "openai/test-tools-streaming-variant-b-0-72d88d": (
        "finish_reason",
        "the expectation gives none, as the wire; but calls came, and all of them, before [DONE] ended it",
    ),
    **dict.fromkeys(PARTED, ("reasoning", PARAGRAPHS)),
    **dict.fromkeys(DETAILED, ("reasoning", DETAILS)),
}
"""Where another reading is expected: the field, and why ours is right."""


def name(capture: Capture) -> str:
    """How a capture is called in a test's name."""
    return f"{capture.provider}-{capture.dialect}-{capture.name}"


def differences(capture: Capture, found: Outcome) -> set[str]:
    """The fields in which the reading is not what was expected."""
    wanted = capture.expected
    assert wanted is not None
    if wanted["error"] or found.error is not None:
        return set() if wanted["error"] and isinstance(found.error, MiiflowLLMError) else {"error"}
    assert found.response is not None
    assert wanted["complete"]
    return {field for field, value in reading(found).items() if value != expected(wanted, field, found.response)}


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
        "refusal": bool(response.message.refusal),
    }


def expected(wanted: dict[str, Any], field: str, found: ChatResponse) -> Any:
    """The expectation of a field. What it does not have was not reported, or so that it cannot be known."""
    if field == "tool_calls":
        return [(call["name"], arguments(call["arguments"])) for call in wanted["tool_calls"]]
    if field == "refusal":  # a provider may refuse by the finish reason alone
        return bool(wanted.get("refused")) and (found.message.refusal or found.finish_reason) != "content_filter"
    if field in COUNTED and field not in wanted and contradicts_itself(found.usage, field):
        return getattr(found.usage, field)
    return wanted.get(field)


COUNTED = {"prompt_tokens": "cache_read_tokens", "completion_tokens": "reasoning_tokens"}
"""A sum, and what is part of it."""


def contradicts_itself(usage: TokenCount, field: str) -> bool:
    """Whether the part that was reported is more than the whole (Azure's Grok, Doubleword): nobody knows the truth."""
    whole, part = getattr(usage, field), getattr(usage, COUNTED[field])
    return whole is not None and part is not None and part > whole


SHARED = [capture for capture in shared() if capture.expected is not None]


@pytest.mark.skipif(not SHARED, reason="the shared captures are not here")
@pytest.mark.parametrize("part", range(40))
def test_sans_io(part: int) -> None:
    """Every recorded answer decodes to what is expected, but for the differences listed with their reasons."""
    for capture in SHARED[part::40]:
        listed = OTHERWISE.get(capture.key)
        assert differences(capture, read(capture)) == ({listed[0]} if listed else set()), capture.key


@pytest.mark.skipif(not SHARED, reason="the shared captures are not here")
def test_differences_are_of_captures() -> None:
    """What is listed as read otherwise is there to be read, so that the comparison above sees when it no longer is."""
    assert set(OTHERWISE) <= {capture.key for capture in SHARED}


PLAIN = [capture for capture in shared() if capture.dialect == "bedrock_converse" and capture.expected is None]
WORDS = {"end_turn": "stop", "tool_use": "tool_calls", "max_tokens": "length"}


@pytest.mark.skipif(not PLAIN, reason="the shared captures are not here")
def test_without_an_expectation() -> None:
    """Bedrock's recordings have none: they read as their plain JSON does, with every block that is there."""
    for capture in PLAIN:
        found, said = read(capture), msgspec.json.decode(capture.body)
        if capture.status >= 400:
            kind = {400: error.ContextLengthError, 403: error.AuthenticationError}[capture.status]
            assert type(found.error) is kind, capture.key
            continue
        blocks, usage = said["output"]["message"]["content"], said["usage"]
        cited = [block["citationsContent"] for block in blocks if "citationsContent" in block]
        thought = [block["reasoningContent"]["reasoningText"] for block in blocks if "reasoningContent" in block]
        calls = [block["toolUse"] for block in blocks if "toolUse" in block]
        text = [block["text"] for block in blocks if "text" in block]
        text += [part["text"] for one in cited for part in one["content"]]
        cache = usage.get("cacheReadInputTokens", 0) + usage.get("cacheWriteInputTokens", 0)
        response = found.response
        assert response is not None, capture.key
        assert reading(found) == {
            "text": "".join(text),
            "reasoning": "".join(one["text"] for one in thought),
            "tool_calls": [(call["name"], call["input"]) for call in calls],
            "finish_reason": WORDS[said["stopReason"]],
            "prompt_tokens": usage["inputTokens"] + cache,
            "completion_tokens": usage["outputTokens"],
            "refusal": False,
        }, capture.key
        assert response.usage.total_tokens == usage["totalTokens"]
        assert response.usage.cache_read_tokens == usage.get("cacheReadInputTokens")
        signed = [part.signature for part in response.message.parts if isinstance(part, ReasoningBlock)]
        assert signed == [one.get("signature") for one in thought]
        assert [call.id for call in response.message.tool_calls] == [call["toolUseId"] for call in calls]
        assert (response.citations or []) == [one for block in cited for one in block["citations"]]
    assert len(PLAIN) == 40


KINDS: dict[int, tuple[type[MiiflowLLMError], ...]] = {
    400: (error.InvalidRequestError, error.AuthenticationError),
    401: (error.AuthenticationError,),
    404: (error.ModelNotFoundError, error.InvalidRequestError),
    429: (error.RateLimitError, error.QuotaExceededError),
    500: (error.ServiceUnavailableError, error.InvalidRequestError),
}
"""What an HTTP status may mean; a 400 is also a wrong key (Gemini), a 500 a request that llama.cpp cannot serve."""


@pytest.mark.skipif(not SHARED, reason="the shared captures are not here")
def test_errors() -> None:
    """Every recorded error is of the kind that its status means, with its status, the provider's words and body."""
    failed = [capture for capture in SHARED if capture.status >= 400]
    for capture in failed:
        found = read(capture).error
        assert isinstance(found, KINDS[capture.status]), (capture.key, found)
        assert isinstance(found, error.ProviderError)
        assert found.status_code == capture.status
        assert found.message.split(":")[-1].strip(" .'\"{}[]"), capture.key
        assert found.body == capture.body[: len(found.body)]
        assert found.body
    assert len(failed) > 50


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
