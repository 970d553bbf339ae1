"""Budgets: what is reserved, settled and refused; exact under concurrency, across processes, and with a lost server."""

from __future__ import annotations

import gc
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from miiflow_llm import LLMClient
from miiflow_llm.core.exceptions import BudgetExceededError, ConfigurationError
from miiflow_llm.prices import Budget
from miiflow_llm.prices.windows import window

from ..redis.running import Running
from .test_calls import OWN, answer, client

ROOT = Path(__file__).parents[2]
PATIENT = 30.0

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore:Unclosed <MemoryObject:ResourceWarning")]
"""coredis leaves streams open when it cannot connect."""


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """What coredis leaves open is collected in the test that it belongs to."""
    yield
    gc.collect()


def test_reserve_and_settle() -> None:
    """An estimate is held, then replaced by what the call cost, once; what does not fit is refused."""
    budget = Budget(1.0, per="total")
    first = budget.reserve_sync(0.6)
    with pytest.raises(BudgetExceededError) as raised:
        budget.reserve_sync(0.5)
    error = raised.value
    assert (error.limit, error.spent, error.reserved, error.needed, error.retry_after) == (1.0, 0.0, 0.6, 0.5, None)
    assert "'default'" in error.message
    assert "not sent" in error.message
    first.settle(0.2)
    first.settle(0.9)
    second = budget.reserve_sync(0.8)
    second.settle(None)
    assert (budget.state.spent, budget.state.reserved, budget.state.left) == (1.0, 0.0, 0.0)
    with pytest.raises(BudgetExceededError):
        budget.reserve_sync(0.0)


@pytest.mark.parametrize(
    ("per", "at", "name", "left"),
    [
        ("minute", (2026, 12, 31, 23, 59, 30), "2026-12-31T23:59", 30),
        ("hour", (2026, 12, 31, 23, 59, 30), "2026-12-31T23:00", 30),
        ("day", (2026, 12, 31, 23, 59, 30), "2026-12-31T00:00", 30),
        ("week", (2026, 12, 6, 23, 0, 0), "2026-11-30T00:00", 3600),
        ("month", (2028, 2, 29, 23, 0, 0), "2028-02-01T00:00", 3600),
        ("total", (2028, 2, 29, 23, 0, 0), "total", None),
    ],
)
def test_windows(per: Any, at: tuple[int, ...], name: str, left: float | None) -> None:
    """Windows are calendar ones, in UTC."""
    found = window(per, datetime(*at, tzinfo=UTC))  # type: ignore[arg-type]
    assert (found.name, found.left) == (name, left)


def test_a_new_window_begins_anew() -> None:
    """What was spent yesterday is forgotten, and a call that ends today does not count for it."""
    budget, today = Budget(1.0, per="day"), datetime(2026, 12, 1, 23, 59, tzinfo=UTC)
    budget.now = lambda: today
    late = budget.reserve_sync(0.9)
    with pytest.raises(BudgetExceededError) as raised:
        budget.reserve_sync(0.2)
    assert raised.value.retry_after == 60
    today = datetime(2026, 12, 2, tzinfo=UTC)
    budget.reserve_sync(1.0).settle(0.25)
    late.settle(0.9)
    assert budget.state.spent == 0.25


@given(st.lists(st.tuples(st.integers(0, 50), st.one_of(st.none(), st.integers(0, 50)), st.booleans()), max_size=40))
def test_laws(calls: list[tuple[int, int | None, bool]]) -> None:
    """What is held is never negative; a reservation is refused exactly if it does not fit; sums are exact."""
    budget, spent, held = Budget(1.0, per="total"), 0, []
    for cents, cost, at_once in calls:
        room = 100 - spent - sum(amount for amount, _, _ in held)
        try:
            reserved = budget.reserve_sync(cents / 100)
        except BudgetExceededError:
            assert cents > room or spent >= 100
        else:
            assert cents <= room
            held.append((cents, cost, reserved))
        if at_once and held:
            amount, real, reservation = held.pop()
            reservation.settle(None if real is None else real / 100)
            spent += amount if real is None else real
        assert budget.state.spent == pytest.approx(spent / 100, abs=1e-9)
        assert budget.state.reserved >= 0


@pytest.mark.parametrize(
    "given",
    [{"limit": -1}, {"limit": float("nan")}, {"limit": "5"}, {"limit": True}, {"limit": 1, "per": "year"},
     {"limit": 1, "on_exceeded": "stop"}, {"limit": 1, "unpriced": "?"}, {"per": "day"}, {"limit": 1, "pre": "day"},
     {"limit": 1, "server": "http://x"}],
)  # fmt: skip
def test_what_cannot_be(given: dict[str, Any]) -> None:
    """A budget that cannot be is refused when it is made."""
    with pytest.raises(ConfigurationError):
        Budget.of(given)


async def test_a_client_keeps_it() -> None:
    """A call that does not fit is refused before anything is sent, told to the hooks, and counted as failed."""
    told: list[str] = []
    hooks = {name: [lambda event: told.append(event.event)] for name in ("request", "attempt", "over_budget", "failed")}
    one = client(answer(False), prices=OWN, budget=0.003, event_hooks=hooks)
    assert (await one.chat("Why?", max_tokens=100)).cost is not None
    with pytest.raises(BudgetExceededError) as raised:
        await one.chat("Why?", max_tokens=200)
    assert (raised.value.provider, raised.value.model, raised.value.attempts) == ("openai", "gpt-x", [])
    assert raised.value.retry_after is not None
    assert raised.value.spent == pytest.approx(0.002)
    assert told == ["request", "attempt", "request", "over_budget", "failed"]
    assert one.get_metrics().failed == 1


async def test_unknown_costs() -> None:
    """A model without a price is let through, or refused if that was said; what it turns out to cost counts."""
    budget = Budget(1.0)
    said = answer(False).replace(b'"prompt_tokens"', b'"cost":0.6,"prompt_tokens"')
    one = client(said, name="openrouter", budget=budget)
    await one.chat("Why?")
    assert budget.state.spent == pytest.approx(0.6)
    with pytest.raises(BudgetExceededError):  # a call costs 0.6, as the last did
        await one.chat("Why?")
    with pytest.raises(BudgetExceededError, match="no price"):
        await client(answer(False), budget={"limit": 1.0, "unpriced": "refuse"}).chat("Why?")


async def test_failures_are_free_and_retries_are_reserved_anew() -> None:
    """An attempt that the provider refused costs nothing, and its reservation is given back."""
    budget = Budget(0.01)
    one = client((500, b"{}"), (500, b"{}"), answer(False), prices=OWN, budget=budget, max_retries=2)
    await one.chat("Why?")
    assert budget.state.spent == pytest.approx(0.002)
    assert budget.state.reserved == 0


class Stalling(httpx.AsyncByteStream):
    """The beginning of an answer, and then nothing."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        whole = answer()
        yield whole[: len(whole) // 2]
        await anyio.sleep(PATIENT)


@pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")  # httpx's, of a body that is left on trio
async def test_streams_that_are_left_are_estimated() -> None:
    """A stream that the caller leaves costs about its prompt and what came of it, and no more is held for it."""
    head = {"content-type": "text/event-stream"}
    provider = httpx.MockTransport(lambda _: httpx.Response(200, headers=head, stream=Stalling()))
    budget, http = Budget(0.01), httpx.AsyncClient(transport=provider)
    one = LLMClient.create(
        "openai", "gpt-x", "k" * 12, http_client=http, dialect="openai_chat", prices=OWN, budget=budget
    )
    async with one.stream_chat("Why?") as stream:
        await anext(stream)
        assert budget.state.reserved > 0
    (attempt,) = stream.call.attempts
    assert attempt.cost is not None
    assert attempt.cost.estimated
    assert (budget.state.reserved, budget.state.spent) == (0, pytest.approx(attempt.cost.amount))
    assert 0 < attempt.cost.amount < 0.001
    assert one.get_metrics().cost["USD"] == pytest.approx(budget.state.spent)


async def test_a_thousand_at_once() -> None:
    """A thousand concurrent calls spend the limit and not a call more."""
    budget = Budget(0.2)  # a hundred calls
    one = client(answer(False), prices={"gpt-x": {"input": 1.0, "output": 10.0}}, budget=budget)
    await one.chat("Why?", max_tokens=100)  # from here on the estimate is right
    served, refused = 0, 0

    async def ask() -> None:
        nonlocal served, refused
        try:
            await one.chat("Why?", max_tokens=100)
        except BudgetExceededError:
            refused += 1
        else:
            served += 1

    async with anyio.create_task_group() as group:
        for _ in range(1000):
            group.start_soon(ask)
    assert served + refused == 1000
    assert budget.state.spent <= 0.2 + 1e-9
    assert served >= 95


def test_threads() -> None:
    """From threads too."""
    budget, made = Budget(50, per="total"), []

    def spend() -> None:
        for _ in range(25):
            try:
                reserved = budget.reserve_sync(1.0)
            except BudgetExceededError:
                continue
            made.append(reserved)
            reserved.settle(1.0)

    threads = [threading.Thread(target=spend) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(made), budget.state.spent, budget.state.reserved) == (50, 50.0, 0.0)


def shared(url: str, limit: float = 1.0, **more: Any) -> Budget:
    """A budget of its own key at the server, patient with a busy machine."""
    from miiflow_llm.redis import RedisServer

    return Budget(limit, key=secrets.token_hex(8), server=RedisServer(url, seconds=PATIENT), per="total", **more)


async def settled(budget: Budget, spent: float) -> None:
    """Wait until the server knows what was spent: settling waits for nobody."""
    with anyio.fail_after(PATIENT):
        while True:
            reservation = await budget.reserve(0.0)
            reservation.settle(0.0)
            if budget.state.spent == pytest.approx(spent):
                return
            await anyio.sleep(0.01)


async def test_shared_by_two(redis: str) -> None:
    """Two budgets of one key and server are one."""
    first = shared(redis)
    second = Budget(1.0, key=first.key, server=first._shared.server, per="total")
    assert await first.connect(PATIENT)
    held = await first.reserve(0.7)
    with pytest.raises(BudgetExceededError) as raised:
        await second.reserve(0.7)
    assert raised.value.reserved == pytest.approx(0.7)
    held.settle(0.2)
    await settled(second, 0.2)
    (await second.reserve(0.7)).settle(0.7)
    await settled(first, 0.9)
    assert first.state.shared
    assert first.state.by_itself == 0
    await first._shared.server.aclose()


async def test_what_is_never_settled(redis: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reservation of a process that is gone counts as spent after its time, and is set right if it comes back."""
    from miiflow_llm.prices import shared_budget

    monkeypatch.setattr(shared_budget, "HOLD_SECONDS", 0)
    budget = shared(redis)
    assert await budget.connect(PATIENT)
    lost = await budget.reserve(0.6)
    await settled(budget, 0.6)
    lost.settle(0.1)
    await settled(budget, 0.1)
    await budget._shared.server.aclose()


@pytest.mark.slow
def test_four_processes(redis: str) -> None:
    """Four processes of 250 calls each, ten at a time, spend the limit and not more than one estimate beyond."""
    key = secrets.token_hex(8)
    code = f"from tests.prices.spender import main; main({redis!r}, {key!r})"
    started = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(4)
    ]
    served = [int(process.communicate(timeout=300)[0].split()[-1]) for process in started]
    assert sum(served) <= 400  # of one cent each, of a limit of four
    assert sum(served) >= 395
    budget = Budget(4.0, key=key, server=redis, per="total")
    assert budget.connect_sync(PATIENT)
    budget._shared.server.seconds = PATIENT
    with pytest.raises(BudgetExceededError) as raised:
        budget.reserve_sync(0.05)
    assert raised.value.spent + raised.value.reserved <= 4.0 + 0.01
    budget.close()


async def test_a_server_that_is_lost(request: pytest.FixtureRequest) -> None:
    """A silent or lost server never raises: this process counts alone on top of what it knew, and tells it later."""
    running = Running()
    request.addfinalizer(running.stop)
    budget = Budget(1.0, server=running.url, per="total")
    server = budget._shared.server
    assert await budget.connect(PATIENT)
    server.seconds = PATIENT
    (await budget.reserve(0.3)).settle(0.3)
    await settled(budget, 0.3)
    running.signal(signal.SIGSTOP)
    server.seconds = 0.05
    (await budget.reserve(0.5)).settle(0.4)
    with pytest.raises(BudgetExceededError) as raised:
        await budget.reserve(0.5)
    assert raised.value.spent >= 0.3
    assert budget.state.by_itself >= 1
    running.signal(signal.SIGCONT)
    server.seconds, server._rests_until = PATIENT, 0.0
    with anyio.fail_after(PATIENT):
        while budget._shared._untold or budget.state.spent < 0.7 - 1e-9:
            server._rests_until = 0.0
            (await budget.reserve(0.0)).settle(0.0)
            await anyio.sleep(0.05)
    await budget.aclose()


async def test_a_server_that_never_was() -> None:
    """An address where nobody is costs no call an error."""
    pytest.importorskip("coredis")
    budget = Budget(1.0, server="redis://127.0.0.1:1", per="total")
    (await budget.reserve(0.6)).settle(0.6)
    with pytest.raises(BudgetExceededError):
        await budget.reserve(0.6)
    assert budget.state.shared is False
    await budget.aclose()
