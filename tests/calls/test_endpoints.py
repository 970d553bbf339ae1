"""The calls beside the chat: models, embeddings and counts of tokens, where a provider has them; else the reason."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import httpx
import msgspec
import pytest

from miiflow_llm import LLMClient, SyncLLMClient
from miiflow_llm.core.exceptions import (
    ConfigurationError,
    MiiflowLLMError,
    StreamProtocolError,
    UnsupportedParameterError,
)
from miiflow_llm.core.usage import TokenCount
from miiflow_llm.dialects.openai_chat import OPENAI_CHAT
from miiflow_llm.replay.store import load_shared
from miiflow_llm.tables import Endpoint, Provider, take
from miiflow_llm.wire import endpoints

from ..captured import SHARED, engine_of


async def ask(provider: str | Provider, answer: Any, call: Any, **options: Any) -> tuple[Any, httpx.Request]:
    """What the call gives for the answer, from both clients alike, and the request that was sent."""
    sent: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, json=answer)

    with httpx.Client(transport=httpx.MockTransport(respond)) as http:
        blocking = await outcome(lambda: call(SyncLLMClient.create(provider, "m", "k", http_client=http, **options)))
    async with httpx.AsyncClient(transport=httpx.MockTransport(respond)) as http:
        found = await outcome(lambda: call(LLMClient.create(provider, "m", "k", http_client=http, **options)))
    assert str(found) == str(blocking)
    if isinstance(found, MiiflowLLMError):
        raise found
    assert sent[0].content == sent[1].content
    return found, sent[0]


async def outcome(call: Callable[[], Any]) -> Any:
    """What the call gives, or its error."""
    try:
        found = call()
        return await found if inspect.isawaitable(found) else found
    except MiiflowLLMError as error:
        return error


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("provider", "path", "answer"),
    [
        ("openai", "/v1/models", {"data": [{"id": "a", "created": 1}, {"id": "b"}]}),
        ("anthropic", "/v1/models", {"data": [{"id": "a"}, {"id": "b"}]}),
        ("gemini", "/v1beta/models", {"models": [{"name": "a"}, {"name": "b"}]}),
        ("togetherai", "/v1/models", [{"id": "a"}, {"id": "b"}]),
        ("ollama", "/api/tags", {"models": [{"model": "a"}, {"model": "b"}]}),
        ("cohere", "/v1/models", {"models": [{"name": "a"}, {"name": "b"}]}),
    ],
)
async def test_models(provider: str, path: str, answer: Any) -> None:
    """Each provider's list, in one form."""
    found, request = await ask(provider, answer, lambda client: client.models())
    assert [model.id for model in found] == ["a", "b"]
    assert (request.method, request.url.path) == ("GET", path)
    assert found[0].details


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("provider", "answer", "tokens"),
    [
        ("openai", {"data": [{"index": 1, "embedding": [2.0]}, {"index": 0, "embedding": [1.0]}],
                    "usage": {"prompt_tokens": 4}}, 4),
        ("openai", {"data": [{"embedding": "AACAPw=="}, {"embedding": "AAAAQA=="}]}, None),
        ("mistral", {"data": [{"embedding": [1.0]}, {"embedding": [2.0]}], "usage": {"prompt_tokens": 4}}, 4),
        ("gemini", {"embeddings": [{"values": [1.0]}, {"values": [2.0]}]}, None),
        ("ollama", {"embeddings": [[1.0], [2.0]], "prompt_eval_count": 4}, 4),
        ("cohere", {"embeddings": {"float": [[1.0], [2.0]]}, "meta": {"billed_units": {"input_tokens": 4}}}, 4),
    ],
)  # fmt: skip
async def test_embeddings(provider: str, answer: Any, tokens: int | None) -> None:
    """One vector a text, in the order of the texts, whatever the form and order of the answer."""
    found, _ = await ask(provider, answer, lambda client: client.embed(["x", "y"]))
    assert found.vectors == [[1.0], [2.0]]
    assert found.usage == TokenCount(prompt_tokens=tokens, total_tokens=tokens)


EMBEDDING = [
    ("openai", {"data": [{"embedding": [1.0, 0.5]}]}),
    ("mistral", {"data": [{"embedding": [1.0, 0.5]}]}),
    ("gemini", {"embeddings": [{"values": [1.0, 0.5]}]}),
    ("ollama", {"embeddings": [[1.0, 0.5]]}),
    ("cohere", {"embeddings": {"float": [[1.0, 0.5]]}}),
]


@pytest.mark.anyio
@pytest.mark.parametrize(("provider", "answer"), EMBEDDING)
async def test_dimensions(provider: str, answer: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Dimensions that are given come; if a server ignored them, that is an error, or a warning with `drop`."""
    found, request = await ask(provider, answer, lambda client: client.embed("x", dimensions=2))
    assert found.vectors == [[1.0, 0.5]]
    assert b'":2' in request.content
    with pytest.raises(UnsupportedParameterError, match="dimensions=64 was ignored, the vectors have 2"):
        await ask(provider, answer, lambda client: client.embed("x", dimensions=64))
    found, _ = await ask(provider, answer, lambda client: client.embed("x", dimensions=64), unsupported="drop")
    assert found.vectors == [[1.0, 0.5]]
    assert "dimensions=64 was ignored" in caplog.text


@pytest.mark.anyio
async def test_dimensions_without_a_place() -> None:
    """Where a table has no place for them they are refused before anything is sent."""
    row = Endpoint("/embed", body={"input": take("texts")}, items="data", value="embedding")
    plain = Provider(
        name="plain",
        dialect=OPENAI_CHAT,
        base_url="https://plain.example",
        docs="https://plain.example",
        embeddings=row,
    )
    with pytest.raises(UnsupportedParameterError, match="dimensions is not taken"):
        await ask(plain, {}, lambda client: client.embed("x", dimensions=2))


@pytest.mark.anyio
async def test_a_models_name_stays_in_its_place() -> None:
    """In the path of these calls too."""
    answer = {"embeddings": [{"values": [1.0]}]}
    _, request = await ask("gemini", answer, lambda client: client.embed("x", model="a/../../b?key=1"))
    assert request.url.raw_path == b"/v1beta/models/a%2F..%2F..%2Fb%3Fkey%3D1:batchEmbedContents"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("provider", "answer", "options"),
    [
        ("anthropic", {"input_tokens": 7}, {}),
        ("gemini", {"totalTokens": 7}, {}),
        ("openai", {"input_tokens": 7}, {"dialect": "openai_responses"}),
        ("bedrock", {"inputTokens": 7}, {"region": "us-east-1"}),
    ],
)
async def test_token_counts(provider: str, answer: Any, options: dict[str, Any]) -> None:
    """What a chat would send is counted, without being answered."""
    found, request = await ask(provider, answer, lambda client: client.count_tokens("Hello"), **options)
    assert found == 7
    body = msgspec.json.decode(request.content)
    assert "Hello" in request.content.decode()
    assert "max_tokens" not in body
    assert "stream" not in body


@pytest.mark.anyio
async def test_not_offered() -> None:
    """What a provider has not is an error that says so; bad input and wrong answers too."""
    with pytest.raises(ConfigurationError, match="embeds no texts"):
        await ask("xai", {}, lambda client: client.embed("x"))
    for provider in ("xai", "deepseek"):
        with pytest.raises(ConfigurationError, match="embeds no texts"):
            await ask(provider, {}, lambda client: client.embed("x"), dialect="openai_responses")
    with pytest.raises(ConfigurationError, match="at another address"):
        await ask("bedrock", {}, lambda client: client.models(), region="us-east-1")
    with pytest.raises(ConfigurationError, match="usage comes with the answer"):
        await ask("mistral", {}, lambda client: client.count_tokens("x"))
    with pytest.raises(ConfigurationError, match="one text or more"):
        await ask("openai", {}, lambda client: client.embed([]))
    with pytest.raises(StreamProtocolError, match="1 vectors for 2"):
        await ask("openai", {"data": [{"embedding": [1.0]}]}, lambda client: client.embed(["x", "y"]))
    with pytest.raises(StreamProtocolError, match="no list at data"):
        await ask("openai", {}, lambda client: client.models())


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared captures are not here")
def test_recorded_embeddings() -> None:
    """Recorded embeddings of the providers that are spoken here are read, one vector a text."""
    read = 0
    for capture in load_shared(SHARED):
        known = capture.provider in ("openai", "gemini", "mistral", "ollama", "cohere", "openrouter")
        if capture.dialect != "embeddings" or capture.status >= 400 or not known or not capture.request:
            continue
        chat = {"gemini": "gemini_generate", "mistral": "mistral_chat", "ollama": "ollama_chat", "cohere": "cohere_v2"}
        if capture.provider == "ollama" and capture.path.startswith("/v1"):
            chat.pop("ollama")  # its OpenAI door
        like = msgspec.structs.replace(capture, dialect=chat.get(capture.provider, "openai_chat"))
        texts = capture.request.get("input") or capture.request.get("texts") or capture.request.get("requests")
        if not isinstance(texts, (list, str)) or "/api/embeddings" in capture.path or "embedContent" in capture.path:
            continue
        if isinstance(texts, str) or (texts and isinstance(texts[0], int)):
            texts = ["x"]
        if capture.provider == "cohere" and b'"float"' not in capture.body:
            continue
        found = endpoints.read_embeddings(engine_of(like).dialect.embeddings, capture.body, "m", texts)
        read += len(found.vectors)
    assert read > 60
