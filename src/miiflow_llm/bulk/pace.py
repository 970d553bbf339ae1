"""How many requests are on their way at once: pure arithmetic, told what happened and when.

Additive increase, multiplicative decrease: one more for every full round of successes while the limit is used, three
tenths less at a rate limit or an overload; a provider's `Retry-After` holds everybody until then.
"""

from __future__ import annotations

from ..core.exceptions import ConfigurationError, MiiflowLLMError, RateLimitError, ServiceUnavailableError

START = 8
MOST = 256
_LESS = 0.7
_PAUSE = (0.5, 60.0)


class Pace:
    """`limit` requests may be on their way; none goes out before `closed_until`.

    `concurrency` is a number that stays, or `auto`, which finds it between 1 and `most`.
    """

    def __init__(self, concurrency: int | str = "auto", most: int = MOST) -> None:
        if concurrency != "auto" and (not isinstance(concurrency, int) or concurrency < 1):
            raise ConfigurationError(f"bulk: concurrency={concurrency!r}: a number of at least 1, or 'auto'")
        self._adapts = concurrency == "auto"
        self._limit = float(min(START, most)) if isinstance(concurrency, str) else float(concurrency)
        self._most = most
        self._in_a_row = 0
        self._held = 0
        self.closed_until = 0.0

    @property
    def limit(self) -> int:
        """How many may be on their way."""
        return max(1, int(self._limit))

    def succeeded(self, in_flight: int) -> None:
        """An answer came while so many were on their way, it included."""
        self._held = 0
        if not self._adapts or in_flight < self.limit:
            return
        self._in_a_row += 1
        if self._in_a_row >= self.limit:
            self._in_a_row = 0
            self._limit = min(self._limit + 1, self._most)

    def failed(self, error: MiiflowLLMError, now: float) -> bool:
        """A request failed; whether it was for want of room, so that it is asked again later."""
        if not isinstance(error, (RateLimitError, ServiceUnavailableError)):
            return False
        self._in_a_row = 0
        if now >= self.closed_until:  # of many that fail together the first one counts
            self._held += 1
            if self._adapts:
                self._limit = max(1.0, self._limit * _LESS)
            wait = error.retry_after if error.retry_after is not None else _PAUSE[0] * 2 ** (self._held - 1)
            self.closed_until = now + min(wait, _PAUSE[1])
        return True
