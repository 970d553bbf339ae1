"""Stores: what they keep, forget and bound; damaged, full, slow and lost ones; several processes and real servers."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from miiflow_llm.caching import Cache, MemoryStore, SqliteStore, Store
from miiflow_llm.caching.guarded import UNAVAILABLE, Guarded, SyncGuarded
from miiflow_llm.core.exceptions import ConfigurationError

from ..captured import ROOT
from .ours import TEXT, Upstream
from .test_flight import never, read, turn

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Each kind of store that blocks."""
    made: Store = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "cache.db")
    yield made
    made.close()


def test_keeps_and_forgets(store: Store) -> None:
    """Bytes come back until their time is over, they are deleted, or everything is cleared."""
    store.set("a", b"1", 60)
    store.set("b", b"\x00" * 1000, 60)
    store.set("gone", b"3", -1)
    assert [store.get(key) for key in ("a", "b", "gone", "never")] == [b"1", b"\x00" * 1000, None, None]
    store.set("a", b"2", 60)
    store.delete("b")
    store.delete("never")
    assert [store.get("a"), store.get("b")] == [b"2", None]
    store.clear()
    assert store.get("a") is None


def test_memory_is_bounded_in_bytes() -> None:
    """The least recently used goes first, and what is larger than the store is not kept."""
    store = MemoryStore(max_bytes=4000)
    for key in "abc":
        store.set(key, b"x" * 1000, 60)
    assert store.get("a")
    store.set("d", b"x" * 1000, 60)
    assert [bool(store.get(key)) for key in "abcd"] == [True, False, True, True]
    store.set("e", b"x" * 5000, 60)
    assert store.get("e") is None
    assert store.bytes <= 4000


def test_a_file_is_bounded_in_bytes(tmp_path: Path) -> None:
    """A sweep forgets what is too old, then what was written longest ago."""
    store = SqliteStore(tmp_path / "cache.db", max_bytes=3500)
    store.set("old", b"x" * 10_000, -1)
    for key in "abcde":
        store.set(key, b"x" * 1000, 60)
        time.sleep(0.002)
    store.sweep()
    assert [bool(store.get(key)) for key in "abcde"] == [False, False, True, True, True]
    store.close()


def test_locks_are_one_at_a_time(tmp_path: Path) -> None:
    """A key's lock has one holder, in whichever process; it ends with its time, and with its own token alone."""
    first, second = SqliteStore(tmp_path / "cache.db"), SqliteStore(tmp_path / "cache.db")
    token = first.lock("a", 60)
    assert token
    assert second.lock("a", 60) is None
    second.unlock("a", "another")
    assert second.lock("a", 60) is None
    first.unlock("a", token)
    assert second.lock("a", -1)
    assert first.lock("a", 60)
    for one in (first, second):
        one.close()


@pytest.mark.parametrize(
    "damage", [b"", b"not a database at all, but long enough to be read as one" * 40, b"SQLite format 3\x00junk"]
)
def test_a_damaged_file_is_begun_anew(tmp_path: Path, damage: bytes) -> None:
    """A file that is no database is put aside, and the store works."""
    path = tmp_path / "cache.db"
    path.write_bytes(damage)
    store = SqliteStore(path)
    store.set("a", b"1", 60)
    assert store.get("a") == b"1"
    store.close()
    if damage:
        assert (tmp_path / "cache.db.damaged").read_bytes() == damage


def test_a_file_that_is_damaged_while_it_is_open(tmp_path: Path) -> None:
    """Damage that is met later costs the answers in the file; whatever comes back is what was kept, or nothing."""
    path = tmp_path / "cache.db"
    store = SqliteStore(path)
    for number in range(200):
        store.set(str(number), bytes([number]) * 3000, 60)
    store.close()
    raw = bytearray(path.read_bytes())
    for place in range(5000, len(raw), 4096):
        raw[place : place + 64] = os.urandom(64)
    path.write_bytes(raw)
    store = SqliteStore(path)
    for number in range(200):
        try:
            store.get(str(number))
        except sqlite3.DatabaseError:
            continue
    store.set("new", b"1", 60)
    assert store.get("new") == b"1"
    store.close()


def test_another_form_is_dropped(tmp_path: Path) -> None:
    """A file that a later release wrote is emptied, not misread."""
    path = tmp_path / "cache.db"
    store = SqliteStore(path)
    store.set("a", b"1", 60)
    store.close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version=99")
    connection.execute("ALTER TABLE answers RENAME COLUMN value TO content")
    connection.commit()
    connection.close()
    store = SqliteStore(path)
    assert store.get("a") is None
    store.set("a", b"2", 60)
    assert store.get("a") == b"2"
    store.close()


def _fill(path: Path) -> None:
    store = SqliteStore(path)
    for number in range(100_000):
        store.set(str(number % 500), str(number).encode() * 300, 60)


def test_kill_while_writing(tmp_path: Path) -> None:
    """A process that is killed while it writes leaves a file that others read and write on, each value whole."""
    path = tmp_path / "cache.db"
    SqliteStore(path).close()
    context = multiprocessing.get_context("spawn")
    for _ in range(3):
        writer = context.Process(target=_fill, args=(path,))
        writer.start()
        before = time.monotonic()
        store = SqliteStore(path)
        while store.get("20") is None and time.monotonic() - before < 30:
            time.sleep(0.01)
        assert writer.pid is not None
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
        for number in range(500):
            found = store.get(str(number))
            assert found is None or found == found[: len(found) // 300] * 300
        store.set("after", b"1", 60)
        assert store.get("after") == b"1"
        store.close()


class Broken:
    """A store in which everything goes wrong, in the way that was asked for."""

    blocks = True

    def __init__(self, how: str) -> None:
        self.how = how
        self.asked = 0

    def _go_wrong(self) -> Any:
        self.asked += 1
        if self.how == "slow":
            time.sleep(0.4)
        elif self.how == "full":
            raise sqlite3.OperationalError("database or disk is full")
        elif self.how == "lost":
            raise ConnectionError("lost")
        elif self.how == "nonsense":
            return b"\x93nonsense"
        return None

    def get(self, key: str) -> Any:
        return self._go_wrong()

    def set(self, key: str, value: bytes, ttl: float) -> None:
        self._go_wrong()

    def delete(self, key: str) -> None:
        self._go_wrong()

    def clear(self) -> None:
        self._go_wrong()

    def lock(self, key: str, ttl: float) -> Any:
        return self._go_wrong()

    def unlock(self, key: str, token: str) -> None:
        self._go_wrong()

    def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize("how", ["slow", "full", "lost", "nonsense"])
async def test_a_broken_store_fails_nothing(how: str) -> None:
    """Whatever goes wrong in a store, calls go on without it; after three failures it is left alone."""
    upstream, broken = Upstream(turn, never), Broken(how)
    async with Cache(upstream, store=broken) as cache:
        for _ in range(6):
            assert await read(cache) == TEXT
            assert (await cache.chat("What?")).content == TEXT
    assert upstream.calls == 12
    if how != "nonsense":
        assert broken.asked == 3
        assert cache.statistics.store_failures == 3


async def test_a_slow_store_has_a_limit() -> None:
    """Each question has its limit, in an event loop as in threads."""
    began = time.monotonic()
    guarded, blocking = Guarded(Broken("slow")), SyncGuarded(Broken("slow"))
    assert await guarded.ask("get", "a") is UNAVAILABLE
    assert blocking.ask("get", "a") is UNAVAILABLE
    assert time.monotonic() - began < 0.39
    blocking.close()


def _ask_once(path: Path, count: Path, index: int) -> None:
    async def slow() -> None:
        await anyio.sleep(0.02)

    class Counting(Upstream):
        def stream_chat(self, messages: Any, **parameters: Any) -> Any:
            with count.open("ab") as file:
                file.write(b"x")
            return super().stream_chat(messages, **parameters)

    async def main() -> None:
        store = SqliteStore(path)
        store._connection.execute("PRAGMA busy_timeout=30000")  # a busy machine is not what is tested
        async with Cache(Counting(slow, never), store=store) as cache:
            cache._caller.waits.store.seconds = 30.0
            assert await read(cache) == TEXT

    anyio.run(main, backend="trio" if index % 2 else "asyncio")


def _open(path: Path, go: Any, index: int) -> None:
    go.wait(30)
    for number in range(10):
        store = SqliteStore(path)
        store.close()
        assert store.path == path, (index, number)


@pytest.mark.slow
def test_processes_open_one_file_at_once(tmp_path: Path) -> None:
    """Workers that start together wait for each other while the file is made; none is told that it is locked."""
    context = multiprocessing.get_context("spawn")
    go = context.Event()
    opening = [context.Process(target=_open, args=(tmp_path / "cache.db", go, index)) for index in range(8)]
    for one in opening:
        one.start()
    go.set()
    for one in opening:
        one.join(60)
        assert one.exitcode == 0


@pytest.mark.slow
def test_processes_ask_once(tmp_path: Path) -> None:
    """Equal calls of several processes at the same time make one upstream call, by a lock in the file."""
    SqliteStore(tmp_path / "cache.db").close()
    context = multiprocessing.get_context("spawn")
    count = tmp_path / "count"
    asking = [context.Process(target=_ask_once, args=(tmp_path / "cache.db", count, index)) for index in range(4)]
    for one in asking:
        one.start()
    for one in asking:
        one.join(60)
        assert one.exitcode == 0
    assert len(count.read_bytes()) <= 2  # 1, unless one of them began after the lock's answer had come and gone


async def test_redis(redis: str) -> None:
    """A real server keeps answers, gives them to another cache, and forgets them when told to."""
    first, second = Upstream(turn, never), Upstream(turn, never)
    async with Cache(first, store=redis, tenant="a") as cache, Cache(second, store=redis, tenant="a") as other:
        for one in (cache, other):
            await connected(one)
            one._caller.waits.store.seconds = 10.0  # a busy machine is not what is tested
            one._caller.waits.store.store.server.seconds = 10.0
        await cache.clear()
        assert await read(cache) == TEXT
        assert (await other.chat("Why?")).cache == "hit"
        assert await read(other) == TEXT
        await cache.invalidate("Why?")
        assert (await other.chat("Why?")).cache is None
        await cache.clear()
        store = cache._caller.waits.store
        assert await store.ask("lock", "k", 60.0, seconds=5)
        assert await store.ask("lock", "k", 60.0, seconds=5) is None
    assert (first.calls, second.calls) == (1, 1)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_redis_that_goes_silent(backend: str) -> None:
    """A server that stops answering, or is not there, costs no call an error."""
    pytest.importorskip("coredis")
    # in a process of its own: coredis leaves streams open if it cannot connect, and warnings are errors here
    code = f"from tests.caching.silent_redis import main; main({backend!r})"
    ran = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=120, cwd=ROOT
    )
    assert ran.stdout.split() == ["10", "calls,", "10", "answers"], ran.stderr


async def connected(cache: Cache) -> None:
    """Wait until the store is reached."""
    store: Any = cache._caller.waits.store.store
    assert await store.server.connect(30)


def test_redis_needs_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without coredis the error says what to install; another address is refused."""
    monkeypatch.setitem(sys.modules, "coredis", None)
    with pytest.raises(ConfigurationError, match=r"miiflow-llm\[redis\]"):
        Cache(object(), store="redis://127.0.0.1")
