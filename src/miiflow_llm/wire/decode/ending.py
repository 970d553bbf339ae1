"""How an answer ended: the reason that was given for it, or the failure that was reported.

Reasons are given more than once, in the words of any family, or not at all. The last one counts, except a `stop` after
an answer that was cut short. A failure that is told in words comes before one that only a reason says.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...core.pieces import Citation, Failure, Finish, Logprobs, Meta, Piece, Progress, Usage
from ...tables.finish_words import meaning
from .failures import says_anything

ERROR = "error"
"""The word of a finish table for an answer that the provider reports as failed."""

CUT_SHORT = ("length", "content_filter")
"""What an answer that a later `stop` does not make whole ended with: gateways close every stream with one."""

BESIDE = frozenset({Meta, Usage, Logprobs, Citation, Progress})
"""Pieces that do not say what the answer is."""


class Ending:
    """What one answer has said so far of its end; `words` are the dialect's for it.

    `finished` says that a reason was read, `reason` is it in the provider's words, `unified` in ours, or `ERROR`.
    `failure` is the error that was reported.
    """

    __slots__ = ("_inferred", "_words", "failure", "finished", "reason", "unified")

    def __init__(self, words: Mapping[str, str]) -> None:
        self._words = words
        self._inferred = False
        self.finished = False
        self.reason: str | None = None
        self.unified: str | None = None
        self.failure: Failure | None = None

    def finish(self, piece: Finish) -> bool:
        """Take a reason for the end; whether it is one to hand out."""
        self.finished = True
        word = piece.reason or ""
        if piece.unified is None and self.unified in CUT_SHORT and self._unified_for(word) == "stop":
            return True
        self.reason = piece.reason or self.reason
        if piece.unified is not None:
            self.unified = piece.unified
        elif self.unified is None or piece.reason:
            self.unified = self._unified_for(word)
        if self.unified == ERROR and self.failure is None:
            self.failure = Failure(piece.message or f"the answer ended as {piece.reason!r}", code=piece.reason)
            self._inferred = not piece.message
        return self.unified != ERROR  # a chunk handed out only for a failure would stand against a retry

    def fail(self, piece: Failure) -> None:
        """Keep the first failure that was reported in words; one inferred from a reason gives way to it."""
        if self.failure is None or self._inferred:
            self.failure = piece
            self._inferred = False

    def doubt(self, pieces: list[Piece]) -> None:
        """Forget an error without a word that came beside an answer, among these pieces: it holds the place of one."""
        if self.failure is None or says_anything(self.failure):
            return
        if any(type(piece) not in BESIDE and type(piece) is not Failure for piece in pieces):
            self.failure = None

    def _unified_for(self, word: str) -> str:
        return self._words.get(word) or meaning(word)

    @property
    def was_cut_short(self) -> bool:
        """Whether the answer may lack its end."""
        return self.unified in CUT_SHORT

    @property
    def is_given(self) -> bool:
        """Whether a reason was given, be it one that we do not know."""
        return self.finished and (self.unified not in (None, "unknown") or bool(self.reason))

    @property
    def is_unclear(self) -> bool:
        """Whether no known reason for the end was said, or only that it is a failure."""
        if self.unified not in (None, "unknown", ERROR):
            return False
        return self.failure is None or self._inferred
