"""Orders sent by an httpx client on an event loop: a caller's own, or one of ours behind a proxy or a mock."""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator, Mapping
from typing import Any

import anyio
import httpx

from . import streams_async
from .answer import Answer, by_name
from .body import body_of
from .course import Course
from .environment import Proxy
from .errors import refused_by, unreachable
from .httpx_limits import Place, at_most, httpx_timeout, request_headers
from .kept import kept_of, place_of
from .order import Order


class HttpxSender:
    """By an httpx client, whatever its transport.

    `place` gives a place among its connections if we count them, `proxy` is the environment's that it goes by.
    """

    def __init__(self, client: httpx.AsyncClient, place: Place | None = None, proxy: Proxy | None = None) -> None:
        self._client = client
        self._place = place
        self._proxy = proxy

    async def send(self, order: Order) -> Answer:
        give_back = None if self._place is None else await self._place(order.timeouts.within(order.timeouts.pool))
        try:
            response = await self._sent(order)
            answer = Answer(response.status_code, by_name(response.headers.raw), body_of(response, give_back))
            give_back = None
            return answer
        finally:
            if give_back is not None:
                give_back()

    async def _sent(self, order: Order) -> httpx.Response:
        course = Course(order.timeouts, kept_of(self._client), place_of(order.url))
        request = self._request(order, course)
        token = streams_async.now.set(course)
        try:
            with anyio.fail_after(at_most(order.timeouts)) as scope:
                return await self._client.send(request, stream=True, auth=None, follow_redirects=False)
        except builtins.TimeoutError:
            if not scope.cancelled_caught:
                raise
            raise course.timed_out() from None
        except httpx.ProxyError as reason:
            raise refused_by(self._proxy, reason) from None
        except Exception as reason:
            what = course.what(reason)
            if self._proxy is not None and isinstance(what, httpx.ConnectError) and not course.asked_proxy:
                what = unreachable(self._proxy, what)
            raise what from None
        finally:
            streams_async.now.reset(token)

    def _request(self, order: Order, course: Course) -> httpx.Request:
        async def trace(name: str, info: Mapping[str, Any]) -> None:
            opened = course.note(name, info)
            if opened is not None:
                streams_async.put_behind(opened, course)

        timeout, extensions = httpx_timeout(order.timeouts), {"trace": trace}
        request = self._client.build_request(
            order.method, order.url, content=order.body, timeout=timeout, extensions=extensions
        )
        request_headers(request, order)
        if order.body is not None:
            request.stream = _Content(order.body)
        return request


class _Content(httpx.ByteStream):
    """A request's body. httpx's own is iterated by a generator, which trio warns about when a call is cancelled."""

    def __init__(self, body: bytes) -> None:
        super().__init__(body)
        self._body = body

    def __aiter__(self) -> AsyncIterator[bytes]:
        return _Once(self._body)


class _Once(AsyncIterator[bytes]):
    def __init__(self, body: bytes) -> None:
        self._left = [body]

    async def __anext__(self) -> bytes:
        if not self._left:
            raise StopAsyncIteration
        return self._left.pop()
