"""What a provider's batch says of itself, and what comes of its requests."""

from __future__ import annotations

from typing import Literal

import msgspec

from .exceptions import MiiflowLLMError
from .response import ChatResponse, Embeddings

BatchStatus = Literal["queued", "running", "ended", "failed", "cancelled", "expired"]
"""How far a batch is: the last four are final; `failed` is a batch that the provider refused as a whole."""
FINAL: tuple[BatchStatus, ...] = ("ended", "failed", "cancelled", "expired")


class BatchCounts(msgspec.Struct, frozen=True):
    """How many requests a batch has, and what became of them. `None` is what the provider does not say.

    `percent` is how far the provider says that it is, from 0 to 100. Some count only when the batch has ended.
    """

    total: int | None = None
    succeeded: int | None = None
    failed: int | None = None
    pending: int | None = None
    percent: float | None = None

    def __add__(self, other: BatchCounts) -> BatchCounts:
        """Both together; what one of them does not say is what the other says. `percent` is the smaller."""
        sums = {name: _sum(getattr(self, name), getattr(other, name)) for name in self.__struct_fields__[:-1]}
        told = [one.percent for one in (self, other) if one.percent is not None]
        return BatchCounts(**sums, percent=min(told, default=None))


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None and other is None else (one or 0) + (other or 0)


class BatchState(msgspec.Struct, frozen=True):
    """How far one batch of the provider's is; `reason` says why one `failed`."""

    id: str
    status: BatchStatus
    counts: BatchCounts = BatchCounts()
    reason: str = ""

    @property
    def final(self) -> bool:
        """Whether nothing more comes."""
        return self.status in FINAL


class BatchResult(msgspec.Struct, frozen=True):
    """What came of one request: a `response`, or the `embeddings` of one text, or an `error`.

    `key` is the request's. An error is what a single call would have raised (`RateLimitError`, `ParsingError`, whose
    `partial` is the answer, ...), or `BatchExpiredError` and `BatchCancelledError` if the request was never made.
    """

    key: str
    response: ChatResponse | None = None
    embeddings: Embeddings | None = None
    error: MiiflowLLMError | None = None
