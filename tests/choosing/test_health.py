"""How a target's health changes: averages, outages and their probes, cooling, being out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miiflow_llm.choosing import health as healths
from miiflow_llm.choosing.health import Health
from miiflow_llm.choosing.moves import row_of
from miiflow_llm.choosing.settings import Settings
from miiflow_llm.choosing.window import Window
from miiflow_llm.core.exceptions import AuthenticationError, NetworkError, RateLimitError, TimeoutError
from miiflow_llm.core.response import RateLimit

S = Settings()
FAILURE = row_of(NetworkError("reset"))
SILENCE = row_of(TimeoutError("silent", phase="first_output"))
RATE = row_of(RateLimitError("429"))
KEY = row_of(AuthenticationError("401"))


def broken(failures: int = 5, now: float = 0.0) -> Health:
    """A target after so many failures at `now`."""
    health = Health()
    for _ in range(failures):
        healths.failed(health, S, FAILURE, now, 0.5)
    return health


def test_five_failures_in_a_row_put_it_out() -> None:
    """Four failures in a row are borne, the fifth puts it out; an answer in between begins the count anew."""
    health = broken(4)
    assert health.open_until is None
    for _ in range(10):
        healths.served(health, S, 0.0)
    for _ in range(4):
        healths.failed(health, S, FAILURE, 1.0, 0.5)
    assert health.open_until is None
    healths.failed(health, S, FAILURE, 1.0, 0.5)
    assert health.open_until == 3.0


def test_failing_half_of_the_time_puts_it_out() -> None:
    """A target that never fails five times in a row is out once fewer than half of its calls are served."""
    health, number = Health(), 0
    while health.open_until is None:
        number += 1
        assert number < 200
        if number % 3:
            healths.failed(health, S, FAILURE, 0.0, 0.5)
        else:
            healths.served(health, S, 0.0)
    assert health.fails < 5


def test_each_failed_probe_doubles_the_pause() -> None:
    """Out for 2 s, then 4, 8 and at most 12, give or take a fifth by the draw."""
    health, now, pauses = broken(), 0.0, []
    for _ in range(6):
        assert health.open_until is not None
        pauses.append(health.open_until - now)
        now = health.open_until
        healths.began(health, now, probe=True)
        healths.failed(health, S, FAILURE, now, 0.5, probe=True)
    assert pauses == pytest.approx([2, 4, 8, 12, 12, 12])
    assert broken().open_until == 2.0
    health = Health()
    for _ in range(5):
        healths.failed(health, S, FAILURE, 0.0, 0.0)
    assert health.open_until == pytest.approx(1.6)


def test_a_probes_first_output_brings_it_back() -> None:
    """A probed target is well at its first output; one more failure before a whole answer puts it out again."""
    health = broken()
    healths.began(health, 3.0, probe=True)
    healths.first_output(health, S, 0.5, 3.5)
    assert health.open_until is None
    healths.failed(health, S, FAILURE, 4.0, 0.5, probe=True)
    assert health.open_until == pytest.approx(8.0)


def test_an_outage_long_after_is_the_first() -> None:
    """After a minute of good health the pauses begin at two seconds again."""
    health = broken()
    healths.began(health, 3.0, probe=True)
    healths.first_output(health, S, 0.5, 3.0)
    healths.served(health, S, 3.0, probe=True)
    for _ in range(5):
        healths.failed(health, S, FAILURE, 70.0, 0.5)
    assert health.open_until == 72.0


def test_calls_of_before_the_outage_do_not_lengthen_it() -> None:
    """Failures of calls that were under way when it was put out, and none of the probe's, change nothing."""
    health = broken()
    until = health.open_until
    for _ in range(20):
        healths.failed(health, S, FAILURE, 1.0, 0.9)
    assert health.open_until == until


@pytest.mark.parametrize("row", [RATE, KEY], ids=lambda row: row.name)
def test_a_probe_that_is_answered_at_all_ends_the_outage(row: healths.Row) -> None:
    """A rate limit or a rejected key says that the target is there: what follows is their own matter."""
    health = broken()
    healths.began(health, 3.0, probe=True)
    healths.failed(health, S, row, 3.0, 0.5, probe=True)
    assert health.open_until is None
    assert health.away_until > 3.0


def test_five_lost_races_without_output_put_it_out() -> None:
    """A silent target whose calls are all hedged never fails, and is put out all the same; losing with output is
    nothing against it.
    """
    health = Health()
    for _ in range(9):
        healths.lost(health, S, 1.0, 0.5, waited=None)
    assert (health.fails, health.open_until) == (0, None)
    for _ in range(5):
        healths.lost(health, S, 1.0, 0.5, waited=2.0)
    assert health.open_until == 3.0
    assert health.ok == 1.0


def test_cooling_obeys_the_hint() -> None:
    """A rate limit cools for its hint; without one for 2, 4, 8 ... at most 60 seconds, until an answer comes."""
    health = Health()
    healths.failed(health, S, RATE, 10.0, 0.5, retry_after=7.0)
    assert health.cool_until == 17.0
    healths.served(health, S, 17.0)
    pauses = []
    for step in range(7):
        now = 1_000.0 * (step + 1)
        healths.failed(health, S, RATE, now, 0.5)
        pauses.append(health.cool_until - now)
    assert pauses == [2, 4, 8, 16, 32, 60, 60]
    assert health.open_until is None


def test_a_shorter_hint_does_not_shorten_a_longer() -> None:
    """Of two rate limits the later end holds."""
    health = Health()
    healths.failed(health, S, RATE, 0.0, 0.5, retry_after=30.0)
    healths.failed(health, S, RATE, 1.0, 0.5, retry_after=1.0)
    assert health.cool_until == 30.0


def test_silence_teaches_how_slow_it_is() -> None:
    """A call that was given up after 5 s raises an average of 0.5, and one given up after 0.1 s teaches nothing."""
    health = Health()
    healths.first_output(health, S, 0.5, 0.0)
    healths.failed(health, S, SILENCE, 10.0, 0.5, waited=5.0)
    assert health.first_output is not None
    assert health.first_output > 1.0
    before = health.first_output
    healths.failed(health, S, SILENCE, 11.0, 0.5, waited=0.1)
    assert health.first_output == before


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0.01, 60)), min_size=1, max_size=60), st.floats(0, 1e6))
def test_averages_stay_within_the_samples(samples: list[tuple[float, float]], start: float) -> None:
    """After any pauses, at any uptime, and if the clock stands still or jumps, the average lies within the samples."""
    health, now = Health(), start
    for pause, seconds in samples:
        now += pause
        healths.first_output(health, S, seconds, now)
    values = [seconds for _, seconds in samples]
    assert health.first_output is not None
    assert min(values) - 1e-9 <= health.first_output <= max(values) + 1e-9
    healths.first_output(health, S, 1.0, now - 1e6)
    assert health.seen == now


@given(st.lists(st.floats(0, 100, allow_nan=False), min_size=1, max_size=600), st.floats(0, 1))
def test_the_window_is_of_the_last_256(values: list[float], share: float) -> None:
    """Its quantiles are those of the last 256 samples, sorted."""
    window = Window()
    for value in values:
        window.add(value)
    last = sorted(values[-256:])
    assert len(window) == len(last)
    assert window.at(share) == last[min(int(share * len(last)), len(last) - 1)]


def test_the_providers_counters_are_kept() -> None:
    """What is left of tokens and requests is kept with its time, and calls are taken off it."""
    health = Health()
    healths.told(health, RateLimit(1_000, 10, 60.0, 100_000, 50_000, 30.0), 100.0)
    assert health.tokens is not None
    assert health.requests is not None
    healths.began(health, 100.0, tokens=20_000)
    assert (health.tokens.left, health.requests.left) == (30_000, 9)
    assert health.tokens.full_at == 130.0
    healths.told(health, RateLimit(), 101.0)
    assert health.tokens is None
