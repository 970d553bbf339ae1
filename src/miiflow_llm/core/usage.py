"""Token counts, the same for every provider."""

from __future__ import annotations

from typing import Any

import msgspec

LARGEST = 2**53
"""The largest count that is taken for one; JSON numbers above it are not exact, and no model reads so much."""


def as_count(value: Any) -> int | None:
    """`value` as a number of tokens; `None` if it is negative, above `LARGEST` or not a number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= LARGEST:
        return None
    return int(value)


class TokenCount(msgspec.Struct, frozen=True, omit_defaults=True):
    """Tokens of one call. `None` means not reported, never zero.

    `prompt_tokens` includes cached ones, `completion_tokens` includes reasoning, whatever the provider's own habit.
    `total_tokens` is the provider's figure, or the sum of the two where it reports none.
    `cache_read_tokens` and `cache_write_tokens` are parts of `prompt_tokens`; `reasoning_tokens` is a part of
    `completion_tokens`.

    Some kinds have prices of their own: `cache_write_1h_tokens` are the part of `cache_write_tokens` that is kept for
    an hour, `audio_prompt_tokens` and `audio_completion_tokens` parts of the two halves. `web_searches` are not tokens:
    they are the searches that the provider ran for the answer and charges for.
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    audio_prompt_tokens: int | None = None
    audio_completion_tokens: int | None = None
    web_searches: int | None = None

    def to_dict(self) -> dict[str, int | None]:
        """Plain values that JSON has; what was not reported is `None`."""
        return msgspec.structs.asdict(self)

    def __add__(self, other: TokenCount) -> TokenCount:
        """The sum field by field; a field that neither side reports stays `None`."""
        if not isinstance(other, TokenCount):
            return NotImplemented
        return TokenCount(*(_plus(mine, theirs) for mine, theirs in zip(_fields(self), _fields(other), strict=True)))

    def __bool__(self) -> bool:
        """Whether anything was reported at all."""
        return any(value is not None for value in _fields(self))


def _fields(count: TokenCount) -> tuple[int | None, ...]:
    return msgspec.structs.astuple(count)


def _plus(a: int | None, b: int | None) -> int | None:
    if a is None:
        return b
    return a if b is None else a + b
