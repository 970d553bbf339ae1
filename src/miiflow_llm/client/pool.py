"""Make one client for each provider and model, all over the same connections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

import httpx

from ..calls.exchange import log
from ..calls.hooks import Hook, Hooks, as_hooks
from ..calls.metrics import Metrics, MetricsRecorder, NoMetrics
from ..calls.misuse import NotInLoops, NotPlain
from ..calls.players import LoopPlayer, Player, ThreadPlayer, played
from ..core import forks
from ..core.exceptions import ConfigurationError
from ..http.transport import Transport, TransportName
from ..http.transport_sync import SyncTransport
from .arguments import checked_client
from .async_client import LLMClient
from .base import BaseClient, Shared, shared_budget, shared_prices
from .config import Config, load
from .sync_client import SyncLLMClient

if TYPE_CHECKING:
    from ..prices.book import PricesLike
    from ..prices.budget import BudgetLike

MAX_CLIENTS = 256
"""How many a pool remembers, so that names from outside do not fill the memory; beyond them the oldest is forgotten."""

Client = TypeVar("Client", bound=BaseClient[Any])


class BasePool(Generic[Client]):
    """Clients by provider and model, over shared connections."""

    _kind: type[Client]

    def __init__(
        self,
        player: Player,
        config: Mapping[str, Any] | str | Path | None,
        event_hooks: Mapping[str, Sequence[Hook]] | None,
        prices: PricesLike,
        budget: BudgetLike,
    ) -> None:
        self._config = load(config) if config is not None else Config()
        metrics = MetricsRecorder() if self._config.enable_metrics else NoMetrics()
        self._shared = Shared(player, metrics, as_hooks(event_hooks))
        self._prices = shared_prices(self._config.prices if prices is None else prices)
        self._budget = shared_budget(self._config.budget if budget is None else budget)
        self._clients: dict[tuple[str, str], Client] = {}
        self._lock = forks.lock()
        self._look_at_keys()

    def _look_at_keys(self) -> None:
        """Say now, not at the first call, which configured providers cannot be asked, as without a key."""
        for name in self._config.providers:
            try:
                self._kind.sharing(self._shared, **self._config.arguments(name))
            except ConfigurationError as reason:
                log.warning("the pool cannot ask %s: %s", name, reason.message)

    def get(self, provider: str | None = None, model: str | None = None) -> Client:
        """The client for them; the configuration's defaults if they are not named. Made once, then the same.

        Raises:
            ConfigurationError: the configuration lacks them, or the provider has no key.
        """
        name, chosen = self._config.choose(provider, model)
        with self._lock:
            if (name, chosen) not in self._clients:
                arguments = {**self._config.arguments(name), "prices": self._prices, "budget": self._budget}
                made = self._kind.sharing(self._shared, **arguments, model=chosen)
                self._clients[name, chosen] = made
                if len(self._clients) > MAX_CLIENTS:
                    del self._clients[next(iter(self._clients))]
            return self._clients[name, chosen]

    @property
    def models(self) -> dict[str, list[str]]:
        """The models of each configured provider, the defaults first; an empty list if any is allowed."""
        config = self._config
        names = sorted(config.providers, key=lambda name: name != config.default_provider)
        return {
            name: sorted(config.providers[name].models, key=lambda model: model != config.default_model)
            for name in names
        }

    @property
    def event_hooks(self) -> Hooks:
        """The hooks of all clients by event: append to its lists."""
        return self._shared.hooks

    def get_metrics(self) -> Metrics:
        """What all clients have done together, each provider and model under `targets`."""
        return self._shared.metrics.summary()


class ClientPool(BasePool[LLMClient], NotPlain):
    """Clients by provider and model, over shared connections; `async with` closes them all.

    `config` is what `LLMClient.from_config` takes; without one every provider is made with its defaults. A configured
    provider that cannot be asked, as without a key, is told in the log when the pool is made. `prices`
    and `budget` replace the configuration's, and are shared by all. Do not close
    the clients one by one: they share what closing would close.
    """

    _kind = LLMClient
    _instead = "SyncClientPool"

    def __init__(
        self,
        config: Mapping[str, Any] | str | Path | None = None,
        *,
        http_client: httpx.AsyncClient | None = None,
        transport: TransportName = "auto",
        event_hooks: Mapping[str, Sequence[Hook]] | None = None,
        prices: PricesLike = None,
        budget: BudgetLike = None,
    ) -> None:
        super().__init__(
            LoopPlayer(
                Transport(checked_client(http_client, httpx.AsyncClient, httpx.Client, "ClientPool"), transport)
            ),
            config,
            event_hooks,
            prices,
            budget,
        )

    async def aclose(self) -> None:
        """Close the connections. Harmless when done twice."""
        await self._shared.player.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


class SyncClientPool(BasePool[SyncLLMClient], NotInLoops):
    """Synchronous clients by provider and model, over shared connections; `with` closes them all. As `ClientPool`."""

    _kind = SyncLLMClient
    _instead = "ClientPool"

    def __init__(
        self,
        config: Mapping[str, Any] | str | Path | None = None,
        *,
        http_client: httpx.Client | None = None,
        transport: TransportName = "auto",
        event_hooks: Mapping[str, Sequence[Hook]] | None = None,
        prices: PricesLike = None,
        budget: BudgetLike = None,
    ) -> None:
        super().__init__(
            ThreadPlayer(
                SyncTransport(checked_client(http_client, httpx.Client, httpx.AsyncClient, "SyncClientPool"), transport)
            ),
            config,
            event_hooks,
            prices,
            budget,
        )

    def close(self) -> None:
        """Close the connections. Harmless when done twice."""
        played(self._shared.player.aclose())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
