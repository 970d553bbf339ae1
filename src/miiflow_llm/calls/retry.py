"""Whether to try again, and after how long: an error in, seconds or `None` out. It sleeps nowhere."""

from __future__ import annotations

from collections.abc import Iterator

import backoff

from ..core.exceptions import MiiflowLLMError, NetworkError, ProviderError, StreamInterruptedError, TimeoutError

LONGEST_WAIT = 120.0
"""A provider that asks for more, in seconds, is not waited for: the error goes to the caller with its hint."""

_FIRST = 0.5
_GREATEST = 8.0


def worth_retrying(error: MiiflowLLMError) -> bool:
    """Whether the same request may succeed later. Only asked while nothing was handed to the caller."""
    if isinstance(error, ProviderError):
        return error.retryable
    if isinstance(error, TimeoutError):
        return error.phase == "connect"
    return isinstance(error, (NetworkError, StreamInterruptedError))


class RetryBudget:
    """How many retries a client may add: 20 at once, then one for every five calls, so that no outage is multiplied."""

    def __init__(self, most: float = 20.0, per_call: float = 0.2) -> None:
        self.most = most
        self.per_call = per_call
        self.left = most

    def called(self) -> None:
        """A call began."""
        self.left = min(self.most, self.left + self.per_call)

    def take(self) -> bool:
        """Take one retry out of the budget; `False` where none is left."""
        if self.left < 1:
            return False
        self.left -= 1
        return True


class Retries:
    """The retries of one call: at most `limit` of them."""

    def __init__(self, limit: int, budget: RetryBudget) -> None:
        self.limit = limit
        self.budget = budget
        self.made = 0
        self._waits: Iterator[float] = backoff.expo(base=2, factor=_FIRST, max_value=_GREATEST)
        next(self._waits)

    def wait(self, error: MiiflowLLMError, left: float | None) -> float | None:
        """Seconds to wait before the next attempt, `None` to give up; `left` is what remains of the whole call.

        The provider's own hint is obeyed; where it gives none, the wait grows from half a second to eight, with full
        jitter.
        """
        if self.made >= self.limit or not worth_retrying(error):
            return None
        wait = backoff.full_jitter(next(self._waits))
        if error.retry_after is not None:
            wait = error.retry_after + wait * 0.1
        if wait > LONGEST_WAIT or (left is not None and wait >= left) or not self.budget.take():
            return None
        self.made += 1
        return wait
