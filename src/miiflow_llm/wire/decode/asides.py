"""What is said beside an answer and not of it: log probabilities and citations, each once.

Servers tell both in pieces, once more at the end, or only there.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ...core.pieces import BlockKey, Citation, Logprobs

_NO_VALUE: tuple[Any, ...] = (None, "", {})


class Asides:
    """The log probabilities and citations of one answer.

    If one frame is read and no other (`alone`), only what comes in pieces counts.
    """

    __slots__ = ("_alone", "_cited", "_scored", "citations", "logprobs")

    def __init__(self, *, alone: bool) -> None:
        self._alone = alone
        self._scored: set[tuple[BlockKey, BlockKey]] = set()
        self._cited: set[bytes] = set()
        self.logprobs: list[Any] = []
        self.citations: list[Any] = []

    def score(self, piece: Logprobs) -> list[Any]:
        """Take log probabilities; those that are new."""
        place = (piece.block, piece.part)
        if piece.in_full is not None and (self._alone or place in self._scored):
            return []
        values = _spread(piece.value if piece.in_full is None else piece.in_full)
        if values:
            self._scored.add(place)
            self.logprobs += values
        return values

    def cite(self, piece: Citation) -> list[Any]:
        """Take citations; those that are new."""
        values = _spread(piece.value if piece.in_full is None else piece.in_full)
        if piece.in_full is not None:
            values = [] if self._alone else [value for value in values if msgspec.json.encode(value) not in self._cited]
        if values:
            self._cited.update(map(msgspec.json.encode, values))
            self.citations += values
        return values


def _spread(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    return [] if value in _NO_VALUE else [value]
