"""Decide whether an error is tried again, after how many seconds, and if not, why. It sleeps nowhere."""

from __future__ import annotations

from collections.abc import Iterator

import backoff
import msgspec

from ..core.exceptions import (
    ConfigurationError,
    MiiflowLLMError,
    NetworkError,
    ProviderError,
    RateLimitError,
    StreamInterruptedError,
    TimeoutError,
)

LONGEST_WAIT = 120.0
"""A provider that asks for more, in seconds, is not waited for: the error goes to the caller with its hint."""

_FIRST = 0.5
_GREATEST = 8.0


def worth_retrying(error: MiiflowLLMError) -> bool:
    """Whether the same request may succeed later. Only asked while nothing was handed to the caller."""
    if isinstance(error, (ProviderError, NetworkError)):
        return error.retryable
    if isinstance(error, TimeoutError):
        return error.phase == "connect"
    return isinstance(error, StreamInterruptedError)


class RetryBudget(msgspec.Struct, frozen=True):
    """How many retries a client may add to its calls, so that an outage is not multiplied by those who meet it.

    `most` are at hand at first and can be saved up; each call adds `per_call`. A retry takes one, and if none is left
    the error goes to the caller at once and says so. Two kinds of retry take none: of a 429 for which the provider said
    how long to wait, and of a kept connection that had died while it rested.
    """

    most: float = 20.0
    per_call: float = 0.2

    def __post_init__(self) -> None:
        given: tuple[object, ...] = (self.most, self.per_call)
        if not all(isinstance(value, (int, float)) and value >= 0 for value in given):
            raise ConfigurationError(f"{self!r}: give numbers of retries from 0 up, or retry_budget=None for no limit")


class Bucket:
    """What is left of a client's budget; of no budget (`None`) there is always enough."""

    def __init__(self, budget: RetryBudget | None) -> None:
        self.budget = budget
        self.left = budget.most if budget is not None else 0.0

    def called(self) -> None:
        """A call began."""
        if self.budget is not None:
            self.left = min(self.budget.most, self.left + self.budget.per_call)

    def take(self) -> bool:
        """Take one retry out of the budget; `False` if none is left."""
        if self.budget is None:
            return True
        if self.left < 1:
            return False
        self.left -= 1
        return True


class Retries:
    """The retries of one call: at most `limit` of them."""

    def __init__(self, limit: int, bucket: Bucket) -> None:
        self.limit = limit
        self.bucket = bucket
        self.made = 0
        self._waits: Iterator[float] = backoff.expo(base=2, factor=_FIRST, max_value=_GREATEST)
        next(self._waits)

    def wait(self, error: MiiflowLLMError, left: float | None) -> float | str:
        """Seconds to wait before the next attempt, or why none is made; `left` is what remains of the whole call.

        The reason is `""` if there is nothing to explain. The provider's own hint is obeyed; if it gives none, the wait
        grows from half a second to eight, with full jitter. A connection that had died is not waited for.
        """
        if self.made >= self.limit or not worth_retrying(error):
            return ""
        wait = self._seconds(error)
        if wait > LONGEST_WAIT:
            return f"the provider asks to wait {wait:.0f} s, longer than a call waits ({LONGEST_WAIT:.0f} s)"
        if left is not None and wait >= left:
            return f"the wait of {wait:.1f} s would pass Timeout(total=...)"
        if not _is_free(error) and not self.bucket.take():
            return f"the client's retry budget is used up (retry_budget={self.bucket.budget!r})"
        self.made += 1
        return wait

    def _seconds(self, error: MiiflowLLMError) -> float:
        if _is_stale(error):
            return 0.0
        jitter = backoff.full_jitter(next(self._waits))
        return jitter if error.retry_after is None else error.retry_after + jitter * 0.1


def _is_free(error: MiiflowLLMError) -> bool:
    """Whether the retry adds nothing to an outage: the provider said when to come back, or nobody was there."""
    return (isinstance(error, RateLimitError) and error.retry_after is not None) or _is_stale(error)


def _is_stale(error: MiiflowLLMError) -> bool:
    return isinstance(error, NetworkError) and error.stale_connection
