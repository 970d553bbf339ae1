"""Send a request and read its answer on an event loop; every exception of httpx's becomes one of ours.

It knows neither providers nor what a body means.
"""

from __future__ import annotations

from collections.abc import Mapping

import anyio
import httpx

from ..core.exceptions import ConfigurationError
from ..core.secrets import Sealed
from ..core.timeout import Timeout
from .addresses import checked_headers, checked_url
from .answer import Answer
from .choice import Choice, Lent, TransportName
from .content_coding import ACCEPTED
from .credentials import Credential
from .errors import timed_out, translated
from .httpx_limits import no_cookies
from .httpx_sender import HttpxSender
from .lean import LeanTransport
from .lean_sender import LeanSender
from .limits import pool_limits, timeouts_of
from .loops import LoopClients
from .mocks import is_mocked, is_traced
from .order import Order, Sender

__all__ = [
    "Answer",
    "Credential",
    "Transport",
    "TransportName",
    "checked_headers",
    "checked_url",
    "timed_out",
    "translated",
]

SENT_HEADERS = {"accept-encoding": ACCEPTED, "connection": "keep-alive"}
"""What every request says of its transport, unless it says otherwise."""


class Transport:
    """Connections of one client, opened when first needed; each event loop has its own.

    A caller's own `client` is used as it is and not closed. `kind` chooses the lean transport or httpx's own; `auto` is
    the lean one, unless the environment has a proxy or httpx's has been replaced from outside (by a mock).
    """

    def __init__(self, client: httpx.AsyncClient | None = None, kind: TransportName = "auto") -> None:
        self._given = None if client is None else HttpxSender(client)
        self._lent = Lent(client)
        self._choice = Choice(kind, is_mocked)
        self._lean: LeanTransport | None = None
        self._senders: tuple[Sender, Sender]
        self._loops = LoopClients(pool_limits)
        self.closed = False

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None,
        credential: Credential | None,
        timeout: Timeout,
        total: float | None,
        fresh: bool = False,
    ) -> Answer:
        """Send the request and wait for the head of the answer; `total` is what is left of the whole call, in seconds.

        `fresh` asks for a connection that has not rested, if one can be had: a kept one has turned out to be dead.

        Raises:
            TimeoutError: a phase took too long.
            NetworkError: the connection could not be made, or broke.
            ConfigurationError: the request cannot be sent, or the environment names what cannot be used.
        """
        sender = self._sender(url)
        timeouts = timeouts_of(timeout, total)
        order = Order(method, url, Sealed({**SENT_HEADERS, **headers}), body, credential, timeouts, fresh)
        try:
            return await sender.send(order)
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError) as reason:
            failure = translated(reason, timeout, timeouts.until)
        raise failure  # here, since httpx's exception holds the request and its key, and would be this one's context

    def _sender(self, url: str) -> Sender:
        """What to send with."""
        if self.closed:
            raise ConfigurationError("this client is closed; make a new one")
        if self._given is not None:
            self._lent.use()
            return self._given
        proxy = self._choice.proxy(url)
        if not self._choice.is_lean(proxy):
            loop = self._loops.current()
            return HttpxSender(loop.by(proxy), loop.place, proxy)
        if self._lean is None:
            self._lean = LeanTransport(limits=pool_limits(), retry_stale=False)
            traced = httpx.AsyncClient(transport=self._lean, trust_env=False, cookies=no_cookies())
            self._senders = (LeanSender(self._lean), HttpxSender(traced))
        straight, through_client = self._senders
        return through_client if is_traced(httpx.AsyncClient) else straight

    async def warm(self, url: str, timeout: Timeout) -> None:
        """Do ahead what the first request would wait for: the TLS context, and a connection where ours are lean.

        Raises:
            TimeoutError: connecting took too long.
            NetworkError: the connection could not be made.
        """
        sender = self._sender(url)
        if self._lean is None or sender not in self._senders:
            return
        try:
            await self._lean.warm(url, timeout=timeout.connect)
        except (httpx.HTTPError, OSError) as reason:
            failure = translated(reason, timeout)
        else:
            return
        raise failure

    async def aclose(self) -> None:
        """Close the connections; a client that the caller gave stays open, and so do httpx's of other event loops."""
        self.closed = True
        lean, self._lean = self._lean, None
        if lean is not None:
            await lean.aclose()
        try:
            loop = self._loops.take()
        except anyio.NoEventLoopError:
            return
        if loop is not None:
            await loop.aclose()
