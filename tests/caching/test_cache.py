"""A cache before real clients and a real socket: what is asked once, what is kept, and what never is."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest

from miiflow_llm import LLMClient, SyncLLMClient
from miiflow_llm.caching import Cache, SyncCache
from miiflow_llm.core.exceptions import ConfigurationError, MiiflowLLMError, ParsingError
from miiflow_llm.replay.capture import Capture
from miiflow_llm.replay.fake import FakeError, fake_pair
from miiflow_llm.replay.server import ReplayServer, serving

from ..captured import line
from .ours import until

DIALECTS = {"openai_chat": "openai", "anthropic_messages": "anthropic", "gemini_generate": "gemini",
            "openai_responses": "openai", "ollama_chat": "ollama", "cohere_v2": "cohere", "mistral_chat": "mistral",
            "bedrock_converse": "bedrock"}  # fmt: skip
SAID = {"text": "The sea is salty, as you know.", "reasoning": "Rivers bring salt."}
ANSWER = fake_pair("openai_chat", text=SAID["text"])
pytestmark = pytest.mark.anyio


def client(server: ReplayServer, dialect: str = "openai_chat", **said: Any) -> LLMClient:
    """A client of the server."""
    said.setdefault("api_key", "key-of-one-customer")
    return LLMClient.create(
        DIALECTS[dialect], "m", base_url=server.url_for(DIALECTS[dialect]), dialect=dialect, max_retries=0, **said
    )


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Each kind of store."""
    return "memory" if request.param == "memory" else str(tmp_path / "cache.db")


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_stream_is_asked_for_once(dialect: str) -> None:
    """The second stream is the first one again, chunk by chunk, without a request; the whole answer agrees with it."""
    async with (
        ReplayServer(fake_pair(dialect, **SAID)) as server,
        Cache(client(server, dialect), store="memory") as cache,
    ):
        streams = []
        for _ in range(2):
            async with cache.stream_chat("Why?") as stream:
                streams.append([line(chunk) async for chunk in stream])
                response = stream.response
        assert streams[0] == streams[1]
        assert len(server.requests) == 1
        whole = await cache.chat("Why?")
        assert len(server.requests) == 1
        assert (whole.content, whole.message.reasoning, whole.finish_reason) == (
            SAID["text"],
            SAID["reasoning"],
            "stop",
        )
        assert whole.message == response.message
        assert whole.usage == response.usage
        assert (response.cache, whole.cache, whole.attempts) == ("hit", "hit", [])
        assert whole.cost is not None
        assert whole.cost.amount == 0
        assert cache.get_metrics().total_requests == 1


async def test_whole_answers_are_kept(store: str) -> None:
    """A whole answer is given again, also as a stream with the laws of a live one, and after the store was closed."""
    async with ReplayServer(ANSWER) as server:
        async with Cache(client(server), store=store) as cache:
            first, again = await cache.chat("Why?"), await cache.chat("Why?")
            assert (first.cache, again.cache) == (None, "hit")
            assert first.message == again.message
            chunks = [chunk async for chunk in cache.stream_chat("Why?")]
            assert [chunk.finish_reason for chunk in chunks] == [*[None] * (len(chunks) - 1), "stop"]
            assert chunks[-1].usage == first.usage
            assert chunks[-1].content == SAID["text"]
            statistics = cache.get_metrics().cache
            assert (statistics.hits, statistics.misses, statistics.stored) == (2, 1, 1)
            assert statistics.saved_tokens == 2 * (first.usage.total_tokens or 0)
        assert len(server.requests) == 1
        async with Cache(client(server), store=store) as later:
            assert (await later.chat("Why?")).cache == ("hit" if store != "memory" else None)


async def test_without_entering_answers_are_kept_too() -> None:
    """A cache that is not entered owns no calls: it keeps and gives answers all the same."""
    async with ReplayServer(ANSWER) as server:
        cache = Cache(client(server))
        assert (await cache.chat("Why?")).cache is None
        assert [chunk.delta async for chunk in cache.stream_chat("Why?")]
        assert "".join([chunk.delta async for chunk in cache.stream_chat("What?")]) == SAID["text"]
        assert (await cache.chat("What?")).cache == "hit"
        assert len(server.requests) == 2
        await cache.aclose()


NEVER = {
    "length": fake_pair("openai_chat", text="The sea", finish_reason="length"),
    "content_filter": fake_pair("openai_chat", text="I", finish_reason="content_filter"),
    "calls": fake_pair("openai_chat", tool_calls=[("tide", {"at": "Oban"})]),
    "error": fake_pair("openai_chat", error=FakeError("full", status=429)),
    "midstream": fake_pair("openai_chat", text="The sea", error=FakeError("died", midstream=True)),
}


@pytest.mark.parametrize("kind", NEVER)
async def test_what_is_not_finished_is_not_kept(kind: str) -> None:
    """Cut, refused and failed answers, and those that ask for tools, are asked for again each time."""
    async with ReplayServer(NEVER[kind]) as server, Cache(client(server)) as cache:
        fails = pytest.raises(MiiflowLLMError) if kind in ("error", "midstream") else nullcontext()
        for _ in range(2):
            with fails:
                await cache.chat("Why?")
            with fails:
                [chunk async for chunk in cache.stream_chat("Why?")]
        assert len(server.requests) == 4
        assert cache.get_metrics().cache.stored == 0


async def test_calls_are_kept_if_that_is_said() -> None:
    """With `calls=True` an answer that asks for tools is one to give again, with its calls."""
    async with ReplayServer(NEVER["calls"]) as server, Cache(client(server), calls=True) as cache:
        first, again = await cache.chat("Why?"), await cache.chat("Why?")
        assert again.cache == "hit"
        assert again.tool_calls == first.tool_calls


@dataclass
class Sea:
    """A sea."""

    name: str
    salty: bool


async def test_types_are_each_callers_own() -> None:
    """An answer of a type is kept as its text: each caller reads it as its own type, in pieces and whole."""
    answers = fake_pair("openai_chat", text='{"name": "Baltic", "salty": false}')
    async with ReplayServer(answers) as server, Cache(client(server)) as cache:
        live = [chunk async for chunk in cache.stream_with_schema("Which?", Sea)]
        again = [chunk async for chunk in cache.stream_with_schema("Which?", Sea)]
        assert live[-1].structured_output == again[-1].structured_output == Sea("Baltic", False)
        assert again[-1].partial_parse == {"name": "Baltic", "salty": False}
        assert (await cache.chat("Which?", schema=Sea)).structured_output == Sea("Baltic", False)
        assert len(server.requests) == 1
        assert (await cache.chat("Which?")).cache is None


async def test_what_does_not_follow_its_type_is_not_kept() -> None:
    """An answer that is not of the type raises each time, and is asked for each time."""
    async with ReplayServer(fake_pair("openai_chat", text='{"name": 5}')) as server, Cache(client(server)) as cache:
        for _ in range(2):
            with pytest.raises(ParsingError):
                await cache.chat("Which?", schema=Sea)
            with pytest.raises(ParsingError):
                [chunk async for chunk in cache.stream_with_schema("Which?", Sea)]
        assert len(server.requests) == 4


async def test_owners_never_share() -> None:
    """Two keys, or two tenants, have answers of their own; one tenant's clients share, whatever their keys."""
    from miiflow_llm.caching import MemoryStore

    shared = MemoryStore()

    async def asked(key: str, **said: Any) -> str | None:
        async with client(server, api_key=key) as inner:
            return (await Cache(inner, store=shared, **said).chat("Why?")).cache

    async with ReplayServer(ANSWER) as server:
        assert await asked("key-of-one-customer") is None
        assert await asked("key-of-another-one") is None
        assert await asked("x" * 12, tenant="a") is None
        assert await asked("x" * 12, tenant="b") is None
        assert await asked("y" * 12, tenant="a") == "hit"
        assert len(server.requests) == 4


async def test_stale_answers() -> None:
    """Past its life an answer is given at once and renewed behind, or given if asking fails; after that it is gone."""
    async with ReplayServer(ANSWER) as server, Cache(client(server), ttl=10, stale=20, stale_if_error=100) as cache:
        now = 1000.0
        cache._caller.now = lambda: now
        cache._caller.draw = lambda: 0.5
        await cache.chat("Why?")
        now = 1015.0
        assert (await cache.chat("Why?")).cache == "stale"
        await until(lambda: len(server.requests) == 2 and not cache._caller.flights)
        assert cache.statistics.renewed == 1
        assert (await cache.chat("Why?")).cache == "hit"
        now = 1060.0
        server.index.__init__(fake_pair("openai_chat", error=FakeError("down", status=503)), repeat=True)  # type: ignore[misc]
        assert (await cache.chat("Why?")).cache == "stale"
        assert "".join([chunk.delta async for chunk in cache.stream_chat("Why?")]) == SAID["text"]
        now = 2000.0
        with pytest.raises(Exception, match="down"):
            await cache.chat("Why?")


async def test_errors_that_equal_calls_share_are_not_covered() -> None:
    """An answer that is too old does not stand in for a request that the provider refuses."""
    async with ReplayServer(ANSWER) as server, Cache(client(server), ttl=10, stale_if_error=100) as cache:
        now = 0.0
        cache._caller.now = lambda: now
        await cache.chat("Why?")
        now = 50.0
        server.index.__init__(
            fake_pair("openai_chat", error=FakeError("bad", status=400, code="invalid_request_error")), repeat=True
        )  # type: ignore[misc]
        with pytest.raises(Exception, match="bad"):
            await cache.chat("Why?")


async def test_samples_are_drawn() -> None:
    """With `samples=3` three answers are kept for a call, and the fourth call asks nobody."""
    async with ReplayServer(ANSWER) as server, Cache(client(server), samples=3) as cache:
        draws = iter([0.0, 0.4, 0.9, 0.1, 0.5, 0.99])
        asked = [cache._caller.asked("Why?", None, {})]
        cache._caller._sampled = lambda key: f"{key}.{int(next(draws) * 3)}"  # type: ignore[method-assign]
        assert [(await cache.chat("Why?")).cache for _ in range(6)] == [None, None, None, "hit", "hit", "hit"]
        await cache._caller.forget(asked[0])
        assert len(server.requests) == 3


async def test_invalidate_and_clear() -> None:
    """One call's answers, or all, are forgotten."""
    async with ReplayServer(ANSWER) as server, Cache(client(server)) as cache:
        await cache.chat("Why?")
        await cache.chat("What?")
        await cache.invalidate("Why?")
        assert [(await cache.chat(words)).cache for words in ("Why?", "What?")] == [None, "hit"]
        await cache.clear()
        assert (await cache.chat("What?")).cache is None


async def test_temperature_may_matter() -> None:
    """`temperature="skip"` keeps only what is asked for at temperature 0."""
    async with ReplayServer(ANSWER) as server, Cache(client(server), temperature="skip") as cache:
        assert cache.key("Why?") is None
        assert [(await cache.chat("Why?", temperature=at)).cache for at in (0.5, 0.5, 0, 0)] == [
            None,
            None,
            None,
            "hit",
        ]


async def test_embeddings_are_kept() -> None:
    """Vectors are asked for once for the same texts, model and dimensions."""
    body = b'{"object":"list","model":"e","data":[{"index":0,"embedding":[0.5,0.25]}],"usage":{"prompt_tokens":2}}'
    vectors = Capture(
        name="embed",
        provider="openai",
        dialect="embeddings",
        model="e",
        streaming=False,
        path="/v1/embeddings",
        body=body,
    )
    async with ReplayServer([vectors]) as server, Cache(client(server)) as cache:
        first, again = await cache.embed("Hi", model="e"), await cache.embed(["Hi"], model="e")
        assert first == again
        assert len(server.requests) == 1


async def test_what_the_client_has_is_there() -> None:
    """A cache has the whole face of its client: provider, model, hooks, plan, counts."""
    async with ReplayServer(ANSWER) as server, Cache(client(server)) as cache:
        assert (cache.provider, cache.model) == ("openai", "m")
        assert cache.plan("Why?").body == cache.client.plan("Why?").body
        assert "finished" in cache.event_hooks
        with pytest.raises(AttributeError):
            cache.nothing_of_the_kind  # noqa: B018  asking is the test


@pytest.mark.parametrize(
    "said",
    [{"ttl": 0}, {"ttl": -1}, {"stale": float("nan")}, {"samples": 0}, {"temperature": "never"}, {"tenant": ""},
     {"pace": "slow"}, {"pace": 0}, {"store": 5}, {"store": "no/such/folder/x.db"}, {"max_entry_bytes": 0}],
    ids=str,
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(said: dict[str, Any]) -> None:
    """A value that cannot be is an error when the cache is made."""
    with pytest.raises(ConfigurationError, match="cache"):
        Cache(object(), **said)


def test_nobody_owns_the_answers() -> None:
    """What has no credential needs a tenant: without one nothing is kept for anybody."""

    class Nameless:
        provider, model = "x", "m"

    with pytest.raises(ConfigurationError, match="tenant"):
        Cache(Nameless()).key("Why?")


def test_in_threads(tmp_path: Path) -> None:
    """The synchronous cache gives, keeps, streams and types answers as the asynchronous one does."""
    with serving(ANSWER) as server:
        inner = SyncLLMClient.create("openai", "m", "k" * 12, base_url=server.url_for("openai"), max_retries=0)
        with SyncCache(inner, store=str(tmp_path / "cache.db")) as cache:
            streams = []
            for _ in range(2):
                with cache.stream_chat("Why?") as stream:
                    streams.append([line(chunk) for chunk in stream])
            assert streams[0] == streams[1]
            whole = cache.chat("Why?")
            assert (whole.cache, whole.content) == ("hit", SAID["text"])
            assert len(server.requests) == 1


async def test_hooks_are_told_what_a_cache_did() -> None:
    """Stored, hit and joined are told once each, with the answer and its plan; the client's own hooks stay what they
    are.
    """
    told: list[Any] = []
    hooks = {name: [told.append] for name in ("cache_hit", "cache_joined", "cache_stored", "request", "finished")}
    async with ReplayServer(ANSWER) as server, Cache(client(server), event_hooks=hooks) as cache:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(cache.chat, "Why?")
            tasks.start_soon(cache.chat, "Why?")
        await cache.chat("Why?")
        async with cache.stream_chat("Why?") as stream:
            [chunk async for chunk in stream]
    names = [event.event for event in told]
    assert sorted(names) == ["cache_hit", "cache_hit", "cache_joined", "cache_stored", "finished", "request"]
    by_name = {event.event: event for event in told}
    assert by_name["cache_stored"].cached is None
    assert by_name["cache_joined"].cached == "joined"
    hit = by_name["cache_hit"]
    assert (hit.cached, hit.stream, hit.operation, hit.provider) == ("hit", True, "chat", "openai")
    assert hit.response.content == SAID["text"]
    assert hit.plan.body["messages"] == [{"role": "user", "content": "Why?"}]
    assert hit.key == by_name["cache_stored"].key
    assert "key-of-one-customer" not in repr(told)


def test_hooks_of_a_synchronous_cache_and_their_names() -> None:
    """The same in threads; vectors are told too; a name that is not an event is refused."""
    told: list[Any] = []
    with serving(ANSWER) as server:
        ours = SyncLLMClient.create("openai", "m", base_url=server.url_for("openai"), api_key="key-of-one-customer")
        with SyncCache(ours, event_hooks={"cache_hit": [told.append]}) as cache:
            cache.chat("Why?")
            cache.chat("Why?")
            assert [event.event for event in told] == ["cache_hit"]
            assert told[0].response.cache == "hit"
            assert set(cache.event_hooks) >= {"request", "cache_hit", "cache_joined", "cache_stored"}
        with pytest.raises(ConfigurationError, match="cache_hit"):
            SyncCache(ours, event_hooks={"cache_hits": [told.append]})


async def test_caches_in_caches_tell_the_same_hooks() -> None:
    """A cache before a cache has one set of hooks with it."""
    told: list[Any] = []
    async with ReplayServer(ANSWER) as server:
        outer = Cache(Cache(client(server)), tenant="t")
        outer.event_hooks["cache_stored"].append(told.append)
        async with outer:
            await outer.chat("Why?")
    assert [event.event for event in told] == ["cache_stored", "cache_stored"]
