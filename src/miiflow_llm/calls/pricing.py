"""What the attempts of a call cost: by the caller's own price, the provider's word, or a table of prices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ..core.price import Cost, Price
from ..core.usage import TokenCount

if TYPE_CHECKING:
    from ..prices.book import Prices


class Pricing(msgspec.Struct, frozen=True):
    """How a client knows what its calls cost: `price` holds for all of them, `prices` has one for each model."""

    price: Price | None = None
    prices: Prices | None = None

    @property
    def loaded(self) -> bool:
        """Whether nothing must be loaded before prices are known."""
        return self.prices is None or self.prices.loaded

    def load(self) -> None:
        """Load what must be loaded."""
        if self.prices is not None:
            self.prices.load()

    def price_of(self, provider: str, model: str, answered: str = "") -> Price | None:
        """The price of a model; `answered` is its name in the answer."""
        if self.price is not None or self.prices is None:
            return self.price
        return self.prices.price(provider, model, answered)

    def cost(
        self, said: Cost | None, usage: TokenCount, provider: str, model: str, answered: str, service: str | None
    ) -> Cost | None:
        """What a call with this usage cost; `said` is what the provider says itself.

        The caller's own prices stand above the provider's word, and that above a table of others'.
        """
        if said is not None and not self._is_own(provider, model, answered):
            return said
        price = self.price_of(provider, model, answered)
        return None if price is None else price.cost(usage, service=service)

    def _is_own(self, provider: str, model: str, answered: str) -> bool:
        if self.price is not None:
            return True
        return self.prices is not None and self.prices.own(provider, model, answered) is not None


NO_PRICES = Pricing()
