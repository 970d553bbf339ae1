"""Answers in Redis or Valkey, for processes on several machines: an extra, `miiflow-llm[redis]`.

The client is coredis, which speaks on asyncio and trio alike. Every key has a time after which it is gone.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from ..core.exceptions import ConfigurationError

PREFIX = "miiflow_llm:cache:"
_UNLOCK = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end"


class RedisStore:
    """Answers at a `redis://`, `rediss://` or `unix://` address, under keys that begin with `prefix`.

    Enter the cache that it is given to: the connections belong to it.

    Raises:
        ConfigurationError: coredis is not installed, or the address is not one.
    """

    is_shared = True

    def __init__(self, url: str, *, prefix: str = PREFIX) -> None:
        try:
            import coredis
        except ImportError:
            raise ConfigurationError("a Redis store needs coredis: pip install 'miiflow-llm[redis]'") from None
        self.prefix = prefix
        self._make = coredis.Redis.from_url
        self._url = url
        self._client: Any = None
        if url.partition("://")[0] not in ("redis", "rediss", "unix"):
            raise ConfigurationError("cache: a Redis address begins with redis://, rediss:// or unix://")

    def __repr__(self) -> str:
        return f"RedisStore(prefix={self.prefix!r})"

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Hold the connections."""
        async with self._make(self._url, verify_version=False, max_connections=64) as client:
            await client.ping()  # so that the first question does not pay for a connection with its own short limit
            self._client = client
            try:
                yield
            finally:
                self._client = None

    def _here(self) -> Any:
        if self._client is None:
            raise ConnectionError("there is no connection: enter the cache, and see that the server runs")
        return self._client

    async def get(self, key: str) -> bytes | None:
        """What is kept under the key."""
        found: bytes | None = await self._here().get(self.prefix + key)
        return found

    async def set(self, key: str, value: bytes, ttl: float) -> None:
        """Keep the value."""
        await self._here().set(self.prefix + key, value, px=max(1, int(ttl * 1000)))

    async def delete(self, key: str) -> None:
        """Forget what is kept under the key."""
        await self._here().delete([self.prefix + key])

    async def clear(self) -> None:
        """Forget everything under the prefix."""
        client = self._here()
        async for key in client.scan_iter(match=f"{self.prefix}*", count=500):
            await client.unlink([key])

    async def lock(self, key: str, ttl: float) -> str | None:
        """Take the key's lock."""
        from coredis import PureToken

        token = secrets.token_hex(8)
        taken = await self._here().set(
            f"{self.prefix}lock:{key}", token, condition=PureToken.NX, px=max(1, int(ttl * 1000))
        )
        return token if taken else None

    async def unlock(self, key: str, token: str) -> None:
        """Give a lock back."""
        await self._here().eval(_UNLOCK, keys=[f"{self.prefix}lock:{key}"], args=[token])

    async def aclose(self) -> None:
        """The connections end with the cache that holds them."""
