"""What an answer has said already, by block and part; for servers that say it once more at the end, or only there.

In comes the log of the answer; out, of a text that is told in full, what of it is new. The log is looked at only when
something is told again, and each entry of it once; a comparison costs no more than what is told.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from ...core.pieces import BlockKey, Reasoning, Text
from ...core.transcript import Transcript

PARAGRAPH = "\n\n"
"""What stands between the parts of one block of reasoning."""

BETWEEN: BlockKey = "between"
"""The part that a `PARAGRAPH` is logged under: the provider did not say it."""

_MOST_ALIKE = 100
"""As many blocks as long as what is told are compared with it; no answer has more, and a comparison stays cheap."""


class Key(NamedTuple):
    """Where something is said: the kind of piece, its block and part, and whether it is raw reasoning."""

    kind: type
    block: BlockKey
    part: BlockKey
    raw: bool = False


class _Said:
    """What was said under one key: where in the log, how much, and whether any of it came in pieces."""

    __slots__ = ("length", "pieced", "places")

    def __init__(self) -> None:
        self.places: list[int] = []
        self.length = 0
        self.pieced = False


class _Teller:
    """Compares what is told with what was said, from its beginning on."""

    def __init__(self, strings: Iterator[str]) -> None:
        self._strings = strings
        self._rest = ""

    def new_in(self, told: str) -> str | None:
        """What of `told` was not said; `None` if it is something else than was said."""
        at = 0
        while at < len(told):
            if not self._rest:
                self._rest = next(self._strings, "")
                if not self._rest:
                    return told[at:]
            size = min(len(self._rest), len(told) - at)
            if self._rest[:size] != told[at : at + size]:
                return None
            self._rest, at = self._rest[size:], at + size
        return ""


class Retelling:
    """The log of one answer by block and part."""

    def __init__(self, log: Transcript) -> None:
        self._log = log
        self._seen = 0
        self._key: Key | None = None
        self._said: dict[Key, _Said] = {}
        self._blocks: set[tuple[type, BlockKey]] = set()
        self._sorts: defaultdict[type, set[str]] = defaultdict(set)
        self._by_length: defaultdict[tuple[type, int], dict[Key, None]] = defaultdict(dict)
        self._parts: dict[tuple[type, BlockKey, bool], list[Key]] = {}
        self._tellers: dict[object, _Teller] = {}
        self._kinds: defaultdict[type, _Said] = defaultdict(_Said)
        self._told: set[tuple[type, str]] = set()
        self._fresh: Counter[type] = Counter()
        self._mark: dict[type, int] = {}
        self._frame = -1

    def new_in(self, told: str, key: Key, frame: int, *, or_piece: bool = False, in_list: bool = False) -> str:
        """What of `told` was not said before this frame began to tell; what it tells under one key is told in order.

        With `or_piece` a text that does not tell anew all that was said is new itself, if nothing came in pieces. With
        `in_list` the block is named by its place in the list of the whole answer, which may be another name than it
        had.
        """
        self._look(frame)
        if in_list and (key.kind, key.block) not in self._blocks:
            new = "" if self._said_elsewhere(told, key.kind) else self._new_in_order(told, key.kind, 0)
        elif not (in_list or or_piece) and self._is_named_otherwise(key):
            new = self._new_of_last(told, key.kind)
        else:
            new = self._new_under(told, key, or_piece=or_piece, in_list=in_list)
        self._told.add((key.kind, told))
        self._fresh[key.kind] += bool(new)
        return new

    def is_all(self, text: str, kind: type, frame: int) -> bool:
        """Whether a text is all that was said of a kind before this frame, in several pieces."""
        if self._frame != frame:
            self._look(-frame)  # not yet the frame's own look: it may say more before it tells something
        said = self._kinds[kind]
        if len(said.places) < 2 or said.length != len(text):
            return False
        return _Teller(self._texts(said.places)).new_in(text) == ""

    def knows(self, kind: type, block: BlockKey, frame: int) -> bool:
        """Whether the block said something of this kind before this frame."""
        self._look(frame)
        return (kind, block) in self._blocks

    def _look(self, frame: int) -> None:
        """Read on in the log, as far as it was when the frame began."""
        if frame == self._frame:
            return
        self._frame = frame
        self._tellers.clear()
        for kind, fresh in self._fresh.items():
            self._mark[kind] = len(self._kinds[kind].places) + fresh
        self._fresh.clear()
        entries = self._log.entries
        for place in range(self._seen, len(entries)):
            entry = entries[place]
            if type(entry) is Text or type(entry) is Reasoning:
                raw = type(entry) is Reasoning and entry.raw
                self._key = Key(type(entry), entry.block, entry.part, raw)
                self._note(self._key, place, entry.text or "", pieced=entry.in_full is None)
            elif type(entry) is str and self._key is not None:
                self._note(self._key, place, entry, pieced=True)
        self._seen = len(entries)

    def _note(self, key: Key, place: int, text: str, *, pieced: bool) -> None:
        if not text:
            return
        if key not in self._said:
            self._said[key] = _Said()
            self._blocks.add((key.kind, key.block))
            self._sorts[key.kind].add(_sort(key.block))
            self._parts.setdefault((key.kind, key.block, key.raw), []).append(key)
        said = self._said[key]
        self._by_length[key.kind, said.length].pop(key, None)
        for kept in (said, self._kinds[key.kind]) if key.part != BETWEEN else (said,):
            kept.places.append(place)
            kept.length += len(text)
        said.pieced = said.pieced or pieced
        self._by_length[key.kind, said.length][key] = None

    def _new_under(self, told: str, key: Key, *, or_piece: bool, in_list: bool) -> str:
        """What of `told` was not said under its key."""
        said = self._said.get(key)
        if or_piece and said is not None and len(told) < said.length:
            return "" if said.pieced else told
        sources = self._sources(key)
        if not sources and in_list and self._is_numbered_from_one(told, key):
            return ""
        if sources not in self._tellers:
            self._tellers[sources] = _Teller(self._strings(sources))
        new = self._tellers[sources].new_in(told)
        if new is not None:
            return new
        return told if or_piece and not (said and said.pieced) else ""

    def _sources(self, key: Key) -> tuple[Key, ...]:
        """Under which keys the same was said, if it was: of a server that numbers parts here and not there, all."""
        if key in self._said:
            return (key,)
        parts = self._parts.get((key.kind, key.block, key.raw), [])
        unnumbered = key.part is None or any(one.part is None for one in parts)
        return tuple(one for one in parts if one.part != BETWEEN) if unnumbered else ()

    def _is_numbered_from_one(self, told: str, key: Key) -> bool:
        """Whether a part goes by the next number in pieces, while a list begins at 0."""
        following = key._replace(part=key.part + 1) if isinstance(key.part, int) else key
        return self._is_said(told, following)

    def _said_elsewhere(self, told: str, kind: type) -> bool:
        """Whether a block that goes by another name said the same: some servers name a block anew in every event."""
        alike = self._by_length.get((kind, len(told)), {})
        return any(self._is_said(told, key) for key in islice(alike, _MOST_ALIKE))

    def _is_said(self, told: str, key: Key) -> bool:
        said = self._said.get(key)
        return said is not None and said.length == len(told) and _Teller(self._strings((key,))).new_in(told) == ""

    def _is_named_otherwise(self, key: Key) -> bool:
        """Whether the block has no name, or one of another sort than those that said something: an id, not a number."""
        if key.block is None:
            return True
        sorts = self._sorts[key.kind]
        return bool(sorts) and _sort(key.block) not in sorts

    def _new_of_last(self, told: str, kind: type) -> str:
        """What of `told` is new if it tells what was said since a text of this kind was told last."""
        if (kind, told) in self._told or self._ends_with(told, kind):
            return ""
        return self._new_in_order(told, kind, self._mark.get(kind, 0))

    def _new_in_order(self, told: str, kind: type, start: int) -> str:
        """What of `told` is new if the frame's texts tell in order what was said from entry `start` of the kind on."""
        if (kind, start) not in self._tellers:
            self._tellers[kind, start] = _Teller(self._texts(islice(self._kinds[kind].places, start, None)))
        new = self._tellers[kind, start].new_in(told)
        return told if new is None else new

    def _ends_with(self, told: str, kind: type) -> bool:
        """Whether what was said last of a kind is what is told."""
        rest = told
        for text in self._texts(reversed(self._kinds[kind].places)):
            if len(text) >= len(rest):
                return text.endswith(rest)
            if not rest.endswith(text):
                return False
            rest = rest[: -len(text)]
        return False

    def _strings(self, keys: Iterable[Key]) -> Iterator[str]:
        return self._texts(place for key in keys for place in self._said[key].places)

    def _texts(self, places: Iterable[int]) -> Iterator[str]:
        """The text of each of these entries, none of which is empty."""
        for place in places:
            entry = self._log.entries[place]
            yield entry if isinstance(entry, str) else getattr(entry, "text", "")


def _sort(block: BlockKey) -> str:
    """What sort of name a block has."""
    if block is None:
        return "none"
    return "id" if isinstance(block, str) else "number"
