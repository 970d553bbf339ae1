"""Answers in one SQLite file that several processes share, and that lives on when they end.

The file is in write-ahead mode: readers do not wait for the writer. A file that is damaged or of another form is put
aside and begun anew: what it held was only a copy.
"""

from __future__ import annotations

import contextlib
import os
import random
import secrets
import sqlite3
import time
from pathlib import Path

from ..core import forks
from ..core.exceptions import ConfigurationError

SQLITE_BYTES = 1024 * 1024 * 1024
_FORM = 1
_OPENING = 10.0
"""Seconds for which others that open the file are waited for."""
_SWEEP_EVERY = 64
"""Writes between two looks at what is too old or too much."""

_TABLES = """
CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, value BLOB NOT NULL, until REAL NOT NULL, used REAL NOT NULL)
    WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS answers_by_use ON answers (used);
CREATE TABLE IF NOT EXISTS locks (key TEXT PRIMARY KEY, token TEXT NOT NULL, until REAL NOT NULL) WITHOUT ROWID;
"""


class SqliteStore:
    """Answers in the file `path`, the least recently written going first once they are more than `max_bytes` together.

    Raises:
        ConfigurationError: the file cannot be made.
    """

    is_shared = True
    """Several processes keep answers here: equal calls of theirs wait for each other."""
    blocks = True
    """It is asked in a thread, so that no event loop waits for the disk."""

    def __init__(self, path: str | Path, max_bytes: int = SQLITE_BYTES) -> None:
        self.path = Path(path)
        self.max_bytes = max_bytes
        self._lock = forks.lock()
        self._writes = 0
        self._pid = os.getpid()
        try:
            self._connection = self._opened()
        except (sqlite3.Error, OSError) as reason:
            raise ConfigurationError(f"cache: {str(self.path)!r} cannot be used: {reason}") from None

    def _opened(self) -> sqlite3.Connection:
        """The file, opened; other processes that open it at the same time are waited for."""
        until = time.monotonic() + _OPENING
        while True:
            try:
                return self._prepared()
            except sqlite3.OperationalError as reason:
                if not _is_busy(reason) or time.monotonic() > until:
                    raise
            except sqlite3.DatabaseError:
                self._put_aside()
                return self._prepared()
            time.sleep(random.uniform(0.01, 0.05))  # noqa: S311  so that they take turns

    def _prepared(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=0.05, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            (form,) = connection.execute("PRAGMA user_version").fetchone()
            if form not in (0, _FORM):
                connection.executescript("DROP TABLE IF EXISTS answers; DROP TABLE IF EXISTS locks;")
            connection.executescript(_TABLES)
            connection.execute(f"PRAGMA user_version={_FORM}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _put_aside(self) -> None:
        """Move a file that is not a database away, so that whoever owns it can look at it."""
        for ending in ("", "-wal", "-shm"):
            damaged = self.path.with_name(self.path.name + ending)
            with contextlib.suppress(OSError):
                damaged.rename(damaged.with_name(f"{damaged.name}.damaged"))

    def _run(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        """Run one statement; a file that turns out to be damaged is begun anew for the next one."""
        with self._lock:
            if self._pid != os.getpid():  # a connection of before fork is not used after it
                self._connection, self._pid = self._opened(), os.getpid()
            try:
                return self._connection.execute(statement, values).fetchall()
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError:
                self._connection.close()
                self._put_aside()
                self._connection = self._prepared()
                raise

    def get(self, key: str) -> bytes | None:
        """What is kept under the key."""
        found = self._run("SELECT value, until FROM answers WHERE key = ?", key)
        if not found:
            return None
        value, until = found[0]
        return bytes(value) if isinstance(value, bytes) and isinstance(until, float) and until > time.time() else None

    def set(self, key: str, value: bytes, ttl: float) -> None:
        """Keep the value."""
        now = time.time()
        self._run("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)", key, value, now + ttl, now)
        self._writes += 1
        if self._writes % _SWEEP_EVERY == 1:
            self.sweep()

    def sweep(self) -> None:
        """Forget what is too old, and, while there is too much, what was written longest ago."""
        self._run("DELETE FROM answers WHERE until <= ?", time.time())
        self._run("DELETE FROM locks WHERE until <= ?", time.time())
        ((held,),) = self._run("SELECT COALESCE(SUM(LENGTH(value) + LENGTH(key)), 0) FROM answers")
        over = int(str(held)) - self.max_bytes
        if over > 0:
            self._run(
                "DELETE FROM answers WHERE key IN (SELECT key FROM (SELECT key, SUM(LENGTH(value) + LENGTH(key)) OVER "
                "(ORDER BY used, key) - LENGTH(value) - LENGTH(key) AS before FROM answers) WHERE before < ?)",
                over,
            )

    def delete(self, key: str) -> None:
        """Forget what is kept under the key."""
        self._run("DELETE FROM answers WHERE key = ?", key)

    def clear(self) -> None:
        """Forget everything."""
        self._run("DELETE FROM answers")

    def lock(self, key: str, ttl: float) -> str | None:
        """Take the key's lock."""
        now, token = time.time(), secrets.token_hex(8)
        self._run(
            "INSERT INTO locks VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET token = excluded.token, "
            "until = excluded.until WHERE locks.until <= ?",
            key, token, now + ttl, now,
        )  # fmt: skip
        found = self._run("SELECT token FROM locks WHERE key = ?", key)
        return token if found and found[0][0] == token else None

    def unlock(self, key: str, token: str) -> None:
        """Give a lock back."""
        self._run("DELETE FROM locks WHERE key = ? AND token = ?", key, token)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()


def _is_busy(reason: sqlite3.OperationalError) -> bool:
    """Whether another process has the file at the moment."""
    return (reason.sqlite_errorcode & 0xFF) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
