"""The `timeout` extension of an httpx request comes in; four optional numbers of seconds go out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Timeouts(NamedTuple):
    """Seconds that one wait of each phase may last; None is no limit.

    `connect` covers the whole of opening a connection, name look-up and TLS handshake included.
    """

    connect: float | None = None
    read: float | None = None
    write: float | None = None
    pool: float | None = None

    @classmethod
    def of(cls, extensions: Mapping[str, Any]) -> Timeouts:
        """Read httpx's form: `{"timeout": {"connect": 5.0, ...}}`, every key optional."""
        given = extensions.get("timeout") or {}
        return cls(given.get("connect"), given.get("read"), given.get("write"), given.get("pool"))
