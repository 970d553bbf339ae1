"""Trials before real clients and a real socket: sticky arms, told once, counted by arm, with the face of a client."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import anyio
import pytest

from miiflow_llm import LLMClient, SyncLLMClient
from miiflow_llm.caching import Cache
from miiflow_llm.core.exceptions import ConfigurationError, MiiflowLLMError, RateLimitError
from miiflow_llm.replay.fake import FakeError, fake_pair
from miiflow_llm.replay.server import ReplayServer, serving
from miiflow_llm.trials import Compared, Exposure, Shadow, SyncTrial, Trial, as_unit, open_log, report_of

from ..caching.ours import TEXT, Upstream

pytestmark = pytest.mark.anyio


def arm(text: str, **said: Any) -> ReplayServer:
    """A server that always gives the same answer."""
    return ReplayServer(fake_pair("openai_chat", text=text, **said))


def client(server: ReplayServer, **said: Any) -> LLMClient:
    """A client of the server."""
    return LLMClient.create("openai", "m", "k" * 12, base_url=server.url_for("openai"), max_retries=0, **said)


async def test_a_unit_keeps_its_arm(tmp_path: Path) -> None:
    """The same unit has the same arm, streamed and whole, named in each way; its exposure is told once."""
    told = list[Exposure]()
    async with AsyncExitStack() as stack:
        a, b = [await stack.enter_async_context(arm(text)) for text in ("from a", "from b")]
        path = tmp_path / "log.jsonl"
        trial = Trial("t", {"a": client(a), "b": client(b)}, {"a": 1, "b": 1}, log=path, on_exposure=told.append)
        await stack.enter_async_context(trial)
        for number in range(12):
            unit = f"user-{number}"
            said = {(await trial.chat("Hi", unit=unit)).content, (await trial.chat("Hi", user=unit)).content}
            with as_unit(unit):
                said.add("".join([chunk.delta async for chunk in trial.stream_chat("Hi")]))
            async with trial.stream_chat("Hi", unit=unit) as stream:
                said.add("".join([chunk.delta async for chunk in stream]))
                assert stream.response.call_id
            assert said == {f"from {trial.arm_of(unit)}"}
        assert Counter(exposure.arm for exposure in told) == Counter(
            trial.arm_of(f"user-{number}") for number in range(12)
        )
        report = trial.report()
        assert {one.arm: one.requests for one in report.arms} == {"a": len(a.requests), "b": len(b.requests)}
        assert sum(one.units for one in report.arms) == 12
        assert trial.get_metrics().total_requests == 48
    assert report_of("t", open_log(path).read("t")) == report
    assert "user-" not in path.read_text()


async def test_failures_are_the_arms_own() -> None:
    """An arm that fails is counted so; a request that was never sent, and a call that is left, are nobody's."""
    async with AsyncExitStack() as stack:
        good = await stack.enter_async_context(arm("fine"))
        bad = await stack.enter_async_context(arm("", error=FakeError("full", status=429, code="rate_limit_exceeded")))
        trial = await stack.enter_async_context(
            Trial("t", {"good": client(good), "bad": client(bad)}, {"good": 0, "bad": 1})
        )
        for _ in range(3):
            with pytest.raises(RateLimitError):
                await trial.chat("Hi")
            with pytest.raises(RateLimitError):
                [chunk async for chunk in trial.stream_chat("Hi")]
        with pytest.raises(ConfigurationError):
            await trial.chat("Hi", nonsense=1)
        other = Trial("u", {"good": client(good), "bad": client(bad)}, {"good": 1, "bad": 0})
        await stack.enter_async_context(other)
        async with other.stream_chat("Hi") as stream:
            await stream.__anext__()
    failed = next(one for one in trial.report().arms if one.arm == "bad")
    assert (failed.requests, failed.metrics["success"].value, failed.errors) == (6, 0.0, {"RateLimitError": 6})
    assert trial.get_metrics().failed == 6
    assert other.get_metrics().abandoned == 1
    assert sum(one.requests for one in other.report().arms) == 0


async def test_scores_find_their_arm() -> None:
    """A score given by the answer or its id counts for the arm that answered; what is not of a trial is refused."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(arm("fine"))
        trial = await stack.enter_async_context(Trial("t", {"a": client(server), "b": client(server)}, goal="score"))
        for number in range(40):
            response = await trial.chat("Hi", unit=str(number))
            value = 1.0 if trial.arm_of(str(number)) == "a" else 0.0
            trial.score(response if number % 2 else response.call_id or "", value)
        report = trial.report()
        assert {one.arm: one.metrics["score"].value for one in report.arms} == {"a": 1.0, "b": 0.0}
        plain = await trial.arms["a"].chat("Hi")
        for call, value in ((plain, 1.0), ("", 1.0), (response, float("nan")), (response, True)):
            with pytest.raises(ConfigurationError, match="trial 't'"):
                trial.score(call, value)


async def test_in_caches_and_caches_in_it() -> None:
    """Behind a cache each arm's answers are kept apart, and a cache can be an arm."""
    async with AsyncExitStack() as stack:
        a, b = [await stack.enter_async_context(arm(text)) for text in ("from a", "from b")]
        trial = Trial("t", {"a": client(a), "b": Cache(client(b))})
        cache = await stack.enter_async_context(Cache(trial))
        for number in range(10):
            said = {(await cache.chat("Hi", unit=str(number))).content for _ in range(2)}
            assert said == {f"from {trial.arm_of(str(number))}"}
        assert (len(a.requests), len(b.requests)) == (1, 1)
        with pytest.raises(ConfigurationError, match="name the unit"):
            await cache.chat("Hi")


async def test_hooks_hear_every_arm() -> None:
    """Hooks of a trial are told of the calls of all its arms."""
    async with AsyncExitStack() as stack:
        a, b = [await stack.enter_async_context(arm(text)) for text in ("from a", "from b")]
        trial = await stack.enter_async_context(Trial("t", {"a": client(a), "b": client(b)}))
        heard = list[str]()
        trial.event_hooks["finished"].append(lambda event: heard.append(event.response.content))
        for number in range(10):
            await trial.chat("Hi", unit=str(number))
        assert set(heard) == {"from a", "from b"}
        assert len(heard) == 10


def test_in_threads() -> None:
    """The synchronous trial assigns, streams and counts as the asynchronous one does."""
    with serving(fake_pair("openai_chat", text="fine")) as server:
        made = [SyncLLMClient.create("openai", "m", "k" * 12, base_url=server.url_for("openai")) for _ in "ab"]
        with SyncTrial("t", dict(zip("ab", made, strict=True))) as trial:
            for number in range(10):
                response = trial.chat("Hi", unit=str(number))
                with trial.stream_chat("Hi", unit=str(number)) as stream:
                    assert "".join(chunk.delta for chunk in stream) == "fine"
                trial.score(response, 1)
            report = trial.report()
        assert sum(one.requests for one in report.arms) == 20
        assert sum(one.units for one in report.arms) == 10


async def test_thompson_follows_what_succeeds_and_keeps_its_floor() -> None:
    """The better arm gets most calls, the other keeps its five percent, and the report names no winner."""
    up, down = Upstream(never_waits, lambda place: None), Upstream(never_waits, lambda place: RateLimitError("full"))
    trial = Trial("t", {"up": hooked(up), "down": hooked(down)}, policy="thompson")
    trial._chance = random.Random(3)
    for _ in range(600):
        try:
            await trial.chat("Hi")
        except MiiflowLLMError:
            continue
    assert 15 <= down.calls <= 90
    assert trial.report().winner is None
    assert trial.report().adaptive


async def test_a_broken_trial_stops() -> None:
    """An arm that loses its units before they are counted stops the trial: everybody goes to the first arm."""

    class Lossy(Upstream):
        async def chat(self, messages: Any, **parameters: Any) -> Any:
            raise KeyboardInterrupt

    trial = Trial(
        "t",
        {"a": hooked(Upstream(never_waits, lambda place: None)), "b": hooked(Lossy(never_waits, lambda place: None))},
    )
    for number in range(2000):
        try:
            await trial.chat("Hi", unit=str(number))
        except KeyboardInterrupt:
            continue
    assert trial.stopped
    assert {trial.arm_of(str(number)) for number in range(50)} == {"a"}
    assert trial.report().broken


@pytest.mark.parametrize(
    "said",
    [{"arms": {"a": "openai:gpt-5"}}, {"arms": {"a": 5, "b": 6}}, {"arms": {"a": "gpt-5", "b": "gpt-6"}},
     {"weights": {"a": 1}}, {"goal": "beauty"}, {"policy": "greedy"}, {"policy": "thompson", "goal": "cost"},
     {"log": "log.txt"}],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_is_refused(said: dict[str, Any]) -> None:
    """Arms, weights, goals, policies and logs that cannot be are an error when the trial is made."""
    arms = {name: hooked(Upstream(never_waits, lambda place: None)) for name in "ab"}
    with pytest.raises(ConfigurationError):
        Trial("t", **{"arms": arms, **said})


async def never_waits() -> None:
    """No wait at all."""


def hooked(upstream: Upstream) -> Any:
    """The client without a network, with hooks."""
    from miiflow_llm.calls.hooks import as_hooks

    upstream.event_hooks = as_hooks()  # type: ignore[attr-defined]
    return upstream


@pytest.mark.parametrize("how", ["answers", "fails", "raises", "hangs"])
async def test_a_shadow_changes_nothing(how: str) -> None:
    """Whatever the candidate does, the primary's answers are the same, and nothing of it reaches the caller."""

    class Odd(Upstream):
        async def chat(self, messages: Any, **parameters: Any) -> Any:
            if how == "hangs":
                await anyio.sleep_forever()
            if how == "raises":
                raise ZeroDivisionError
            if how == "fails":
                raise RateLimitError("full")
            return await super().chat(messages)

    primary, candidate, pairs = (
        Upstream(never_waits, lambda place: None),
        Odd(never_waits, lambda place: None),
        list[Compared](),
    )
    async with Shadow(primary, candidate, share=1.0, on_pair=pairs.append, max_concurrency=3) as shadow:
        for _ in range(20):
            assert (await shadow.chat("Hi")).content == TEXT
            assert "".join([chunk.delta async for chunk in shadow.stream_chat("Hi")]) == TEXT
            assert (await shadow.chat("Hi", tools=["acts"])).content == TEXT
        if how != "hangs":
            await shadow.settle()
        statistics = shadow.statistics
    assert statistics.skipped == 20
    assert statistics.copied + statistics.dropped == (40 if how != "hangs" else statistics.dropped)
    assert statistics.dropped > 0
    assert len(pairs) == statistics.copied
    if how in ("fails", "raises"):
        assert statistics.failed == statistics.copied
        assert all(isinstance(pair.candidate, MiiflowLLMError) for pair in pairs)


async def test_a_shadow_has_its_share_and_its_budget(tmp_path: Path) -> None:
    """A share of the calls is copied, at most as many as the budget has; pairs stand in the log in brief."""
    primary, candidate = Upstream(never_waits, lambda place: None), Upstream(never_waits, lambda place: None)
    path = tmp_path / "pairs.jsonl"
    async with Shadow(primary, candidate, share=0.25, max_copies=30, log=path) as shadow:
        for number in range(200):
            with as_unit(str(number)):
                await shadow.chat("Hi")
            await shadow.settle()
    assert candidate.calls == 30
    assert shadow.statistics.dropped > 0
    assert len(path.read_text().splitlines()) == 30
