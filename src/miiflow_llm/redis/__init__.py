"""A Redis or Valkey server that processes share, asked within a limit: an extra, `miiflow-llm[redis]`."""

from .server import RedisServer, Unreachable

__all__ = ["RedisServer", "Unreachable"]
