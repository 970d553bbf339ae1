"""Find the JSON values in a model's text that may be its answer, the likeliest first.

A draft (`<think>…</think>`, or all before a lone `</think>`) holds no answer. Of several values one in a Markdown fence
comes before one among words, and of those the last: models reason first and answer then.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Literal

import msgspec

from ..core.exceptions import ParsingError
from ..core.json_text import escape_controls, repair_surrogates
from .partial_json import PartialJSON

_WORDS = "think|thinking|thought|thoughts|reasoning|reflection|scratchpad|analysis|draft"
_OPENING = re.compile(rf"\s*(?:<(?:{_WORDS})>|\[THINK\]|◁think▷|<\|channel\|>analysis<\|message\|>)", re.IGNORECASE)
_OPENINGS = (*(f"<{word}>" for word in _WORDS.split("|")), "[think]", "◁think▷", "<|channel|>analysis<|message|>")
_CLOSING = re.compile(rf"</(?:{_WORDS})>|\[/THINK\]|◁/think▷|<\|channel\|>final<\|message\|>", re.IGNORECASE)
_FENCE = re.compile(r"(?:```|~~~)[ \t]*\w*[ \t]*\r?\n?\s*\Z")
_ALONE = re.compile(r"\s*(?:```|~~~)[ \t]*\w*[ \t]*\r?\n(.*)(?:```|~~~)\s*", re.DOTALL)
_LONGEST_TAG: Final = 40
_MOST_FALSE_STARTS: Final = 100
"""Brackets that begin no JSON, after which no more is looked for."""


def without_draft(text: str) -> str:
    """The text after its draft; nothing if the draft never ends."""
    rest = text[max((found.end() for found in _CLOSING.finditer(text)), default=0) :]
    return "" if _OPENING.match(rest) else rest


def answers_in(text: str, openers: str = "{[") -> list[str]:
    """The JSON texts in `text` that may be the answer, the likeliest first; none if there are none.

    `openers` is what such a value begins with; a text that is JSON as a whole may be any value.
    """
    if is_json(text):
        return [text.lstrip("\ufeff")]
    said = without_draft(text)
    if said != text and is_json(said):
        return [said]
    fenced: list[str] = []
    bare: list[str] = []
    for start, end in _values(said, openers):
        (fenced if _FENCE.search(said, max(0, start - _LONGEST_TAG), start) else bare).append(said[start:end])
    return [*reversed(fenced), *reversed(bare)]


def is_json(text: str) -> bool:
    """Whether the whole text is one JSON value."""
    try:
        msgspec.json.decode(escape_controls(repair_surrogates(text.lstrip("\ufeff"))), type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def holds_json_alone(text: str) -> bool:
    """Whether the text is one JSON object or array, in a fence or bare, and nothing else."""
    inner = _ALONE.fullmatch(text)
    found = (inner.group(1) if inner else text).strip()
    return found[:1] in ("{", "[") and is_json(found)


def _values(text: str, openers: str) -> Iterator[tuple[int, int]]:
    """Where whole objects and arrays begin and end, outside of each other."""
    at, misses = 0, 0
    while at < len(text) and misses < _MOST_FALSE_STARTS:
        reader = PartialJSON(lenient=True, openers=openers)
        try:
            reader.feed(text[at:])
        except ParsingError:
            at, misses = at + reader.start + 1, misses + 1
            continue
        if reader.end is None:
            return
        yield at + reader.start, at + reader.end
        at += reader.end


class DraftFilter:
    """Passes on a text that comes in pieces, without a draft at its beginning."""

    def __init__(self) -> None:
        self.ended = False
        """Whether the last piece ended a draft, so that all that was passed on before it is one too."""
        self._state: Literal["start", "draft", "answer"] = "start"
        self._tail = ""

    @property
    def is_open(self) -> bool:
        """Whether a draft has begun and not ended."""
        return self._state == "draft"

    def feed(self, piece: str) -> str:
        """What of the answer the next piece brings."""
        text = self._tail + piece
        closings = [*_CLOSING.finditer(text)]
        self.ended = bool(closings)
        if closings:
            self._state = "start"
            return self._begin(text[closings[-1].end() :])
        if self._state == "start":
            return self._begin(text)
        self._tail = text[-_LONGEST_TAG:]
        return piece if self._state == "answer" else ""

    def _begin(self, text: str) -> str:
        said = text.lstrip().lower()
        self._tail = text
        if _OPENING.match(text):
            self._state = "draft"
        elif not any(tag.startswith(said) for tag in _OPENINGS):
            self._state, self._tail = "answer", text[-_LONGEST_TAG:]
            return text
        return ""
