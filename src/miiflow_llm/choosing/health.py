"""What is known of a target's health, and the five things that change it: a call begins, shows output, and ends.

Times are seconds on one clock that the caller reads; `draw` is a number from 0 to 1 that the caller draws.
"""

from __future__ import annotations

from math import exp, inf

import msgspec

from ..core.response import RateLimit
from .limits import Counter, Gradient
from .moves import Row
from .settings import Settings
from .window import Window

_MODEST = 0.75
"""A target that has just come back has this share of success: it is neither forgiven nor one failure from being out."""


class Health(msgspec.Struct):
    """One target.

    `first_output` is its average time to first output, `seen` when that was last measured, `window` the last samples.
    `ok` is the average share of calls served, `ok_at` when that last changed, `fails` the number of failures in a row,
    `trips` how often in a row it was put out for them, `closed_at` when that last ended. Until `open_until` it gets no
    call; after it, one as a probe (`probing`); `None` if it is well. Until `cool_until` it obeys a rate limit, of which
    there were `cools` in a row.
    Until `out_until` it is out for the reason `out`; `away_until` is the later of the two. `in_flight` calls are under
    way, at most `limit`. `turn` counts what a policy of shares gave it. `tokens` and `requests` are what the provider
    said is left.
    """

    first_output: float | None = None
    seen: float = -inf
    ok: float = 1.0
    ok_at: float = -inf
    fails: int = 0
    trips: int = 0
    closed_at: float = -inf
    open_until: float | None = None
    probing: bool = False
    cool_until: float = -inf
    cools: int = 0
    out: str | None = None
    out_until: float = -inf
    away_until: float = -inf
    in_flight: int = 0
    limit: float = inf
    gradient: Gradient | None = None
    turn: float = 0.0
    tokens: Counter | None = None
    requests: Counter | None = None
    window: Window = msgspec.field(default_factory=Window)


def began(health: Health, now: float, *, probe: bool = False, tokens: float = 0.0) -> None:
    """A call goes to the target, with an estimated number of tokens."""
    health.in_flight += 1
    if probe:
        health.probing = True
    if health.tokens is not None:
        health.tokens.left -= tokens
    if health.requests is not None:
        health.requests.left -= 1.0


def first_output(health: Health, settings: Settings, seconds: float, now: float) -> None:
    """Its first output came after so many seconds."""
    _learn(health, settings, seconds, now)
    if health.gradient is not None:
        health.gradient.sample(seconds, health.in_flight)
        health.limit = health.gradient.limit
    if health.open_until is not None and health.probing:
        _close(health, settings, now)


def served(health: Health, settings: Settings, now: float, *, probe: bool = False) -> None:
    """It gave a whole answer."""
    _left(health, probe)
    health.ok += (1.0 - health.ok) * settings.success_weight
    health.ok_at = max(now, health.ok_at)
    health.fails = health.cools = 0
    if health.open_until is not None and (probe or now >= health.open_until):
        _close(health, settings, now)
        health.fails = 0


def failed(
    health: Health,
    settings: Settings,
    row: Row,
    now: float,
    draw: float,
    *,
    waited: float = 0.0,
    retry_after: float | None = None,
    probe: bool = False,
) -> None:
    """It failed as `row` says, after `waited` seconds without output (0.0 if there was output)."""
    _left(health, probe)
    if row.mark in ("failure", "slow"):
        if row.mark == "slow":
            _learn_at_least(health, settings, waited, now)
        health.ok -= health.ok * settings.success_weight
        health.ok_at = max(now, health.ok_at)
        _fail(health, settings, now, draw, probe=probe)
        return
    if row.mark == "cool":
        cool(health, settings, now, retry_after)
    elif row.mark == "out":
        out(health, row.name, now + settings.out_seconds)
    if probe and health.open_until is not None:  # it answers, whatever it says
        _close(health, settings, now)


def lost(
    health: Health, settings: Settings, now: float, draw: float, *, waited: float | None, probe: bool = False
) -> None:
    """Another attempt was faster; `waited` is how long this one had shown nothing, `None` if it had shown output.

    Five such losses in a row are what a silent target's calls look like when all are hedged.
    """
    _left(health, probe)
    if waited is not None:
        _learn_at_least(health, settings, waited, now)
        _fail(health, settings, now, draw, probe=probe)


def cancelled(health: Health, *, probe: bool = False) -> None:
    """The caller left, which says nothing of the target."""
    _left(health, probe)


def cool(health: Health, settings: Settings, now: float, retry_after: float | None) -> None:
    """It asked for a pause."""
    pause = min(settings.cool_first * 2.0**health.cools, settings.cool_most) if retry_after is None else retry_after
    health.cools = min(health.cools + 1, 16)
    cooling(health, now + pause)


def cooling(health: Health, until: float) -> None:
    """It is not to be asked until then."""
    health.cool_until = max(health.cool_until, until)
    health.away_until = max(health.cool_until, health.out_until)


def out(health: Health, reason: str, until: float) -> None:
    """It is out until then: it cannot be used as it is set up."""
    health.out, health.out_until = reason, until
    health.away_until = max(health.cool_until, health.out_until)


def told(health: Health, limit: RateLimit, now: float) -> None:
    """The provider said what is left of its limits."""
    health.tokens = _counter(limit.remaining_tokens, limit.limit_tokens, limit.reset_tokens, now)
    health.requests = _counter(limit.remaining_requests, limit.limit_requests, limit.reset_requests, now)


def _counter(left: int | None, limit: int | None, reset: float | None, now: float) -> Counter | None:
    if left is None or reset is None:
        return None
    return Counter(float(left), float(limit if limit is not None else left), now, now + reset)


def _left(health: Health, probe: bool) -> None:
    health.in_flight = max(health.in_flight - 1, 0)
    if probe:
        health.probing = False


def _learn(health: Health, settings: Settings, seconds: float, now: float) -> None:
    """A first output came after so many seconds."""
    health.window.add(seconds)
    _average(health, settings, seconds, now)


def _average(health: Health, settings: Settings, seconds: float, now: float) -> None:
    if health.first_output is None:
        health.first_output = seconds
    else:
        by_age = 1.0 - exp(-max(now - health.seen, 0.0) / settings.memory)
        weight = max(by_age, 1.0 / (len(health.window) + 1))
        health.first_output += (seconds - health.first_output) * weight
    health.seen = max(now, health.seen)


def _learn_at_least(health: Health, settings: Settings, seconds: float, now: float) -> None:
    """It would have taken longer than that: only the average learns, and only if it was lower.

    In the window such waits would move the limits that ended them, and those of a silent target would grow without end.
    """
    if health.first_output is None or seconds > health.first_output:
        _average(health, settings, seconds, now)


def _fail(health: Health, settings: Settings, now: float, draw: float, *, probe: bool) -> None:
    health.fails += 1
    if health.open_until is not None and not probe:
        return  # a call of before: the outage is known
    if probe or health.fails >= settings.most_failures or health.ok < settings.least_success:
        if not probe and now - health.closed_at > settings.forget_trips:
            health.trips = 0
        pause = min(settings.open_first * 2.0**health.trips, settings.open_most)
        health.open_until = now + pause * (0.8 + 0.4 * draw)
        health.trips = min(health.trips + 1, 16)


def _close(health: Health, settings: Settings, now: float) -> None:
    """It is well again; one more failure, before it has served a whole answer, puts it out again."""
    health.open_until = None
    health.closed_at = now
    health.ok = max(health.ok, _MODEST)
    health.fails = settings.most_failures - 1
