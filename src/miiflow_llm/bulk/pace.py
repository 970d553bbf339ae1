"""How fast requests go out: pure arithmetic, told what happened and when.

Two limits. How many are on their way at once grows, one for every answer until the first sign of trouble, then one for
every full round. How many go out in a second is not limited until a provider says "too many": then it is what was
answered just before, a little less, and creeps up again. So a rate limit is met once, and then kept, not found anew by
errors. If requests are refused all the same, it is the number at once that is too high: three tenths less.
"""

from __future__ import annotations

from ..core.exceptions import ConfigurationError, MiiflowLLMError, RateLimitError, ServiceUnavailableError

START = 8
MOST = 256
_LESS = 0.7
_PAUSE = (0.5, 60.0)
_WINDOW = 1.0
"""Seconds over which the rate of answers is measured."""
_BELOW = 0.98
"""The part of the rate of answers that is kept to after a refusal."""
_DOUBLING = 1.4
"""How far above the measured rate the first limit is taken to be."""
_SOON = 2.0
"""Seconds after a refusal in which another says that the rate is far too high."""
_LATE = 0.1
"""Seconds by which turns may be late and still be made up for: timers are, and a busy machine."""
_CREEP = (0.002, 3.0, 0.2)
"""How much the rate grows in a second without a refusal at first, in how many seconds that doubles, and its most."""


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
        self._troubled = False
        self._in_a_row = 0
        self._held = 0
        self._rate: float | None = None
        self._rate_since = self._refused = 0.0
        self._next = 0.0
        self._window = (0.0, 0)
        self._measured: float | None = None
        self.closed_until = 0.0

    @property
    def limit(self) -> int:
        """How many may be on their way."""
        return max(1, int(self._limit))

    @property
    def rate(self) -> float | None:
        """How many go out in a second; `None` while that is not limited."""
        return self._rate

    def wait(self, now: float) -> float:
        """Seconds until the next may go out; it is taken to go out then."""
        if self._rate is None:
            return max(0.0, self.closed_until - now)
        first, doubles, most = _CREEP
        creep = min(first * 2 ** min((now - self._refused) / doubles, 10), most)
        self._rate *= 1 + creep * min(now - self._rate_since, _WINDOW)
        self._rate_since = now
        due = max(self._next, self.closed_until, now - _LATE)
        self._next = due + 1 / self._rate
        return max(0.0, due - now)

    def succeeded(self, in_flight: int, now: float = 0.0) -> None:
        """An answer came while so many were on their way, it included."""
        self._held = 0
        self._measure(now)
        if not self._adapts or in_flight < self.limit:
            return
        self._in_a_row += 1
        if not self._troubled or self._in_a_row >= self.limit:
            self._in_a_row = 0
            self._limit = min(self._limit + 1, self._most)

    def failed(self, error: MiiflowLLMError, now: float) -> bool:
        """A request failed; whether it was for want of room, so that it is asked again later."""
        if not isinstance(error, (RateLimitError, ServiceUnavailableError)):
            return False
        self._in_a_row = 0
        self._troubled = True
        if now >= self.closed_until:  # of many that fail together the first one counts
            self._held += 1
            if not self._slow_down(error, now) and self._adapts:
                self._limit = max(1.0, self._limit * _LESS)
            wait = error.retry_after if error.retry_after is not None else _PAUSE[0] * 2 ** (self._held - 1)
            self.closed_until = now + min(wait, _PAUSE[1])
        return True

    def _slow_down(self, error: MiiflowLLMError, now: float) -> bool:
        """Keep to the rate that was answered, if one was measured; whether that may be enough."""
        began, count = self._window
        if now - began >= _WINDOW / 4 and count > 1:
            self._measured = count / (now - began)
        self._window = (now, 0)
        if self._measured is None or not isinstance(error, RateLimitError):
            return False
        self._rate = max(self._kept(now), 0.01)
        self._rate_since = self._refused = now
        return self._held == 1

    def _kept(self, now: float) -> float:
        """The rate after a refusal: the first one comes while the rate doubles, so that it is above what was answered;
        later ones come a little above the limit, unless they follow at once.
        """
        assert self._measured is not None  # noqa: S101  the caller looked
        if self._rate is None:
            return self._measured * _DOUBLING
        if now - self._refused < _SOON or self._held > 1:
            return min(self._rate, self._measured) * _BELOW
        return self._rate * _BELOW

    def _measure(self, now: float) -> None:
        began, count = self._window
        if not count:
            self._window = (began or now, 1)
        elif now - began >= _WINDOW:
            self._measured = (count + 1) / (now - began)
            self._window = (now, 0)
        else:
            self._window = (began, count + 1)
