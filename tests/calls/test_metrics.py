"""What a client counts, on the numbers: finished, failed, retried, abandoned and cancelled calls, tokens, latencies."""

from __future__ import annotations

import gc
import random
import threading
import tracemalloc
from typing import Any

import anyio
import pytest

from miiflow_llm import LLMClient, calls
from miiflow_llm.calls.metrics import MAX_TARGETS, Metrics, MetricsRecorder
from miiflow_llm.core import exceptions as error
from miiflow_llm.core.usage import TokenCount
from miiflow_llm.replay.faults import CutAt, StatusFirst
from miiflow_llm.replay.server import ReplayServer

from ..captured import own

CAPTURES = {capture.key: capture for capture in own()}


def client(server: ReplayServer, key: str, **options: Any) -> LLMClient:
    """A client that is served one capture."""
    provider, _, name = key.partition("/")
    url = server.url_for(provider, name)
    return LLMClient.create(provider, CAPTURES[key].model, "k", base_url=url, **options)


async def read(one: LLMClient) -> None:
    """Stream one answer to its end."""
    async with one.stream_chat("x") as stream:
        async for _ in stream:
            pass


def counts(metrics: Metrics) -> tuple[int, int, int, int, int]:
    """Requests, finished, failed, abandoned, retries."""
    return metrics.total_requests, metrics.finished, metrics.failed, metrics.abandoned, metrics.retries


def test_nothing_yet() -> None:
    """Before any call all is zero, and nothing has failed."""
    metrics = LLMClient.create("ollama", "m").get_metrics()
    assert (metrics.total_tokens, metrics.avg_latency_ms, metrics.success_rate) == (0, 0.0, 100.0)
    assert (counts(metrics), metrics.targets) == ((0, 0, 0, 0, 0), {})


@pytest.mark.anyio
async def test_finished() -> None:
    """Finished calls count their tokens by kind, and their latencies; streamed ones the time to the first token too."""
    async with ReplayServer([CAPTURES["anthropic/usage_cached"], CAPTURES["anthropic/whole_text"]]) as server:
        async with client(server, "anthropic/usage_cached") as one:
            await read(one)
            await read(one)
            first = one.get_metrics()
        async with client(server, "anthropic/whole_text") as one:
            await one.chat("x")
            whole = one.get_metrics()
    assert counts(first) == (2, 2, 0, 0, 0)
    usage = (CAPTURES["anthropic/usage_cached"].expected or {})["usage"]
    (target,) = first.targets.values()
    assert list(first.targets) == [f"anthropic/{CAPTURES['anthropic/usage_cached'].model}"]
    assert usage["cache_read_tokens"]
    assert target.tokens == TokenCount(**{name: 2 * number for name, number in usage.items()}, cache_write_1h_tokens=0)
    assert (target.cost, target.unpriced) == ({}, 2)
    assert first.total_tokens == 2 * usage["total_tokens"]
    assert target.first_token_ms.p50 is not None
    assert target.latency_ms.p50 is not None
    assert target.first_token_ms.p50 <= target.latency_ms.p50 * 1.06
    assert whole.targets.popitem()[1].first_token_ms.p50 is None


@pytest.mark.anyio
@pytest.mark.parametrize("streaming", [True, False])
async def test_failed_and_retried(streaming: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that fails for good is one failure, whatever attempts it took; its further attempts are retries."""
    monkeypatch.setattr("backoff.full_jitter", lambda value: 0.0)
    async with ReplayServer([CAPTURES["groq/text"], CAPTURES["groq/whole_text"]]) as server:
        async with client(server, "groq/text" if streaming else "groq/whole_text", max_retries=2) as one:
            for times in (9, 1, 0):
                server.fault = StatusFirst(503, times=times)
                try:
                    await (read(one) if streaming else one.chat("x"))
                except error.ServiceUnavailableError:
                    assert times == 9
            metrics = one.get_metrics()
        assert len(server.requests) == 3 + 2 + 1
    assert counts(metrics) == (3, 2, 1, 0, 3)
    assert metrics.success_rate == pytest.approx(66.67)
    (target,) = metrics.targets.values()
    assert (target.requests, target.retries) == (3, 3)


@pytest.mark.anyio
async def test_failed_in_the_middle() -> None:
    """A stream that breaks off is one failure, with the tokens that had been reported."""
    capture = CAPTURES["anthropic/text"]
    async with ReplayServer([capture], fault=CutAt(len(capture.body) - 200)) as server:
        async with client(server, "anthropic/text") as one:
            with pytest.raises(error.StreamInterruptedError):
                await read(one)
            metrics = one.get_metrics()
    assert counts(metrics) == (1, 0, 1, 0, 0)
    assert metrics.success_rate == 0.0
    assert metrics.avg_latency_ms == 0.0
    (target,) = metrics.targets.values()
    assert target.tokens.prompt_tokens == (capture.expected or {})["usage"]["prompt_tokens"]


@pytest.mark.anyio
@pytest.mark.parametrize("way", ["break", "error", "cancelled", "never read", "chat cancelled"])
async def test_abandoned(way: str) -> None:
    """A call that the caller leaves or cancels is counted apart: neither a success nor a failure."""
    async with ReplayServer([CAPTURES["groq/text"], CAPTURES["groq/whole_text"]], pace=0.02) as server:
        async with client(server, "groq/whole_text" if way == "chat cancelled" else "groq/text") as one:
            if way == "chat cancelled":
                server.pace = 60
                with anyio.move_on_after(0.1):
                    await one.chat("x")
            elif way == "cancelled":
                with anyio.move_on_after(0.1):
                    await read(one)
            elif way == "never read":
                async with one.stream_chat("x"):
                    pass
            else:
                with pytest.raises(KeyError):
                    async with one.stream_chat("x") as stream:
                        async for _ in stream:
                            if way == "break":
                                break
                            raise KeyError
                    raise KeyError
            metrics = one.get_metrics()
    assert counts(metrics) == (1, 0, 0, 1, 0)
    assert metrics.success_rate == 100.0


@pytest.mark.anyio
async def test_side_by_side() -> None:
    """Calls of many tasks add up."""
    async with ReplayServer([CAPTURES["ollama/text"]]) as server, client(server, "ollama/text") as one:
        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(read, one)
        metrics = one.get_metrics()
    usage = (CAPTURES["ollama/text"].expected or {})["usage"]
    assert counts(metrics) == (20, 20, 0, 0, 0)
    assert metrics.total_tokens == 20 * (usage["prompt_tokens"] + usage["completion_tokens"])


@pytest.mark.parametrize("seed", range(5))
def test_percentiles(seed: int) -> None:
    """Percentiles are right to within five percent, from a tenth of a millisecond to hours; the average is exact."""
    dice, recorder = random.Random(seed), MetricsRecorder()
    values = [10 ** dice.uniform(-0.5, 6) for _ in range(1000)]
    for value in values:
        recorder.finished("p/m", TokenCount(), value, value / 2, 0)
    values.sort()
    metrics = recorder.summary()
    target = metrics.targets["p/m"]
    for share, found, first in zip(
        (0.5, 0.9, 0.99),
        (target.latency_ms.p50, target.latency_ms.p90, target.latency_ms.p99),
        (target.first_token_ms.p50, target.first_token_ms.p90, target.first_token_ms.p99),
        strict=True,
    ):
        exact = values[round(share * 1000) - 1]
        assert found == pytest.approx(exact, rel=0.05)
        assert first == pytest.approx(exact / 2, rel=0.05)
    assert metrics.avg_latency_ms == pytest.approx(sum(values) / 1000, abs=0.001)


def test_memory_is_bounded() -> None:
    """Neither calls nor model names that never end fill the memory: names beyond the limit are counted together."""
    recorder = MetricsRecorder()
    for number in range(MAX_TARGETS + 50):
        recorder.failed(f"p/m{number}", 1)
    tracemalloc.start()
    for number in range(20_000):
        recorder.finished(f"p/more{number}", TokenCount(1, 1, 2), number, None, 0)
    gc.collect()
    ours = tracemalloc.Filter(True, calls.metrics.__file__)  # what other threads of the tests do is not counted
    grown = sum(trace.size for trace in tracemalloc.take_snapshot().filter_traces([ours]).traces)
    tracemalloc.stop()
    metrics = recorder.summary()
    assert len(metrics.targets) == MAX_TARGETS + 1
    assert metrics.targets["other"].requests == 20_050
    assert (metrics.failed, metrics.finished, metrics.total_tokens) == (MAX_TARGETS + 50, 20_000, 40_000)
    assert grown < 100_000


def test_threads() -> None:
    """Notes from several threads are none lost."""
    recorder = MetricsRecorder()

    def note() -> None:
        for _ in range(2000):
            recorder.finished("p/m", TokenCount(1, 1, 2), 1.0, 1.0, 1)
            recorder.abandoned("p/m", 0)

    threads = [threading.Thread(target=note) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    metrics = recorder.summary()
    assert counts(metrics) == (16_000, 8000, 0, 8000, 8000)
    assert metrics.total_tokens == 16_000


def test_a_note_waits_for_no_lock() -> None:
    """A stream that is dropped is counted by the collector, which may run while the same thread has the lock."""
    recorder = MetricsRecorder()

    def collected() -> None:
        with recorder._lock:
            recorder.abandoned("p/m", 1, TokenCount(total_tokens=3))

    thread = threading.Thread(target=collected, daemon=True)
    thread.start()
    thread.join(5)
    assert not thread.is_alive()
    summary = recorder.summary()
    assert (summary.abandoned, summary.retries, summary.total_tokens) == (1, 1, 3)
