"""Answers in Redis or Valkey, for processes on several machines: an extra, `miiflow-llm[redis]`.

Every key has a time after which it is gone.
"""

from __future__ import annotations

import secrets
from typing import Any

from ..redis.server import RedisServer

PREFIX = "miiflow_llm:cache:"
_UNLOCK = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end"
_CLEARING = 10.0
"""Seconds that forgetting everything may take."""


class RedisStore:
    """Answers at a `redis://`, `rediss://` or `unix://` address, under keys that begin with `prefix`.

    A `RedisServer` in place of the address is used together with whatever else was given it, and is not closed with
    this store.

    Raises:
        ConfigurationError: coredis is not installed, or the address is not one.
    """

    is_shared = True

    def __init__(self, url: str | RedisServer, *, prefix: str = PREFIX) -> None:
        self.prefix = prefix
        self.server = RedisServer(url) if isinstance(url, str) else url
        self._owned = isinstance(url, str)

    def __repr__(self) -> str:
        return f"RedisStore(prefix={self.prefix!r})"

    async def get(self, key: str) -> bytes | None:
        """What is kept under the key."""
        name = self.prefix + key
        found: bytes | None = await self.server.ask(lambda client: client.get(name))
        return found

    async def set(self, key: str, value: bytes, ttl: float) -> None:
        """Keep the value."""
        name, ms = self.prefix + key, max(1, int(ttl * 1000))
        await self.server.ask(lambda client: client.set(name, value, px=ms))

    async def delete(self, key: str) -> None:
        """Forget what is kept under the key."""
        name = self.prefix + key
        await self.server.ask(lambda client: client.delete([name]))

    async def clear(self) -> None:
        """Forget everything under the prefix."""

        async def work(client: Any) -> None:
            async for key in client.scan_iter(match=f"{self.prefix}*", count=500):
                await client.unlink([key])

        await self.server.ask(work, seconds=_CLEARING)

    async def lock(self, key: str, ttl: float) -> str | None:
        """Take the key's lock."""
        name, token, ms = f"{self.prefix}lock:{key}", secrets.token_hex(8), max(1, int(ttl * 1000))

        async def work(client: Any) -> Any:
            from coredis import PureToken

            return await client.set(name, token, condition=PureToken.NX, px=ms)

        return token if await self.server.ask(work) else None

    async def unlock(self, key: str, token: str) -> None:
        """Give a lock back."""
        name = f"{self.prefix}lock:{key}"
        await self.server.ask(lambda client: client.eval(_UNLOCK, keys=[name], args=[token]))

    async def connect(self) -> None:
        """Begin to connect, so that the first question finds a connection."""
        await self.server.connect(0)

    async def aclose(self) -> None:
        """Close the connections, unless they are somebody else's."""
        if self._owned:
            await self.server.aclose()
