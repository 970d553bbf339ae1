"""The router's face, over real sockets: whole answers, streams, tools, types, hooks, counts; tiers, tags, models."""

from __future__ import annotations

from typing import Any

import anyio
import msgspec
import pytest

from miiflow_llm import LLMClient, Router, Target
from miiflow_llm.client.chat import Chat
from miiflow_llm.core import Message
from miiflow_llm.core.events import RouteEvent
from miiflow_llm.core.exceptions import (
    AuthenticationError,
    ConfigurationError,
    InvalidRequestError,
    MiiflowLLMError,
    ParsingError,
    RateLimitError,
    ServiceUnavailableError,
    TimeoutError,
    UnsupportedParameterError,
)
from miiflow_llm.core.timeout import Timeout
from miiflow_llm.routing import Settings

from .wall import ANSWER, Seen, Step, error, event, finish, head, healthy, once, token, tokens, wall

pytestmark = pytest.mark.anyio
DOWN = error(503, "overloaded")


def says(text: str, reason: str = "stop") -> Any:
    """A model that says this."""
    return lambda seen: [head(), token(seen.model, text), finish(seen.model, reason)]


async def test_it_has_the_face_of_a_client() -> None:
    """A router can stand wherever something to chat with is asked for."""
    async with wall() as seen, seen.client("a") as client:
        router: Chat = Router([client], name="main")
        assert (router.provider, router.model) == ("main", None)
        assert (await router.chat("Hello")).content == ANSWER
        assert router.plan("Hello").body["model"] == "a"
        assert [one.id for one in await router.models()] == ["openai/a"]
        assert router.get_metrics().finished == 1
        await router.aclose()
        assert (await client.chat("Hello")).content == ANSWER


async def test_a_stream_passes_through() -> None:
    """The chunks are the target's own, the last with finish reason and usage; the response is what `chat` gives."""
    async with wall() as seen, seen.client("a") as client:
        router = Router([client])
        async with client.stream_chat("Hello") as own, router.stream_chat("Hello") as routed:
            theirs = [
                msgspec.to_builtins(chunk, enc_hook=lambda _: None)["delta"] async for chunk in own if chunk.delta
            ]
            chunks = [chunk async for chunk in routed]
        assert [chunk.delta for chunk in chunks if chunk.delta] == theirs
        assert (chunks[-1].finish_reason, chunks[-1].usage) == ("stop", routed.response.usage)
        assert chunks[-1].content == ANSWER
        assert not any(chunk.restarted for chunk in chunks)
        whole = await router.chat("Hello")
        assert (whole.message, whole.usage, whole.served_by) == (
            routed.response.message,
            routed.response.usage,
            routed.response.served_by,
        )


async def test_times_are_of_the_whole_call() -> None:
    """Latency and time to first output begin with the call, whichever attempt served; each attempt has its own."""
    async with wall({"a": once(error(429, retry_after="2"))}) as seen, seen.client("a") as client:
        response = await Router([client]).chat("Hello")
    first, second = response.attempts
    assert response.time_to_first_token_ms is not None
    assert response.latency_ms is not None
    assert 2000 <= response.time_to_first_token_ms <= response.latency_ms < 5000
    assert (first.status, first.waited_ms, second.status) == (429, 0.0, 200)
    assert second.waited_ms == pytest.approx(2000, abs=100)
    assert second.first_output_ms is not None
    assert second.first_output_ms < 1500


async def test_targets_are_written_in_many_ways() -> None:
    """As text, as clients, as `Target`s with labels and defaults of their own; two of one name are told apart."""
    async with wall() as seen:
        settings = {"base_url": f"http://127.0.0.1:{seen.port}/v1", "like": "openai", "api_key_env": "WALL_KEY"}
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("WALL_KEY", "key")
            config = {"providers": {"wall": settings}}
            async with seen.client("b") as client:
                target = Target(client, label="cool", defaults={"temperature": 0.5})
                router = Router(["wall:a:latest", client, client, target], config=config)
                async with router:
                    assert [one.id for one in await router.models()] == [
                        "wall/a:latest",
                        "openai/b",
                        "openai/b #2",
                        "cool",
                    ]
                    assert (await router.chat("Hello")).served_by == "wall/a:latest"
                    await router.chat("Hello", model="cool")
                    await router.chat("Hello", model="cool", temperature=0.9)
        assert [one.body.get("temperature") for one in seen.seen] == [None, 0.5, 0.9]


@pytest.mark.parametrize(
    ("targets", "words"),
    [
        ([], "one target at least"),
        ("openai:gpt-5", "takes a list"),
        ([3], "is not a target"),
        ([":x"], "provider:model"),
        (["openai:"], "provider:model"),
        (["nobody:x"], "nobody"),
    ],
)
async def test_what_is_no_target(targets: Any, words: str) -> None:
    """What is no target is refused when the router is made, with what would be one."""
    with pytest.raises(ConfigurationError, match=words):
        Router(targets)


@pytest.mark.parametrize(
    "rows",
    [{"weight": 0}, {"cut": 0}, {"limit": 0}, {"defaults": {"temprature": 1}}],
    ids=lambda rows: next(iter(rows)),
)
async def test_what_a_target_cannot_be(rows: dict[str, Any]) -> None:
    """A target's own settings are checked when it is made."""
    with pytest.raises(ConfigurationError):
        Target("ollama:m", **rows)


async def test_settings_are_checked() -> None:
    """A policy or a word that is not known is refused with those that are."""
    with pytest.raises(ConfigurationError, match="fastest"):
        Router(["ollama:m"], policy="quickest")  # type: ignore[arg-type]  # what the test is about
    with pytest.raises(ConfigurationError, match="restart"):
        Router(["ollama:m"], after_output="retry")  # type: ignore[arg-type]  # what the test is about
    with pytest.raises(ConfigurationError, match="label"):
        Router([Target("ollama:m", label="x"), Target("ollama:n", label="x")])
    with pytest.raises(ConfigurationError, match="target_opened"):
        Router(["ollama:m"], event_hooks={"target_openend": []})


async def test_tiers_come_first() -> None:
    """A list within the list comes before all that follows, whatever the policy says of those."""
    async with wall({"a": DOWN, "b": DOWN}) as seen:
        async with seen.client("a") as a, seen.client("b") as b, seen.client("c") as c:
            router = Router([[a, b], c], policy="fastest")
            response = await router.chat("Hello")
            assert response.served_by == "openai/c"
            assert {one.model for one in seen.seen[:2]} == {"a", "b"}
            assert len(seen.seen) == 3


async def test_a_call_may_want_some_of_the_targets() -> None:
    """By tags, by label or by model; the others are told as skipped; a wish that no target has is refused."""
    async with wall({"b": DOWN}) as seen, seen.client("a") as a, seen.client("b") as b, seen.client("c") as c:
        router = Router([Target(a, tags={"us"}), Target(b, tags={"eu", "fast"}), Target(c, tags={"eu"})])
        response = await router.chat("Hello", tags={"eu"})
        assert response.served_by == "openai/c"
        assert response.skipped == {"openai/a": "it is not tagged eu"}
        assert (await router.chat("Hello", model="a")).served_by == "openai/a"
        assert (await router.chat("Hello", model="openai:c")).served_by == "openai/c"
        assert (await router.chat("Hello", model=router.provider)).served_by == "openai/a"
        with pytest.raises(ConfigurationError, match=r"moon.*openai/a"):
            await router.chat("Hello", tags=["moon"])
        with pytest.raises(ConfigurationError, match=r"gpt-9"):
            router.stream_chat("Hello", model="gpt-9")


async def test_what_cannot_be_said_is_not_sent() -> None:
    """A target that does not take a parameter is passed over before anything is sent; if none does, that is the
    error."""
    async with wall() as seen, seen.client("b") as able:
        unable = LLMClient.create("anthropic", "claude-haiku-4-5", "key", base_url=f"http://127.0.0.1:{seen.port}")
        async with unable:
            response = await Router([unable, able]).chat("Hello", seed=7)
            assert response.served_by == "openai/b"
            assert "seed" in response.skipped["anthropic/claude-haiku-4-5"]
            assert len(response.attempts) == 1
            assert Router([unable, able]).plan("Hello", seed=7).body["seed"] == 7
            with pytest.raises(UnsupportedParameterError, match="seed"):
                await Router([unable]).chat("Hello", seed=7)
            with pytest.raises(UnsupportedParameterError, match="seed"):
                Router([unable]).plan("Hello", seed=7)


@pytest.mark.parametrize("parameters", [{"temprature": 1}, {"tool_choice": "f"}, {"max_tokens": "many"}])
async def test_what_is_wrong_everywhere_is_raised(parameters: dict[str, Any]) -> None:
    """What no target can be asked is the caller's mistake: nothing is sent, nobody is blamed."""
    async with wall() as seen, seen.client("a") as a, seen.client("b") as b:
        router = Router([a, b])
        with pytest.raises(ConfigurationError):
            await router.chat("Hello", **parameters)
        assert seen.seen == []
        assert [health.in_flight for health in router.shared.table.health] == [0, 0]


async def test_the_first_error_is_raised() -> None:
    """If all fail: the first target's error, its type and words, every attempt, and what the others said as notes."""
    async with wall({"a": error(429, "slow down", retry_after="9"), "b": error(401), "c": DOWN}) as seen:
        async with seen.client("a") as a, seen.client("b") as b, seen.client("c") as c:
            with pytest.raises(RateLimitError, match="slow down") as caught:
                await Router([a, b, c], timeout=Timeout(total=8)).chat("Hello")
    assert caught.value.retry_after == 9
    assert [(one.target, one.why, one.outcome, one.reason) for one in caught.value.attempts] == [
        ("openai/a", "first", "failed", "RateLimitError"),
        ("openai/b", "failover", "failed", "AuthenticationError"),
        ("openai/c", "failover", "failed", "ServiceUnavailableError"),
        ("openai/c", "retry", "failed", "ServiceUnavailableError"),
    ]
    assert [note.split(" (")[0] for note in caught.value.__notes__] == [
        "then openai/b",
        "then openai/c",
        "then openai/c",
    ]


async def test_an_hour_is_not_waited_for() -> None:
    """`Retry-After: 3600` at the only target: its error at once; the next call is refused unsent, and says when."""
    async with wall({"a": error(429, retry_after="3600")}) as seen, seen.client("a") as client:
        router = Router([client], timeout=Timeout(total=5))
        with pytest.raises(RateLimitError) as caught:
            await router.chat("Hello")
        assert caught.value.retry_after == 3600
        with pytest.raises(RateLimitError, match="nothing was sent") as caught:
            await router.chat("Hello")
        assert caught.value.retry_after == pytest.approx(3600, abs=2)
        assert caught.value.attempts == []
        assert len(seen.seen) == 1


async def test_total_is_over_all_attempts() -> None:
    """The limit of the call holds over every attempt and pause, for whole answers and for the consumer's own time."""
    slow = [2.0]
    async with wall({"a": lambda seen: slow, "b": lambda seen: [20.0]}) as seen:
        async with seen.client("a") as a, seen.client("b") as b:
            with pytest.raises(MiiflowLLMError) as caught:
                await Router([a, b], hedge=False).chat("Hello", timeout=Timeout(total=5))
            assert len(caught.value.attempts) >= 2
            assert max(seen.times("b")) < 5
        async with seen.client("c") as c:
            with pytest.raises(TimeoutError) as late:
                async with Router([c]).stream_chat("Hello", timeout=Timeout(total=3)) as stream:
                    async for _ in stream:
                        await anyio.sleep(0.2)
            assert (late.value.phase, late.value.seconds) == ("total", 3)
            assert late.value.partial is not None


async def test_an_answer_that_is_not_taken() -> None:
    """`accept=` looks at the whole answer: one that is not taken is another target's to give; if none is, the first."""
    async with wall({"a": says("no"), "b": says("yes")}) as seen, seen.client("a") as a, seen.client("b") as b:
        router = Router(
            [a, b], accept=lambda response: response.content == "yes", settings=Settings(on_mismatch="move")
        )
        response = await router.chat("Hello")
        assert (response.content, [one.outcome for one in response.attempts]) == ("yes", ["failed", "served"])
        with pytest.raises(ParsingError, match="accept") as caught:
            await Router([a, a], accept=lambda _: False, settings=Settings(on_mismatch="move")).chat("Hello")
        assert caught.value.partial is not None
        assert caught.value.partial.content == "no"


async def test_a_refused_answer() -> None:
    """A refusal is an answer; only a caller who says so gets another target's, and the first refusal if all refuse."""
    async with wall({"a": says("", "content_filter"), "b": says("fine")}) as seen:
        async with seen.client("a") as a, seen.client("b") as b:
            assert (await Router([a, b]).chat("Hello")).finish_reason == "content_filter"
            moving = Settings(on_refusal="move")
            assert (await Router([a, b], settings=moving).chat("Hello")).content == "fine"
            refused = await Router([a, a], settings=moving).chat("Hello")
            assert (refused.finish_reason, len(refused.attempts)) == ("content_filter", 2)


async def test_a_type_that_is_not_followed() -> None:
    """An answer that is not of the type asked for raises, or moves on if the caller says so."""

    class Point(msgspec.Struct):
        x: int

    async with wall({"a": says("nothing"), "b": says('{"x": 3}')}) as seen:
        async with seen.client("a") as a, seen.client("b") as b:
            with pytest.raises(ParsingError):
                await Router([a, b]).chat("Hello", schema=Point)
            router = Router([a, b], settings=Settings(on_mismatch="move"))
            assert (await router.chat("Hello", schema=Point)).structured_output == Point(3)
            async with router.stream_with_schema("Hello", Point, model="b") as stream:
                chunks = [chunk async for chunk in stream]
            assert chunks[-1].structured_output == Point(3)
            assert chunks[0].partial_parse == {"x": 3}


async def test_tools_are_run_in_one_conversation() -> None:
    """A run of tools moves to another target in its middle, and its conversation goes with it."""

    def add(a: int, b: int) -> int:
        """The sum."""
        return a + b

    def model(seen: Seen) -> list[Step]:
        if seen.messages[-1]["role"] == "tool":
            return says(f"it is {seen.messages[-1]['content']}")(seen)
        call = {"index": 0, "id": "c1", "function": {"name": "add", "arguments": '{"a": 1, "b": 2}'}}
        choice = {"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": "tool_calls"}
        return [head(), event({"id": "c", "model": seen.model, "choices": [choice]})]

    def first(seen: Seen) -> list[Step]:
        return model(seen) if seen.number == 1 else DOWN(seen)

    async with wall({"a": first, "b": model}) as seen, seen.client("a") as a, seen.client("b") as b:
        run = await Router([a, b]).run_tools("1 + 2?", [add])
        assert (run.response.content, run.rounds) == ("it is 3", 2)
        assert run.response.served_by == "openai/b"
        assert [message.role for message in run.messages] == ["user", "assistant", "tool", "assistant"]


async def test_a_conversation_stays_where_it_is() -> None:
    """Turns of one conversation go to one target, told by their beginning or by the caller's key; others elsewhere."""
    async with wall() as seen, seen.client("a") as a, seen.client("b") as b, seen.client("c") as c:
        router = Router([a, b, c], policy="fastest", hedge=False)
        served: dict[str, set[str | None]] = {}
        for turn in range(4):
            for name in "pqrstuvw":
                messages = [Message.user(f"I am {name}"), Message.assistant("Hi"), Message.user(f"turn {turn}")]
                served.setdefault(name, set()).add((await router.chat(messages)).served_by)
        assert all(len(targets) == 1 for targets in served.values())
        assert len(set.union(*served.values())) > 1
        keyed = {(await router.chat(f"turn {turn}", affinity="a conversation")).served_by for turn in range(4)}
        assert len(keyed) == 1


async def test_hooks_tell_the_course_of_a_call() -> None:
    """The events of the call as a whole, those of its attempts, and why it moved; with the route's name on all."""
    told: list[RouteEvent] = []
    async with wall({"a": DOWN}) as seen, seen.client("a") as a, seen.client("b") as b:
        router = Router([a, b], name="main")
        for listening in router.event_hooks.values():
            listening.append(told.append)
        await router.chat("Hello")
    assert [(one.event, one.target, one.why) for one in told] == [
        ("request", None, None),
        ("routed", "openai/a", "first"),
        ("attempt", "openai/a", "first"),
        ("attempt_ended", "openai/a", "first"),
        ("moved", "openai/a", "retry"),
        ("attempt", "openai/a", "retry"),
        ("attempt_ended", "openai/a", "retry"),
        ("moved", "openai/b", "failover"),
        ("attempt", "openai/b", "failover"),
        ("first_output", "openai/b", "failover"),
        ("attempt_ended", "openai/b", "failover"),
        ("finished", "openai/b", "failover"),
    ]
    assert {one.route for one in told} == {"main"}
    assert told[1].ranked == ("openai/a", "openai/b")
    assert told[0].plan.body is not None
    assert told[0].request is not None
    assert told[0].request.messages == [Message.user("Hello")]
    assert [one.ended.outcome for one in told if one.ended] == ["failed", "failed", "served"]
    assert told[-1].response is not None
    assert [one.attempt for one in told if one.event == "attempt"] == [1, 2, 3]


async def test_a_target_that_cannot_be_used_is_told_loudly(caplog: pytest.LogCaptureFixture) -> None:
    """A wrong key takes a target out: a hook and one line in the log, with its name and the reason; then it is left."""
    told: list[str | None] = []
    async with wall({"a": error(401, "no such key")}) as seen, seen.client("a") as a, seen.client("b") as b:
        router = Router([a, b], event_hooks={"target_out": [lambda event: told.append(event.target)]})
        for _ in range(3):
            assert (await router.chat("Hello")).served_by == "openai/b"
        assert len(seen.of("a")) == 1
    assert told == ["openai/a"]
    assert [record.message for record in caplog.records if "out" in record.message] == [
        "router: openai/a is out for now: openai/a: no such key (HTTP 401, error)"
    ]


async def test_outages_are_told() -> None:
    """A target that fails too often is told as opened, once, and as closed when it is back."""
    told: list[tuple[str, str | None]] = []
    hooks = {
        name: [lambda event: told.append((event.event, event.target))] for name in ("target_opened", "target_closed")
    }
    async with wall({"a": DOWN}) as seen, seen.client("a") as a, seen.client("b") as b:
        router = Router([a, b], event_hooks=hooks)
        for _ in range(6):
            await router.chat("Hello")
        assert told == [("target_opened", "openai/a")]
        assert len(seen.of("a")) <= 6
        seen.faults["a"] = healthy
        await anyio.sleep(40)
        response = await router.chat("Hello")
        assert (response.served_by, response.attempts[0].why) == ("openai/a", "probe")
    assert told == [("target_opened", "openai/a"), ("target_closed", "openai/a")]


async def test_what_is_counted() -> None:
    """A call is counted once, under the target that served it, or that it went to first."""
    async with wall({"a": DOWN, "bad": error(400)}) as seen, seen.client("a") as a, seen.client("b") as b:
        router = Router([a, b])
        await router.chat("Hello")
        async with router.stream_chat("Hello") as stream:
            await anext(stream)
        async with seen.client("bad") as bad:
            with pytest.raises(InvalidRequestError):
                await Router([bad]).chat("Hello")
        metrics = router.get_metrics()
        assert (metrics.finished, metrics.abandoned, metrics.failed) == (1, 1, 0)
        assert metrics.targets["openai/b"].retries == 2
        assert metrics.total_tokens == 80


async def test_embeddings_of_one_model() -> None:
    """Vectors come from the first target that can; after a failure from another of the same model, never another's."""

    def vectors(seen: Seen) -> list[Step]:
        body = {"data": [{"index": 0, "embedding": [0.5]}], "model": seen.model, "usage": {"prompt_tokens": 1}}
        return [head(kind="application/json"), msgspec.json.encode(body)]

    async with wall({"v": vectors}) as seen, wall({"v": DOWN, "w": vectors}) as other:
        async with other.client("v") as bad, other.client("w") as different, seen.client("v") as good:
            found = await Router([bad, different, good]).embed("text")
            assert (found.vectors, found.model) == ([[0.5]], "v")
            assert [one.model for one in other.seen] == ["v", "v"]
            with pytest.raises(ServiceUnavailableError) as caught:
                await Router([bad, different]).embed("text")
            assert len(caught.value.attempts) == 2
            unable = LLMClient.create("anthropic", "claude-haiku-4-5", "key", base_url=f"http://127.0.0.1:{seen.port}")
            async with unable:
                with pytest.raises(ConfigurationError):
                    await Router([unable]).embed("text")
                assert (await Router([unable, good]).embed("text", model="v")).model == "v"


async def test_counting_tokens() -> None:
    """The first target that can count counts."""

    def counted(seen: Seen) -> list[Step]:
        return [head(kind="application/json"), b'{"input_tokens": 12}']

    async with wall({"claude-haiku-4-5": counted}) as seen, seen.client("b") as unable:
        able = LLMClient.create("anthropic", "claude-haiku-4-5", "key", base_url=f"http://127.0.0.1:{seen.port}")
        async with able:
            assert await Router([unable, able]).count_tokens("Hello") == 12
            with pytest.raises(ConfigurationError):
                await Router([unable]).count_tokens("Hello")


async def test_a_router_of_routers() -> None:
    """A router's target may be a router, which makes its own attempts: all are told, and requests never multiply."""
    async with wall(dict.fromkeys("abcdef", DOWN)) as seen:
        clients = [seen.client(name) for name in "abcdef"]
        inner = [Router(clients[place : place + 2], name=f"inner {place}") for place in (0, 2, 4)]
        with pytest.raises(ServiceUnavailableError) as caught:
            await Router(inner).chat("Hello")
        counts = {name: len(seen.of(name)) for name in "abcdef"}
        assert all(1 <= number <= 2 for number in counts.values())
        assert len(caught.value.attempts) == len(seen.seen) == sum(counts.values())
        seen.faults["d"] = healthy
        response = await Router([Router(clients[:2]), Router(clients[2:4])]).chat("Hello")
        assert response.content == ANSWER
        assert response.served_by == "openai/d"
        for client in clients:
            await client.aclose()


async def test_a_nested_stream_that_was_shown_is_not_begun_anew_unseen() -> None:
    """What an outer router has handed out of an inner one's answer is not replaced behind its back."""

    def cut(seen: Seen) -> list[Step]:
        return [head(), *tokens(seen, 3), 1.0]

    async with wall({"a": cut}) as seen, seen.client("a") as a, seen.client("b") as b:
        outer = Router([Router([a, b])])
        with pytest.raises(MiiflowLLMError) as caught:
            async with outer.stream_chat("Hello") as stream:
                async for _ in stream:
                    pass
        assert caught.value.partial is not None
        assert caught.value.partial.content == "word0 word1 word2 "
        assert (await outer.chat("Hello")).content == ANSWER


async def test_a_key_error_is_not_hidden_by_silence() -> None:
    """A single target's error is its own, without notes of others."""
    async with wall({"a": error(401)}) as seen, seen.client("a") as client:
        with pytest.raises(AuthenticationError) as caught:
            await Router([client]).chat("Hello")
        assert not hasattr(caught.value, "__notes__")
        assert len(caught.value.attempts) == 1
