"""Where records are kept: a JSONL file or an SQLite file, both fit for several processes at once.

A record is one line, written by one call, so that lines of several processes do not mix. A line that a crash cut short
is passed over when the log is read.
"""

from __future__ import annotations

import os
import queue
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Protocol

import msgspec

from ..core.exceptions import ConfigurationError
from .records import Record

_DECODER: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)
_encode = msgspec.json.Encoder().encode


class Log(Protocol):
    """Keeps records. `append` does not raise for a full or lost disk: `lost` counts what could not be kept."""

    lost: int

    def append(self, record: Record) -> None:
        """Keep one more record."""

    def read(self, trial: str | None = None) -> Iterator[Record]:
        """The records of a trial, or of all, in the order in which they came."""

    def close(self) -> None:
        """Write what waits, and close the file. Harmless when done twice."""


def open_log(path: str | Path) -> Log:
    """The log in a file: `.jsonl` and `.ndjson` are text, `.sqlite`, `.sqlite3` and `.db` are SQLite.

    Raises:
        ConfigurationError: another ending, or the file cannot be opened.
    """
    path = Path(path)
    kinds: dict[str, type[JsonlLog | SqliteLog]] = {
        **dict.fromkeys((".jsonl", ".ndjson"), JsonlLog),
        **dict.fromkeys((".sqlite", ".sqlite3", ".db"), SqliteLog),
    }
    if path.suffix not in kinds:
        raise ConfigurationError(f"log {str(path)!r}: end its name in .jsonl, or in .sqlite")
    try:
        return kinds[path.suffix](path)
    except (OSError, sqlite3.Error) as reason:
        raise ConfigurationError(f"log {str(path)!r} cannot be opened: {reason}") from None


def _decoded(lines: Iterator[bytes], trial: str | None) -> Iterator[Record]:
    for line in lines:
        try:
            record = _DECODER.decode(line)
        except msgspec.MsgspecError:
            continue
        if trial is None or record.trial == trial:
            yield record


class JsonlLog:
    """A file with a record a line."""

    def __init__(self, path: Path) -> None:
        self.lost = 0
        self._path = path
        self._file: int | None = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        if _ends_within_a_line(path):
            os.write(self._file, b"\n")

    def append(self, record: Record) -> None:
        """Keep one more record."""
        if self._file is None:
            self.lost += 1
            return
        try:
            os.write(self._file, _encode(record) + b"\n")
        except OSError:
            self.lost += 1

    def read(self, trial: str | None = None) -> Iterator[Record]:
        """The records of a trial, or of all."""
        with self._path.open("rb") as lines:
            yield from _decoded(lines, trial)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _ends_within_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        if not file.seek(0, os.SEEK_END):
            return False
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"


class SqliteLog:
    """An SQLite file in write-ahead mode. A thread of its own writes, so that no event loop waits for the disk."""

    def __init__(self, path: Path) -> None:
        self.lost = 0
        self._path = path
        with closing(self._connected()) as connection, connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS records (id INTEGER PRIMARY KEY, trial TEXT NOT NULL, record BLOB NOT NULL)"
            )
            connection.execute("CREATE INDEX IF NOT EXISTS records_by_trial ON records (trial)")
        self._waiting: queue.SimpleQueue[Record | threading.Event | None] = queue.SimpleQueue()
        self._writer: threading.Thread | None = None
        self._pid = os.getpid()
        self._closed = False

    def _connected(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=10)

    def append(self, record: Record) -> None:
        """Keep one more record."""
        if self._closed:
            self.lost += 1
            return
        self._start()
        self._waiting.put(record)

    def _start(self) -> None:
        """Begin to write: once, and once more in a child after `fork`, in which the thread does not live on."""
        if self._writer is None or self._pid != os.getpid():
            if self._pid != os.getpid():
                self._waiting, self._pid = queue.SimpleQueue(), os.getpid()
            self._writer = threading.Thread(target=self._write, name="miiflow-llm trial log", daemon=True)
            self._writer.start()

    def _write(self) -> None:
        waiting = self._waiting
        with closing(self._connected()) as connection:
            while (item := waiting.get()) is not None:
                self._write_all(connection, waiting, item)

    def _write_all(
        self, connection: sqlite3.Connection, waiting: queue.SimpleQueue[Record | threading.Event | None], first: object
    ) -> None:
        """Write what waits in one transaction, then tell those who wait for it."""
        items = [first]
        while len(items) < 500 and not waiting.empty():
            items.append(waiting.get())
        records = [item for item in items if isinstance(item, msgspec.Struct)]
        try:
            with connection:
                connection.executemany(
                    "INSERT INTO records (trial, record) VALUES (?, ?)",
                    [(record.trial, _encode(record)) for record in records],  # type: ignore[attr-defined]
                )
        except sqlite3.Error:
            self.lost += len(records)
        for item in items:
            if isinstance(item, threading.Event):
                item.set()
        if None in items:
            waiting.put(None)

    def _flush(self) -> None:
        if self._writer is not None and self._pid == os.getpid() and self._writer.is_alive():
            written = threading.Event()
            self._waiting.put(written)
            written.wait(10)

    def read(self, trial: str | None = None) -> Iterator[Record]:
        """The records of a trial, or of all, those of this process that still wait included."""
        self._flush()
        with closing(self._connected()) as connection:
            rows = connection.execute(
                "SELECT record FROM records WHERE trial = ? OR ? IS NULL ORDER BY id", (trial, trial)
            )
            yield from _decoded((bytes(row[0]) for row in rows), trial)

    def close(self) -> None:
        """Write what waits, and end the thread."""
        if not self._closed:
            self._closed = True
            if self._writer is not None and self._pid == os.getpid():
                self._waiting.put(None)
                self._writer.join(10)
