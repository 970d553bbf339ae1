"""What httpx is told of an order: limits, headers without cookies, and a place among the connections."""

from __future__ import annotations

import queue
from collections.abc import Awaitable, Callable
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

from .credentials import Unsigned
from .lean.books import none_free
from .lean.timeouts import Timeouts
from .order import Order

Place = Callable[[float | None], Awaitable[Callable[[], None]]]
"""Waits so many seconds for a place, and gives what gives it back. Raises httpx.PoolTimeout."""

SyncPlace = Callable[[float | None], Callable[[], None]]
"""The same without an event loop."""


class SyncPlaces:
    """So many places for all threads. Giving one back waits for nothing, so that the collector may do it."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._free: queue.SimpleQueue[None] = queue.SimpleQueue()
        for _ in range(most):
            self._free.put(None)

    def take(self, seconds: float | None) -> Callable[[], None]:
        """Wait for a place; what gives it back, to be called once. Raises httpx.PoolTimeout."""
        try:
            self._free.get(timeout=seconds)
        except queue.Empty:
            raise none_free(self._most, seconds) from None
        return self._give_back

    def _give_back(self) -> None:
        self._free.put(None)


def no_cookies() -> CookieJar:
    """A jar for a client of ours that takes none: a cookie of one key's answer has no place in another's request."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=[]))


def httpx_timeout(timeouts: Timeouts) -> httpx.Timeout:
    """httpx's form of the limits, none longer than what is left in all."""

    def within(seconds: float | None) -> float | None:
        found = timeouts.within(seconds)
        return None if found is None else max(found, 0.001)  # httpx takes 0 for a socket that never waits

    return httpx.Timeout(
        connect=within(timeouts.connect),
        read=within(timeouts.read),
        write=within(timeouts.write),
        pool=within(timeouts.pool),
    )


def at_most(timeouts: Timeouts) -> float | None:
    """The longest that a head may take, all phases together, in seconds: a bound on what httpx does not limit."""
    limits = (timeouts.pool, timeouts.connect, timeouts.write, timeouts.read)
    known = [limit for limit in limits if limit is not None]
    return timeouts.within(sum(known) if len(known) == len(limits) else None)


def request_headers(request: httpx.Request, order: Order) -> None:
    """Give the request the order's headers and its credential's; cookies of the client's jar do not go with it."""
    request.headers.pop("cookie", None)
    request.headers.update(order.headers)
    if order.credential is not None:
        target, kind = request.url.raw_path.decode("ascii"), request.headers.get("content-type", "")
        unsigned = Unsigned(request.method, request.headers["host"], target, kind, order.body or b"")
        request.headers.update(order.credential.headers(unsigned))
