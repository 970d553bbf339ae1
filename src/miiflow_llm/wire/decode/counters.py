"""The tokens of one answer: the provider's raw counters in, our counts out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import cast

from ...core.usage import TokenCount, as_count
from ...tables import Counter


class Counters:
    """The raw counters that were reported so far.

    A usage object that has the provider's own total is a snapshot of the whole and replaces what came in frames before
    it; any other says some counters, and of each the last counts. A zero unsays no count that was reported before:
    counts only grow, and gateways send zeros for what they do not know.
    """

    def __init__(self, table: Mapping[str, Counter]) -> None:
        self._table = table
        self._totals = frozenset(table["total_tokens"].names) if "total_tokens" in table else frozenset[str]()
        self._raw: dict[str, int | float] = {}
        self._frame = -1
        self._counted: TokenCount | None = None

    def take(self, counters: Mapping[str, int | float], frame: int) -> None:
        """Take one usage object of this frame."""
        self._counted = None
        if self._raw and not any(counters.values()):
            self._raw = {**counters, **self._raw}
            return
        if frame != self._frame and not self._totals.isdisjoint(counters):
            self._raw.clear()
        self._frame = frame
        self._raw.update({name: value for name, value in counters.items() if value or not self._raw.get(name)})

    def cost(self, units: Mapping[str, float]) -> float | None:
        """What the provider says that the call cost, in USD; `None` if it does not say."""
        said = [self._raw[name] * unit for name, unit in units.items() if name in self._raw]
        total = sum(said)
        return total if said and 0 <= total < math.inf else None

    def count(self) -> TokenCount:
        """Our counts, now."""
        if self._counted is None:
            self._counted = count_tokens(self._table, self._raw)
        return self._counted


def count_tokens(table: Mapping[str, Counter], raw: Mapping[str, int | float]) -> TokenCount:
    """Our counts from the provider's, by the table.

    A total that was not reported, or is zero beside counts, is the sum of its halves. If the prompt is all of the
    total, nothing was answered: zero counts are left out by some.
    """
    found = {name: _counted(row, raw) for name, row in table.items()}
    total = found.get("total_tokens")
    prompt, completion = found.get("prompt_tokens"), found.get("completion_tokens")
    if not total and prompt is not None and completion is not None:
        found["total_tokens"] = prompt + completion
    if total is not None and total == prompt and not _was_reported(table, "completion_tokens", raw):
        found["completion_tokens"] = 0
    return TokenCount(**found)


def _was_reported(table: Mapping[str, Counter], name: str, raw: Mapping[str, int | float]) -> bool:
    return name in table and any(counter in raw for counter in table[name].names)


def _counted(row: Counter, raw: Mapping[str, int | float]) -> int | None:
    values = [as_count(raw[name]) for name in row.names if name in raw]
    if not values or None in values:
        return None  # a part that was lost makes no smaller sum
    total = sum(cast("list[int]", values))
    if row.extra and row.total in raw:
        more = sum(raw.get(name, 0) for name in row.extra)
        if more and total + more + raw.get(row.with_prompt, 0) == raw[row.total]:
            total += int(more)
    return total
