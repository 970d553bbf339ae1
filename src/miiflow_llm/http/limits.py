"""How long and how much: the caller's `Timeout` as limits of single waits, and the connections of one client."""

from __future__ import annotations

import httpx

from ..core import clock
from ..core.timeout import Timeout
from .lean.timeouts import Timeouts

MAX_CONNECTIONS = 1000
"""Connections of one client at once; a call above it waits, at most `Timeout.pool` seconds."""


def timeouts_of(timeout: Timeout, total: float | None) -> Timeouts:
    """The limits of an attempt that begins now; `total` is what is left of the whole call, in seconds."""
    until = None if total is None else clock.monotonic() + max(total, 0.0)
    return Timeouts(timeout.connect, timeout.first_output, timeout.write, timeout.pool, until)


def pool_limits() -> httpx.Limits:
    """How many connections a client of ours has, and how long one may rest, in seconds."""
    return httpx.Limits(max_connections=MAX_CONNECTIONS, max_keepalive_connections=100, keepalive_expiry=60.0)
