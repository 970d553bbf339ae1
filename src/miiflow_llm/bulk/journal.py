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
CREATE TABLE IF NOT EXISTS costs (number INTEGER PRIMARY KEY, cost REAL NOT NULL);
CREATE TABLE IF NOT EXISTS batches (number INTEGER PRIMARY KEY, job TEXT, read INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS members (number INTEGER PRIMARY KEY, batch INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS members_of ON members (batch);
"""


class Row(msgspec.Struct):
    """What the journal knows of a request."""

    digest: bytes
    state: int
    tries: int
    twice: bool


class Moment(msgspec.Struct, frozen=True):
    """A request that is done: when (seconds since 1970), its latency in ms, its tokens and cost as far as known."""

    at: float
    failed: bool
    ms: float | None = None
    tokens: int | None = None
    cost: float | None = None


class Counts(msgspec.Struct, frozen=True):
    """How far a job has come. `tokens` are those of all answers, as far as they were reported.

    `cost` is what is known of what they cost, `None` if nothing is.
    """

    done: int = 0
    failed: int = 0
    sent: int = 0
    tokens: int = 0
    cost: float | None = None


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

    def another(self, order: Order) -> ConfigurationError:
        """The error for a prompt that is not the one that the journal has at its place."""
        return ConfigurationError(
            f"prompt {order.number} is another than in the journal {str(self.path)!r}: give the same prompts and "
            "parameters to go on with that job, or name another journal for a new one"
        )

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
            self._connection.executemany(
                "INSERT OR REPLACE INTO costs (number, cost) VALUES (?, ?)",
                [(one.order.number, amount) for one in outcomes if (amount := _cost(one)) is not None],
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
        (cost,) = self._connection.execute("SELECT SUM(cost) FROM costs").fetchone()
        return Counts(found.get(DONE, 0), found.get(FAILED, 0), found.get(SENT, 0), tokens, cost)

    def timeline(self) -> Iterator[Moment]:
        """Every request that is done, in the order of time."""
        rows = self._connection.execute(
            "SELECT at, state, ms, tokens, cost FROM rows LEFT JOIN costs USING (number) "
            "WHERE state IN (2, 3) ORDER BY at"
        )
        for at, state, ms, tokens, cost in rows:
            yield Moment(at, state == FAILED, ms, tokens, cost)

    def span(self) -> tuple[float, float]:
        """When the first request was done, and the last, in seconds since 1970; zeros if none is."""
        found = self._connection.execute("SELECT MIN(at), MAX(at) FROM rows WHERE state IN (2, 3)").fetchone()
        return (found[0] or 0.0, found[1] or 0.0)

    def batch_begun(self, orders: Sequence[tuple[Order, bool]]) -> int:
        """Write down that a batch of these is about to be made; the number that it has here."""
        self.sent(orders)
        with self._lock, self._connection:
            self._connection.execute("BEGIN")
            number = self._connection.execute("INSERT INTO batches (job) VALUES (NULL)").lastrowid
            assert number is not None  # noqa: S101  a row was inserted
            self._connection.executemany(
                "INSERT OR REPLACE INTO members (number, batch) VALUES (?, ?)",
                [(order.number, number) for order, _ in orders],
            )
        return number

    def batch_made(self, number: int, job: str) -> None:
        """The batch was made, and has this id."""
        self._connection.execute("UPDATE batches SET job = ? WHERE number = ?", (job, number))

    def batch_refused(self, number: int) -> None:
        """The batch was surely not made: its requests are as they were before."""
        with self._lock, self._connection:
            self._connection.execute("BEGIN")
            members = "(SELECT number FROM members WHERE batch = ?)"
            new = f"DELETE FROM rows WHERE state = 1 AND twice = 0 AND number IN {members}"  # noqa: S608  our words
            self._connection.execute(new, (number,))
            self._connection.execute("DELETE FROM members WHERE batch = ?", (number,))
            self._connection.execute("DELETE FROM batches WHERE number = ?", (number,))

    def batch_read(self, number: int) -> None:
        """All that comes of the batch is written down."""
        self._connection.execute("UPDATE batches SET read = 1 WHERE number = ?", (number,))

    def open_batches(self) -> list[tuple[int, str]]:
        """Number and id of every batch that was made and is not read."""
        return self._connection.execute(
            "SELECT number, job FROM batches WHERE job IS NOT NULL AND NOT read ORDER BY number"
        ).fetchall()

    def in_batch(self, number: int) -> bool:
        """Whether the request is in a batch that was made and is not read."""
        found = self._connection.execute(
            "SELECT 1 FROM members JOIN batches ON batches.number = batch "
            "WHERE members.number = ? AND job IS NOT NULL AND NOT read",
            (number,),
        )
        return found.fetchone() is not None

    def members(self, batch: int) -> dict[int, tuple[Order, bool]]:
        """The requests of a batch that are not done, by number, and whether they may have gone out before."""
        rows = self._connection.execute(
            "SELECT rows.number, key, digest, twice FROM rows JOIN members USING (number) "
            "WHERE batch = ? AND state = 1",
            (batch,),
        )
        return {number: (Order(number, key, [], {}, digest), bool(twice)) for number, key, digest, twice in rows}

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


def _cost(one: Finished) -> float | None:
    answer = one.outcome if isinstance(one.outcome, ChatResponse) else None
    return answer.cost.amount if answer is not None and answer.cost is not None else None


def read_journal(path: str | Path) -> list[BulkResult]:
    """Every result in a journal, without a job around it."""
    with closing(Journal(path)) as journal:
        return list(journal.results())
