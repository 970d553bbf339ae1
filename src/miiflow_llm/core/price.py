"""What tokens cost: the rates of a model, and the cost of one call. Unknown is `None`, never 0."""

from __future__ import annotations

import msgspec

from .usage import TokenCount

_MILLION = 1_000_000


class Cost(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one call, one attempt or a sum of them costs.

    `amount` is in whole units of `currency` (1.0 is one dollar). `source` is `provider` if the provider said the amount
    itself, otherwise the name of the price table that it was calculated with; `mixed` in a sum of several. `estimated`
    is true if tokens or rates were guessed, as for a call that was cancelled before it reported its usage. `parts` are
    the amounts by kind of token (`input`, `cache_read`, `cache_write`, `output`, `request`) if they are known.
    """

    amount: float
    currency: str = "USD"
    source: str = "provider"
    estimated: bool = False
    parts: dict[str, float] = {}

    def __add__(self, other: Cost) -> Cost:
        """The sum.

        Raises:
            ValueError: the currencies differ.
        """
        if not isinstance(other, Cost):
            return NotImplemented
        if self.currency != other.currency:
            raise ValueError(f"costs in {self.currency} and {other.currency} cannot be added; add each by itself")
        return Cost(
            self.amount + other.amount,
            self.currency,
            self.source if self.source == other.source else "mixed",
            self.estimated or other.estimated,
            {name: self.parts.get(name, 0.0) + other.parts.get(name, 0.0) for name in {**self.parts, **other.parts}},
        )


class Price(msgspec.Struct, frozen=True, omit_defaults=True):
    """The rates of a model, in units of `currency` for a million tokens, and for a request.

    `cache_read` and `cache_write` hold for the parts of the prompt that were read from, or written to, the provider's
    cache; if they are `None` those tokens cost as much as other input. `tiers` are rates for long prompts: each says
    from which number of prompt tokens on its price holds, then for all tokens of the call; the greatest that is reached
    counts. `source` names the table that the rates are from, `as_of` their date (`2026-12-01`) if it is known.
    """

    input: float
    output: float
    cache_read: float | None = None
    cache_write: float | None = None
    request: float = 0.0
    tiers: tuple[tuple[int, Price], ...] = ()
    currency: str = "USD"
    source: str = "own"
    as_of: str | None = None

    def cost(self, usage: TokenCount, *, estimated: bool = False) -> Cost | None:
        """The cost of a call with this usage; `None` if neither prompt nor completion tokens were reported."""
        prompt, completion = usage.prompt_tokens, usage.completion_tokens
        if prompt is None and completion is None:
            return None
        rates = self._at(prompt or 0)
        parts = rates._input_parts(prompt or 0, usage.cache_read_tokens or 0, usage.cache_write_tokens or 0)
        if completion:
            parts["output"] = completion * rates.output / _MILLION
        if rates.request:
            parts["request"] = rates.request
        return Cost(sum(parts.values()), self.currency, self.source, estimated, parts)

    def _at(self, prompt: int) -> Price:
        """The rates for a prompt of so many tokens."""
        rates, reached = self, -1
        for start, tier in self.tiers:
            if reached < start <= prompt:
                rates, reached = tier, start
        return rates

    def _input_parts(self, prompt: int, read: int, written: int) -> dict[str, float]:
        parts = {}
        if read and self.cache_read is not None:
            parts["cache_read"] = read * self.cache_read / _MILLION
            prompt -= read
        if written and self.cache_write is not None:
            parts["cache_write"] = written * self.cache_write / _MILLION
            prompt -= written
        if prompt > 0:
            parts["input"] = prompt * self.input / _MILLION
        return parts
