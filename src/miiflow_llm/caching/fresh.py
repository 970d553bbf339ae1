"""How long an answer is good: pure arithmetic on times that are given, in seconds."""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from ..core.exceptions import ConfigurationError
from ..core.response import ChatResponse
from .answer import Kept

State = Literal["fresh", "early", "stale", "on_error", "gone"]
"""What may be done with an answer: give it; give it and ask again behind; the same, since it is too old; give it only
if asking fails; nothing."""

JITTER = 0.05
"""The share by which a life is lengthened or shortened at random, so that what was kept together ends apart."""


class Freshness(msgspec.Struct, frozen=True, kw_only=True):
    """`ttl` is the life of an answer, in seconds. For `stale` seconds after it the answer is still given, while a new
    one is asked for; for `stale_if_error` seconds after it, if asking fails.

    Raises:
        ConfigurationError: a time is negative or not a number, or `ttl` is 0.
    """

    ttl: float = 3600.0
    stale: float = 0.0
    stale_if_error: float = 0.0

    def __post_init__(self) -> None:
        for name in ("ttl", "stale", "stale_if_error"):
            value = getattr(self, name)
            if not isinstance(value, (int, float)) or not 0 <= value < math.inf or (name == "ttl" and not value):
                raise ConfigurationError(f"cache: {name}={value!r}: a number of seconds is needed")

    def life(self, draw: float) -> float:
        """The life of a new answer; `draw` is a random number from 0 to 1."""
        return self.ttl * (1 + JITTER * (2 * draw - 1))

    @property
    def kept_for(self) -> float:
        """How long a store keeps an answer: its longest life and what may follow it."""
        return self.ttl * (1 + JITTER) + max(self.stale, self.stale_if_error)

    def state(self, answer: Kept, now: float, draw: float) -> State:
        """What may be done with an answer.

        An answer that took long is renewed a little before its end, the sooner the more calls ask for it (XFetch,
        "Optimal Probabilistic Cache Stampede Prevention", 2015, with β = 1).
        """
        over = now - answer.expires
        if over < 0:
            early = answer.took_ms / 1000 * -math.log(max(draw, 1e-12))
            return "early" if over + early >= 0 and now > answer.created else "fresh"
        if over < self.stale:
            return "stale"
        return "on_error" if over < self.stale_if_error else "gone"


def may_be_kept(response: ChatResponse, *, calls: bool) -> bool:
    """Whether an answer is one to give again: finished, and saying something.

    Answers that were cut (`length`), refused, filtered or ended in a way that nobody knows are not; those that ask for
    tools are, if `calls` says so.
    """
    message = response.message
    if message.refusal:
        return False
    if response.finish_reason == "tool_calls" or message.tool_calls:
        return calls and response.finish_reason == "tool_calls"
    return response.finish_reason == "stop" and bool(message.text.strip())
