"""Orders sent by the lean transports, straight: no request or response of httpx's is made.

A client's way past the transport (cookies, redirects, hooks, netrc) costs more than our whole request, and none of it
is wanted for a provider.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import httpx

from ..core.secrets import Sealed
from .answer import Answer, SyncAnswer, by_name
from .body import decoded
from .body_sync import decoded_sync
from .credentials import SecretBytes, Unsigned
from .lean import BlockingLeanTransport, LeanTransport
from .lean.origin import Origin
from .lean.request import Outgoing, header_lines, written
from .order import Order


class LeanSender:
    """By the lean transport of an event loop."""

    def __init__(self, transport: LeanTransport) -> None:
        self._transport = transport

    async def send(self, order: Order) -> Answer:
        place, sent = _wire_form(order)
        stream = await self._transport.open(order.method, place.origin, sent, order.timeouts, fresh=order.fresh)
        headers = by_name(stream.response.headers)
        return Answer(stream.response.status, headers, decoded(stream, headers.get("content-encoding")))


class LeanSyncSender:
    """By the lean transport of threads."""

    def __init__(self, transport: BlockingLeanTransport) -> None:
        self._transport = transport

    def send(self, order: Order) -> SyncAnswer:
        place, sent = _wire_form(order)
        stream = self._transport.open(order.method, place.origin, sent, order.timeouts, fresh=order.fresh)
        headers = by_name(stream.response.headers)
        return SyncAnswer(stream.response.status, headers, decoded_sync(stream, headers.get("content-encoding")))


class _Place(NamedTuple):
    """What a URL says: where to connect to, what to ask for there, and the Host header."""

    origin: Origin
    target: bytes
    host: bytes


@lru_cache(maxsize=256)
def _place(url: str) -> _Place:
    parsed = httpx.URL(url)
    return _Place(Origin.of(parsed), parsed.raw_path, parsed.netloc)


@lru_cache(maxsize=256)
def _lines(headers: tuple[tuple[str, str], ...]) -> bytes:
    """Header lines, kept: those of a client are the same in each of its requests."""
    return header_lines((name.encode(), value.encode()) for name, value in headers)


def _wire_form(order: Order) -> tuple[_Place, Outgoing]:
    place = _place(order.url)
    given, body = order.headers, order.body
    added = _added(order, place)
    if any(name in given for name in added):
        given = Sealed({name: value for name, value in given.items() if name not in added})
    host = b"" if "host" in given else b"host: %s\r\n" % place.host
    lines = [host, SecretBytes(_lines(tuple(given.items())))]
    if added:
        lines.append(SecretBytes(header_lines((name.encode(), value.encode()) for name, value in added.items())))
    keep_alive = "close" not in given.get("connection", "").lower()
    return place, written(order.method, place.target, SecretBytes(b"".join(lines)), body, keep_alive=keep_alive)


def _added(order: Order, place: _Place) -> dict[str, str]:
    """The credential's headers."""
    if order.credential is None:
        return {}
    host = order.headers.get("host") or place.host.decode("ascii")
    kind = order.headers.get("content-type", "")
    unsigned = Unsigned(order.method, host, place.target.decode("ascii"), kind, order.body or b"")
    return Sealed(order.credential.headers(unsigned))
