"""What tokens cost: the rates of a model, and the cost of one call. Unknown is `None`, never 0."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from .usage import TokenCount

_MILLION = 1_000_000


class Cost(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one call, one attempt or a sum of them costs.

    `amount` is in whole units of `currency` (1.0 is one dollar). `source` is `provider` if the provider said the amount
    itself, otherwise the name of the price table that it was calculated with; `mixed` in a sum of several. `estimated`
    is true if tokens or rates were guessed, as for a call that was cancelled before it reported its usage. `parts` are
    the amounts by what is charged (`input`, `cache_read`, `cache_write`, `output`, `audio_input`, `audio_output`,
    `reasoning`, `searches`, `request`) if they are known.
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


def total(costs: Iterable[Cost | None]) -> Cost | None:
    """The sum of the costs that are known; `None` if none is, or they are in several currencies."""
    known = [cost for cost in costs if cost is not None]
    if not known or len({cost.currency for cost in known}) > 1:
        return None
    out = known[0]
    for cost in known[1:]:
        out = out + cost
    return out


class Price(msgspec.Struct, frozen=True, omit_defaults=True):
    """The rates of a model, in units of `currency` for a million tokens; for a request and for a search, one of them.

    A kind of token whose rate is `None` costs as much as what it is a part of: `cache_read`, `cache_write` and
    `audio_input` as other input, `cache_write_1h` (kept for an hour) as `cache_write`, `audio_output` and `reasoning`
    as other output. `tiers` are rates for long prompts: each says from which number of prompt tokens on its price
    holds, then for all tokens of the call; the greatest that is reached counts. `services` are the prices of other
    service tiers (`flex`, `priority`, ...) and of the provider's batch API (`batch`). `source` names the table that the
    rates are from, `as_of` their date (`2026-12-01`) if it is known.
    """

    input: float
    output: float = 0.0
    cache_read: float | None = None
    cache_write: float | None = None
    request: float = 0.0
    tiers: tuple[tuple[int, Price], ...] = ()
    currency: str = "USD"
    source: str = "own"
    as_of: str | None = None
    cache_write_1h: float | None = None
    audio_input: float | None = None
    audio_output: float | None = None
    reasoning: float | None = None
    search: float | None = None
    services: dict[str, Price] = {}

    def cost(self, usage: TokenCount, *, service: str | None = None, estimated: bool = False) -> Cost | None:
        """The cost of a call with this usage; `None` if neither prompt nor completion tokens were reported.

        Args:
            usage: the tokens.
            service: the service tier that the call ran in, or `batch`; one that has no prices here costs as usual.
            estimated: whether the usage is a guess.
        """
        prompt, completion = usage.prompt_tokens, usage.completion_tokens
        if prompt is None and completion is None:
            return None
        rates = self if service is None else self.services.get(service, self)
        if rates.tiers:
            rates = rates._at(prompt or 0)
        parts: dict[str, float] = {}
        if prompt:
            rates._add_input(parts, prompt, usage)
        if completion:
            rates._add_output(parts, completion, usage)
        if rates.request:
            parts["request"] = rates.request
        if usage.web_searches and rates.search is not None:
            parts["searches"] = usage.web_searches * rates.search
        return Cost(sum(parts.values()), self.currency, self.source, estimated, parts)

    def _at(self, prompt: int) -> Price:
        """The rates for a prompt of so many tokens."""
        rates, reached = self, -1
        for start, tier in self.tiers:
            if reached < start <= prompt:
                rates, reached = tier, start
        return rates

    def _add_input(self, parts: dict[str, float], prompt: int, usage: TokenCount) -> None:
        read, written, audio = usage.cache_read_tokens, usage.cache_write_tokens, usage.audio_prompt_tokens
        if read and self.cache_read is not None:
            parts["cache_read"] = read * self.cache_read / _MILLION
            prompt -= read
        if written:
            prompt -= self._add_written(parts, written, min(usage.cache_write_1h_tokens or 0, written))
        if audio and self.audio_input is not None:
            parts["audio_input"] = audio * self.audio_input / _MILLION
            prompt -= audio
        if prompt > 0:
            parts["input"] = prompt * self.input / _MILLION

    def _add_written(self, parts: dict[str, float], written: int, for_an_hour: int) -> int:
        """Add what writing to the cache costs; how many of the tokens have rates for it."""
        amount, charged = 0.0, 0
        if for_an_hour and self.cache_write_1h is not None:
            amount, charged = for_an_hour * self.cache_write_1h, for_an_hour
        if self.cache_write is not None:
            amount, charged = amount + (written - charged) * self.cache_write, written
        if charged:
            parts["cache_write"] = amount / _MILLION
        return charged

    def _add_output(self, parts: dict[str, float], completion: int, usage: TokenCount) -> None:
        audio, reasoning = usage.audio_completion_tokens, usage.reasoning_tokens
        if audio and self.audio_output is not None:
            parts["audio_output"] = audio * self.audio_output / _MILLION
            completion -= audio
        if reasoning and self.reasoning is not None:
            parts["reasoning"] = reasoning * self.reasoning / _MILLION
            completion -= reasoning
        if completion > 0:
            parts["output"] = completion * self.output / _MILLION
