"""The calls beside the chat: lists of models, embeddings, counts of tokens."""

from __future__ import annotations

from typing import Any, Literal

import msgspec


class Endpoint(msgspec.Struct, frozen=True):
    """A call beside the chat: a list of models, embeddings, a count of tokens.

    `body` is a template over `model`, `texts`, `dimensions` and `chat` (the body that a chat would send). The answer's
    elements stand at `items` (`.` is the answer itself), what is wanted of each at `value`, a number of tokens at
    `tokens`. `absent` says, in place of all this, why there is no such call and what would work.
    """

    path: str = ""
    method: Literal["GET", "POST"] = "POST"
    body: Any = None
    items: str = "."
    value: str = "."
    tokens: str = ""
    absent: str = ""


def not_offered(reason: str) -> Endpoint:
    """There is no such call; `reason` says what would work."""
    return Endpoint(absent=reason)
