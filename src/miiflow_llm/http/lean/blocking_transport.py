"""BlockingLeanTransport: LeanTransport for threads, over the same requests, responses and books.

It takes httpx's requests and gives its responses. It knows no proxies, HTTP/2 or redirects, nor what the bytes mean.
"""

from __future__ import annotations

import ssl

import httpx

from ...core import forks
from ..trust import tls_context
from .blocking_connection import BlockingConnection
from .blocking_dial import open_connection
from .blocking_pool import BlockingPool
from .blocking_stream import BlockingStream
from .errors import connect_error, is_stale, stale
from .origin import Origin
from .request import Outgoing, outgoing
from .timeouts import Timeouts
from .tls import http1_context
from .transport import DEFAULT_LIMITS


class BlockingLeanTransport(httpx.BaseTransport):
    """HTTP/1.1 over TCP and TLS for plain synchronous code, from as many threads as you like.

    Its arguments, timeouts and errors are those of LeanTransport; a response's `miiflow_stream` is a BlockingStream.
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
        self._limits = limits
        self.pool = BlockingPool(limits)
        forks.renew(self)

    def begin_anew(self) -> None:
        """In a forked child: the connections are the parent's, and so are the pool's locks."""
        self.pool = BlockingPool(self._limits)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request`; the response's body is read as it comes. Raises as LeanTransport does."""
        timeouts = Timeouts.of(request.extensions)
        origin = Origin.of(request.url, request.extensions.get("sni_hostname"))
        request.read()  # what comes piece by piece is put together
        stream = self.open(request.method, origin, outgoing(request), timeouts)
        stream.read_timeout = timeouts.read
        response = stream.response
        extensions = {
            "http_version": response.http_version,
            "reason_phrase": response.reason,
            "miiflow_stream": stream,
        }
        return httpx.Response(response.status, headers=response.headers, stream=stream, extensions=extensions)

    def open(
        self, method: str, origin: Origin, sent: Outgoing, timeouts: Timeouts, *, fresh: bool = False
    ) -> BlockingStream:
        """Send a request and wait for the head of its response; as LeanTransport's."""
        pool = self.pool
        while True:
            connection = self._connection(pool, origin, timeouts, fresh=fresh)
            try:
                response = connection.exchange(method, sent, timeouts)
                return BlockingStream(connection, response, pool, None)
            except BaseException as exc:
                connection.abort()
                pool.discard(connection)
                if not is_stale(exc, connection):
                    raise
                pool.distrust(connection)
                if not self._retry_stale:
                    raise stale(exc) from None
                fresh = True

    def warm(self, url: httpx.URL | str | None = None, *, timeout: float | None = None) -> None:
        """Do ahead what a first request would wait for: the TLS context and, with `url`, a connection to its host.

        Raises httpx.ConnectTimeout after `timeout` seconds, httpx.ConnectError and httpx.UnsupportedProtocol.
        """
        if url is None:
            self._context()
            return
        limits = Timeouts(connect=timeout, pool=timeout)
        pool = self.pool
        connection = self._connection(pool, Origin.of(httpx.URL(url)), limits, fresh=False)
        connection.settle()
        pool.release(connection)

    def close(self) -> None:
        """Close all connections, idle or not: a stream that is being read gets httpx.ReadError."""
        closing, self.pool = self.pool, BlockingPool(self._limits)
        closing.close()

    def __del__(self) -> None:
        if hasattr(self, "pool"):
            self.pool.close()

    def _connection(self, pool: BlockingPool, origin: Origin, timeouts: Timeouts, *, fresh: bool) -> BlockingConnection:
        connection = pool.acquire(origin, timeouts.within(timeouts.pool), fresh=fresh)
        if connection is None:
            try:
                connection = self._open(origin, timeouts)
            except BaseException:
                pool.vacate()
                raise
            pool.adopt(connection)
        return connection

    def _open(self, origin: Origin, timeouts: Timeouts) -> BlockingConnection:
        within = Timeouts(until=timeouts.deadline(timeouts.connect))
        context = self._context() if origin.tls else None
        try:
            return open_connection(origin, context, self._local_address, within)
        except Exception as exc:
            raise connect_error(exc, origin, timeouts.connect) from exc

    def _context(self) -> ssl.SSLContext:
        return self._ssl_context or tls_context()
