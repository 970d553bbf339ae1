"""Which kept connections of an httpx client are still used once one of them has turned out to be dead.

A NAT or a server forgets them all at once, and httpx's pool hands out one after another of them. So from then on those
that rest say of themselves what the pool asks before it uses one: that the peer has closed them.
"""

from __future__ import annotations

import math
import weakref

import httpx

from ..core import clock


class Kept:
    """The connections of one client; where each leads is the beginning of a URL, `https://host:port`."""

    def __init__(self) -> None:
        self._found_dead: dict[str, float] = {}

    def found_dead(self, place: str) -> None:
        """One that led there was dead: so may be all others that rest now."""
        self._found_dead[place] = clock.monotonic()

    def is_distrusted(self, place: str, used_at: float) -> bool:
        """Whether a connection that was last used then is not to be used again."""
        return used_at <= self._found_dead.get(place, -math.inf)


_of_clients: weakref.WeakKeyDictionary[httpx.Client | httpx.AsyncClient, Kept] = weakref.WeakKeyDictionary()


def kept_of(client: httpx.Client | httpx.AsyncClient) -> Kept:
    """What is known of a client's connections: the same for all who send by it."""
    return _of_clients.get(client) or _of_clients.setdefault(client, Kept())


def place_of(url: str) -> str:
    """Where a URL leads: its scheme, host and port."""
    return "/".join(url.split("/", 3)[:3])
