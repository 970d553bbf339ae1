"""Prices from the package genai-prices, an extra: `miiflow-llm[cost]`.

It is imported when `loaded` is called, which takes a third of a second. Each model is looked up once there; what it
costs is then reckoned with a `Price` of ours.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from ..core.exceptions import ConfigurationError
from ..core.price import Price
from .names import GENAI_PRICES, PROVIDERS, RATES, SERVICES

_QUARTER = timedelta(minutes=15)
"""Prices that depend on the time of day change at a quarter of an hour."""


class GenaiPrices:
    """The package's table, as it was when this was made."""

    def __init__(self) -> None:
        try:
            from genai_prices.data_snapshot import get_snapshot
        except ImportError:
            raise ConfigurationError("prices='genai-prices' needs it: pip install 'miiflow-llm[cost]'") from None
        self._snapshot: Any = get_snapshot()

    def fetch(self) -> None:
        """Fetch the newest table over the network, by the package's own means.

        Raises:
            Exception: whatever the package raises if it cannot; the table stays as it was.
        """
        from genai_prices import UpdatePrices

        found = UpdatePrices().fetch()
        if found is not None:
            self._snapshot = found

    def price(self, provider: str, model: str, when: datetime) -> tuple[Price | None, datetime | None]:
        """The price of a model at a time, and until when it holds (`None`: as long as the table does)."""
        try:
            owner, found = self._snapshot.find_provider_model(model, None, PROVIDERS.get(provider, provider), None)
        except LookupError:
            return None, None
        until = next_quarter(when) if isinstance(found.prices, list) and len(found.prices) > 1 else None
        usual = _price(found.get_prices(when))
        if usual is None or all(found is not model for model in owner.models):
            return usual, until  # another's model, which the package gives no services here
        return msgspec.structs.replace(usual, services=_services(found, usual, when)), until


def _services(found: Any, usual: Price, when: datetime) -> dict[str, Price]:
    if not found.price_variants:
        return {}
    priced = ((name, _price(found.get_prices(when, context))) for name, context in SERVICES)
    return {name: price for name, price in priced if price is not None and price != usual}


def next_quarter(when: datetime) -> datetime:
    """The next full quarter of an hour after `when`, in UTC."""
    begun = when.astimezone(UTC)
    return begun.replace(minute=begun.minute // 15 * 15, second=0, microsecond=0) + _QUARTER


def _price(rates: Any) -> Price | None:
    """The package's rates as ours: a price, with a tier for each number of tokens at which any rate changes."""
    said = {key: value for key in RATES if (value := getattr(rates, key)) is not None}
    if not said:
        return None
    starts = sorted({tier.start for value in said.values() for tier in getattr(value, "tiers", ())})
    tiers = tuple((start + 1, _flat(said, start + 1)) for start in starts)  # theirs begin above the number
    return _flat(said, 0, tiers)


def _flat(said: dict[str, Any], prompt: int, tiers: tuple[tuple[int, Price], ...] = ()) -> Price:
    rates: dict[str, Any] = {
        name: float(_at(said[key], prompt)) / per for key, (name, per) in RATES.items() if key in said
    }
    return Price(**{"input": 0.0, **rates}, tiers=tiers, source=GENAI_PRICES)


def _at(value: Any, prompt: int) -> Any:
    """The rate for a prompt of so many tokens."""
    rate = getattr(value, "base", value)
    for tier in getattr(value, "tiers", ()):
        if prompt > tier.start:
            rate = tier.price
    return rate
