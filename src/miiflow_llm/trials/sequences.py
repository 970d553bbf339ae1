"""Intervals of counts that hold at every look.

A test of fixed size is right once; whoever looks after every unit and stops at the first "significant" is wrong far
more often than 5 %. What stands here is right at all looks together, however often one looks:

- means and shares: asymptotic confidence sequences by a normal mixture (Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas,
  "Time-uniform central limit theory and asymptotic confidence sequences", 2021);
- quantiles: bounds uniform in time (Howard, Ramdas, "Sequential estimation of quantiles", 2022, for a fixed quantile);
- the ratio of units among the arms: a multinomial test by a Dirichlet mixture (Lindon, Malek, "Anytime-valid inference
  for multinomial count data", 2020), in place of a chi-square, which is right once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

TUNED_FOR = 2000
"""Units, of all arms together, at which the intervals are tightest; they hold at every other number too."""
MIN_UNITS = 10
"""Units of an arm below which nothing is decided: the normal approximation is not one yet."""


def multiplier(units: float, alpha: float, tuned_for: float = TUNED_FOR) -> float:
    """How many standard errors the interval reaches to each side after `units` units; 1.96 in a test of fixed size."""
    wide = -2 * math.log(alpha)
    rate = units * (wide + math.log(wide) + 1) / tuned_for
    return math.sqrt(2 * (rate + 1) / rate * math.log(math.sqrt(rate + 1) / alpha))


def units_needed(difference: float, variance: float, units: float, alpha: float) -> int | None:
    """About how many further units decide a difference that stays as it is; `None` if more than a hundred times as
    many.

    `variance` is that of the difference after `units` units; it falls as their number grows.
    """
    each = variance * units
    low, high = units, 100 * units

    def decided(at: float) -> bool:
        return multiplier(at, alpha) * math.sqrt(each / at) < abs(difference)

    if not decided(high):
        return None
    while high - low > max(1.0, low / 200):
        middle = (low + high) / 2
        low, high = (low, middle) if decided(middle) else (middle, high)
    return max(0, math.ceil(high - units))


def quantile_reach(share: float, units: float, alpha: float) -> tuple[float, float]:
    """The shares between whose sample quantiles the true quantile of `share` lies, at all looks together."""
    level = 1.4 * math.log(math.log(2.1 * max(units, 2))) + math.log(10 / alpha)
    reach = 1.5 * math.sqrt(share * (1 - share) * level / units) + 0.8 * level / units
    return max(0.0, share - reach), min(1.0, share + reach)


def ratio_evidence(counts: Sequence[int], shares: Sequence[float]) -> float:
    """The evidence that units were not assigned by `shares`, as the logarithm of an e-value.

    Under the right shares its exponential reaches 1,000 at any time with a chance of at most 0.001. The mixture is a
    Dirichlet about the shares, of the weight of a hundred units an arm.
    """
    weight = 100.0 * len(shares)
    prior = [share * weight for share in shares]
    whole = sum(counts)
    log_mixture = math.lgamma(weight) - math.lgamma(weight + whole)
    for count, start, share in zip(counts, prior, shares, strict=True):
        if not share:
            if count:
                return math.inf
            continue
        log_mixture += math.lgamma(start + count) - math.lgamma(start) - count * math.log(share)
    return log_mixture
