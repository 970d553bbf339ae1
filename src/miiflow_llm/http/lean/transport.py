"""LeanTransport: an httpx transport for plain HTTP/1.1, at the cost of the raw socket.

It takes httpx's requests and gives its responses. It knows no proxies, HTTP/2 or redirects, nor what the bytes mean.
"""

from __future__ import annotations

import ssl

import anyio
import anyio.lowlevel
import httpx

from .errors import connect_error, connect_timeout, is_stale, stale
from .loop_connection import LoopConnection
from .loops import LoopPool, LoopPools
from .origin import Origin
from .request import Outgoing, outgoing
from .sockets import keep_alive
from .stream import ResponseStream
from .timeouts import Timeouts
from .tls import default_context, http1_context

DEFAULT_LIMITS = httpx.Limits(max_connections=1000, max_keepalive_connections=100, keepalive_expiry=30.0)


class LeanTransport(httpx.AsyncBaseTransport):
    """HTTP/1.1 over TCP and TLS, on asyncio (uvloop too) and on trio.

    limits: httpx's, for each event loop that uses the transport; a request over `max_connections` waits its turn.
    ssl_context: for https; None verifies against certifi's roots, as httpx does. Its ALPN is set to HTTP/1.1.
    local_address: an IP address to connect from.

    A response has the extension `miiflow_stream`, a ResponseStream: the body's faster seam. Timeouts are those of the
    request's `timeout` extension, `connect` covering name look-up and TLS handshake too. With `retry_stale` a request
    is sent again in silence when the used connection that it went to turns out to have been closed by the peer before
    any byte of an answer, and its body is bytes; without it the caller is told, and counts its own attempts.
    """

    def __init__(
        self,
        *,
        limits: httpx.Limits = DEFAULT_LIMITS,
        ssl_context: ssl.SSLContext | None = None,
        local_address: str | None = None,
        retry_stale: bool = True,
    ) -> None:
        self._retry_stale = retry_stale
        self._ssl_context = None if ssl_context is None else http1_context(ssl_context)
        self._local_address = local_address
        self._pools = LoopPools(limits)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request`; the response's body is read as it comes.

        Raises httpx.PoolTimeout, ConnectTimeout, ConnectError, WriteTimeout, ReadTimeout, ReadError,
        RemoteProtocolError, LocalProtocolError and UnsupportedProtocol.
        """
        timeouts = Timeouts.of(request.extensions)
        origin = Origin.of(request.url, request.extensions.get("sni_hostname"))
        stream = await self.open(request.method, origin, outgoing(request), timeouts)
        stream.read_timeout = timeouts.read
        response = stream.response
        extensions = {
            "http_version": response.http_version,
            "reason_phrase": response.reason,
            "miiflow_stream": stream,
        }
        return httpx.Response(response.status, headers=response.headers, stream=stream, extensions=extensions)

    async def open(
        self, method: str, origin: Origin, sent: Outgoing, timeouts: Timeouts, *, fresh: bool = False
    ) -> ResponseStream:
        """Send a request and wait for the head of its response; `fresh` opens a connection for it.

        Raises as `handle_async_request` does, and StaleConnectionError unless the transport tries again in silence.
        """
        here = self._pools.current()
        while True:
            connection = await self._connection(here, origin, timeouts, fresh=fresh)
            try:
                response = await connection.exchange(method, sent, timeouts)
                return ResponseStream(connection, response, here.pool, None)
            except BaseException as exc:
                connection.abort()
                here.pool.discard(connection)
                if not is_stale(exc, connection):
                    raise
                here.pool.distrust(connection)
                if not self._retry_stale:
                    raise stale(exc) from None
                if not sent.replayable:
                    raise
                fresh = True

    async def warm(self, url: httpx.URL | str | None = None, *, timeout: float | None = None) -> None:
        """Do ahead what a first request would wait for: the TLS context and, with `url`, a connection to its host.

        Raises httpx.ConnectTimeout after `timeout` seconds, httpx.ConnectError and httpx.UnsupportedProtocol.
        """
        if url is None:
            if self._ssl_context is None:
                await default_context()
            return
        here = self._pools.current()
        limits = Timeouts(connect=timeout, pool=timeout)
        connection = await self._connection(here, Origin.of(httpx.URL(url)), limits, fresh=False)
        connection.settle()
        here.pool.release(connection)

    async def aclose(self) -> None:
        """Close all connections, idle or not: a stream that is being read gets httpx.ReadError."""
        for found in self._pools.take_all():
            found.close()
        await anyio.lowlevel.cancel_shielded_checkpoint()  # asyncio closes its sockets in the next turn

    async def _connection(self, here: LoopPool, origin: Origin, timeouts: Timeouts, *, fresh: bool) -> LoopConnection:
        connection = await here.pool.acquire(origin, timeouts.within(timeouts.pool), fresh=fresh)
        if connection is None:
            try:
                connection = await self._open(here, origin, timeouts.within(timeouts.connect))
            except BaseException:
                here.pool.vacate()
                raise
            here.pool.adopt(connection)
        return connection

    async def _open(self, here: LoopPool, origin: Origin, seconds: float | None) -> LoopConnection:
        with anyio.move_on_after(seconds):
            context = (self._ssl_context or await default_context()) if origin.tls else None
            try:
                connection = await here.open(origin, context, self._local_address)
                keep_alive(connection.fileno)
                return connection
            except Exception as exc:  # event loops raise many kinds, some of them by mistake
                raise connect_error(exc, origin, seconds) from exc
        raise connect_timeout(origin, seconds)
