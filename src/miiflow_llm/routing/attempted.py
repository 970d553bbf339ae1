"""One attempt of a routed call: its stream, and what is written down of it."""

from __future__ import annotations

from collections.abc import Sequence

from ..choosing.course import Made
from ..core.exceptions import BudgetExceededError, MiiflowLLMError
from ..core.response import Attempt, Outcome, StreamChunk
from .sources import Source, attempts_of, shows
from .target import Aim


class Attempted:
    """An attempt at a target. `source` is its answer, `outcome` how it ended, `error` why it failed."""

    __slots__ = ("aim", "error", "made", "outcome", "records", "source", "waited")

    def __init__(self, aim: Aim, made: Made, source: Source, waited: float) -> None:
        self.aim = aim
        self.made = made
        self.source = source
        self.waited = waited
        self.error: MiiflowLLMError | None = None
        self.outcome: Outcome | None = None
        self.records: Sequence[Attempt] = ()

    async def shown(self) -> bool:
        """Wait for the first output; false if it was closed before. What comes before is kept.

        Raises:
            MiiflowLLMError: it failed.
        """
        source, held = self.source, list[StreamChunk]()
        while await source.more():
            chunks = source.chunks
            while chunks:
                if shows(chunks[0]):
                    chunks.extendleft(reversed(held))
                    return True
                held.append(chunks.popleft())
        source.chunks.extend(held)
        return self.outcome is None

    def end(self, outcome: Outcome, now: float, error: MiiflowLLMError | None = None) -> None:
        """Write down how it ended."""
        self.outcome, self.error = outcome, error
        sent = not isinstance(error, BudgetExceededError)
        self.records = attempts_of(self.source) or ((Attempt(self.aim.label),) if sent else ())
        for record in self.records:
            if self.aim.owns_retries and record.why is not None:
                continue  # a router below has said it
            record.target = self.aim.label
            record.why = self.made.why
            record.outcome = outcome
            record.waited_ms = round(self.waited * 1000, 3)
            if outcome != "served":
                record.reason = type(error).__name__ if error is not None else outcome
            if record.total_ms is None:
                record.total_ms = round((now - self.made.began) * 1000, 3)
