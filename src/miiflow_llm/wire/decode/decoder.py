"""Read frames by a dialect's table: a frame in, its pieces out, without memory.

A frame is read by the typed decoder of its event; where the payload does not fit that, the one frame is read again the
tolerant way. Readers are compiled when their event is first seen.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from ...core.exceptions import StreamProtocolError
from ...core.pieces import Piece
from ...core.text import clean
from ...tables import Dialect, Each, Rule, RuleLike
from ...tables.event_words import paths_of
from .compile import READ_ERRORS, Reader, compile_rules
from .errors import plain
from .frames import Frame
from .more_text import MoreText, more_text
from .tolerant import Mismatch, decode_leniently, walk

log = logging.getLogger("miiflow_llm.wire")

_BESIDE = frozenset({"meta", "usage", "failure", "logprobs", "citation", "progress"})

WHOLE = "whole answer"
"""The name of the event that a non-streamed answer is."""


class Decoder:
    """The compiled reading side of one dialect; safe to share, holds no stream's state.

    `unknown` counts the events that neither a rule nor `ignored` names. `readers[meta][event]` is the function that
    makes an event's payload into pieces; what it raises goes to `again`. `more_text[meta][event]` reads the payloads
    that say nothing but more text, and is `None` for events that never do. `reads_alike` says that a stream's frames
    and whole answers are read by the same rules.
    """

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.unknown: dict[str, int] = {}
        self.named = event_names(dialect.events) | {*dialect.complete, *dialect.end} - {
            "finish",
            dialect.done,
        }
        self.readers = (_Readers(self, meta=False), _Readers(self, meta=True))
        self.more_text = (_MoreTexts(self, meta=False), _MoreTexts(self, meta=True))
        self.reads_alike = dialect.whole == dialect.events
        self._peek = _peeker(dialect.event) if dialect.event else None
        self._roots = frozenset(_roots(dialect.events))

    def event_of(self, frame: Frame) -> str:
        """The name that the table knows the frame's event by; `""` where its events have none, or no rule names it."""
        if self._peek is None:
            return ""
        event = frame.event
        return event if event is not None and event in self.named else self._event_in(frame)

    def read(self, event: str, data: bytes, *, meta: bool = True) -> list[Piece]:
        """The pieces of a frame; `meta=False` leaves out the answer's names, which come with every frame.

        Raises:
            StreamProtocolError: the payload is no JSON, or of a shape that neither reading understands.
        """
        try:
            return self.readers[meta][event](data)
        except READ_ERRORS as reason:
            return self.again(event, data, reason)

    def read_whole(self, body: bytes) -> list[Piece]:
        """The pieces of a non-streamed answer's body.

        Raises:
            StreamProtocolError: as for `read`.
        """
        return self.read(WHOLE, body)

    def reader(self, event: str) -> Reader:
        """The compiled reader of an event, as `scripts/explain` shows it."""
        return self.compiled(event, meta=True)

    def rules_for(self, event: str, *, meta: bool = True) -> tuple[RuleLike, ...]:
        """The rules that read `event`, in table order."""
        rules = self.dialect.whole if event == WHOLE else for_event(self.dialect.events, event)
        return rules if meta else without_meta(rules)

    def compiled(self, event: str, *, meta: bool) -> Reader:
        """A reader made afresh from the table."""
        return compile_rules(f"{self.dialect.name}:{event or 'any'}", self.rules_for(event, meta=meta))

    def compiled_more_text(self, event: str, *, meta: bool) -> MoreText | None:
        """What reads the payloads of an event that say nothing but more text; `None` where none do."""
        return more_text(f"{self.dialect.name}:{event or 'any'}", self.rules_for(event, meta=meta))

    def name_in(self, value: Any) -> str | None:
        """The name that a payload gives to its event."""
        name = value.get(self.dialect.event) if isinstance(value, dict) and self.dialect.event else None
        return name if isinstance(name, str) else None

    def has_an_answer(self, value: dict[str, Any]) -> bool:
        """Whether a payload has something in a place where answers are."""
        return any(isinstance(value.get(root), (dict, list)) and value[root] for root in self._roots)

    def _event_in(self, frame: Frame) -> str:
        assert self._peek is not None  # noqa: S101  the caller looked
        try:
            event = self._peek(frame.data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            event = None
        event = event or frame.event or ""
        if event in self.named:
            return event
        if event and event not in self.dialect.ignored:
            self._count(event)
        return ""

    def _count(self, event: str) -> None:
        if event in self.unknown or len(self.unknown) < 100:
            self.unknown[event] = self.unknown.get(event, 0) + 1
        log.debug("%s: event %.100r is read by no rule", self.dialect.name, event)

    def again(self, event: str, data: bytes, reason: Exception) -> list[Piece]:
        """The pieces of a payload that the typed reader refused for `reason`, read the tolerant way.

        Raises:
            StreamProtocolError: as for `read`.
        """
        if self.dialect.framing == "sse" and data.startswith(b":"):
            return []  # a comment put into data, as Vertex does for its partners' models
        try:
            if isinstance(reason, RecursionError):
                raise reason
            return walk(self.rules_for(event), decode_leniently(data))
        except (msgspec.DecodeError, Mismatch, RecursionError) as second:
            detail = str(second) if isinstance(second, Mismatch) else str(reason)
            raise self._unreadable(event, data, detail) from None

    def _unreadable(self, event: str, data: bytes, detail: str) -> StreamProtocolError:
        shown = data[:200].decode("utf-8", "replace")
        if shown.lstrip("\ufeff \t\r\n").startswith("<"):
            return StreamProtocolError(
                f"a web page came in place of an answer in {self.dialect.name}: {clean(plain(data))}. "
                "Is base_url right, and does no proxy or login page stand in between?",
                payload=shown,
            )
        return StreamProtocolError(
            f"{self.dialect.name} sent {event or 'a frame'} that its format does not allow: {detail}; "
            f"it begins {shown!r}",
            payload=shown,
        )


class _Readers(dict[str, Callable[[bytes], list[Piece]]]):
    """The compiled functions of one dialect by event, each made when its event is first seen."""

    def __init__(self, decoder: Decoder, *, meta: bool) -> None:
        self._decoder = decoder
        self._meta = meta

    def __missing__(self, event: str) -> Callable[[bytes], list[Piece]]:
        read = self[event] = self._decoder.compiled(event, meta=self._meta).read
        return read


class _MoreTexts(dict[str, MoreText | None]):
    """What reads more text, by event; no event is kept that no rule names."""

    def __init__(self, decoder: Decoder, *, meta: bool) -> None:
        dialect = decoder.dialect
        self._decoder = decoder
        self._meta = meta
        self._events = decoder.named.difference(dialect.complete, dialect.end) if dialect.event else {""}

    def __missing__(self, event: str) -> MoreText | None:
        if event not in self._events:
            return None
        read = self[event] = self._decoder.compiled_more_text(event, meta=self._meta)
        return read


def _peeker(path: str) -> Any:
    shape = msgspec.defstruct("Peek", [("name", str | None, msgspec.field(default=None, name=path))])
    decode = msgspec.json.Decoder(shape).decode
    return lambda data: getattr(decode(data), "name", None)


def event_names(rules: tuple[RuleLike, ...]) -> frozenset[str]:
    """Every event that some rule names."""
    return frozenset(name for rule in rules for name in (*rule.on, *_inner_names(rule)))


def _inner_names(rule: RuleLike) -> frozenset[str]:
    return event_names(rule.rules) if isinstance(rule, Each) else frozenset()


def for_event(rules: tuple[RuleLike, ...], event: str) -> tuple[RuleLike, ...]:
    """The rules that hold for `event`: those that name it and those that name none."""
    kept = (rule for rule in rules if not rule.on or event in rule.on)
    return tuple(
        Each(rule.path, for_event(rule.rules, event), rule.where, ()) if isinstance(rule, Each) else rule
        for rule in kept
    )


def _roots(rules: tuple[RuleLike, ...]) -> Iterator[str]:
    """The keys of a payload under which the rules find what the answer is."""
    for rule in rules:
        if isinstance(rule, Each):
            yield from rule.path.split(".")[:1]
        elif rule.kind not in _BESIDE:
            for value in (rule.when, *rule.fields.values()):
                yield from (path.partition(".")[0].partition("[")[0] for path in paths_of(value))


def without_meta(rules: tuple[RuleLike, ...]) -> tuple[RuleLike, ...]:
    """The rules but for those that read no more than the answer's names."""
    return tuple(
        Each(rule.path, without_meta(rule.rules), rule.where, rule.on) if isinstance(rule, Each) else rule
        for rule in rules
        if not (isinstance(rule, Rule) and rule.kind == "meta" and "starts" not in rule.fields)
    )
