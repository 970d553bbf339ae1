"""The goals that the byte path has, as data, and whether a run met them.

A ratio is that of each round, ours over the floor's of the same round, and of these the median: a machine that is busy
with other things slows both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from report import aligned, number
from results import Result, Spread, rounded


@dataclass(frozen=True)
class Goal:
    """A goal of a case: at most, or with `least` at least, `limit`. `value` may fail where a client is missing."""

    text: str
    case: str
    value: Callable[[Result], Spread]
    limit: float
    unit: str = "x"
    least: bool = False

    def judged(self, results: Mapping[str, Result]) -> Judged | None:
        """How it stands; None where it was not measured."""
        try:
            return Judged(self, self.value(results[self.case]))
        except KeyError:
            return None


@dataclass(frozen=True)
class Judged:
    """A goal and its figure."""

    goal: Goal
    found: Spread

    @property
    def met(self) -> bool:
        """Whether the median does."""
        goal = self.goal
        return self.found.median >= goal.limit if goal.least else self.found.median <= goal.limit

    @property
    def clear(self) -> bool:
        """Whether the quartiles do both, or neither."""
        found, limit = self.found, self.goal.limit
        return not found.low <= limit <= found.high

    @property
    def verdict(self) -> str:
        """In words."""
        return ("met" if self.met else "MISSED") + ("" if self.clear else ", within the noise")

    def facts(self) -> dict[str, object]:
        """For JSON."""
        goal = self.goal
        return {
            "goal": goal.text,
            "case": goal.case,
            "unit": goal.unit,
            "at_least" if goal.least else "at_most": goal.limit,
            "measured": rounded(self.found),
            "met": self.met,
            "clear": self.clear,
        }


def against(other: str, name: str = "chunk_us") -> Callable[[Result], Spread]:
    """Ours over another's."""
    return lambda result: result.ratio("ours", other, name)


def scaled(found: Spread, by: float) -> Spread:
    """In another unit."""
    return Spread(*(value * by for value in found))


def _longest_over_shortest(result: Result) -> Spread:
    return result.within("ours", "chunk_100000", "chunk_100")


def _first_overhead(result: Result) -> Spread:
    return scaled(result.over("ours", result.case.floor, "p50_us"), 1 / 1000)


def _idle_kb(result: Result) -> Spread:
    return result.figure("ours", "stream_kb")


def _idle_beyond_tls_kb(result: Result) -> Spread:
    return result.over("ours", "bare_tls", "stream_kb")


def _cheaper_than_httpx(result: Result) -> Spread:
    return result.ratio("httpx_bytes", "ours", "chunk_us")


GOALS = (
    Goal("burst, over the raw socket", "burst", against("floor"), 2),
    Goal("burst, httpx reading bytes over ours", "burst", _cheaper_than_httpx, 4, least=True),
    Goal("200 streams, over the raw socket", "200 streams", against("floor"), 1.4),
    Goal("200 streams, over lm15", "200 streams", against("lm15"), 1),
    Goal("1000 streams, over the raw socket", "1000 streams", against("floor"), 1.4),
    Goal("200 streams, TLS, over the raw socket", "200 streams, TLS", against("floor"), 1.3),
    Goal("200 streams, trio, over raw trio", "200 streams, trio", against("floor_trio"), 1.5),
    Goal("200 new calls, trio, over httpx's own", "200 calls anew, trio", against("httpx_keeping", "whole_us"), 0.3),
    Goal("first text over the raw socket", "first", _first_overhead, 1, "ms"),
    Goal("first text over the raw socket, TLS", "first, TLS", _first_overhead, 1, "ms"),
    Goal("chunk of 100 000 over chunk of 100", "length", _longest_over_shortest, 1.1),
    Goal("an idle open stream", "idle", _idle_kb, 40, "KB"),
    Goal("an idle open stream, TLS, beyond OpenSSL's own", "idle, TLS", _idle_beyond_tls_kb, 40, "KB"),
    Goal("import, over import httpx", "import", lambda result: result.ratio("miiflow_llm", "httpx", "cpu_ms"), 1.1),
)


def judged(results: Mapping[str, Result]) -> list[Judged]:
    """The goals that were measured."""
    return [found for goal in GOALS if (found := goal.judged(results)) is not None]


def table(results: Mapping[str, Result]) -> str:
    """What became of them."""
    rows = [["goal", "", "measured", "quartiles", ""]]
    for one in judged(results):
        goal, found = one.goal, one.found
        sign = ">=" if goal.least else "<="
        rows.append(
            [
                goal.text,
                f"{sign} {goal.limit:g} {goal.unit}",
                number(found.median),
                f"{number(found.low)}-{number(found.high)}",
                one.verdict,
            ]
        )
    return "\n".join(aligned(rows))
