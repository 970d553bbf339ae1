"""Event hooks: one event for each thing that happens, on both clients, and no call that a hook can break."""

from __future__ import annotations

import logging
from itertools import pairwise
from typing import Any

import anyio
import httpx
import pytest

from miiflow_llm import ClientPool, LLMClient, SyncLLMClient
from miiflow_llm.core.events import EVENTS, CallEvent
from miiflow_llm.core.exceptions import ConfigurationError, MiiflowLLMError
from miiflow_llm.replay.faults import StatusFirst
from miiflow_llm.replay.server import ReplayServer, serving

from ..captured import own

KEY = "sk-planted-key-0123456789"
CAPTURES = {capture.key: capture for capture in own()}
SERVED = [CAPTURES[name] for name in ("openai/text", "openai/whole_text", "openai/cut_short", "openai/error_before")]


class Seen(list[CallEvent]):
    """Keeps every event that it is told."""

    @property
    def names(self) -> list[str]:
        """The events' names in order."""
        return [event.event for event in self]

    def hooks(self) -> dict[str, list[Any]]:
        """A hook for every event."""
        return {name: [self.append] for name in EVENTS}


def arguments(server: ReplayServer, name: str) -> dict[str, Any]:
    """What `create` needs to be served one capture."""
    return {
        "provider": "openai",
        "model": CAPTURES[f"openai/{name}"].model,
        "api_key": KEY,
        "base_url": server.url_for("openai", name),
    }


@pytest.mark.anyio
async def test_a_stream_tells_each_event_once() -> None:
    """However many chunks come, a stream has one request, attempt, first output and end."""
    seen = Seen()
    async with ReplayServer(SERVED, cut="bytes") as server:
        async with LLMClient.create(**arguments(server, "text"), event_hooks=seen.hooks()) as client:
            async with client.stream_chat("Hello") as stream:
                chunks = [chunk async for chunk in stream]
    assert len(chunks) > 2
    assert seen.names == ["request", "attempt", "first_output", "finished"]
    assert [event.attempt for event in seen] == [0, 1, 1, 1]
    last = seen[-1]
    assert last.response == stream.response
    assert last.usage == stream.response.usage
    assert (last.operation, last.stream, last.provider) == ("chat", True, "openai")
    assert seen[0].request is not None
    assert seen[0].request.messages[0].text == "Hello"
    assert all(a.elapsed_ms <= b.elapsed_ms for a, b in pairwise(seen))


def test_the_synchronous_client_tells_the_same() -> None:
    """Both clients tell the same events of the same call."""
    seen = Seen()
    with serving(SERVED) as server:
        with SyncLLMClient.create(**arguments(server, "text"), event_hooks=seen.hooks()) as client:
            with client.stream_chat("Hello") as stream:
                assert list(stream)
        with SyncLLMClient.create(**arguments(server, "whole_text"), event_hooks=seen.hooks()) as client:
            client.chat("Hello")
    assert seen.names == ["request", "attempt", "first_output", "finished", "request", "attempt", "finished"]


@pytest.mark.anyio
async def test_a_retry_is_another_attempt_of_the_same_call() -> None:
    """A retried call has one request and one end; the failed attempt stands in the second attempt's event."""
    seen = Seen()
    async with ReplayServer(SERVED, fault=StatusFirst(503, times=1)) as server:
        async with LLMClient.create(**arguments(server, "whole_text"), event_hooks=seen.hooks()) as client:
            await client.chat("Hello")
    assert seen.names == ["request", "attempt", "attempt", "finished"]
    assert [attempt.reason for attempt in seen[2].attempts] == ["ServiceUnavailableError", None]
    assert len({id(event.extensions) for event in seen}) == 1


@pytest.mark.anyio
@pytest.mark.parametrize(("name", "last"), [("cut_short", "first_output"), ("error_before", "attempt")])
async def test_a_failure_is_told_with_its_error(name: str, last: str) -> None:
    """What the caller catches is what the hook was told."""
    seen = Seen()
    async with ReplayServer(SERVED) as server:
        async with LLMClient.create(**arguments(server, name), event_hooks=seen.hooks(), max_retries=0) as client:
            with pytest.raises(MiiflowLLMError) as raised:
                async with client.stream_chat("Hello") as stream:
                    async for _ in stream:
                        pass
    assert seen.names[-2:] == [last, "failed"]
    assert seen[-1].error is raised.value


@pytest.mark.anyio
async def test_leaving_early_is_told_as_abandoned() -> None:
    """A caller who leaves is neither a success nor a failure, for hooks too."""
    seen = Seen()
    async with ReplayServer(SERVED, cut="frames", pace=0.01) as server:
        async with LLMClient.create(**arguments(server, "text"), event_hooks=seen.hooks()) as client:
            async with client.stream_chat("Hello") as stream:
                async for _ in stream:
                    break
            with anyio.move_on_after(0.015):
                async with client.stream_chat("Hello") as stream:
                    async for _ in stream:
                        pass
    assert seen.names.count("abandoned") == 2
    assert seen.names.count("finished") == seen.names.count("failed") == 0


@pytest.mark.anyio
async def test_a_hook_that_raises_breaks_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """A hook's own fault is logged, the next hook is told, and the answer comes all the same."""
    seen = Seen()

    def broken(event: CallEvent) -> None:
        raise RuntimeError(event.event)

    hooks = {name: [broken, *functions] for name, functions in seen.hooks().items()}
    with caplog.at_level(logging.ERROR, "miiflow_llm"):
        async with ReplayServer(SERVED) as server:
            async with LLMClient.create(**arguments(server, "text"), event_hooks=hooks) as client:
                async with client.stream_chat("Hello") as stream:
                    assert [chunk async for chunk in stream]
    assert seen.names == ["request", "attempt", "first_output", "finished"]
    assert len(caplog.records) == 4
    assert KEY not in caplog.text


async def asynchronous(event: CallEvent) -> None:
    """No hook: it would have to be awaited."""


@pytest.mark.parametrize(
    ("hooks", "words"),
    [
        ({"finish": [print]}, "did you mean 'finished'"),
        ({"finished": print}, "a list of functions"),
        ({"finished": ["print"]}, "cannot be called"),
        ({"finished": [asynchronous]}, "plain functions"),
    ],
)
def test_wrong_hooks_are_refused_when_given(hooks: Any, words: str) -> None:
    """A hook that would never be told is an error at once, naming what is meant."""
    with pytest.raises(ConfigurationError, match=words):
        LLMClient.create("openai", "m", KEY, event_hooks=hooks)


@pytest.mark.anyio
async def test_an_async_hook_appended_later_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A coroutine that nobody awaits is closed and reported, not lost with a warning."""
    async with ReplayServer(SERVED) as server:
        async with LLMClient.create(**arguments(server, "whole_text")) as client:
            client.event_hooks["finished"].append(asynchronous)
            await client.chat("Hello")
    assert "was not run" in caplog.text


@pytest.mark.anyio
async def test_the_key_is_in_no_event() -> None:
    """An event can be printed whole: the plan has every header but the key's."""
    seen = Seen()
    async with ReplayServer(SERVED) as server:
        async with LLMClient.create(**arguments(server, "whole_text"), event_hooks=seen.hooks()) as client:
            await client.chat("Hello")
    assert seen
    assert KEY not in repr(list(seen))


@pytest.mark.anyio
async def test_a_pool_tells_of_all_its_clients() -> None:
    """The hooks of a pool hear every client that it hands out, those appended later too."""
    seen = Seen()
    async with ReplayServer(SERVED) as server:
        config = {"providers": {"openai": {"base_url": server.url_for("openai", "whole_text"), "api_key_env": "K"}}}
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("K", KEY)
            async with ClientPool(config, event_hooks={"request": [seen.append]}) as pool:
                client = pool.get("openai", CAPTURES["openai/whole_text"].model)
                pool.event_hooks["finished"].append(seen.append)
                await client.chat("Hello")
    assert seen.names == ["request", "finished"]


@pytest.mark.anyio
async def test_calls_beside_the_chat_are_told_too() -> None:
    """Embeddings have the same events, with their usage at the end."""
    seen = Seen()
    answer = {"data": [{"index": 0, "embedding": [0.5]}], "usage": {"prompt_tokens": 3, "total_tokens": 3}}
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json=answer))
    async with httpx.AsyncClient(transport=transport) as http:
        client = LLMClient.create("openai", "m", KEY, http_client=http, event_hooks=seen.hooks())
        await client.embed("text")
    assert seen.names == ["request", "attempt", "finished"]
    assert seen[-1].operation == "embeddings"
    assert seen[-1].usage is not None
    assert seen[-1].usage.prompt_tokens == 3
