"""A real server asked from asyncio, trio and threads; silent, lost and back again."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import anyio
import pytest

from miiflow_llm.core.exceptions import ConfigurationError
from miiflow_llm.redis import RedisServer, Unreachable

from .running import Running

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore:Unclosed <MemoryObject:ResourceWarning")]
"""coredis leaves streams open when it cannot connect."""

PATIENT = 30.0
"""Seconds: a busy machine is not what is tested."""


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """What coredis leaves open is collected in the test that it belongs to."""
    yield
    gc.collect()


async def test_asked_from_both_loops(redis: str) -> None:
    """What one task writes another reads, a hundred at once, and a task that is cancelled leaves the others be."""
    server = RedisServer(redis, seconds=PATIENT)
    assert await server.connect(PATIENT)
    await server.ask(lambda client: client.set("asked", b"1"))
    found = []

    async def read() -> None:
        found.append(await server.ask(lambda client: client.get("asked")))

    async def leave() -> None:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await server.ask(lambda client: client.get("asked"))

    async with anyio.create_task_group() as group:
        for _ in range(100):
            group.start_soon(read)
            group.start_soon(leave)
    assert found == [b"1"] * 100
    assert server.failures == 0
    await server.aclose()


def test_asked_from_threads(redis: str) -> None:
    """Threads ask without a loop of their own."""
    server = RedisServer(redis, seconds=PATIENT)
    assert server.connect_sync(PATIENT)
    server.ask_sync(lambda client: client.delete(["threads"]))
    threads = [
        threading.Thread(target=lambda: server.ask_sync(lambda client: client.incr("threads"))) for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.ask_sync(lambda client: client.get("threads")) == b"20"
    server.close()
    server.close()


def test_lost_and_back(caplog: pytest.LogCaptureFixture) -> None:
    """A server that ends is not reached, and is asked again by itself once it is back."""
    running = Running()
    server = RedisServer(running.url)
    assert server.connect_sync(PATIENT)
    assert server.ask_sync(lambda client: client.ping(), seconds=PATIENT)
    running.stop()
    for _ in range(5):
        with pytest.raises(Unreachable):
            server.ask_sync(lambda client: client.ping())
    assert server.rests
    assert [record.levelname for record in caplog.records if record.name == "miiflow_llm.redis"].count("WARNING") == 1
    running.start()
    server._rests_until = 0.0  # the rest of five seconds is over
    assert _back(server)
    server.close()
    running.stop()


def _back(server: RedisServer) -> bool:
    until = time.monotonic() + PATIENT
    while time.monotonic() < until:
        try:
            return bool(server.ask_sync(lambda client: client.ping(), seconds=PATIENT))
        except Unreachable:
            server._rests_until = 0.0
            time.sleep(0.05)
    return False


async def test_silent() -> None:
    """A server that stopped costs each call its limit until the third, and then nothing."""
    running = Running()
    server = RedisServer(running.url)
    assert await server.connect(PATIENT)
    running.signal(signal.SIGSTOP)
    for _ in range(3):
        with pytest.raises(Unreachable):
            await server.ask(lambda client: client.ping())
    assert server.rests
    running.signal(signal.SIGCONT)
    await server.aclose()
    running.stop()


async def test_not_connected_yet() -> None:
    """Before there is a connection an ask raises at once and opens nothing of the breaker."""
    pytest.importorskip("coredis")
    server = RedisServer("redis://127.0.0.1:1")
    for _ in range(5):
        with pytest.raises(Unreachable):
            await server.ask(lambda client: client.ping(), seconds=PATIENT)
    assert not server.rests
    assert server.failures == 5
    assert not await server.connect(0.05)
    await server.aclose()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_child_has_its_own_connection(redis: str) -> None:
    """After a fork the child asks over a connection of its own."""
    import subprocess

    code = f"""
import os, sys
from miiflow_llm.redis import RedisServer
server = RedisServer({redis!r}, seconds=30)
assert server.connect_sync(30)
child = os.fork()
if not child:
    good = server.connect_sync(30) and server.ask_sync(lambda client: client.ping())
    os._exit(0 if good else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), bool(server.ask_sync(lambda client: client.ping())))
"""
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], check=False, capture_output=True, text=True, timeout=120
    )
    assert ran.stdout.split() == ["0", "True"], ran.stderr


@pytest.mark.parametrize("url", ["http://localhost", "localhost:6379", ""])
def test_another_address(url: str) -> None:
    """An address that is not one of Redis is refused when the server is named."""
    pytest.importorskip("coredis")
    with pytest.raises(ConfigurationError, match="redis://"):
        RedisServer(url)


def test_needs_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without coredis the error says what to install."""
    monkeypatch.setitem(sys.modules, "coredis", None)
    blocked: Any = RedisServer
    with pytest.raises(ConfigurationError, match=r"miiflow-llm\[redis\]"):
        blocked("redis://127.0.0.1")
