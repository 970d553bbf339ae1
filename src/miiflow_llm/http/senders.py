"""The ways that a request takes: through an httpx client, or straight into the lean transport.

A client's way past the transport (cookies, redirects, hooks, netrc) costs more than our whole request, and none of it
is wanted for a provider. Where somebody has replaced that way from outside, to trace calls say, it is taken.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from functools import lru_cache
from types import FunctionType
from typing import TYPE_CHECKING, NamedTuple, Protocol

import httpx

if TYPE_CHECKING:
    from .lean import LeanTransport


class Order(NamedTuple):
    """A request to be sent; a `body` of `None` is none at all, `timeout` are httpx's limits for each phase."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None
    auth: httpx.Auth | None
    timeout: httpx.Timeout


class Sender(Protocol):
    """Sends one request; the response's body is still to be read."""

    async def send(self, order: Order) -> httpx.Response:
        """Raises httpx's exceptions; redirects are not followed."""


class ClientSender:
    """By an httpx client, whatever its transport."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def send(self, order: Order) -> httpx.Response:
        request = self._client.build_request(
            order.method, order.url, headers=order.headers, content=order.body, timeout=order.timeout
        )
        if order.body is not None:
            request.stream = _Content(order.body)
        return await self._client.send(request, stream=True, auth=order.auth, follow_redirects=False)


class LeanSender:
    """By the lean transport itself."""

    def __init__(self, transport: LeanTransport) -> None:
        self._transport = transport

    async def send(self, order: Order) -> httpx.Response:
        url, host = _parsed(order.url)
        body = order.body
        fields = [(b"host", host)] if "host" not in order.headers else []
        fields += [(name.encode(), value.encode()) for name, value in order.headers.items()]
        if body is not None:
            fields.append((b"content-length", b"%d" % len(body)))
        timeout = order.timeout.as_dict()
        request = httpx.Request(
            order.method, url, headers=fields, stream=_Content(body or b""), extensions={"timeout": timeout}
        )
        if order.auth is not None:
            next(order.auth.auth_flow(request))
        response = await self._transport.handle_async_request(request)
        response.request = request
        return response


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


@lru_cache(maxsize=256)
def _parsed(url: str) -> tuple[httpx.URL, bytes]:
    """The URL, and what the Host header says of it."""
    parsed = httpx.URL(url)
    return parsed, parsed.netloc


def is_replaced(kind: type, method: str) -> bool:
    """Whether the method of a class of httpx's or httpcore's is not theirs: a mock's, or a tracer's around it."""
    found = kind.__dict__.get(method)
    return not isinstance(found, FunctionType) or _package(found.__globals__["__name__"]) != _package(kind.__module__)


def _package(module: str) -> str:
    return module.partition(".")[0]
