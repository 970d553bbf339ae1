"""Answers asked once: a cache that streams, before anything with the face of a client."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .cache import Cache
    from .flight import FellOffError
    from .redis_store import RedisStore
    from .sqlite_store import SqliteStore
    from .statistics import CacheMetrics
    from .stores import AsyncStore, MemoryStore, Store
    from .sync_cache import SyncCache

__all__ = [
    "AsyncStore",
    "Cache",
    "CacheMetrics",
    "FellOffError",
    "MemoryStore",
    "RedisStore",
    "SqliteStore",
    "Store",
    "SyncCache",
]

_HOMES = {
    "AsyncStore": "stores",
    "Cache": "cache",
    "CacheMetrics": "statistics",
    "FellOffError": "flight",
    "MemoryStore": "stores",
    "RedisStore": "redis_store",
    "SqliteStore": "sqlite_store",
    "Store": "stores",
    "SyncCache": "sync_cache",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
