"""Conversations kept in a SQLite file: turns are added, found again by their words, and go on later."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from ..core.exceptions import ConfigurationError
from ..core.messages import Message
from ..core.response import ChatResponse
from .places import conversations_file, private

TABLES = """
CREATE TABLE IF NOT EXISTS conversations (id TEXT PRIMARY KEY, started TEXT NOT NULL, asked TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS turns (
    id INTEGER PRIMARY KEY, conversation TEXT NOT NULL REFERENCES conversations, at TEXT NOT NULL, model TEXT NOT NULL,
    prompt TEXT NOT NULL, answer TEXT NOT NULL, messages TEXT NOT NULL, facts TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS turns_by_conversation ON turns (conversation, id);
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
BUSY = 5.0
"""Seconds to wait for another process that writes."""
_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"


class Asked(msgspec.Struct, omit_defaults=True):
    """Whom a conversation is with, and under which instructions, as the options said it."""

    model: str | None = None
    route: str | None = None
    base_url: str | None = None
    dialect: str | None = None
    config: str | None = None
    system: str | None = None


class Kept(msgspec.Struct):
    """A turn as it is kept: `at` is in UTC; `messages` are all that the turn added, tools' results too."""

    conversation: str
    at: str
    model: str
    prompt: str
    answer: str
    messages: list[dict[str, Any]]
    facts: dict[str, Any]


class Conversations:
    """The file of conversations. Every method opens it anew, so that any number of processes may have it."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or conversations_file()

    @property
    def on(self) -> bool:
        """Whether new turns are kept; they are, unless that was turned off."""
        if not self.path.exists():
            return True
        with self._open() as base:
            row = base.execute("SELECT value FROM settings WHERE name = 'keep'").fetchone()
        return row is None or row[0] == "on"

    def turn(self, on: bool) -> None:
        """Keep new turns from now on, or no more."""
        with self._open() as base:
            base.execute("INSERT OR REPLACE INTO settings VALUES ('keep', ?)", ("on" if on else "off",))

    def add(self, conversation: str, asked: Asked, new: Sequence[Message], prompt: str, answer: ChatResponse) -> None:
        """Keep a turn: what was asked, and everything that was said until its answer."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        messages = msgspec.json.encode([message.to_dict() for message in new]).decode()
        names = ("usage", "cost", "latency_ms", "finish_reason", "served_by", "cache", "structured_output")
        told = {name: value for name, value in answer.to_dict().items() if name in names and value is not None}
        row = (conversation, now, _model(asked, answer), prompt, answer.content, messages)
        with self._open() as base:
            known = (conversation, now, msgspec.json.encode(asked).decode())
            base.execute("INSERT OR IGNORE INTO conversations VALUES (?, ?, ?)", known)
            base.execute(
                "INSERT INTO turns (conversation, at, model, prompt, answer, messages, facts)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (*row, msgspec.json.encode(told).decode()),
            )

    def last(self) -> str:
        """The conversation that was spoken in last.

        Raises:
            ConfigurationError: there is none.
        """
        with self._open() as base:
            row = base.execute("SELECT conversation FROM turns ORDER BY id DESC LIMIT 1").fetchone()
        if row is None:
            raise ConfigurationError(f"there is no conversation to go on with: none is kept in {self.path}")
        return str(row[0])

    def named(self, name: str) -> str:
        """The conversation of that id, or whose id begins or ends like it.

        Raises:
            ConfigurationError: there is none, or more than one.
        """
        with self._open() as base:
            ids = [str(row[0]) for row in base.execute("SELECT id FROM conversations")]
        found = [one for one in ids if one == name] or [
            one for one in ids if one.startswith(name) or one.endswith(name)
        ]
        if len(found) == 1 and name:
            return found[0]
        why = f"{len(found)} are called like it" if found else "it is not among those kept"
        raise ConfigurationError(f"--cid {name}: {why}; `miiflow-llm logs` lists them")

    def read(self, conversation: str) -> tuple[Asked, list[Message]]:
        """Whom it is with, and all that was said in it."""
        with self._open() as base:
            (asked,) = base.execute("SELECT asked FROM conversations WHERE id = ?", (conversation,)).fetchone()
            rows = base.execute("SELECT messages FROM turns WHERE conversation = ? ORDER BY id", (conversation,))
            said = [message for (text,) in rows for message in msgspec.json.decode(text)]
        return msgspec.json.decode(asked, type=Asked), [Message.from_dict(message) for message in said]

    def find(self, words: str = "", *, conversation: str | None = None, most: int | None = None) -> list[Kept]:
        """The turns in which every one of the words stands, at most so many of the last ones, in order."""
        wanted, values = ["1"], list[Any]()
        for word in words.split():
            wanted.append("(holds(prompt, ?) OR holds(answer, ?))")
            values += [word.casefold()] * 2
        if conversation is not None:
            wanted.append("conversation = ?")
            values.append(conversation)
        query = (
            "SELECT conversation, at, model, prompt, answer, messages, facts FROM turns"  # noqa: S608  no value in it
            f" WHERE {' AND '.join(wanted)} ORDER BY id DESC LIMIT ?"
        )
        with self._open() as base:
            rows = base.execute(query, (*values, -1 if most is None else most)).fetchall()
        return [_turn(row) for row in reversed(rows)]

    def remove(self, conversation: str) -> None:
        """Forget a conversation; its pages are overwritten."""
        with self._open() as base:
            base.execute("PRAGMA secure_delete = ON")
            base.execute("DELETE FROM turns WHERE conversation = ?", (conversation,))
            base.execute("DELETE FROM conversations WHERE id = ?", (conversation,))

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """The file, and a transaction in it."""
        try:
            with closing(sqlite3.connect(private(self.path), timeout=BUSY)) as base, base:
                base.executescript(TABLES)
                base.create_function("holds", 2, _holds, deterministic=True)
                yield base
        except sqlite3.Error as reason:
            raise ConfigurationError(f"the conversations in {self.path} cannot be used: {reason}") from None


def new_id() -> str:
    """An id for a conversation: 16 letters and digits, later ones after earlier ones."""
    number = int(datetime.now(UTC).timestamp() * 1000) << 35 | secrets.randbits(35)
    return "".join(_LETTERS[number >> 5 * place & 31] for place in reversed(range(16)))


def _turn(row: tuple[str, ...]) -> Kept:
    conversation, at, model, prompt, answer, messages, facts = row
    return Kept(conversation, at, model, prompt, answer, msgspec.json.decode(messages), msgspec.json.decode(facts))


def _holds(text: str, word: str) -> bool:
    return word in text.casefold()


def _model(asked: Asked, answer: ChatResponse) -> str:
    if asked.route is not None:
        return f"{asked.route} ({answer.provider}:{answer.model})"
    return f"{answer.provider}:{answer.model}"
