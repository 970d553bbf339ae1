"""What an answer has said already, by block and part; for servers that say it once more at the end, or only there.

In comes the log of the answer; out, of a text that is told in full, what of it is new. The log is looked at only when
something is told again, and each entry of it once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ...core.pieces import BlockKey, Reasoning, Text
from ...core.transcript import Transcript

PARAGRAPH = "\n\n"
"""What stands between the parts of one block of reasoning."""

BETWEEN: BlockKey = "between"
"""The part that a `PARAGRAPH` is logged under: the provider did not say it."""


class Key(NamedTuple):
    """Where something is said: the kind of piece, its block and part, and whether it is raw reasoning."""

    kind: type
    block: BlockKey
    part: BlockKey
    raw: bool = False


class _Said:
    """What was said under one key: where in the log, how much, and whether any of it came in pieces."""

    __slots__ = ("length", "pieced", "runs")

    def __init__(self) -> None:
        self.runs: list[tuple[int, int]] = []
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
        self._texts: set[tuple[type, str]] | None = None
        self._parts: dict[tuple[type, BlockKey, bool], list[Key]] = {}
        self._tellers: dict[tuple[Key, ...], _Teller] = {}
        self._frame = -1

    def new_in(self, told: str, key: Key, frame: int, *, or_piece: bool = False, in_list: bool = False) -> str:
        """What of `told` was not said before this frame began to tell; what it tells under one key is told in order.

        With `or_piece` a text that does not tell anew all that was said is new itself, if nothing came in pieces. With
        `in_list` the block is named by its place in the list of the whole answer, which may be another name than it
        had.
        """
        self._look(frame)
        if in_list and (key.kind, key.block) not in self._blocks:
            return "" if self._said_elsewhere(told, key.kind) else told
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

    def knows(self, kind: type, block: BlockKey, frame: int) -> bool:
        """Whether the block said something of this kind before this frame."""
        self._look(frame)
        return (kind, block) in self._blocks

    def _look(self, frame: int) -> None:
        """Read on in the log, as far as it was when the frame began."""
        if frame == self._frame:
            return
        self._frame = frame
        self._texts = None
        self._tellers.clear()
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
            self._parts.setdefault((key.kind, key.block, key.raw), []).append(key)
        said = self._said[key]
        said.length += len(text)
        said.pieced = said.pieced or pieced
        if said.runs and said.runs[-1][1] == place:
            said.runs[-1] = (said.runs[-1][0], place + 1)
        else:
            said.runs.append((place, place + 1))

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
        return following in self._said and "".join(self._strings((following,))) == told

    def _strings(self, keys: tuple[Key, ...]) -> Iterator[str]:
        entries = self._log.entries
        for start, end in [run for key in keys for run in self._said[key].runs]:
            for entry in entries[start:end]:
                text = entry if isinstance(entry, str) else getattr(entry, "text", "")
                if text:
                    yield text

    def _said_elsewhere(self, told: str, kind: type) -> bool:
        """Whether a block that goes by another name said the same: some servers name a block anew in every event."""
        if self._texts is None:
            self._texts = {(key.kind, "".join(self._strings((key,)))) for key in self._said}
        return (kind, told) in self._texts
