"""The constants of choosing, each with its reason; a router's user may say others."""

from __future__ import annotations

from typing import Literal

import msgspec

OptIn = Literal["raise", "move"]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What all policies have in common. Times in seconds; the reasons are measurements of `scripts/simulate`.

    A target's time to first output is averaged over `memory` (5 to 120 s differ by noise), its success with the weight
    `success_weight` for the newest call. A target with `most_failures` failures in a row, or with fewer than
    `least_success` of its calls served, is out for `open_first`, then twice as long each time up to `open_most`, give
    or take a fifth; then one real request probes it. `forget_trips` is how long it must have been well for the next
    outage to count as its first.

    A limit on silence of `cut_factor` times the target's own p99, at least `cut_least`, holds while another target can
    be asked; `cut_unknown` before `known_samples` samples. A rate limit without a hint cools the target for
    `cool_first`, twice as long each time up to `cool_most`. A rejected key, a missing model or an exhausted quota takes
    it out for `out_seconds`.

    Under the policy `order` the first target is asked again: after `retry_pause` if it answered with an error of its
    own, after its own hint of at most `retry_after_most` if it answered with a rate limit. `wait_most` is the longest
    wait for a target to return. `failover_budget` further attempts may be added per call, `failover_most` saved up:
    1.0 serves 87 % if 60 % of all attempts fail, at twice the load; a higher number serves more for more load.

    A second attempt runs beside a first one that has shown nothing for its own p95 (`hedge_unknown` before there are
    samples; at least `hedge_least`, at most `hedge_factor` times the best average but for the policy `order`), for
    `hedge_budget` of the calls, with `hedge_most` saved up and `hedge_start` to begin with; never if its prompt costs
    more than `hedge_cost`.

    Affinity holds for targets with at most `affinity_load` times the mean load and one more, whose score is at most
    `affinity_score` times the best. `drawn` targets are compared if there are more than `compared`. Costs within
    `cost_tie` are equal.

    `on_refusal`, `on_mismatch` and `on_invalid` say what follows a content filter, an answer that is not of the type
    asked for, and a request that the provider calls invalid: `raise`, or `move` to the next target.
    """

    memory: float = 30.0
    success_weight: float = 0.1
    known_samples: int = 20
    most_failures: int = 5
    least_success: float = 0.5
    open_first: float = 2.0
    open_most: float = 12.0
    forget_trips: float = 60.0
    cut_least: float = 5.0
    cut_factor: float = 3.0
    cut_unknown: float = 10.0
    cool_first: float = 2.0
    cool_most: float = 60.0
    out_seconds: float = 600.0
    retry_pause: float = 0.4
    retry_after_most: float = 3.0
    wait_most: float = 120.0
    failover_budget: float = 1.0
    failover_most: float = 50.0
    retry_budget: float = 0.2
    retry_most: float = 20.0
    hedge_budget: float = 0.05
    hedge_most: float = 10.0
    hedge_start: float = 5.0
    hedge_unknown: float = 2.0
    hedge_least: float = 0.1
    hedge_factor: float = 3.0
    hedge_cost: float = 0.02
    affinity_load: float = 1.25
    affinity_score: float = 1.5
    compared: int = 8
    drawn: int = 4
    cost_tie: float = 0.05
    on_refusal: OptIn = "raise"
    on_mismatch: OptIn = "raise"
    on_invalid: OptIn = "raise"
