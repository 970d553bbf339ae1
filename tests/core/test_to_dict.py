"""Chunks, answers, counts and errors as plain values: for JSON, without what is private and a provider's bytes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from miiflow_llm import LLMClient, Message, StreamChunk
from miiflow_llm.core import TokenCount, exceptions
from miiflow_llm.core.exceptions import MiiflowLLMError, ParsingError, ProviderError, RateLimitError, TimeoutError
from miiflow_llm.core.response import Attempt, ChatResponse, RateLimit
from miiflow_llm.replay.fake import DIALECTS, fake_pair
from miiflow_llm.replay.server import ReplayServer


def private(value: Any) -> list[str]:
    """The names in a value that are private, at any depth."""
    if isinstance(value, dict):
        own = [name for name in value if name.startswith("_")]
        return own + [name for inner in value.values() for name in private(inner)]
    return [name for inner in value for name in private(inner)] if isinstance(value, list) else []


def checked(value: dict[str, Any]) -> dict[str, Any]:
    """The value by way of JSON, without anything private."""
    assert private(value) == []
    assert json.loads(json.dumps(value, allow_nan=False)) == value
    return value


@pytest.mark.anyio
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_call(dialect: str) -> None:
    """Whole and streamed, in every dialect: everything is plain, and the bytes come only when asked for."""
    captures = fake_pair(dialect, text="Six.", reasoning="Hm.", tool_calls=[("tide", {"port": "Oban"})])
    provider = captures[0].provider
    async with ReplayServer(captures, match=("streaming",)) as server:
        async with LLMClient.create(
            provider, "m", "k", dialect=dialect, base_url=server.url_for(provider, captures[0].name)
        ) as client:
            whole = await client.chat("x")
            chunks = [chunk async for chunk in client.stream_chat("x", raw=True)]
    found = checked(whole.to_dict())
    assert "raw" not in found
    assert found["message"] == whole.message.to_dict()
    assert Message.from_dict(found["message"]) == whole.message
    assert found["usage"] == whole.usage.to_dict()
    assert (found["finish_reason"], found["provider"]) == ("tool_calls", provider)
    assert found["attempts"][0]["status"] == 200
    assert checked(whole.to_dict(raw=True))["raw"].startswith("{")
    said = [checked(chunk.to_dict()) for chunk in chunks]
    assert "".join(one.get("delta", "") for one in said) == "Six."
    assert said[-1]["finish_reason"] == "tool_calls"
    assert not any("raw" in one for one in said)
    assert all(isinstance(chunk.to_dict(raw=True).get("raw", ""), str) for chunk in chunks)


@dataclass
class Tide:
    """A type of the caller's."""

    port: str
    high: tuple[int, ...] = (6,)


class Model:
    """Like a pydantic model."""

    def model_dump(self, mode: str) -> dict[str, int]:
        """Its values."""
        return {"x": 1}


class Mute:
    """Has no words."""

    def __str__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Tide("Oban"), {"port": "Oban", "high": [6]}),
        (Model(), {"x": 1}),
        ([Model(), Tide("Ayr", ())], [{"x": 1}, {"port": "Ayr", "high": []}]),
        ({1: "a"}, {"1": "a"}),
        ({"a": float("inf"), "b": {1.5}}, {"a": None, "b": [1.5]}),
        (complex(1, 2), "(1+2j)"),
        (Mute(), "<Mute>"),
    ],
    ids=lambda one: type(one).__name__,
)
def test_values_of_the_callers(value: Any, plain: Any) -> None:
    """A structured output is plain, whatever its type; what JSON has no form for is its words."""
    response = ChatResponse(message=Message.assistant("x"), structured_output=value)
    assert checked(response.to_dict())["structured_output"] == plain
    assert checked(StreamChunk(structured_output=value).to_dict()) == {"structured_output": plain}


def test_a_chunk_says_what_is_new() -> None:
    """A chunk has what it says and no more; a count has all its fields."""
    assert StreamChunk(delta="a").to_dict() == {"delta": "a"}
    assert StreamChunk(usage=TokenCount(1)).to_dict()["usage"]["prompt_tokens"] == 1
    assert checked(TokenCount(prompt_tokens=1).to_dict()) == {
        "prompt_tokens": 1,
        "completion_tokens": None,
        "total_tokens": None,
        "cache_read_tokens": None,
        "cache_write_tokens": None,
        "reasoning_tokens": None,
        "cache_write_1h_tokens": None,
        "audio_prompt_tokens": None,
        "audio_completion_tokens": None,
        "web_searches": None,
    }


def test_structs_within() -> None:
    """Limits and attempts are plain too."""
    response = ChatResponse(
        message=Message.assistant("x"), rate_limit=RateLimit(remaining_tokens=3), attempts=[Attempt("a/b", status=200)]
    )
    found = checked(response.to_dict())
    assert found["rate_limit"]["remaining_tokens"] == 3
    assert found["attempts"][0]["target"] == "a/b"


def test_errors() -> None:
    """An error has its type, all it says, and what had come; the body only when asked for."""
    error = RateLimitError("slow down", provider="p", model="m", status_code=429, retry_after=2.0, body=b'{"a":1}')
    error.partial = ChatResponse(message=Message.assistant("Si"), raw=b"{}")
    error.attempts = [Attempt("p/m", status=429)]
    found = checked(error.to_dict())
    assert {
        name: found[name] for name in ("type", "message", "provider", "status_code", "retry_after", "retryable")
    } == {
        "type": "RateLimitError",
        "message": "slow down",
        "provider": "p",
        "status_code": 429,
        "retry_after": 2.0,
        "retryable": False,
    }
    assert found["partial"]["message"] == {"role": "assistant", "content": "Si"}
    assert "body" not in found
    assert "raw" not in found["partial"]
    assert found["attempts"][0]["status"] == 429
    asked = checked(error.to_dict(raw=True))
    assert (asked["body"], asked["partial"]["raw"]) == ('{"a":1}', "{}")
    assert checked(TimeoutError("late", phase="idle", seconds=3.0).to_dict())["phase"] == "idle"
    assert checked(ParsingError("no", text="x", path="$.a", reason="r").to_dict())["path"] == "$.a"


@pytest.mark.parametrize("name", exceptions.__all__)
def test_every_error(name: str) -> None:
    """Every type of error can say itself."""
    kind = getattr(exceptions, name)
    if not isinstance(kind, type) or not issubclass(kind, MiiflowLLMError):
        return
    settings: dict[str, Any] = {
        "TimeoutError": {"phase": "idle"},
        "UnsupportedParameterError": {"parameter": "n"},
        "BudgetExceededError": {"key": "k", "limit": 1.0, "spent": 2.0},
    }
    error = kind("words", **settings.get(name, {}))
    assert checked(error.to_dict())["type"] == name
    assert checked(error.to_dict(raw=True))["message"] == "words"


@pytest.mark.anyio
async def test_an_error_of_a_provider() -> None:
    """What a provider refused is told without its bytes, and without the key."""

    def refuse(request: httpx.Request) -> httpx.Response:
        return httpx.Response(401, json={"error": {"message": "no such key", "code": "invalid_api_key"}})

    async with httpx.AsyncClient(transport=httpx.MockTransport(refuse)) as http:
        client = LLMClient.create("openai", "gpt-4.1", "sk-secret-key", http_client=http, max_retries=0)
        with pytest.raises(ProviderError) as caught:
            await client.chat("x")
    found = checked(caught.value.to_dict(raw=True))
    assert (found["type"], found["code"], found["status_code"]) == ("AuthenticationError", "invalid_api_key", 401)
    assert "no such key" in found["body"]
    assert "sk-secret-key" not in json.dumps(found)
