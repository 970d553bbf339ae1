"""What the asynchronous and the synchronous cache share: how they are made, and what stands before the client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

import msgspec

from ..calls.hooks import Hook, Hooks, as_hooks
from ..calls.metrics import Metrics
from ..calls.parameters import Messages
from ..client.chat import Described
from ..client.config import load
from ..client.settled import settled
from ..core.events import CACHE_EVENTS
from ..core.exceptions import ConfigurationError
from ..core.request import Plan
from ..core.timeout import Timeout
from .caller import Caller
from .fresh import Freshness
from .settings import Normalise, Settings, Temperature
from .sources import Pace
from .statistics import CacheMetrics
from .stores import AsyncStore, MemoryStore, Store
from .telling import Telling
from .waits import Waits

Client = TypeVar("Client", bound=Described)


class CacheConfig(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A `[cache]` table: the arguments of `Cache` that a file can say."""

    ttl: float = 3600.0
    store: str = "memory"
    tenant: str | None = None
    stale: float = 0.0
    stale_if_error: float = 0.0
    samples: int = 1
    temperature: Temperature = "cache"
    calls: bool = False
    pace: float | str | None = None
    finish_abandoned: bool = False
    max_entry_bytes: int = 1024 * 1024
    max_flight_bytes: int = 8 * 1024 * 1024
    lock_seconds: float = 30.0


class BaseCache(Generic[Client]):
    """Answers asked once, before anything with the face of a client.

    Enter it (`async with Cache(...)`, `with SyncCache(...)`) so that equal calls at the same time are joined and what
    is old is renewed: those calls go on beside their readers and need an owner. Without that it gives and keeps
    answers, and each call is its own.

    Args:
        client: a client, a router, a trial, another cache.
        ttl: the life of an answer in seconds, lengthened or shortened by up to 5 % at random.
        store: `"memory"`, the path of an SQLite file, or a store such as `RedisStore`.
        tenant: who owns the answers. Two tenants never share one; without a tenant the digest of the client's key
            stands in for it.
        stale: for so many seconds after its life an answer is still given, while a new one is asked for.
        stale_if_error: for so many seconds after its life an answer is given if asking fails; the response says
            `cache="stale"`.
        samples: so many answers are kept for a call, and one is drawn.
        temperature: `skip` keeps no answer to a call whose temperature is not 0.
        calls: keep answers that ask for tools too.
        pace: how an answer that was kept is streamed: at once, `"original"`, or at so many chunks a second.
        finish_abandoned: let a call that nobody reads any more come to its end, so that its answer is kept.
        normalise: messages in, messages out, before the key is made of them; what is sent stays as it is. There is no
            semantic cache here: opposite questions are more alike than paraphrases, and this is the seam for those who
            know their own.
        max_entry_bytes: a larger answer is not kept.
        max_flight_bytes: what of a shared answer waits for slow readers; whoever is further behind falls off.
        lock_seconds: how long a call waits for an equal one of another process.
        event_hooks: functions by event: those of the client, and `cache_hit`, `cache_joined`, `cache_stored`, which are
            told a `CacheEvent`.

    Raises:
        ConfigurationError: a value that cannot be, or a store that cannot be opened.
    """

    def __init__(
        self,
        client: Client,
        *,
        ttl: float = 3600.0,
        store: str | Path | Store | AsyncStore = "memory",
        tenant: str | None = None,
        stale: float = 0.0,
        stale_if_error: float = 0.0,
        samples: int = 1,
        temperature: Temperature = "cache",
        calls: bool = False,
        pace: Pace = None,
        finish_abandoned: bool = False,
        normalise: Normalise | None = None,
        max_entry_bytes: int = 1024 * 1024,
        max_flight_bytes: int = 8 * 1024 * 1024,
        lock_seconds: float = 30.0,
        event_hooks: Mapping[str, Sequence[Hook]] | None = None,
    ) -> None:
        settings = Settings(
            freshness=Freshness(ttl=ttl, stale=stale, stale_if_error=stale_if_error),
            tenant=tenant,
            samples=samples,
            temperature=temperature,
            calls=calls,
            pace=pace,
            finish_abandoned=finish_abandoned,
            normalise=normalise,
            max_entry_bytes=max_entry_bytes,
            max_flight_bytes=max_flight_bytes,
            lock_seconds=lock_seconds,
        )
        self.client = client
        given = getattr(client, "event_hooks", {})
        self._hooks: Hooks = {name: given.get(name, []) for name in CACHE_EVENTS}
        for name, functions in as_hooks(event_hooks, (*given, *CACHE_EVENTS)).items():
            {**given, **self._hooks}[name].extend(functions)
        self._caller = Caller(client, settings, self._waiting(opened(store)), Telling(client, self._hooks))

    @classmethod
    def from_config(cls, client: Client, config: Mapping[str, Any] | str | Path | None = None) -> Self:
        """A cache before `client`, set as the table `[cache]` of a configuration says.

        Its keys are the arguments of the cache; `store` is `memory`, a path, or a `redis://` address.

        Raises:
            ConfigurationError: there is no such table, or it holds what cannot be.
        """
        table = load(config).cache
        if table is None:
            raise ConfigurationError("configuration: there is no [cache]")
        found = settled(table, CacheConfig, "cache")
        said = {name: getattr(found, name) for name in table}
        return cls(client, **said)

    def _waiting(self, store: Store | AsyncStore) -> Waits:
        raise NotImplementedError

    @property
    def provider(self) -> str:
        """Whose answers these are."""
        return self.client.provider

    @property
    def model(self) -> str | None:
        """The model of a call that names none."""
        return self.client.model

    @property
    def event_hooks(self) -> Hooks:
        """The client's hooks by event, and the cache's own: `cache_hit`, `cache_joined`, `cache_stored`.

        What is answered without a call is told only by the cache's. Append to the lists.
        """
        return {**self.client.event_hooks, **self._hooks}

    def plan(
        self, messages: Messages, *, stream: bool = False, timeout: Timeout | float | None = None, **parameters: Any
    ) -> Plan:
        """The exact request that a miss would send, unsent."""
        return self.client.plan(messages, stream=stream, timeout=timeout, **parameters)

    def key(self, messages: Messages, **parameters: Any) -> str | None:
        """The key of a call, for your own logs; `None` if it would not be kept."""
        return self._caller.asked(messages, None, parameters).key

    def get_metrics(self) -> Metrics:
        """What the client has done, with what the cache has saved under `cache`."""
        metrics = self.client.get_metrics()
        return msgspec.structs.replace(metrics, cache=self.statistics)

    @property
    def statistics(self) -> CacheMetrics:
        """What the cache has done so far."""
        return self._caller.statistics.summary(self._caller.waits.store.failures)

    def __getattr__(self, name: str) -> Any:
        """What the client has beside the calls that are kept: `provider`, `model`, `event_hooks`, `identity`."""
        if name.startswith("_") or name == "client":
            raise AttributeError(name)
        return getattr(self.client, name)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.client!r})"


def opened(store: str | Path | Store | AsyncStore) -> Store | AsyncStore:
    """The store that was named.

    Raises:
        ConfigurationError: it cannot be opened.
    """
    if isinstance(store, str) and store == "memory":
        return MemoryStore()
    if isinstance(store, str) and "://" in store:
        from .redis_store import RedisStore

        return RedisStore(store)
    if isinstance(store, (str, Path)):
        from .sqlite_store import SqliteStore

        return SqliteStore(store)
    if not all(callable(getattr(store, name, None)) for name in ("get", "set", "delete", "clear", "lock", "unlock")):
        raise ConfigurationError(f"cache: store={store!r}: 'memory', a path, a redis:// address, or a store")
    return store
