"""How many tokens a request will have, told from those that were answered: a line through each target's last answers.

No tokenizer: those of most models are not public, and what a provider adds for tools and roles is in no tokenizer. A
request is put beside the known one of nearest length, and the rest of its bytes are counted by the slope of the line.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from math import inf

from ..core.usage import TokenCount

KEPT = 64
"""Answers of a target that are remembered."""
_BYTES_A_TOKEN = 4.0
_SLOPES = 0.1, 0.5
"""The least and most tokens for a byte that a line may have."""
_LATEST = 0.2
"""The weight of the latest answer in averages."""
_USUAL_OUTPUT = 256.0
"""Tokens of an answer before any is known."""
_MANY = 4096


class Line:
    """What is known of one kind of request to one target."""

    __slots__ = ("cached", "cost", "output", "points", "sums")

    def __init__(self) -> None:
        self.points: deque[tuple[float, float]] = deque()
        self.sums = [0.0, 0.0, 0.0, 0.0]
        self.output: float | None = None
        self.cached: float | None = None
        self.cost: float | None = None

    def learn(self, size: int, usage: TokenCount) -> None:
        """An answer came, to a request of so many bytes."""
        if usage.completion_tokens is not None:
            self.output = _mean(self.output, float(usage.completion_tokens))
        prompt = usage.prompt_tokens
        if not prompt:
            return
        self.cached = _mean(self.cached, min((usage.cache_read_tokens or 0) / prompt, 1.0))
        self._add((float(size), float(prompt)), 1.0)
        if len(self.points) > KEPT:
            self._add(self.points[0], -1.0)

    def _add(self, point: tuple[float, float], sign: float) -> None:
        x, y = point
        for place, value in enumerate((x, y, x * x, x * y)):
            self.sums[place] += sign * value
        if sign > 0:
            self.points.append(point)
        else:
            self.points.popleft()

    @property
    def slope(self) -> float:
        """Tokens for a byte, by least squares."""
        number, (x, y, xx, xy) = len(self.points), self.sums
        spread = number * xx - x * x
        if number < 3 or spread <= 1e-9 * number * xx:
            return 1.0 / _BYTES_A_TOKEN
        low, high = _SLOPES
        return min(max((number * xy - x * y) / spread, low), high)

    def tokens(self, size: int) -> float | None:
        """The tokens of a prompt of so many bytes; `None` before anything is known."""
        if not self.points:
            return None
        nearest, gap = self.points[0], inf
        for point in self.points:
            if abs(point[0] - size) < gap:
                nearest, gap = point, abs(point[0] - size)
        return max(1.0, nearest[1] + self.slope * (size - nearest[0]))


def _mean(known: float | None, latest: float) -> float:
    return latest if known is None else known + _LATEST * (latest - known)


class Estimates:
    """What is known of all targets. A target that is new is judged by others of its `family`, then by bytes / 4."""

    def __init__(self) -> None:
        self._lines: dict[Hashable, Line] = {}

    def learn(self, target: Hashable, family: Hashable, size: int, usage: TokenCount, cost: float | None) -> None:
        """An answer came to a request of `size` bytes."""
        for key in (target, family):
            self._line(key).learn(size, usage)
        if cost is not None:
            line = self._line(target)
            line.cost = _mean(line.cost, cost)

    def usage(self, target: Hashable, family: Hashable, size: int, most: int | None = None) -> TokenCount:
        """What a request of `size` bytes will use; `most` is the limit of its answer, in tokens."""
        own, like = self._lines.get(target), self._lines.get(family)
        prompt, output, cached = None, None, None
        for line in (own, like):
            if line is not None:
                prompt = line.tokens(size) if prompt is None else prompt
                output = line.output if output is None else output
                cached = line.cached if cached is None else cached
        prompt = max(1.0, size / _BYTES_A_TOKEN) if prompt is None else prompt
        output = _USUAL_OUTPUT if output is None else output
        if most is not None:
            output = min(output, most)
        tokens, answer = round(prompt), max(1, round(output))
        return TokenCount(tokens, answer, tokens + answer, cache_read_tokens=round(prompt * (cached or 0.0)))

    def cost(self, target: Hashable) -> float | None:
        """What a call to the target has cost of late, for one whose rates are not known; `None` if none has."""
        line = self._lines.get(target)
        return None if line is None else line.cost

    def _line(self, key: Hashable) -> Line:
        found = self._lines.get(key)
        if found is None:
            if len(self._lines) >= _MANY:
                self._lines.clear()
            found = self._lines.setdefault(key, Line())
        return found
