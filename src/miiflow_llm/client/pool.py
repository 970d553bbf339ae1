"""Many clients over the same connections: a provider and model in, the client made for them once, out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Self

import httpx

from ..calls.hooks import Hook, Hooks, as_hooks
from ..calls.metrics import Metrics, MetricsRecorder, NoMetrics
from ..http.transport import Transport, TransportName
from .async_client import LLMClient
from .config import Config, load

MAX_CLIENTS = 256
"""How many a pool remembers, so that names from outside do not fill the memory; beyond them the oldest is forgotten."""


class ClientPool:
    """Clients by provider and model, over shared connections; `async with` closes them all.

    `config` is what `LLMClient.from_config` takes; without one every provider is made with its defaults. Do not close
    the clients one by one: they share what closing would close.
    """

    def __init__(
        self,
        config: Mapping[str, Any] | str | Path | None = None,
        *,
        http_client: httpx.AsyncClient | None = None,
        transport: TransportName = "auto",
        event_hooks: Mapping[str, Sequence[Hook]] | None = None,
    ) -> None:
        self._config = load(config) if config is not None else Config()
        self._transport = Transport(http_client, transport)
        self._metrics = MetricsRecorder() if self._config.enable_metrics else NoMetrics()
        self._hooks = as_hooks(event_hooks)
        self._clients: dict[tuple[str, str], LLMClient] = {}
        self._lock = Lock()

    def get(self, provider: str | None = None, model: str | None = None) -> LLMClient:
        """The client for them; the configuration's defaults where they are not named. Made once, then the same.

        Raises:
            ConfigurationError: the configuration lacks them, or the provider has no key.
        """
        name, chosen = self._config.choose(provider, model)
        with self._lock:
            if (name, chosen) not in self._clients:
                self._clients[name, chosen] = self._made(name, chosen)
                if len(self._clients) > MAX_CLIENTS:
                    del self._clients[next(iter(self._clients))]
            return self._clients[name, chosen]

    def _made(self, name: str, model: str) -> LLMClient:
        client = LLMClient.create(**self._config.arguments(name), model=model)
        client._transport = self._transport
        client._setup.metrics = self._metrics
        client._setup.hooks = self._hooks
        return client

    @property
    def models(self) -> dict[str, list[str]]:
        """The models of each configured provider, the defaults first; an empty list where any is allowed."""
        config = self._config
        names = sorted(config.providers, key=lambda name: name != config.default_provider)
        return {
            name: sorted(config.providers[name].models, key=lambda model: model != config.default_model)
            for name in names
        }

    @property
    def event_hooks(self) -> Hooks:
        """The hooks of all clients by event: append to its lists."""
        return self._hooks

    def get_metrics(self) -> Metrics:
        """What all clients have done together, each provider and model under `targets`."""
        return self._metrics.summary()

    async def aclose(self) -> None:
        """Close the connections. Harmless when done twice."""
        await self._transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
