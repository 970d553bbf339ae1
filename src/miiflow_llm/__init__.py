"""One Python API over every LLM provider, with no vendor SDK underneath."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from .calls.retry import RetryBudget
    from .client.async_client import LLMClient
    from .client.env import load_env
    from .client.inline import inline
    from .client.normalize import ProviderStreamNormalizer
    from .client.pool import ClientPool, SyncClientPool
    from .client.sync_client import SyncLLMClient
    from .core import ChatResponse, Message, StreamChunk, Timeout, TokenCount
    from .core.access_key import AccessKey
    from .core.price import Cost, Price
    from .prices.book import Prices
    from .prices.budget import Budget
    from .providers import register
    from .routing.router import Router
    from .routing.sync_router import SyncRouter
    from .routing.target import Target


__all__ = [
    "AccessKey",
    "Budget",
    "ChatResponse",
    "ClientPool",
    "Cost",
    "LLMClient",
    "Message",
    "Price",
    "Prices",
    "ProviderStreamNormalizer",
    "RetryBudget",
    "Router",
    "StreamChunk",
    "SyncClientPool",
    "SyncLLMClient",
    "SyncRouter",
    "Target",
    "Timeout",
    "TokenCount",
    "__version__",
    "inline",
    "load_env",
    "register",
]

# each name is imported when first used: `import miiflow_llm` alone costs nothing, not even httpx
_HOMES = {
    "AccessKey": "core.access_key",
    "Budget": "prices.budget",
    "Cost": "core.price",
    "Price": "core.price",
    "Prices": "prices.book",
    "ClientPool": "client.pool",
    "LLMClient": "client.async_client",
    "ChatResponse": "core",
    "Message": "core",
    "StreamChunk": "core",
    "Timeout": "core",
    "TokenCount": "core",
    "ProviderStreamNormalizer": "client.normalize",
    "RetryBudget": "calls.retry",
    "inline": "client.inline",
    "load_env": "client.env",
    "register": "providers",
    "Router": "routing.router",
    "SyncRouter": "routing.sync_router",
    "Target": "routing.target",
    "SyncClientPool": "client.pool",
    "SyncLLMClient": "client.sync_client",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
