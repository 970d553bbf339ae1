"""Reports: what is decided, what is open, what is broken, as values, as text and as a picture."""

from __future__ import annotations

import math
import random
import xml.etree.ElementTree as ET

import pytest

from miiflow_llm.trials.records import Design, Exposure, Record, Result, Score, digest
from miiflow_llm.trials.report import Report, report_of
from miiflow_llm.trials.show import svg, text
from miiflow_llm.trials.tallies import Metric


def run(
    units: int,
    success: dict[str, float],
    *,
    goal: Metric = "success",
    lost: str = "",
    adaptive: bool = False,
    seed: int = 1,
    cost: float = 1.0,
) -> list[Record]:
    """The records of a trial with equal shares; half of the units of the arm `lost` are never exposed."""
    chance = random.Random(seed)
    arms = list(success)
    records: list[Record] = [Design("t", "d", dict.fromkeys(arms, 1 / len(arms)), goal, adaptive)]
    for number in range(units):
        arm, unit = chance.choice(arms), digest(str(number))
        if arm == lost and chance.random() < 0.5:
            continue
        ok = chance.random() < success[arm]
        records.append(Exposure("t", unit, arm, "d"))
        spent = cost * (2.0 if arm == "b" else 1.0) * chance.lognormvariate(0, 0.5)
        records.append(
            Result(
                "t", unit, arm, f"c{number}", ok, "stop" if ok else None, None if ok else "RateLimitError", arm,
                number % 10 == 0, 200.0, chance.lognormvariate(6, 0.4), 10, 20, spent,
            )
        )  # fmt: skip
        if number % 2:
            records.append(Score("t", f"c{number}", 1.0 if arm == "a" else 0.5))
    return records


def compared(report: Report, metric: Metric) -> tuple[float, bool]:
    """The difference between the first two arms by a metric, and whether it is decided."""
    found = next(one for one in report.comparisons if one.metric == metric)
    return found.difference.value, found.decided


def test_a_better_arm_wins() -> None:
    """Ten points more of success are found, and the arm that has them is named."""
    report = report_of("t", run(4000, {"a": 0.95, "b": 0.85}))
    assert (report.winner, report.broken, report.adaptive) == ("a", False, False)
    assert report.verdict == "a is better by success"
    assert compared(report, "success") == (pytest.approx(0.1, abs=0.03), True)
    first = report.arms[0] if report.arms[0].arm == "a" else report.arms[1]
    assert first.metrics["success"].low < 0.95 < first.metrics["success"].high
    assert first.units == first.requests
    assert first.prompt_tokens == 10 * first.requests
    assert first.crossed == pytest.approx(0.1, abs=0.05)


def test_less_is_better_for_cost_and_time() -> None:
    """By cost the cheaper arm wins, though its difference is negative."""
    report = report_of("t", run(1000, {"a": 0.9, "b": 0.9}, goal="cost"))
    assert report.winner == "a"
    assert compared(report, "cost")[1]
    assert not compared(report, "latency_ms")[1]


def test_scores_belong_to_their_calls() -> None:
    """Scores count for the arm of the call that they name; scores of unknown calls for none."""
    records = [*run(1000, {"a": 0.9, "b": 0.9}, goal="score"), *[Score("t", "unknown", -100.0)] * 50]
    report = report_of("t", records)
    assert {arm.arm: arm.metrics["score"].value for arm in report.arms} == {"a": 1.0, "b": 0.5}
    assert report.winner == "a"


def test_what_is_open_says_how_long() -> None:
    """A small difference is not decided; about how many more units would decide it stands in the verdict."""
    report = report_of("t", run(600, {"a": 0.90, "b": 0.84}, seed=3))
    assert report.winner is None
    assert report.verdict.startswith("not yet")
    found = next(one for one in report.comparisons if one.metric == "success")
    assert found.more_units is None or found.more_units > 0


def test_lost_units_break_a_trial() -> None:
    """An arm that loses half of its units is found by the ratio; then there is no winner, however clear it looks."""
    report = report_of("t", run(2000, {"a": 0.95, "b": 0.5}, lost="b"))
    assert (report.broken, report.winner) == (True, None)
    assert report.verdict.startswith("broken")


def test_adaptive_shares_name_no_winner() -> None:
    """Where shares followed the results, the report says that its intervals are not a trial's."""
    report = report_of("t", run(3000, {"a": 0.95, "b": 0.7}, adaptive=True))
    assert (report.adaptive, report.winner) == (True, None)
    assert "not a trial's" in report.verdict


def test_three_arms_share_the_error() -> None:
    """Among three arms the winner is the one that beats both others, each comparison being held to a third."""
    report = report_of("t", run(6000, {"a": 0.97, "b": 0.85, "c": 0.84}))
    assert report.winner == "a"
    assert len([one for one in report.comparisons if one.metric == "success"]) == 3


def test_repeated_units_count_once() -> None:
    """A unit that is exposed again, or in another process, is one unit; its requests are all counted."""
    records = run(300, {"a": 0.9, "b": 0.9})
    report = report_of("t", [*records, *records[1:]])
    assert sum(arm.units for arm in report.arms) == 300
    assert sum(arm.requests for arm in report.arms) == 600


def test_changed_shares_do_not_break_a_trial() -> None:
    """Units that came by earlier shares are held to those, not to today's."""
    ramp: list[Record] = [Design("t", "early", {"a": 0.9, "b": 0.1})]
    ramp += [Exposure("t", f"e{number}", "b" if number % 10 == 0 else "a", "early") for number in range(2000)]
    ramp += [Design("t", "late", {"a": 0.5, "b": 0.5})]
    ramp += [Exposure("t", f"l{number}", "ab"[number % 2], "late") for number in range(2000)]
    assert not report_of("t", ramp).broken


def test_nothing_yet() -> None:
    """A trial without records, with one arm's records, or of another name has a report without a winner."""
    for records in ([], run(0, {"a": 1.0, "b": 1.0}), run(5, {"a": 1.0, "b": 1.0})):
        report = report_of("t", records)
        assert report.winner is None
        assert report.verdict.startswith("not yet")
        assert "trial t" in text(report)
        ET.fromstring(svg(report))
    assert report_of("other", run(50, {"a": 0.5, "b": 0.5})).arms == []


def test_text_and_picture_show_every_arm() -> None:
    """The table names arms, intervals and the verdict; the picture is well-formed and escapes what is not ours."""
    records = [
        *run(800, {"a": 0.95, "b": 0.6}),
        Design("t", "x", {"<b>&": 1.0, "a": 1.0}),
        Result("t", "u", "<b>&", "c", True, latency_ms=math.e),
    ]
    report = report_of("t", records)
    shown = text(report)
    assert shown.splitlines()[0] == "trial t, decided by success"
    assert report.verdict in shown
    picture = ET.fromstring(svg(report))
    words = ["".join(node.itertext()) for node in picture.iter() if node.tag.endswith("text")]
    assert {"a", "b", "<b>&"} <= set(words)
    assert all(0 <= float(node.attrib["cx"]) <= 720 for node in picture.iter() if node.tag.endswith("circle"))
