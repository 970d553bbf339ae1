"""Statistics that hold at every look: false alarms, power, and agreement with textbooks."""

from __future__ import annotations

import math
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miiflow_llm.trials.sequences import MIN_UNITS, multiplier, quantile_reach, ratio_evidence, units_needed
from miiflow_llm.trials.tallies import BROKEN
from miiflow_llm.trials.tally import Sizes, Units


def first_decided(chance: random.Random, shares: tuple[float, float], most: int, alpha: float = 0.05) -> int | None:
    """After how many units a trial of two arms, looked at after every one of them, decides; `None` by `most`."""
    wins, units = [0, 0], [0, 0]
    for at in range(1, most + 1):
        arm = chance.random() < 0.5
        units[arm] += 1
        wins[arm] += chance.random() < shares[arm]
        if min(units) < MIN_UNITS:
            continue
        smoothed = [(won + 1) / (count + 2) for won, count in zip(wins, units, strict=True)]
        variance = sum(share * (1 - share) / count for share, count in zip(smoothed, units, strict=True))
        if (wins[1] / units[1] - wins[0] / units[0]) ** 2 > variance * multiplier(at, alpha) ** 2:
            return at
    return None


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.5, 0.8, 0.97])
def test_equal_arms_have_no_winner(share: float) -> None:
    """Of A/A trials looked at after every unit, at most one in twenty ever names a winner."""
    chance = random.Random(7)
    assert sum(first_decided(chance, (share, share), 1500) is not None for _ in range(120)) <= 11


def test_a_true_difference_is_found() -> None:
    """Five points of success are found, on average, with at most 1.6 times the units of a test of fixed size."""
    chance, low, high = random.Random(11), 0.80, 0.85
    fixed = 2 * (1.96 + 0.8416) ** 2 * (low * (1 - low) + high * (1 - high)) / (high - low) ** 2
    stopped = [first_decided(chance, (low, high), 12_000) or 12_000 for _ in range(40)]
    assert statistics.mean(stopped) <= 1.6 * fixed


def test_intervals_are_wider_than_those_of_one_look() -> None:
    """Looking often has its price at every number of units: more than 1.96, and not without end."""
    for units in (20, 100, 2000, 10**5, 10**7):
        assert 2.3 < multiplier(units, 0.05) < 12
    assert 2.9 < multiplier(2000, 0.05) < 3.1
    assert multiplier(2000, 0.01) > multiplier(2000, 0.05)


@given(st.floats(0.001, 0.2), st.floats(0.1, 2), st.integers(20, 5000))
def test_units_needed_are_those_that_decide(difference: float, each: float, units: int) -> None:
    """After that many further units the same difference is decided, and not long before."""
    more = units_needed(difference, each / units, units, 0.05)

    def decided(at: float) -> bool:
        return multiplier(at, 0.05) * math.sqrt(each / at) < difference

    if more is None:
        assert not decided(100 * units)
    else:
        assert decided(units + more)
        sooner = (units + more) * 0.98 - 2
        assert sooner <= units or not decided(sooner)


def test_variance_is_the_textbooks() -> None:
    """For units of one request each, the variance of a mean is the sample variance over the count."""
    chance = random.Random(3)
    values = [chance.gauss(5, 2) for _ in range(500)]
    units = Units()
    for number, value in enumerate(values):
        units.add(str(number), value)
    assert units.mean == pytest.approx(statistics.fmean(values))
    assert units.variance == pytest.approx(statistics.variance(values) / len(values))


def test_requests_of_one_unit_are_not_independent() -> None:
    """A hundred requests of each of fifty users tell as much as fifty users, not as five thousand."""
    chance, units = random.Random(5), Units()
    tastes = [chance.gauss(0, 1) for _ in range(50)]
    for _ in range(100):
        for number, taste in enumerate(tastes):
            units.add(str(number), taste + chance.gauss(0, 0.1))
    assert units.variance == pytest.approx(statistics.variance(tastes) / 50, rel=0.05)


def test_an_arm_without_a_failure_is_not_certain() -> None:
    """Ten successes of ten have a variance, and it is that of about one failure."""
    units = Units(share=True)
    for number in range(10):
        units.add(str(number), 1.0)
    assert 0.005 < units.variance < 0.01


@pytest.mark.parametrize("share", [0.5, 0.9, 0.95])
def test_quantile_bounds_hold_at_every_look(share: float) -> None:
    """Of hundred samples looked at as they grow, the true quantile leaves its bounds in at most five."""
    chance, left = random.Random(13), 0
    truth = -math.log(1 - share)
    for _ in range(100):
        sizes = Sizes()
        for number in range(1, 301):
            sizes.add(chance.expovariate(1))
            if number % 10 == 0:
                low, high = sizes.bounds(share, 0.05) or (0.0, math.inf)
                if not low <= truth <= high:
                    left += 1
                    break
    assert left <= 5


def test_quantiles_are_right_to_within_two_percent() -> None:
    """A quantile of the counted sizes is that of the sizes themselves, to within a step."""
    chance, sizes = random.Random(17), Sizes()
    values = sorted(chance.lognormvariate(6, 1) for _ in range(2000))
    for value in values:
        sizes.add(value)
    for share in (0.1, 0.5, 0.9, 0.99):
        assert sizes.at(share) == pytest.approx(values[math.ceil(2000 * share) - 1], rel=0.021)


def test_right_ratios_are_not_broken_and_wrong_ones_are() -> None:
    """Units by the shares never look broken at any look; two points off are found within some ten thousand units."""
    chance = random.Random(19)
    for _ in range(30):
        counts = [0, 0]
        for _ in range(3000):
            counts[chance.random() < 0.3] += 1
            assert ratio_evidence(counts, (0.7, 0.3)) < BROKEN
    assert ratio_evidence((7200, 2800), (0.7, 0.3)) > BROKEN
    assert ratio_evidence((7000, 3000), (0.7, 0.3)) < 0


def test_a_unit_in_a_closed_arm_breaks_the_ratio() -> None:
    """An arm of share 0 that met a unit is beyond any chance."""
    assert ratio_evidence((10, 1), (1.0, 0.0)) == math.inf
    assert ratio_evidence((10, 0), (1.0, 0.0)) <= 0.0


def test_against_scipy() -> None:
    """The e-value of the ratio agrees with a beta-binomial over a binomial, as scipy has them."""
    stats = pytest.importorskip("scipy.stats")
    n, k, share = 500, 180, 0.3
    mixture = stats.betabinom.logpmf(k, n, 200 * share, 200 * (1 - share))
    null = stats.binom.logpmf(k, n, share)
    assert ratio_evidence((k, n - k), (share, 1 - share)) == pytest.approx(mixture - null)
    low, high = quantile_reach(0.5, 1000, 0.05)
    exact = stats.binom.ppf([0.025, 0.975], 1000, 0.5) / 1000
    assert low < exact[0] < exact[1] < high
