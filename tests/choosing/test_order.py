"""The policies: what each puts first, and what keeps a conversation where it was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from miiflow_llm.choosing import health as healths
from miiflow_llm.choosing.affinity import key_of
from miiflow_llm.choosing.order import order
from miiflow_llm.choosing.settings import Settings
from miiflow_llm.choosing.skipped import skipped
from miiflow_llm.choosing.table import Ask, Choice, Entry, Table
from miiflow_llm.core.response import RateLimit


def table(policy: Any = "order", number: int = 4, **rows: Any) -> Table:
    """A table of so many targets; the first answers in 0.5 s, each further one 0.1 s later."""
    made = Table([Entry(f"t{place}", **rows) for place in range(number)], policy)
    for place, health in enumerate(made.health):
        healths.first_output(health, made.settings, 0.5 + 0.1 * place, 0.0)
    return made


def targets(of: Table, ask: Ask | None = None, now: float = 0.0, draw: float = 0.5) -> list[int]:
    """The targets in their order."""
    return [choice.target for choice in order(of, ask or Ask(), now, draw)]


def out_until(of: Table, target: int, until: float) -> None:
    """Put a target out for failures until then."""
    of.health[target].open_until = until


def test_order_is_the_list() -> None:
    """The default policy takes the targets as listed, whatever their speed."""
    made = table()
    healths.first_output(made.health[0], made.settings, 60.0, 100.0)
    assert targets(made, now=100.0) == [0, 1, 2, 3]


def test_one_that_may_be_probed_keeps_its_place_in_the_list() -> None:
    """The first of the list, once its pause is over, is asked first, as a probe, by one call at a time."""
    made = table()
    out_until(made, 0, 10.0)
    assert targets(made, now=9.0) == [1, 2, 3]
    first = order(made, Ask(), 11.0, 0.5)[0]
    assert (first.target, first.why) == (0, "probe")
    healths.began(made.health[0], 11.0, probe=True)
    assert targets(made, now=11.0) == [1, 2, 3]


def test_fastest_weighs_speed_load_and_success() -> None:
    """The fastest comes first until it has more calls than its speed is worth, or serves too few."""
    made = table("fastest")
    assert targets(made) == [0, 1, 2, 3]
    made.health[0].in_flight = 1
    assert targets(made)[0] == 1
    made.health[0].in_flight = 0
    made.health[0].ok, made.health[0].ok_at = 0.5, 0.0
    assert targets(made)[0] == 1


def test_failures_of_long_ago_count_less() -> None:
    """A target that is back from an outage has its calls again after some minutes, though others are well."""
    made = table("fastest", 2)
    for target, seconds in ((0, 0.5), (1, 0.6)):
        healths.first_output(made.health[target], made.settings, seconds, 0.0)
    made.health[0].ok, made.health[0].ok_at = 0.75, 0.0
    assert targets(made, now=1.0)[0] == 1
    for health in made.health:
        health.seen = 240.0
    assert targets(made, now=240.0)[0] == 0


def test_an_unknown_target_is_tried() -> None:
    """One of which nothing is known is taken to be a little faster than the best: so it gets the next call."""
    made = Table([Entry("known"), Entry("new")], "fastest")
    healths.first_output(made.health[0], made.settings, 0.5, 0.0)
    assert targets(made)[0] == 1
    healths.first_output(made.health[1], made.settings, 0.6, 0.0)
    assert targets(made)[0] == 0


def test_a_slow_target_is_tried_again() -> None:
    """What was measured long ago weighs less: after some minutes a target that was slow is tried, without any load."""
    made = table("fastest", 2)
    healths.first_output(made.health[1], made.settings, 50.0, 0.0)
    healths.first_output(made.health[0], made.settings, 0.5, 0.0)
    assert targets(made, now=1.0)[0] == 0
    made.health[0].seen = 600.0
    assert targets(made, now=600.0)[0] == 1


def test_many_targets_are_drawn_from() -> None:
    """Of more than eight targets four are drawn and compared, so that none is always first and all get their turn."""
    made = Table([Entry(f"t{place}") for place in range(20)], "fastest")
    firsts = Counter(targets(made, draw=draw / 1000)[0] for draw in range(1000))
    assert len(firsts) == 20
    assert max(firsts.values()) < 200
    assert sorted(targets(made)) == list(range(20))


def test_cheapest_puts_the_unknown_last() -> None:
    """By cost; those within five percent by speed; one of unknown cost, which is not 0, after all that are known."""
    made = table("cheapest")
    assert targets(made, Ask(costs=[None, 2.0, 1.04, 1.0])) == [2, 3, 1, 0]
    assert targets(made, Ask(costs=[None, 2.0, 1.06, 1.0])) == [3, 2, 1, 0]
    assert targets(made, Ask()) == [0, 1, 2, 3]


def test_spread_gives_shares_smoothly() -> None:
    """Of 100 calls each target gets its share, never several in a row that others were due for."""
    made = Table([Entry("a", weight=3.0), Entry("b"), Entry("c", weight=0.01)], "spread")
    taken = []
    for _ in range(401):
        taken.append(targets(made)[0])
        made.took_turn(taken[-1])
    counts = Counter(taken[1:])
    assert counts[0] == pytest.approx(300, abs=3)
    assert counts[1] == pytest.approx(100, abs=3)
    assert counts[2] <= 2
    assert all(1 in taken[place : place + 6] for place in range(2, 390))


def test_one_that_was_away_has_nothing_to_catch_up_with() -> None:
    """A target that comes back is not flooded with what it missed."""
    made = Table([Entry("a"), Entry("b")], "spread")
    out_until(made, 1, 1e9)
    for _ in range(100):
        made.took_turn(0)
    made.health[1].open_until = None
    taken = []
    for _ in range(20):
        taken.append(targets(made)[0])
        made.took_turn(taken[-1])
    assert Counter(taken) == {0: 10, 1: 10}


def test_a_policy_of_ones_own() -> None:
    """A function orders the healthy targets; failures, rate limits and tiers are looked after all the same."""

    def last_first(choices: Sequence[Choice], ask: Ask, of: Table) -> Sequence[Choice]:
        return choices[::-1]

    made = table(last_first)
    out_until(made, 3, 10.0)
    assert targets(made) == [2, 1, 0]


def test_panic_takes_the_least_bad() -> None:
    """If all are out for failures the least bad is asked all the same, but never one that asked for a pause."""
    made = table()
    for place in range(4):
        out_until(made, place, 10.0)
    healths.cool(made.health[0], made.settings, 0.0, 5.0)
    found = order(made, Ask(), 1.0, 0.5)
    assert [(choice.target, choice.why) for choice in found] == [(1, "panic"), (2, "panic"), (3, "panic")]


def test_a_counter_near_its_end_keeps_calls_away() -> None:
    """A target whose provider says that too few tokens are left is not asked: its 429 is avoided."""
    made = table()
    made.told(0, RateLimit(limit_tokens=10_000, remaining_tokens=100, reset_tokens=60.0), 0.0)
    assert targets(made, Ask(tokens=50.0)) == [0, 1, 2, 3]
    assert targets(made, Ask(tokens=1_000.0)) == [1, 2, 3]
    assert targets(made, Ask(tokens=1_000.0), now=59.0) == [0, 1, 2, 3]


def test_the_words_of_the_skipped() -> None:
    """Each reason for leaving a target out is told in words, with its numbers."""
    made = table(number=7)
    made.entries = (*made.entries[:1], Entry("t1", context=1_000), *made.entries[2:])
    healths.cool(made.health[2], made.settings, 0.0, 12.0)
    healths.out(made.health[3], "key", 600.0)
    made.health[4].limit = 0.0
    out_until(made, 5, 2.0)
    made.health[5].fails = 5
    out_until(made, 6, 0.0)
    made.health[6].probing = True
    assert skipped(made, Ask(tokens=1_500.0, unsayable={0: "it takes no images"}), 0.0) == {
        0: "it takes no images",
        1: "its context of 1000 tokens is too small for about 1500",
        2: "cooling for another 12.0 s: rate limit",
        3: "out for another 600 s: key",
        4: "all 0 calls that it may have at once are under way",
        5: "failed 5 times in a row, or too often; tried again in 2.0 s",
        6: "failed before, and one call is seeing whether it is back",
    }


def test_affinity_spreads_conversations_and_keeps_each() -> None:
    """Conversations are spread evenly over the targets, and each stays while its target is well."""
    made = Table([Entry(f"t{place}") for place in range(4)], "fastest")
    homes = {name: targets(made, Ask(affinity=key_of(f"conversation {name}")))[0] for name in range(2_000)}
    assert all(400 < number < 600 for number in Counter(homes.values()).values())
    out_until(made, 2, 10.0)
    for name, home in homes.items():
        now_at = targets(made, Ask(affinity=key_of(f"conversation {name}")))[0]
        assert now_at == home or home == 2


def test_affinity_yields_to_load_and_speed() -> None:
    """A conversation's target is passed over if it has a quarter more calls than the mean, or is much slower."""
    made = Table([Entry(f"t{place}") for place in range(4)], "fastest")
    key = key_of("a conversation")
    home = targets(made, Ask(affinity=key))[0]
    made.health[home].in_flight = 2
    assert targets(made, Ask(affinity=key))[0] != home
    for health in made.health:
        health.in_flight = 2
    assert order(made, Ask(affinity=key), 0.0, 0.5)[0] == Choice(home, "affinity", pytest.approx(1.559, rel=0.01))
    for place, health in enumerate(made.health):
        healths.first_output(health, made.settings, 2.0 if place == home else 1.0, 0.0)
    assert targets(made, Ask(affinity=key))[0] != home


def test_parts_of_a_key_are_told_apart() -> None:
    """Where one part of a key ends and the next begins matters; texts that are no Unicode are taken too."""
    assert key_of("ab", "c") != key_of("a", "bc")
    assert key_of("\ud800") == key_of("\ud800")
    assert key_of(b"x") == key_of("x")


def test_settings_can_be_said() -> None:
    """A router's user may say other constants, which the table uses."""
    made = Table([Entry("a"), Entry("b")], "order", Settings(most_failures=1, open_first=100.0))
    healths.failed(made.health[0], made.settings, _failure(), 0.0, 0.5)
    assert targets(made, now=9.0) == [1]


def _failure() -> healths.Row:
    from miiflow_llm.choosing.moves import row_of
    from miiflow_llm.core.exceptions import NetworkError

    return row_of(NetworkError("reset"))
