"""A request to be sent, and what sends it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from .answer import Answer, SyncAnswer
from .credentials import Credential
from .lean.timeouts import Timeouts


class Order(NamedTuple):
    """A request to be sent: without a body if `body` is `None`, over a connection that has not rested if `fresh`."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None
    credential: Credential | None
    timeouts: Timeouts
    fresh: bool = False


class Sender(Protocol):
    """Sends one request; the answer's body is still to be read."""

    async def send(self, order: Order) -> Answer:
        """Raises httpx's exceptions; redirects are not followed."""


class SyncSender(Protocol):
    """The same without an event loop."""

    def send(self, order: Order) -> SyncAnswer:
        """Raises httpx's exceptions; redirects are not followed."""
