"""The figures of a run: samples in, medians, spreads and ratios paired round by round out."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, field
from typing import NamedTuple

from cases import Case


class Spread(NamedTuple):
    """A median and the quartiles around it (with fewer than four samples the least and the most)."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        """That of some samples."""
        if len(values) < 4:
            return cls(statistics.median(values), min(values), max(values))
        low, _, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(statistics.median(values), low, high)


@dataclass
class Result:
    """One case's samples: by client, for each round its figures; `missing` says why a client has none."""

    case: Case
    samples: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def figure(self, client: str, name: str) -> Spread:
        """A figure of a client over the rounds."""
        return Spread.of([sample[name] for sample in self.samples[client]])

    def ratio(self, client: str, other: str, name: str) -> Spread:
        """A client's figure over the other's, of the same round: what slows a round slows both."""
        pairs = zip(self.samples[client], self.samples[other], strict=False)  # the slow skip later rounds
        return Spread.of([mine[name] / (theirs[name] or float("nan")) for mine, theirs in pairs])

    def within(self, client: str, name: str, other: str) -> Spread:
        """One figure of a client over another one of the same round."""
        return Spread.of([sample[name] / sample[other] for sample in self.samples[client]])

    def over(self, client: str, other: str, name: str) -> Spread:
        """A client's figure less the other's, of the same round."""
        pairs = zip(self.samples[client], self.samples[other], strict=False)  # the slow skip later rounds
        return Spread.of([mine[name] - theirs[name] for mine, theirs in pairs])

    def drop(self, client: str, why: str) -> None:
        """Leave a client out: it failed."""
        self.samples.pop(client, None)
        self.missing[client] = why

    def facts(self) -> dict[str, object]:
        """All of it for JSON."""
        floor = self.case.floor
        clients: dict[str, object] = {}
        for client, samples in self.samples.items():
            rows: dict[str, object] = {}
            for name in samples[0]:
                rows[name] = rounded(self.figure(client, name))
                if floor in self.samples and client != floor:
                    rows[f"{name}_x_floor"] = rounded(self.ratio(client, floor, name))
            clients[client] = rows
        return {
            "about": self.case.about,
            "measure": self.case.measure,
            "backend": self.case.backend,
            "order": self.case.order,
            "floor": floor,
            "rounds": max(map(len, self.samples.values()), default=0),
            "clients": clients,
            "missing": self.missing,
        }


def rounded(spread: Spread) -> list[float | None]:
    """For JSON: median, lower and upper quartile, to four digits."""
    return [float(f"{value:.4g}") if math.isfinite(value) else None for value in spread]
