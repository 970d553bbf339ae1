"""Routers of several processes over a real Redis server: what one learns others know, and no call waits for it."""

from __future__ import annotations

import gc
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from miiflow_llm import Router, SyncRouter, Target
from miiflow_llm.core.exceptions import AuthenticationError, ConfigurationError, RateLimitError
from miiflow_llm.redis import RedisServer
from miiflow_llm.routing import RedisState, Settings
from miiflow_llm.routing.state import EVERY, LONGEST

from ..redis.running import Running
from .fakes import FakeChat

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore:Unclosed <MemoryObject:ResourceWarning")]
LIMITED = RateLimitError("slow down", status_code=429, retryable=True, retry_after=40.0)
WRONG = AuthenticationError("no such key", status_code=401)
PATIENT = 30.0


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """In real time: a server has its own."""
    return str(request.param)


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """What coredis leaves open is collected in the test that it belongs to."""
    yield
    gc.collect()


def chats(first: Any) -> list[Target]:
    """Two targets; the first does as is said."""
    return [Target(FakeChat("a", [first]), label="a"), Target(FakeChat("b", ["Hello"]), label="b")]


async def until(said: Callable[[], bool]) -> None:
    """Wait for what happens beside."""
    with anyio.fail_after(PATIENT):
        while not said():  # noqa: ASYNC110  it happens in another thread
            await anyio.sleep(0.02)


async def connected(redis: str, prefix: str) -> RedisState:
    """The state, its server connected."""
    state = RedisState(RedisServer(redis, seconds=PATIENT), prefix=prefix)
    assert await state.server.connect(PATIENT)
    return state


async def told(router: Router, target: int, state: str) -> None:
    """Wait until the router has heard of it; calls are what makes it look."""

    def heard() -> bool:
        assert router.shared.state is not None
        with router.shared.lock:
            router.shared.state.look(router.shared.table, time.monotonic())
        return router.health().targets[target].state == state

    await until(heard)


async def test_what_one_learns_the_other_knows(redis: str, anyio_backend: str) -> None:
    """Cooling, and being out with the reason; nobody asks the target again, and each key has a limit on its life."""
    prefix = f"learns-{anyio_backend}:"
    state = await connected(redis, prefix)
    for first, kind in ((LIMITED, "cooling"), (WRONG, "out")):
        one, other = (Router(chats(first), name=kind, state=state) for _ in range(2))
        assert (await one.chat("Hello")).served_by == "b"
        await told(other, 0, kind)
        found = other.health().targets[0]
        assert found.back_in is not None
        assert (38 < found.back_in <= 40) if kind == "cooling" else (590 < found.back_in <= 600)
        assert "key" in (found.why or "") or kind == "cooling"
        response = await other.chat("Hello")
        assert [one.target for one in response.attempts] == ["b"]
        assert list(response.skipped) == ["a"]
        stranger = Router(chats(first), name="stranger", state=state)
        await stranger.shared.state.server.ask(lambda client: client.ping())  # type: ignore[union-attr]  # it has one
        assert stranger.health().targets[0].state == "well"
    keys = await state.server.ask(lambda client: client.keys(f"{prefix}*"))
    assert len(keys) == 2
    for key in keys:
        assert 0 < await state.server.ask(lambda client, key=key: client.pttl(key)) <= LONGEST * 1000  # type: ignore[misc]  # bound in the loop
    await state.server.aclose()


async def test_old_words_keep_nothing_out(redis: str, anyio_backend: str) -> None:
    """A time that is past changes nothing; one that is years away, or is not a time, is not believed."""
    prefix = f"old-{anyio_backend}:"
    state = await connected(redis, prefix)
    router = Router(chats("Hi"), name="old", state=state)
    assert router.shared.state is not None
    key = router.shared.state._keys[0]
    for said, expected in (("1000", 0.0), ("99999999999999", LONGEST), ("soon", 0.0)):
        await state.server.ask(lambda client, said=said: client.hset(key, {"cool": said, "out": said}))  # type: ignore[misc]  # bound in the loop
        fresh = Router(chats("Hi"), name="old", state=state)
        await told(fresh, 0, "out" if expected else "well")
        assert (fresh.health().targets[0].back_in or 0.0) <= expected
    await state.server.aclose()


async def test_a_silent_server_costs_nothing() -> None:
    """It falls silent in mid-call, and comes back with old data: no call waits, no target is stuck out."""
    running = Running()
    try:
        state = RedisState(running.url)
        assert await state.server.connect(PATIENT)
        router = Router(chats(LIMITED), name="silent", state=state, settings=Settings(wait_most=0.0))
        async with router.stream_chat("Hello") as stream:
            running.signal(signal.SIGSTOP)
            assert "".join([chunk.delta async for chunk in stream]) == "Hello"
        assert router.shared.state is not None
        router.shared.state._looked -= EVERY
        for _ in range(50):
            router.shared.state._looked -= EVERY / 10
            before = time.monotonic()
            assert (await router.chat("Hello")).served_by == "b"
            assert time.monotonic() - before < 5  # a wait for the server would be for ever
        running.signal(signal.SIGCONT)
        running.stop()
        for _ in range(5):
            router.shared.state._looked -= EVERY
            assert (await router.chat("Hello")).served_by == "b"
        await until(lambda: state.server.failures > 0)
        running.start()
        await until(lambda: state.server.connected)
        fresh = Router(chats("Hi"), name="silent", state=state)
        await fresh.chat("Hello")
        assert fresh.health().targets[0].state == "well"
        await state.server.aclose()
    finally:
        running.stop()


async def test_a_server_that_is_not_there() -> None:
    """The router works as without one, and says that it is lost."""
    async with Router(chats("Hi"), state="redis://127.0.0.1:1/0") as router:
        for _ in range(3):
            assert (await router.chat("Hello")).content == "Hi"
        assert router.health().state == "lost"
    assert Router(chats("Hi")).health().state is None
    for wrong in ("http://x", 5):
        with pytest.raises(ConfigurationError):
            Router(chats("Hi"), state=wrong)  # type: ignore[arg-type]  # on purpose


def test_in_threads(redis: str) -> None:
    """The synchronous router shares the same state."""
    state = RedisState(RedisServer(redis, seconds=PATIENT), prefix="threads:")
    assert state.server.connect_sync(PATIENT)

    class Says:
        """A target without a network."""

        provider, timeout = "fake", None

        def __init__(self, model: str, error: Exception | None = None) -> None:
            self.model, self.error = model, error

        def once(self) -> Says:
            return self

        def stream_chat(self, *_: Any, **__: Any) -> Any:
            if self.error is not None:
                raise self.error
            raise AssertionError("it is not asked here")

    one, other = (SyncRouter([Says("a", WRONG)], name="threads", state=state) for _ in range(2))  # type: ignore[list-item]  # enough of one
    one.shared.state.tell(0, "out", 100.0, "key")  # type: ignore[union-attr]  # it has one
    deadline = time.monotonic() + PATIENT
    while other.health().targets[0].state != "out":
        assert time.monotonic() < deadline
        other.shared.state.look(other.shared.table, time.monotonic())  # type: ignore[union-attr]  # as above
        time.sleep(0.02)
    state.server.close()


PROGRAM = """
import sys, time
from miiflow_llm import SyncLLMClient, SyncRouter
from miiflow_llm.core.exceptions import MiiflowLLMError
from miiflow_llm.routing import RedisState
state = RedisState(sys.argv[1], prefix="processes:")
assert state.server.connect_sync(30)
state.server.seconds = 30
client = SyncLLMClient.create("openai", "m", "one key for all", base_url="http://127.0.0.1:1/v1")
router = SyncRouter([client], name="processes", state=state)
if sys.argv[2] == "tell":
    router.shared.state.tell(0, "cool", 200.0)
    while not state.server.ask_sync(lambda client: client.keys("processes:*")):
        time.sleep(0.02)
for _ in range(1000):
    router.shared.state.look(router.shared.table, time.monotonic())
    if router.health().targets[0].state == "cooling":
        break
    time.sleep(0.02)
print(router.health().targets[0].state)
"""


@pytest.mark.slow
def test_two_processes(redis: str, tmp_path: Path) -> None:
    """What one process was told, another process knows."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    for how in ("tell", "hear"):
        done = subprocess.run([sys.executable, program, redis, how], capture_output=True, text=True, check=False)
        assert (done.stdout.strip(), done.returncode) == ("cooling", 0), done.stderr
