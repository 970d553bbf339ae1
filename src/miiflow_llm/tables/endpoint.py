"""The calls beside the chat: lists of models, embeddings, counts of tokens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from .request_words import Take
from .template import words


class Endpoint(msgspec.Struct, frozen=True):
    """A call beside the chat: a list of models, embeddings, a count of tokens.

    `body` is a template over `model`, `texts`, `dimensions` and `chat` (the body that a chat would send). The answer's
    elements stand at `items` (`.` is the answer itself), what is wanted of each at `value`, a number of tokens at
    `tokens`, what the call cost in USD at `cost`. `absent` says, in place of all this, why there is no such call and
    what would work.
    """

    path: str = ""
    method: Literal["GET", "POST"] = "POST"
    body: Any = None
    items: str = "."
    value: str = "."
    tokens: str = ""
    cost: str = ""
    absent: str = ""

    @property
    def takes(self) -> frozenset[str]:
        """The values that the body has a hole for, in its lists too."""
        return frozenset(_taken(self.body))


def _taken(template: Any) -> Iterator[str]:
    for word, _ in words(template):
        yield word.name
        if isinstance(word, Take) and word.each is not None:
            yield from _taken(word.each)


def not_offered(reason: str) -> Endpoint:
    """There is no such call; `reason` says what would work."""
    return Endpoint(absent=reason)
