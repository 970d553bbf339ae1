"""What a router says of itself: how its targets are (`RouteHealth`), and to which a call would go (`Explanation`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from ..choosing.table import ChoiceWhy

State = Literal["well", "probing", "open", "cooling", "out", "full"]


class TargetHealth(msgspec.Struct, frozen=True, kw_only=True):
    """A target as the router knows it now. Times in seconds.

    `state` is `well`; `open` if it failed too often and is passed over; `probing` if it is due to be tried again, or
    one call is trying; `cooling` if it asked for a pause; `out` if it cannot be used as it is set up; `full` if it has
    as many calls as it may have. `back_in` is when it may be asked again, `why` says more.

    `first_output` is its average time to first output, `p95` and `p99` are of the last 256; `None` if none was
    measured. `success` is the share of calls that it served, the newest counting most, `fails` how many failed in a
    row. `in_flight` calls are under way, of at most `limit`. `remaining_tokens` and `remaining_requests` are the
    provider's own counters, less what was sent since.
    """

    label: str
    provider: str
    model: str | None
    tier: int
    state: State
    back_in: float | None = None
    why: str | None = None
    first_output: float | None = None
    p95: float | None = None
    p99: float | None = None
    success: float = 1.0
    fails: int = 0
    in_flight: int = 0
    limit: float | None = None
    remaining_tokens: float | None = None
    remaining_requests: float | None = None


class RouteHealth(msgspec.Struct, frozen=True, kw_only=True):
    """A router's targets, and what further attempts are allowed: so many `failovers`, `retries` and `hedges`.

    `state` says whether the server that processes share is there; `None` if none was named.
    """

    name: str
    policy: str
    targets: Sequence[TargetHealth]
    failovers: float
    retries: float
    hedges: float
    state: Literal["connected", "lost"] | None = None

    @property
    def well(self) -> bool:
        """Whether a target can be asked now."""
        return any(target.state in ("well", "probing") for target in self.targets)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values that JSON has."""
        built: dict[str, Any] = msgspec.to_builtins(self)
        return built

    def __str__(self) -> str:
        rows = [
            (one.label, one.state, _share(one.success), _seconds(one.first_output), _seconds(one.p95), one.why or "")
            for one in self.targets
        ]
        return _drawn(("target", "state", "served", "first output", "p95", ""), rows)


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A target as it looks to one call. Times in seconds.

    `place` is its place in the order, from 1; `None` if it would not be asked, for the reason in `why`. Otherwise `why`
    is `order` (the policy's), `affinity`, `probe` or `panic`. `score` is the expected time to first output, worse for
    load and failures. `hedge_at` is after how much silence another target is asked beside it, `cut_at` after how much
    it is given up; `None` for not at all. `cost` is the estimated cost of the call, `None` if it is not known.
    `continues` says whether it would go on with an answer that another began: `yes`, or why not.
    """

    label: str
    place: int | None
    why: ChoiceWhy | str
    score: float | None = None
    hedge_at: float | None = None
    cut_at: float | None = None
    cost: float | None = None
    continues: str = ""
    notes: Sequence[str] = ()


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Where a call would go now, and why: `candidates` in their order, then those that would not be asked.

    `affinity` is the number that stands for the conversation, `None` if it may go anywhere.
    """

    route: str
    policy: str
    candidates: Sequence[Candidate]
    affinity: int | None = None

    @property
    def chosen(self) -> Candidate | None:
        """The target that would be asked first; `None` if none can be."""
        return next((one for one in self.candidates if one.place == 1), None)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values that JSON has."""
        built: dict[str, Any] = msgspec.to_builtins(self)
        return built

    def rows(self) -> list[tuple[str, ...]]:
        """The candidates as the cells of a table, whose columns are `COLUMNS`."""
        return [
            (
                "-" if one.place is None else str(one.place),
                one.label,
                one.why,
                _seconds(one.score),
                _seconds(one.hedge_at),
                _seconds(one.cut_at),
                "" if one.cost is None else f"{one.cost:.6f}",
                one.continues,
            )
            for one in self.candidates
        ]

    def __str__(self) -> str:
        return _drawn(COLUMNS, self.rows())


COLUMNS = ("", "target", "why", "score", "hedge after", "cut after", "cost", "goes on with another's answer")


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.2f} s"


def _share(value: float) -> str:
    return f"{value:.0%}"


def _drawn(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The rows as lines of text, each column as wide as it must be."""
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (columns, *rows))
    return "\n".join(line.rstrip() for line in lines)
