"""Fake answers, read back by the engine."""

from __future__ import annotations

import httpx
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miiflow_llm import LLMClient
from miiflow_llm.core.exceptions import MiiflowLLMError, RateLimitError
from miiflow_llm.core.messages import ToolCall
from miiflow_llm.core.usage import TokenCount
from miiflow_llm.replay.capture import Capture
from miiflow_llm.replay.fake import DIALECTS, FakeError, fake_all, fake_body, fake_pair
from miiflow_llm.replay.server import ReplayServer
from miiflow_llm.replay.transport import ReplayTransport
from tests.captured import facts, read

CALLS = [("get_tide", {"port": "Ob an", "deep": [1, {"a": None}]}), ("now", {})]
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
CACHED_TOO = {"prompt_tokens", "completion_tokens", "total_tokens", "cache_read_tokens", "cache_write_tokens"}
REPORTED = {
    "bedrock_converse": CACHED_TOO,
    "ollama_chat": {"prompt_tokens", "completion_tokens"},
    "cohere_v2": {"prompt_tokens", "completion_tokens", "cache_read_tokens", "reasoning_tokens"},
    "openai_chat": {"prompt_tokens", "completion_tokens", "total_tokens", "cache_read_tokens", "reasoning_tokens"},
    "mistral_chat": {"prompt_tokens", "completion_tokens", "total_tokens", "cache_read_tokens"},
    "gemini_generate": {"prompt_tokens", "completion_tokens", "total_tokens", "cache_read_tokens", "reasoning_tokens"},
}
"""What each format has counters for, where it has not all."""

both = pytest.mark.parametrize("streaming", [True, False], ids=["stream", "whole"])
every = pytest.mark.parametrize("dialect", DIALECTS)


def checked(capture: Capture) -> dict:
    """What the engine reads in it, seen to end well."""
    outcome = read(capture)
    assert outcome.error is None
    return facts(outcome)


@every
@both
@settings(max_examples=25, deadline=None)
@given(text=TEXTS, reasoning=TEXTS)
def test_what_is_said_is_read(dialect: str, streaming: bool, text: str, reasoning: str) -> None:
    """Whatever text and reasoning a fake is given, the engine reads them again, to the character."""
    found = checked(fake_body(dialect, text=text, reasoning=reasoning, streaming=streaming))
    assert (found["text"], found["reasoning"], found["finish_reason"]) == (text, reasoning, "stop")


@every
@both
def test_calls_are_read(dialect: str, streaming: bool) -> None:
    """Calls come with names, ids and arguments, beside text, and the finish reason says so."""
    given_id = ToolCall(id="mine", name="third", arguments='{"x": 1}')
    capture = fake_body(dialect, text="Let me see.", tool_calls=[*CALLS, given_id], streaming=streaming)
    found = checked(capture)
    assert found["tool_calls"] == [*CALLS, ("third", {"x": 1})]
    assert (found["text"], found["finish_reason"]) == ("Let me see.", "tool_calls")
    response = read(capture).response
    assert response is not None
    assert [call.id for call in response.message.tool_calls] == ["call_1", "call_2", "mine"]


@every
@both
@pytest.mark.parametrize("finish", ["stop", "length", "content_filter"])
def test_finish_reasons_are_read(dialect: str, streaming: bool, finish: str) -> None:
    """Each finish reason is said in the format's own word; one without a word is refused."""
    if (dialect, finish) == ("ollama_chat", "content_filter"):
        with pytest.raises(ValueError, match="no word for the finish reason"):
            fake_body(dialect, text="x", finish_reason="content_filter", streaming=streaming)
        return
    capture = fake_body(dialect, text="x", finish_reason=finish, streaming=streaming)  # type: ignore[arg-type]
    assert checked(capture)["finish_reason"] == finish


@every
@both
def test_usage_is_read(dialect: str, streaming: bool) -> None:
    """Every counter that the format has comes back as it was given; what was not given is not reported."""
    count = TokenCount(40, 9, 49, 30, 4, 5)
    found = checked(fake_body(dialect, text="x", usage=count, streaming=streaming))["usage"]
    wanted = {name: value for name, value in msgspec.structs.asdict(count).items() if name in _counted(dialect)}
    assert {name: found.get(name) for name in wanted} == wanted
    none = checked(fake_body(dialect, text="x", usage=TokenCount(), streaming=streaming))["usage"]
    assert none == {}


def _counted(dialect: str) -> set[str]:
    everything = set(TokenCount.__struct_fields__)
    return REPORTED.get(dialect, everything)


@every
def test_streamed_and_whole_agree(dialect: str) -> None:
    """The two of a pair say the same."""
    streamed, whole = fake_pair(dialect, text="A b  c.", reasoning="Hm, hm.", tool_calls=CALLS)
    assert checked(streamed) == checked(whole)
    assert (streamed.name, whole.name) == ("fake", "whole_fake")
    streamed, whole = fake_pair(dialect, text="So far ", error=FakeError("it broke", 503, midstream=True))
    assert (streamed.status, whole.status) == (200, 503)


@every
def test_errors_are_read(dialect: str) -> None:
    """An error before the answer is the status's own error; one inside a stream keeps the text before it."""
    before = read(fake_body(dialect, error=FakeError("slow down", 429, "rate_limit_error"))).error
    assert isinstance(before, RateLimitError)
    assert "slow down" in str(before)
    inside = read(fake_body(dialect, text="So far ", error=FakeError("it broke", midstream=True))).error
    assert isinstance(inside, MiiflowLLMError)
    assert "it broke" in str(inside)
    assert inside.partial is not None
    assert inside.partial.message.text == "So far "
    with pytest.raises(ValueError, match="needs a stream"):
        fake_body(dialect, error=FakeError("x", midstream=True), streaming=False)


def test_all_dialects_at_once() -> None:
    """One answer in all dialects can be served together: each is found by its provider and path."""
    captures = fake_all(text="Ebb.")
    assert {capture.dialect for capture in captures} == set(DIALECTS)
    assert {facts(read(capture))["text"] for capture in ReplayServer(captures).index.captures} == {"Ebb."}


def test_an_unknown_dialect_is_told() -> None:
    """A dialect that is not known is an error that lists those that are."""
    with pytest.raises(ValueError, match="openai_chat, openai_responses"):
        fake_body("opnai")


@pytest.mark.anyio
@every
async def test_the_client_is_answered(dialect: str) -> None:
    """The library's client, of any model, gets a fake's text over a socket and without one, streamed and not."""
    captures = fake_pair(dialect, text="Ebb and flow.")
    provider = captures[0].provider

    async def ask(base_url: str, http: httpx.AsyncClient | None = None) -> list[str]:
        async with LLMClient.create(
            provider, "any-model", api_key="k", base_url=base_url, dialect=dialect, http_client=http
        ) as client:
            whole = await client.chat("Hi")
            async with client.stream_chat("Hi") as stream:
                streamed = [chunk.delta or "" async for chunk in stream]
        return [whole.content, "".join(streamed)]

    async with ReplayServer(captures) as server:
        assert await ask(server.url_for(provider)) == ["Ebb and flow."] * 2
    async with httpx.AsyncClient(transport=ReplayTransport(captures)) as http:
        assert await ask("https://api.example.com", http) == ["Ebb and flow."] * 2
