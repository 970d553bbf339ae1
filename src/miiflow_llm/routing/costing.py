"""What a router knows of costs: prices and budgets handed to its targets, and estimates of a call by target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

import msgspec

from ..calls.pricing import NO_PRICES, Pricing, has_media
from ..calls.streams import Stream
from ..client.base import shared_budget, shared_prices
from ..core.exceptions import ConfigurationError
from ..core.messages import Message
from ..core.price import Price
from ..schema.tools import hosted_tool
from .sources import Source

if TYPE_CHECKING:
    from ..prices.book import PricesLike
    from ..prices.budget import Budget, BudgetLike
    from ..prices.estimate import Estimates

_encode = msgspec.json.Encoder(enc_hook=repr).encode
_LATEST = 0.2


class Rated(Protocol):
    """What of a `Target` says what it costs."""

    @property
    def price(self) -> Price | None: ...

    @property
    def bills_cancelled(self) -> Literal["input", "full"] | None: ...


class Asked(Protocol):
    """What of an `Aim` says what it costs."""

    chat: Any

    @property
    def provider(self) -> str: ...

    @property
    def model(self) -> str | None: ...


class Costing:
    """The prices and the budget of a router, and how long its requests are beside their messages."""

    def __init__(self, prices: PricesLike, budget: BudgetLike) -> None:
        self.prices = shared_prices(prices)
        self.budget: Budget | None = shared_budget(budget)
        self._estimates: Estimates | None = self.prices.estimates if self.prices is not None else None
        self._beside: dict[bool, float] = {}

    def of(self, target: Rated, chat: Any) -> Pricing | None:
        """How the costs of a target are known; `None` if as it knows them itself.

        Raises:
            ConfigurationError: the router has a budget, and the target makes requests of its own, as a router does.
        """
        own: Pricing = getattr(chat, "pricing", NO_PRICES)
        if not callable(getattr(chat, "once", None)):
            if self.budget is not None:
                raise ConfigurationError(f"budget=: {chat!r} makes calls of its own; give the budget to it")
            return None
        if self.prices is None and self.budget is None and target.price is None and target.bills_cancelled is None:
            return None
        return Pricing(
            target.price or own.price,
            self.prices or own.prices,
            self._estimates or own.estimates or self._estimates_of_ours(),
            self.budget or own.budget,
            target.bills_cancelled or own.bills_cancelled,
        )

    def _estimates_of_ours(self) -> Estimates:
        from ..prices.estimate import Estimates

        self._estimates = Estimates()
        return self._estimates

    def costs(
        self,
        aims: Sequence[Asked],
        messages: Sequence[Message],
        parameters: Mapping[str, Any],
        *,
        output: int | None = None,
    ) -> tuple[float | None, ...]:
        """What a call is expected to cost at each target, all in one currency; `None` where that cannot be told."""
        tools = parameters.get("tools") or ()
        size = round(len(_encode(messages)) + self._beside.get(bool(tools), 0.0))
        kind = bool(tools), any(hosted_tool(tool) for tool in tools), has_media(messages)
        most, service = parameters.get("max_tokens"), parameters.get("service_tier")
        found, currency = list[float | None](), None
        for aim in aims:
            pricing: Pricing = getattr(aim.chat, "pricing", NO_PRICES)
            cost = pricing.expected(
                aim.provider, aim.model or "", kind, size, output=output, most=most, service=service
            )
            currency = currency or (cost.currency if cost is not None else None)
            found.append(cost.amount if cost is not None and cost.currency == currency else None)
        return tuple(found)

    def learn(self, messages: Sequence[Message], parameters: Mapping[str, Any], source: Source) -> None:
        """A request was made: how many bytes it has beside its messages."""
        if isinstance(source, Stream) and source.call.setup.pricing.estimates is not None:
            tools, beside = bool(parameters.get("tools")), float(source.call.size - len(_encode(messages)))
            known = self._beside.get(tools)
            self._beside[tools] = beside if known is None else known + _LATEST * (beside - known)
