"""Provider batches through the front door, against each provider's own API on loopback: asyncio, trio and threads."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from miiflow_llm import LLMClient, SyncLLMClient, providers
from miiflow_llm.calls.batch_making import opened, stored
from miiflow_llm.calls.prompts import BatchRequest
from miiflow_llm.core import exceptions as error
from miiflow_llm.core.batches import BatchCounts, BatchResult
from miiflow_llm.replay.batch_desk import BatchPlan
from miiflow_llm.replay.capture import Capture
from miiflow_llm.replay.fake import FakeError, fake_body
from miiflow_llm.replay.faults import StatusFirst
from miiflow_llm.replay.server import ReplayServer, serving
from miiflow_llm.tables import Provider

pytestmark = pytest.mark.anyio

DIALECTS = {
    "openai": "openai_chat",
    "azure": "openai_chat",
    "groq": "openai_chat",
    "togetherai": "openai_chat",
    "mistral": "mistral_chat",
    "xai": "openai_chat",
    "anthropic": "anthropic_messages",
    "gemini": "gemini_generate",
    "openrouter": "openai_chat",
}
VERSIONS = {"anthropic": "", "gemini": "/v1beta", "azure": "/openai/v1"}
KEY = "sk-planted-key-0123456789"
POLL = 0.001


class Tide(msgspec.Struct):
    """What is asked for."""

    port: str
    hours: list[int]


def captures(provider: str) -> list[Capture]:
    """A text, an error and a typed answer, each asked for by its model."""
    kept = {"provider": provider, "streaming": False}
    dialect = DIALECTS[provider]
    made = [
        fake_body(dialect, name="good", text="Twice a day, été.", model="good", **kept),
        fake_body(dialect, name="bad", error=FakeError("the harbour is closed", status=429), model="bad", **kept),
    ]
    for one in made:
        one.model = one.name
    return made


def settings(provider: str, server: ReplayServer) -> dict[str, Any]:
    """A client's arguments."""
    url = server.url_for(provider) + VERSIONS.get(provider, "/v1")
    return {"provider": provider, "model": "good", "api_key": KEY, "base_url": url, "max_retries": 1}


def by_key(results: list[BatchResult]) -> dict[str, BatchResult]:
    """The results by their keys, which stand once each."""
    found = {one.key: one for one in results}
    assert len(found) == len(results)
    return found


@pytest.mark.parametrize("provider", DIALECTS)
async def test_every_provider_answers_in_full(provider: str) -> None:
    """Handed in, watched, read: each request has the answer that a live call has, by its key."""
    async with ReplayServer(captures(provider)) as server:
        async with LLMClient.create(**settings(provider, server)) as client:
            asked = ["Hello", BatchRequest(messages="Hi", key="second"), {"prompt": "Hey", "id": 3}]
            job = await client.batch(asked, max_tokens=64)
            assert job.status == "queued"
            assert await job.refresh() in ("queued", "running")
            assert not job.done
            found = by_key([one async for one in job.results(poll=POLL)])
            live = await client.chat("Hello", max_tokens=64)
    assert set(found) == {"0", "second", "3"}
    for one in found.values():
        assert one.error is None
        assert one.response is not None
        assert one.response.content == live.content == "Twice a day, été."
        assert one.response.usage == live.usage
        assert one.response.finish_reason == "stop"
    assert job.status == "ended"
    assert job.done
    if provider != "togetherai":
        assert (job.counts.total, job.counts.succeeded, job.counts.failed) == (3, 3, 0)
    assert not any(KEY in str(request) for request in server.requests)


@pytest.mark.parametrize("provider", DIALECTS)
def test_plain_code_has_the_same(provider: str) -> None:
    """The synchronous client hands in, waits, and reads; a stored id opens the job in another client."""
    with serving(captures(provider)) as server:
        with SyncLLMClient.create(**settings(provider, server)) as client:
            id_ = client.batch(["Hello", "Hi"], max_tokens=64).id
        with SyncLLMClient.create(**settings(provider, server)) as client:
            job = client.batch_job(id_)
            assert job.wait(poll=POLL) == "ended"
            found = by_key(list(job.results()))
            assert [found[key].response.content for key in "01"] == ["Twice a day, été."] * 2  # type: ignore[union-attr]
            assert len(list(job)) == 2


@pytest.mark.parametrize("provider", [name for name in DIALECTS if name != "gemini"])
async def test_errors_of_single_requests_are_typed(provider: str) -> None:
    """A request that failed is a typed error beside the answers of the others."""
    async with ReplayServer(captures(provider)) as server:
        async with LLMClient.create(**settings(provider, server)) as client:
            asked = ["Hello", BatchRequest(messages="Hi", parameters={"model": "bad"})]
            job = await client.batch(asked, max_tokens=64)
            found = by_key([one async for one in job.results(poll=POLL)])
    assert found["0"].response is not None
    assert isinstance(found["1"].error, error.ProviderError)
    assert "the harbour is closed" in str(found["1"].error)
    if provider != "anthropic":
        assert isinstance(found["1"].error, error.RateLimitError)
    assert found["1"].error.provider == provider


@pytest.mark.parametrize("provider", DIALECTS)
@pytest.mark.parametrize("ending", ["expired", "cancelled"])
async def test_what_ended_early_gives_what_it_has(provider: str, ending: Any) -> None:
    """Of a batch that expired or was cancelled, the answers that were made come, and the rest are typed errors."""
    async with ReplayServer(captures(provider)) as server:
        server.batches.plan = BatchPlan(looks=0, status=ending, answered=1)
        async with LLMClient.create(**settings(provider, server)) as client:
            job = await client.batch(["Hello", "Hi", "Hey"], max_tokens=64)
            found = by_key([one async for one in job.results(poll=POLL)])
    assert found["0"].response is not None
    kinds = {type(found[key].error) for key in "12"}
    if provider == "xai" or (provider == "gemini" and ending == "expired"):
        kinds -= {error.BatchCancelledError}
        assert kinds == set()
    else:
        wanted = error.BatchExpiredError if ending == "expired" else error.BatchCancelledError
        assert kinds == {wanted}
    assert job.status in (ending, "ended")


@pytest.mark.parametrize("provider", DIALECTS)
async def test_cancelling(provider: str) -> None:
    """A batch is cancelled once, and says so; a job that is done is left alone."""
    async with ReplayServer(captures(provider)) as server:
        async with LLMClient.create(**settings(provider, server)) as client:
            job = await client.batch(["Hello"], max_tokens=64)
            await job.cancel()
            assert job.status in ("cancelled", "ended")
            count = len(server.requests)
            await job.cancel()
            assert len(server.requests) - count <= 2


@pytest.mark.parametrize("provider", [name for name in DIALECTS if name not in ("anthropic", "xai")])
async def test_a_batch_that_is_refused_as_a_whole(provider: str) -> None:
    """Its reason is an error, after the results of the others."""
    async with ReplayServer(captures(provider)) as server:
        server.batches.plan = BatchPlan(looks=0, status="failed", refusal="line 7 is too long")
        async with LLMClient.create(**settings(provider, server)) as client:
            job = await client.batch(["Hello"], max_tokens=64)
            assert await job.wait(poll=POLL) == "failed"
            with pytest.raises(error.BatchError, match="line 7 is too long"):
                _ = [one async for one in job.results()]


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini"])
async def test_answers_have_the_callers_type(provider: str) -> None:
    """With a schema results are values of the type, in another process too; what is not of it is a `ParsingError`."""
    dialect = DIALECTS[provider]
    text = '{"port": "Oban", "hours": [3, 15]}'
    kept = {"provider": provider, "streaming": False}
    made = [fake_body(dialect, name=name, text=words, **kept) for name, words in (("good", text), ("bad", "Soon."))]
    for one in made:
        one.model = one.name
    async with ReplayServer(made) as server:
        async with LLMClient.create(**settings(provider, server)) as client:
            asked = ["Hello", BatchRequest(messages="Hi", parameters={"model": "bad"})]
            job = await client.batch(asked if provider != "gemini" else asked[:1], schema=Tide, max_tokens=64)
            _ = await job.wait(poll=POLL)
            again = client.batch_job(job.id, schema=Tide)
            for one in (job, again):
                found = by_key([result async for result in one.results()])
                response = found["0"].response
                assert response is not None
                assert response.structured_output == Tide("Oban", [3, 15])
                if provider != "gemini":
                    assert isinstance(found["1"].error, error.ParsingError)


VECTOR = {"object": "list", "model": "good", "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}]}
VECTORS = {
    "openai": ("/v1/embeddings", {**VECTOR, "usage": {"prompt_tokens": 2, "total_tokens": 2}}),
    "mistral": ("/v1/embeddings", {**VECTOR, "usage": {"prompt_tokens": 2, "total_tokens": 2}}),
    "openrouter": ("/v1/embeddings", {**VECTOR, "usage": {"prompt_tokens": 2, "total_tokens": 2}}),
    "gemini": ("/v1beta/models/good:embedContent", {"embedding": {"values": [0.5, 0.25]}}),
}


@pytest.mark.parametrize("provider", VECTORS)
async def test_texts_are_embedded(provider: str) -> None:
    """Each text is a result with one vector, and the id says that it is of embeddings."""
    path, body = VECTORS[provider]
    capture = Capture(
        name="vector",
        provider=provider,
        dialect=DIALECTS[provider],
        model="",
        streaming=False,
        path=path,
        body=msgspec.json.encode(body),
    )
    async with ReplayServer([capture], match=("provider", "method", "path")) as server:
        async with LLMClient.create(**settings(provider, server)) as client:
            job = await client.batch_embed(["Tide", {"text": "Moon", "key": "m"}])
            assert job.id.startswith("embeddings:")
            again = client.batch_job(job.id)
            found = by_key([one async for one in again.results(poll=POLL)])
    assert set(found) == {"0", "m"}
    for one in found.values():
        assert one.embeddings is not None
        assert one.embeddings.vectors == [[0.5, 0.25]]
    if provider == "openai":
        assert found["m"].embeddings.usage.prompt_tokens == 2  # type: ignore[union-attr]


def small(provider: str, **limits: Any) -> Provider:
    """The provider with lower limits."""
    found = providers.get(provider)
    batch = msgspec.structs.replace(found.batch or found.dialect.batch, **limits)
    return msgspec.structs.replace(found, batch=batch)


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini", "openrouter"])
@pytest.mark.parametrize("limits", [{"max_requests": 3}, {"max_bytes": 700}])
async def test_requests_are_split(provider: str, limits: dict[str, int]) -> None:
    """More requests than a batch takes are several batches: one job, one id, every result once."""
    async with ReplayServer(captures(provider)) as server:
        given = {**settings(provider, server), "provider": small(provider, **limits)}
        async with LLMClient.create(**given) as client:
            job = await client.batch((f"Hello {number} {'x' * 40}" for number in range(10)), max_tokens=64)
            assert len(job.parts) > 1
            again = client.batch_job(job.id)
            assert list(again.parts) == list(job.parts)
            found = by_key([one async for one in again.results(poll=POLL)])
            assert again.counts == BatchCounts(10, 10, 0, None if provider in ("openai", "openrouter") else 0)
    assert set(found) == {str(number) for number in range(10)}
    lines = [len(job.lines) for job in server.batches.jobs.values()]
    assert sum(lines) == 10
    if "max_requests" in limits:
        assert lines == [3, 3, 3, 1]


async def test_one_model_a_batch_where_it_must_be() -> None:
    """OpenAI takes one model a batch, so two models are two batches; Anthropic takes them in one."""
    asked = [BatchRequest(messages="Hi", parameters={"model": model}) for model in ("good", "bad", "good")]
    for provider, count in (("openai", 2), ("anthropic", 1)):
        async with ReplayServer(captures(provider)) as server:
            async with LLMClient.create(**settings(provider, server)) as client:
                job = await client.batch(asked, max_tokens=9)
                assert len(job.parts) == count
                assert len([one async for one in job.results(poll=POLL)]) == 3


async def test_requests_are_pulled_from_an_async_source() -> None:
    """An async iterator is pulled as it goes."""

    async def source() -> AsyncIterator[str]:
        for number in range(3):
            yield f"Hello {number}"

    async with ReplayServer(captures("openai")) as server:
        async with LLMClient.create(**settings("openai", server)) as client:
            job = await client.batch(source())
            assert len([one async for one in job.results(poll=POLL)]) == 3


@pytest.mark.parametrize(
    ("asked", "shared", "words"),
    [
        ([], {}, "needs one or more"),
        ("Hello", {}, "a list or an iterator"),
        ([""], {"model": 3}, "request 0"),
        (["Hello", {"nothing": 1}], {}, "request 1"),
        (["Hello"], {"temprature": 1}, "temperature"),
        (["Hello"], {"extra_headers": {"a": "b"}}, "create()"),
        ([{"prompt": "a", "key": "k"}, {"prompt": "b", "key": "k"}], {}, "twice"),
        ([{"prompt": "a", "key": "ü" * 300}], {}, "keys"),
    ],
)
async def test_what_cannot_be_handed_in(asked: Any, shared: dict[str, Any], words: str) -> None:
    """It is refused before anything is sent, and the message says which request and why."""
    async with ReplayServer(captures("openai")) as server:
        async with LLMClient.create(**settings("openai", server)) as client:
            with pytest.raises(error.ConfigurationError) as caught:
                await client.batch(asked, **shared)
    assert words in str(caught.value)
    assert server.requests == []


@pytest.mark.parametrize("provider", ["cohere", "bedrock", "fireworks", "deepseek"])
async def test_providers_without_say_what_would_do(provider: str) -> None:
    """A provider without batches is a configuration error that says what to do."""
    async with LLMClient.create(provider, "m", api_key=KEY, base_url="http://127.0.0.1:9/v1") as client:
        with pytest.raises(error.ConfigurationError, match="Bulk"):
            await client.batch(["Hello"])
        with pytest.raises(error.ConfigurationError, match="Bulk"):
            client.batch_job("batch_1")


async def test_a_batch_is_never_made_twice() -> None:
    """If the request that makes a batch fails and may have been taken, it is not sent again; a 429 is."""
    for status, count in ((500, 1), (429, 2)):
        async with ReplayServer(captures("anthropic")) as server:
            server.fault = StatusFirst(status, 1, {"retry-after": "0"})
            async with LLMClient.create(**settings("anthropic", server)) as client:
                if status == 500:
                    with pytest.raises(error.ServiceUnavailableError):
                        await client.batch(["Hello"], max_tokens=9)
                else:
                    await client.batch(["Hello"], max_tokens=9)
            assert len([one for one in server.requests if one.method == "POST"]) == count


async def test_batches_made_before_an_error_are_named() -> None:
    """If a later batch fails, the error has the id of those that run already."""
    asked = ["Hello", "Hi", {"nothing": 1}]
    async with ReplayServer(captures("anthropic")) as server:
        given = {**settings("anthropic", server), "provider": small("anthropic", max_requests=1)}
        async with LLMClient.create(**given) as client:
            with pytest.raises(error.ConfigurationError, match="msgbatch_1") as caught:
                await client.batch(asked, max_tokens=9)
            job = client.batch_job(caught.value.__dict__["created"])
            assert len([one async for one in job.results(poll=POLL)]) == 1


async def test_waiting_has_a_limit() -> None:
    """`wait` gives up after `timeout` seconds, while the batch goes on."""
    async with ReplayServer(captures("openai")) as server:
        server.batches.plan = BatchPlan(looks=10**9)
        async with LLMClient.create(**settings("openai", server)) as client:
            job = await client.batch(["Hello"])
            with pytest.raises(error.TimeoutError):
                await job.wait(poll=POLL, timeout=0.02)
            assert job.status == "running"
            with pytest.raises(error.ConfigurationError):
                await job.wait(poll=0)
            assert [one async for one in job.results(wait=False)] == []


@pytest.mark.parametrize("ids", [["a"], ["a", "b"], ["batches/7"]])
@pytest.mark.parametrize("kind", ["chat", "embeddings"])
def test_ids_are_opened_as_they_were_stored(kind: str, ids: list[str]) -> None:
    """A stored id gives back the kind and the provider's ids."""
    assert opened(stored(kind, ids)) == (kind, ids)


@pytest.mark.parametrize("id_", ["", " ", "a b", "a?b=c", "a#b"])
def test_what_is_not_an_id(id_: str) -> None:
    """It is refused before it becomes a path."""
    with pytest.raises(error.ConfigurationError):
        opened(id_)
