"""The prices that a client was given: tables of one's own, genai-prices, or both, each model looked up once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core import forks
from ..core.exceptions import ConfigurationError
from ..core.price import Price
from .estimate import Estimates
from .names import GENAI_PRICES
from .own import OwnPrices

if TYPE_CHECKING:
    from .from_genai import GenaiPrices

_MANY = 4096


class Prices:
    """What models cost. Give one object to several clients, routers and jobs: what was looked up is shared.

        Prices({"openai/gpt-5": {"input": 1.25, "output": 10}, "local/*": Price(0.0)}, "genai-prices")

    A source is a mapping or the path of a TOML file with prices of your own (see `OwnPrices`), or `"genai-prices"`.
    Prices of your own stand above those of the package, and above what a provider says itself.

    The package is imported by `load`, not before, which clients call in a thread before their first request.

    Raises:
        ConfigurationError: a source is not one, or a price is not one.
    """

    def __init__(self, *sources: Mapping[str, Any] | str | Path) -> None:
        self._own: list[OwnPrices] = []
        self._wants_genai = False
        for source in sources:
            if source == GENAI_PRICES:
                self._wants_genai = True
            elif isinstance(source, Mapping):
                self._own.append(OwnPrices(source))
            elif isinstance(source, (str, Path)):
                self._own.append(OwnPrices.read(source))
            else:
                raise ConfigurationError(f"prices={source!r}: 'genai-prices', the path of a TOML file, or a mapping")
        self._genai: GenaiPrices | None = None
        self._found: dict[tuple[str, str, str], tuple[Price | None, datetime | None]] = {}
        self._lock = forks.lock()
        self.estimates = Estimates()

    @classmethod
    def of(cls, given: PricesLike) -> Prices | None:
        """The prices as `prices=` takes them: `None`, a source, several in a list, or `Prices`."""
        if given is None or isinstance(given, cls):
            return given
        if isinstance(given, Sequence) and not isinstance(given, str):
            return cls(*given)
        return cls(given)  # type: ignore[arg-type]  # whatever else it is, the class says what it must be

    @property
    def loaded(self) -> bool:
        """Whether there is nothing left to load."""
        return not self._wants_genai or self._genai is not None

    def load(self) -> None:
        """Load genai-prices, if it is one of the sources and that was not done: a third of a second, once.

        Raises:
            ConfigurationError: it is not installed.
        """
        if self.loaded:
            return
        with self._lock:
            if self._genai is None:
                from .from_genai import GenaiPrices

                self._genai = GenaiPrices()

    def refresh(self) -> None:
        """Fetch the newest table of genai-prices over the network, by the package's own means; it blocks.

        Raises:
            ConfigurationError: it is not installed.
            Exception: what the package raises; the prices stay as they were.
        """
        if not self._wants_genai:
            return
        self.load()
        assert self._genai is not None  # noqa: S101  it is loaded
        self._genai.fetch()
        self._found.clear()

    def own(self, provider: str, *models: str) -> Price | None:
        """The price of your own tables for the first of these names of a model that has one."""
        return next((price for one in self._own if (price := one.price(provider, models)) is not None), None)

    def price(self, provider: str, model: str, answered: str = "") -> Price | None:
        """What a model costs now; `None` if that is not known.

        Args:
            provider: its provider's name.
            model: the model that is asked for.
            answered: the name under which the provider answers, if it is known: an alias or a deployment has another.
        """
        key = (provider, model, answered)
        known = self._found.get(key)
        if known is not None and (known[1] is None or known[1] > datetime.now(UTC)):
            return known[0]
        found = self._look_up(provider, [name for name in (model, answered) if name])
        if self.loaded:
            if len(self._found) >= _MANY:
                self._found.clear()
            self._found[key] = found
        return found[0]

    def _look_up(self, provider: str, models: Iterable[str]) -> tuple[Price | None, datetime | None]:
        models = list(models)
        own = self.own(provider, *models)
        if own is not None or self._genai is None:
            return own, None
        when = datetime.now(UTC)
        for model in models:
            price, until = self._genai.price(provider, model, when)
            if price is not None:
                return price, until
        return None, None

    def __repr__(self) -> str:
        return f"Prices({len(self._own)} of your own{', genai-prices' if self._wants_genai else ''})"


PricesLike = Prices | Mapping[str, Any] | str | Path | Sequence[Mapping[str, Any] | str | Path] | None
"""What `prices=` takes."""
