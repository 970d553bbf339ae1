"""What moves a deadline and what does not, and what deadlines cost."""

from __future__ import annotations

import asyncio
import functools
import json
import threading
from typing import Any

import anyio
import httpx
import pytest

from miiflow_llm import LLMClient, SyncLLMClient
from miiflow_llm.core.exceptions import ConfigurationError, TimeoutError
from miiflow_llm.core.timeout import Timeout

from .helpers import client_at
from .server import HANG, LAST_CHUNK, Every, FaultServer, Wait, chunk, head
from .wires import OPENAI_CHAT


def _event(kind: str, **fields: Any) -> bytes:
    return chunk(f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode())


RESPONSES = head(200, "text/event-stream", "transfer-encoding: chunked")
SEARCHING = _event("response.web_search_call.searching", item_id="ws_1", output_index=0)
PING = _event("keepalive")
OVERLOADED = _event("error", code="server_error", message="overloaded")
DELTA = _event("response.output_text.delta", item_id="m1", output_index=1, content_index=0, delta="Hello")
COMPLETED = _event("response.completed", response={"id": "r1", "model": "m", "status": "completed", "output": []})


@pytest.mark.anyio
async def test_a_search_at_work_is_progress(transport: str) -> None:
    """A server tool at work keeps a stream alive, before the first output and after it."""
    work = [RESPONSES, Every(0.1, SEARCHING, 16), DELTA, Every(0.1, SEARCHING, 16), COMPLETED + LAST_CHUNK]
    with FaultServer([work]) as server:
        limits = Timeout(first_output=1.5, idle=1.5)
        async with client_at(server.url, transport, dialect="openai_responses", timeout=limits) as client:
            async with client.stream_chat("Hi") as stream:
                assert "".join([made.delta async for made in stream]) == "Hello"


@pytest.mark.anyio
async def test_a_search_that_stops_is_silence(transport: str) -> None:
    """After the last sign of work the provider has `idle` seconds; its pings add none."""
    work = [RESPONSES, Every(0.05, SEARCHING, 3), Every(0.05, PING)]
    with FaultServer([work]) as server:
        limits = Timeout(first_output=5, idle=0.3)
        async with client_at(server.url, transport, dialect="openai_responses", timeout=limits) as client:
            with pytest.raises(TimeoutError) as raised:
                async for _ in client.stream_chat("Hi"):
                    pass
            assert raised.value.phase == "idle"


@pytest.mark.anyio
async def test_each_attempt_has_its_own_first_output(transport: str) -> None:
    """After an attempt that showed work and failed, the next has `first_output` again, and not `idle`."""
    with FaultServer([[RESPONSES, SEARCHING + OVERLOADED, HANG], [RESPONSES, HANG]]) as server:
        limits = Timeout(first_output=0.5, idle=30)
        async with client_at(
            server.url, transport, dialect="openai_responses", timeout=limits, max_retries=1
        ) as client:
            with pytest.raises(TimeoutError) as raised, anyio.fail_after(30):
                await anext(client.stream_chat("Hi"))
            assert raised.value.phase == "first_output"
            assert len(server.requests) == 2


@pytest.mark.anyio
@pytest.mark.parametrize("traced", [False, True])
async def test_a_pause_has_its_own_limit(transport: str, traced: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each wait for more may last `idle` and no longer, whatever `first_output` is, and whoever traces httpx."""
    if traced:
        monkeypatch.setattr(httpx.AsyncClient, "send", functools.partialmethod(httpx.AsyncClient.send))
    with FaultServer([[RESPONSES, DELTA, Wait(0.8), DELTA, HANG]]) as server:
        limits = Timeout(first_output=0.6, idle=1.3)
        async with client_at(server.url, transport, dialect="openai_responses", timeout=limits) as client:
            stream, said = client.stream_chat("Hi"), list[str]()
            with pytest.raises(TimeoutError) as raised, anyio.fail_after(30):
                async for made in stream:
                    said.append(made.delta)
            assert (said, raised.value.phase) == (["Hello", "Hello"], "idle")


@pytest.mark.anyio
async def test_the_whole_calls_limit_holds_after_a_complete_answer(transport: str) -> None:
    """Silence then ends the answer as its last byte would, but not the silence beyond `total`."""
    with FaultServer([[*OPENAI_CHAT.begun(OPENAI_CHAT.text + OPENAI_CHAT.finish), HANG]]) as server:
        async with client_at(server.url, transport, timeout=Timeout(idle=0.1)) as client:
            assert "".join([made.delta async for made in client.stream_chat("Hi")]) == "Hello"
        async with client_at(server.url, transport, timeout=Timeout(idle=5, total=0.3)) as client:
            with pytest.raises(TimeoutError) as raised:
                async for _ in client.stream_chat("Hi"):
                    pass
            assert raised.value.phase == "total"


@pytest.mark.anyio
async def test_pings_that_are_handed_out_add_no_time(transport: str) -> None:
    """With `raw=True` too; what the consumer takes for itself is not the provider's silence."""
    work = [RESPONSES, PING, Wait(0.6), DELTA, Every(0.05, PING, 40)]
    with FaultServer([work]) as server:
        limits = Timeout(first_output=5, idle=0.3)
        async with client_at(server.url, transport, dialect="openai_responses", timeout=limits) as client:
            seen = 0
            with pytest.raises(TimeoutError) as raised:
                async for _ in client.stream_chat("Hi", raw=True):
                    seen += 1
                    await anyio.sleep(0.4 if seen == 3 else 0)
            assert raised.value.phase == "idle"
            assert 3 < seen < 22


@pytest.mark.parametrize("given", [0.2, 1])
def test_a_plain_number_limits_each_single_wait(given: float) -> None:
    """As in httpx: every phase but the whole."""
    limits = Timeout.of(given)
    assert {limits.connect, limits.pool, limits.write, limits.first_output, limits.idle} == {given}
    assert limits.total is None


def test_no_limit_at_all_can_be_had() -> None:
    """`None` is no limit, in each phase."""
    assert Timeout.of(None) == Timeout(connect=None, pool=None, write=None, first_output=None, idle=None, total=None)


def test_the_defaults_suit_models_that_think_first() -> None:
    """The first output may take minutes, a pause between two less, a connection seconds; long streams have no end."""
    limits = Timeout()
    assert limits.connect is not None
    assert limits.idle is not None
    assert limits.first_output is not None
    assert limits.connect <= 10 < 60 <= limits.idle < 300 <= limits.first_output
    assert limits.total is None


@pytest.mark.parametrize("wrong", [0, -1, float("nan"), "5", True])
def test_a_limit_that_cannot_be_one_is_refused(wrong: Any) -> None:
    """Zero, negative numbers, NaN, words and truth values are a ConfigurationError, wherever they are given."""
    client = LLMClient.create("openai", "m", "k")
    for given in (
        lambda: Timeout(idle=wrong),
        lambda: LLMClient.create("openai", "m", "k", timeout=wrong),
        lambda: SyncLLMClient.create("openai", "m", "k", timeout=wrong),
        lambda: client.stream_chat("x", timeout=wrong),
        lambda: client.plan("x", timeout=wrong),
    ):
        with pytest.raises(ConfigurationError, match="seconds above 0, or None for no limit"):
            given()


@pytest.mark.anyio
async def test_a_plain_number_of_a_call_overrides_the_clients(transport: str) -> None:
    """`timeout=` of one call limits its waits, its pauses too."""
    with FaultServer([[*OPENAI_CHAT.begun(OPENAI_CHAT.text), HANG]]) as server:
        async with client_at(server.url, transport) as client:
            with pytest.raises(TimeoutError) as raised:
                async for _ in client.stream_chat("Hi", timeout=0.6):
                    pass
            assert raised.value.phase == "idle"
            assert raised.value.seconds == 0.6


def test_no_timer_is_armed_for_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    """200 chunks that come one by one arm a handful of timers, not 200."""
    armed = 0

    async def run(url: str) -> int:
        nonlocal armed
        loop = asyncio.get_running_loop()
        original = loop.call_at

        def counted(*arguments: Any, **options: Any) -> Any:
            nonlocal armed
            armed += threading.get_ident() == home
            return original(*arguments, **options)

        monkeypatch.setattr(loop, "call_at", counted)
        async with client_at(url, "lean") as client, client.stream_chat("Hi") as stream:
            return len([made async for made in stream])

    home = threading.get_ident()
    one_by_one = Every(0.001, chunk(OPENAI_CHAT.hel), 200)
    steps = [OPENAI_CHAT.head(), one_by_one, Wait(0.01), chunk(OPENAI_CHAT.finish + OPENAI_CHAT.end) + LAST_CHUNK]
    with FaultServer([steps]) as server:
        assert asyncio.run(run(server.url)) > 200
    assert 0 < armed < 20
