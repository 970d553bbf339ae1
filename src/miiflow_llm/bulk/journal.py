"""The journal of a job: which requests were sent, which are done, and what came of them, in one SQLite file.

A request is written down as sent before it goes out, and as done once its answer is in the file. So a run that breaks
off at any moment goes on where it was: at least once on the wire, exactly once in the journal.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import msgspec

from ..core import forks
from ..core.exceptions import ConfigurationError
from ..core.response import ChatResponse
from .order import Order
from .result import BulkError, BulkResult, dumped, loaded

SENT, DONE, FAILED = 1, 2, 3
_FORM = 1
_TABLES = """
CREATE TABLE IF NOT EXISTS rows (number INTEGER PRIMARY KEY, digest BLOB NOT NULL, key TEXT, state INTEGER NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0, twice INTEGER NOT NULL DEFAULT 0, outcome BLOB, at REAL NOT NULL DEFAULT 0,
    ms REAL, tokens INTEGER);
"""


class Row(msgspec.Struct):
    """What the journal knows of a request."""

    digest: bytes
    state: int
    tries: int
    twice: bool


class Counts(msgspec.Struct, frozen=True):
    """How far a job has come. `tokens` are those of all answers, as far as they were reported."""

    done: int = 0
    failed: int = 0
    sent: int = 0
    tokens: int = 0


class Finished(msgspec.Struct):
    """An outcome to be written down."""

    order: Order
    outcome: ChatResponse | BulkError
    tries: int
    twice: bool


class Journal:
    """The file of one job.

    Raises:
        ConfigurationError: it cannot be opened, or is not a journal.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._lock = forks.lock()
        try:
            self._connection = sqlite3.connect(self.path, timeout=10, isolation_level=None, check_same_thread=False)
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
            (form,) = self._connection.execute("PRAGMA user_version").fetchone()
            if form not in (0, _FORM):
                raise ConfigurationError(f"{self.path} is the journal of another release (form {form})")
            self._connection.executescript(_TABLES)
            self._connection.execute(f"PRAGMA user_version={_FORM}")
        except sqlite3.Error as reason:
            raise ConfigurationError(f"journal {str(self.path)!r} cannot be used: {reason}") from None

    def known(self, first: int, count: int) -> dict[int, Row]:
        """What is known of `count` requests from `first` on."""
        with self._lock:
            found = self._connection.execute(
                "SELECT number, digest, state, tries, twice FROM rows WHERE number >= ? AND number < ?",
                (first, first + count),
            ).fetchall()
        return {number: Row(digest, state, tries, bool(twice)) for number, digest, state, tries, twice in found}

    def sent(self, orders: Sequence[tuple[Order, bool]]) -> None:
        """Write down that these go out now; the flag says that they may have gone out before."""
        with self._lock, self._connection:
            self._connection.execute("BEGIN")
            self._connection.executemany(
                "INSERT INTO rows (number, digest, key, state, twice) VALUES (?, ?, ?, ?, ?) ON CONFLICT (number) DO "
                "UPDATE SET state = excluded.state, twice = MAX(twice, excluded.twice)",
                [(order.number, order.digest, order.key, SENT, twice) for order, twice in orders],
            )

    def finished(self, outcomes: Sequence[Finished]) -> None:
        """Write down what came, in one go."""
        with self._lock, self._connection:
            self._connection.execute("BEGIN")
            self._connection.executemany(
                "UPDATE rows SET state = ?, tries = tries + ?, outcome = ?, at = ?, ms = ?, tokens = ? "
                "WHERE number = ?",
                [_values(one) for one in outcomes],
            )

    def result(self, number: int) -> BulkResult | None:
        """What came of one request; `None` if it is not done."""
        with self._lock:
            return next(self._results("number = ?", (number,)), None)

    def results(self) -> Iterator[BulkResult]:
        """What came of all requests that are done, in the order of the input."""
        yield from self._results("1", ())

    def _results(self, which: str, values: tuple[object, ...]) -> Iterator[BulkResult]:
        rows = self._connection.execute(
            "SELECT number, key, state, tries, twice, outcome FROM rows WHERE state IN (2, 3) AND "  # noqa: S608  our words
            f"{which} ORDER BY number",
            values,
        )
        for number, key, state, tries, twice, outcome in rows:
            found = loaded(outcome, failed=state == FAILED)
            answer = found if isinstance(found, ChatResponse) else None
            error = found if isinstance(found, BulkError) else None
            yield BulkResult(number, key, answer, error, tries, bool(twice), resumed=True)

    def counts(self) -> Counts:
        """How far the job has come."""
        found = dict(self._connection.execute("SELECT state, COUNT(*) FROM rows GROUP BY state"))
        (tokens,) = self._connection.execute("SELECT COALESCE(SUM(tokens), 0) FROM rows").fetchone()
        return Counts(found.get(DONE, 0), found.get(FAILED, 0), found.get(SENT, 0), tokens)

    def timeline(self) -> list[tuple[float, bool, float | None, int | None]]:
        """When each request was done, whether it failed, its latency in ms and its tokens, in the order of time."""
        rows = self._connection.execute("SELECT at, state, ms, tokens FROM rows WHERE state IN (2, 3) ORDER BY at")
        return [(at, state == FAILED, ms, tokens) for at, state, ms, tokens in rows]

    def close(self) -> None:
        """Close the file. Harmless when done twice."""
        self._connection.close()


def _values(one: Finished) -> tuple[object, ...]:
    answer = one.outcome if isinstance(one.outcome, ChatResponse) else None
    return (
        FAILED if answer is None else DONE,
        one.tries,
        dumped(one.outcome),
        time.time(),
        answer.latency_ms if answer is not None else None,
        answer.usage.total_tokens if answer is not None else None,
        one.order.number,
    )


def read_journal(path: str | Path) -> list[BulkResult]:
    """Every result in a journal, without a job around it."""
    with closing(Journal(path)) as journal:
        return list(journal.results())
