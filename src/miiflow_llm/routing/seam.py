"""Where the answer of one target is joined to the beginning that another gave: nothing twice, nothing lost."""

from __future__ import annotations


class Seam:
    """Cuts off the start of a reply what repeats the end of the text before it, however the reply is cut in pieces.

    `words` is the text that the reply is expected to repeat, `""` if none: a reply that begins otherwise does not
    repeat it, and is taken whole. `space` is the white space at the end of the text that may come again, as far as it
    does.
    """

    __slots__ = ("_cut", "_held", "_over", "_repeats", "space", "words")

    def __init__(self, words: str, space: str) -> None:
        self.words = words
        self.space = space
        self._cut = 0
        self._held = ""
        self._repeats = bool(words)
        self._over = not (words or space)

    @property
    def cut(self) -> int:
        """How many characters of the reply are not part of the answer, or not yet."""
        return self._cut + len(self._held)

    def new(self, delta: str, *, ends: bool = False) -> str:
        """What the next piece of the reply adds; `ends` says that no more text follows it at this place."""
        if self._over:
            return delta
        self._held += delta
        if self._repeats and not self._words_repeated(ends=ends):
            return ""
        return self._after_space(ends=ends)

    def _words_repeated(self, *, ends: bool) -> bool:
        """Whether it is known now whether the words are repeated; if they are, they are gone."""
        held, words = self._held, self.words
        if len(held) < len(words) and words.startswith(held):
            if not ends:
                return False
            self._drop(len(held))  # it ended in the midst of what it repeats
        elif held.startswith(words):
            self._drop(len(words))
        self._repeats = False
        return True

    def _after_space(self, *, ends: bool) -> str:
        held, space = self._held, self.space
        if len(held) < len(space) and space.startswith(held) and not ends:
            return ""
        same = next((at for at, (one, other) in enumerate(zip(held, space, strict=False)) if one != other), None)
        self._drop(min(len(held), len(space)) if same is None else same)
        self._over = True
        out, self._held = self._held, ""
        return out

    def _drop(self, number: int) -> None:
        self._cut += number
        self._held = self._held[number:]
