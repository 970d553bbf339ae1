"""The answer so far: an append-only log of what was said, from which text, calls and messages are built when asked.

A chunk keeps the log and the place it stands at, so that a chunk costs the same however long the answer is.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any, cast

import msgspec

from .messages import Block, OpaqueBlock, ReasoningBlock, TextBlock, ToolCall
from .pieces import Fill, Merge, Opaque, Reasoning, Text, ToolCallPiece

Entry = Text | Reasoning | ToolCallPiece | Opaque | Fill
"""A piece as it was said."""


class Transcript:
    """`entries` in wire order; a `ToolCallPiece` in it has the call's ordinal as its `index`, never `None`.

    A plain string is more text of the block that the `Text` before it belongs to: a long answer is little else.
    A piece of arguments that fills an `Opaque` has that block's key as its `id` and no ordinal (`index=-1`).
    """

    __slots__ = ("calls", "entries", "origin")

    def __init__(self, origin: str | None = None) -> None:
        self.origin = origin
        self.entries: list[Entry | str] = []
        self.calls = 0

    def text(self, upto: int | None = None) -> str:
        """All text among the first `upto` entries."""
        entries = self.entries[:upto]
        return "".join(
            [e if isinstance(e, str) else e.text or "" for e in entries if isinstance(e, str) or type(e) is Text]
        )

    def reasoning(self, upto: int | None = None) -> str:
        """All reasoning among the first `upto` entries."""
        return "".join([e.text for e in self.entries[:upto] if type(e) is Reasoning and e.text])

    def tool_calls(self, upto: int | None = None) -> list[ToolCall]:
        """The calls among the first `upto` entries, each as far as it has come."""
        return [part for part in self.parts(upto) if isinstance(part, ToolCall)]

    def parts(self, upto: int | None = None) -> list[Block]:
        """Everything among the first `upto` entries as blocks, in wire order."""
        builder = _Builder(self.origin)
        for kind, run in groupby(self.entries[:upto], type):
            if kind is str:
                builder.blocks[-1].strings.extend(cast("Iterable[str]", run))
            else:
                for entry in cast("Iterable[Entry]", run):
                    builder.add(entry)
        return builder.built()


class _Open:
    """A block under construction: its strings are joined once, at the end."""

    __slots__ = ("first", "key", "raw", "signed", "strings", "strung", "values")

    def __init__(self, first: Entry, key: object) -> None:
        self.first = first
        self.key = key
        self.strings: list[str] = []
        self.values: dict[str, Any] = {}
        self.strung: dict[str, list[str]] = {}
        self.signed = False
        self.raw = False

    def join(self, piece: dict[str, Any], merge: Merge) -> None:
        """Put a piece of an opaque part to what came before it."""
        for key, value in piece.items():
            if key in merge.joined and isinstance(value, str):
                self.strung.setdefault(key, []).append(value)
            if value is not None or key not in self.values:
                self.values[key] = value

    def merged(self) -> bytes:
        """The opaque part that the pieces make."""
        joined = {key: "".join(strings) for key, strings in self.strung.items()}
        return msgspec.json.encode({**self.values, **joined})

    def note(self, **values: str | None) -> None:
        self.values.update({name: value for name, value in values.items() if value is not None})


class _Builder:
    def __init__(self, origin: str | None) -> None:
        self.origin = origin
        self.blocks: list[_Open] = []
        self.calls: dict[object, _Open] = {}
        self.opaque: dict[object, _Open] = {}
        self.merged: dict[object, _Open] = {}
        self.said: dict[object, _Open] = {}

    def add(self, entry: Entry) -> None:
        if type(entry) is Text:
            open_ = self._say(entry, entry.signature)
            if entry.item_id is not None or entry.phase is not None:
                open_.note(item_id=entry.item_id, phase=entry.phase)
        elif type(entry) is Reasoning:
            open_ = self._say(entry, entry.signature)
            open_.note(data=entry.data, id=entry.id)
        elif type(entry) is ToolCallPiece:
            self._call(entry)
        elif type(entry) is Opaque:
            self._opaque(entry)
        elif type(entry) is Fill and str(entry.block) in self.opaque:
            self.opaque[str(entry.block)].note(**{entry.key or "": entry.value})

    def _opaque(self, entry: Opaque) -> None:
        if entry.merge is None:
            self.opaque[str(entry.block)] = self._new(entry, entry.block)
            return
        value = msgspec.json.decode(entry.payload or b"{}")
        key = tuple([str(value.get(name)) for name in entry.merge.keys])
        if key not in self.merged:
            self.merged[key] = self._new(entry, key)
        self.merged[key].join(value, entry.merge)

    def _new(self, entry: Entry, key: object) -> _Open:
        self.blocks.append(_Open(entry, key))
        return self.blocks[-1]

    def _say(self, entry: Text | Reasoning, signature: str | None) -> _Open:
        key = (type(entry), entry.block)
        if not entry.text and signature is None and entry.block is not None and key in self.said:
            return self.said[key]
        last = self.blocks[-1] if self.blocks else None
        same = last is not None and type(last.first) is type(entry) and entry.block in (None, last.key)
        raw = type(entry) is Reasoning and entry.raw
        another = last is not None and bool(last.strings and entry.text) and last.raw != raw
        if another or (signature is not None and type(entry) is Text):
            same = False
        open_ = last if same and last is not None and not last.signed else self._new(entry, entry.block)
        self.said[key] = open_
        if entry.text:
            open_.strings.append(entry.text)
            open_.raw = raw
        if signature is not None:
            open_.signed = True
            open_.note(signature=signature)
        return open_

    def _call(self, entry: ToolCallPiece) -> None:
        if entry.index == -1:
            open_ = self.opaque[str(entry.id)]
        elif entry.index in self.calls:
            open_ = self.calls[entry.index]
        else:
            open_ = self.calls[entry.index] = self._new(entry, entry.index)
        if entry.arguments:
            open_.strings.append(entry.arguments)
        if entry.index == -1:
            return
        open_.note(id=entry.id, name=entry.name, signature=entry.signature, item_id=entry.item_id)

    def built(self) -> list[Block]:
        return [self._build(open_) for open_ in self.blocks if not _says_nothing(open_)]

    def _build(self, open_: _Open) -> Block:
        joined, values = "".join(open_.strings), open_.values
        first = open_.first
        if type(first) is Text:
            return TextBlock(joined, origin=self.origin if values else None, **values)
        if type(first) is Reasoning:
            return ReasoningBlock(joined, origin=self.origin, raw=open_.raw, **values)
        if type(first) is ToolCallPiece:
            origin = self.origin if "signature" in values or "item_id" in values else None
            name = values.pop("name", "")
            identity = values.pop("id", None) or f"call_{first.index}"
            return ToolCall(identity, name, joined, custom=first.custom, origin=origin, **values)
        assert type(first) is Opaque  # noqa: S101  the four kinds of entry end here
        payload = open_.merged() if first.merge else _filled(first, joined, values)
        return OpaqueBlock(msgspec.Raw(payload), origin=self.origin)


def _says_nothing(open_: _Open) -> bool:
    """Whether it is text without a word, which only a signature makes worth keeping."""
    return type(open_.first) is Text and not open_.strings and "signature" not in open_.values


def _filled(opaque: Opaque, joined: str, values: dict[str, str]) -> bytes:
    """The payload with what came later: the argument pieces under its key `fill`, and the JSON of `values`."""
    payload = opaque.payload or b"{}"
    later = {**values, opaque.fill: joined} if opaque.fill and joined else values
    if not later:
        return payload
    try:
        whole = msgspec.json.decode(payload)
        whole.update({key: msgspec.json.decode(value) for key, value in later.items()})
    except (msgspec.DecodeError, TypeError, RecursionError):
        return payload
    return msgspec.json.encode(whole)
