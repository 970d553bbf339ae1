"""Send a request and read its answer without an event loop; every exception of httpx's becomes one of ours.

Each wait of a socket has its own limit, and no thread watches the clock: a deadline touches what its call owns, and
nothing of a call is kept once it is over.
"""

from __future__ import annotations

from collections.abc import Mapping

import httpx

from ..core.exceptions import ConfigurationError
from ..core.secrets import Sealed
from ..core.timeout import Timeout
from .answer import SyncAnswer, SyncBody
from .choice import Choice, Lent, TransportName
from .credentials import Credential
from .errors import translated
from .httpx_limits import no_cookies
from .httpx_sender_sync import HttpxSyncSender
from .lean import BlockingLeanTransport
from .lean_sender import LeanSyncSender
from .limits import pool_limits, timeouts_of
from .mocks import is_mocked_without_loop, is_traced
from .order import Order, SyncSender
from .threads import ThreadClients
from .transport import SENT_HEADERS

__all__ = ["SyncAnswer", "SyncBody", "SyncTransport"]


class SyncTransport:
    """Connections of one synchronous client; safe to use from several threads. A caller's own `client` stays open.

    `kind` chooses as for `Transport`.
    """

    def __init__(self, client: httpx.Client | None = None, kind: TransportName = "auto") -> None:
        self._given = None if client is None else HttpxSyncSender(client)
        self._lent = Lent(client)
        self._choice = Choice(kind, is_mocked_without_loop)
        self._lean = BlockingLeanTransport(limits=pool_limits(), retry_stale=False)
        self._straight = LeanSyncSender(self._lean)
        self._traced: HttpxSyncSender | None = None
        self._clients = ThreadClients(pool_limits)
        self.closed = False

    def send(
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
    ) -> SyncAnswer:
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
            return sender.send(order)
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError) as reason:
            failure = translated(reason, timeout, timeouts.until)
        raise failure  # here, since httpx's exception holds the request and its key, and would be this one's context

    def _sender(self, url: str) -> SyncSender:
        """What to send with."""
        if self.closed:
            raise ConfigurationError("this client is closed; make a new one")
        if self._given is not None:
            self._lent.use()
            return self._given
        proxy = self._choice.proxy(url)
        if not self._choice.is_lean(proxy):
            return HttpxSyncSender(self._clients.by(proxy), self._clients.place, proxy)
        return self._through_client() if is_traced(httpx.Client) else self._straight

    def _through_client(self) -> SyncSender:
        """The lean transport with a client of httpx's around it, for those who listen there."""
        if self._traced is None:
            client = httpx.Client(transport=self._lean, trust_env=False, cookies=no_cookies())
            self._traced = HttpxSyncSender(client)
        return self._traced

    def warm(self, url: str, timeout: Timeout) -> None:
        """Do ahead what the first request would wait for: the TLS context, and a connection where ours are lean.

        Raises:
            TimeoutError: connecting took too long.
            NetworkError: the connection could not be made.
        """
        if self._sender(url) not in (self._straight, self._traced):
            return
        try:
            self._lean.warm(url, timeout=timeout.connect)
        except (httpx.HTTPError, OSError) as reason:
            failure = translated(reason, timeout)
        else:
            return
        raise failure

    def close(self) -> None:
        """Close the connections; a client that the caller gave stays open."""
        self.closed = True
        self._lean.close()
        self._clients.close()
