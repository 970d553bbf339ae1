"""The chat service as an ASGI application, without a framework.

Whoever goes away is noticed by `http.disconnect`, upon which the provider's request is cancelled.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, MutableMapping, Sequence
from contextlib import suppress
from typing import Any, TypeAlias

import anyio
import anyio.lowlevel

from .assets import asset
from .body import Limits, declared_length, too_large
from .relay import HEARTBEAT, Relay
from .safe_errors import Rejected
from .service import Authorize, Caller, ChatService, Clients, Reply, failed, failure, stream_headers

_NOT_GONE = 0.1
"""Seconds after which a `receive` that does not wait is asked again."""

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Handler: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]


class ClientGone(Exception):
    """The browser went away before its request was whole."""


class ChatApp:
    """The ASGI application; `create_app` makes it.

    `POST /chat`, `POST /chat/stream`, `GET /models`, `GET /miiflow-llm.js` with its types beside it, and, where `page`
    is set, `GET /` with the page.
    """

    def __init__(self, service: ChatService, *, page: bool = True) -> None:
        self.service = service
        self._page = page
        self._posts: dict[str, Handler] = {"/chat": self.chat, "/chat/stream": self.chat_stream}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "http":
            await self._route(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self.service.check_host(_headers(scope))
        except Rejected as refused:
            await _reply(send, failed(refused))
            return
        path = _path(scope)
        handler = self._posts.get(path)
        reading = scope["method"] in ("GET", "HEAD")
        found = asset(path) if reading and (self._page or path != "/") else None
        if handler is not None and scope["method"] == "POST":
            await handler(scope, receive, send)
        elif handler is not None:
            await _reply(send, failed(Rejected(405, "wrong_method", "Use POST here.")))
        elif path == "/models" and reading:
            await self.models(scope, receive, send)
        elif found is not None:
            await _reply(send, found, head=scope["method"] == "HEAD")
        else:
            await _reply(send, failed(Rejected(404, "not_found", "There is nothing here.")))

    async def models(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Which providers and models may be asked for."""
        try:
            await self.service.authorize(_headers(scope), scope)
            reply = self.service.catalogue()
        except Exception as error:
            reply = failed(error)
        await _reply(send, reply)

    async def chat(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the whole answer."""
        headers = _headers(scope)

        async def answer(body: bytes, caller: Caller) -> None:
            await _reply(send, await self.service.chat(headers, body, caller))

        await self._handle(scope, receive, send, answer)

    async def chat_stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the answer's frames."""
        headers = _headers(scope)

        async def answer(body: bytes, caller: Caller) -> None:
            try:
                relay = self.service.stream(headers, body, caller)
            except Exception as error:
                await _reply(send, failed(error))
            else:
                await _relay(relay, stream_headers(headers), send)

        await self._handle(scope, receive, send, answer)

    async def _handle(
        self, scope: Scope, receive: Receive, send: Send, answer: Callable[[bytes, Caller], Awaitable[None]]
    ) -> None:
        try:
            caller = await self.service.authorize(_headers(scope), scope)
            body = await _body(receive, _headers(scope), self.service.limits)
        except ClientGone:
            return
        except Exception as error:
            await _reply(send, failed(error))
            return
        await _while_there(receive, lambda: answer(body, caller))


async def _while_there(receive: Receive, answer: Callable[[], Awaitable[None]]) -> None:
    """Answer, unless the browser goes away first."""
    async with anyio.create_task_group() as group:
        group.start_soon(_cancel_when_gone, receive, group.cancel_scope)
        with suppress(OSError):  # servers may say by it that the browser has gone
            await answer()
        group.cancel_scope.cancel()


async def _cancel_when_gone(receive: Receive, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":  # noqa: ASYNC110  a browser that goes sets no event
        await anyio.sleep(_NOT_GONE)  # some middleware answers at once, again and again
    scope.cancel()


async def _relay(relay: Relay, headers: Mapping[str, str], send: Send) -> None:
    """Send the frames; a failure before the first chunk or heartbeat still becomes an HTTP status."""
    started = False

    async def write(data: bytes) -> None:
        nonlocal started
        if not started and relay.failure is not None:
            return
        if not started:
            started = True
            await send({"type": "http.response.start", "status": 200, "headers": _raw(headers)})
        await send({"type": "http.response.body", "body": data, "more_body": True})

    await relay.pour(write)
    if started:
        await send({"type": "http.response.body", "body": b""})
    elif relay.failure is not None:
        await _reply(send, failure(*relay.failure))


async def _body(receive: Receive, headers: Mapping[str, str], limits: Limits) -> bytes:
    if declared_length(headers) > limits.max_body:
        raise too_large(limits)
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limits.max_body:
            raise too_large(limits)
        if not message.get("more_body"):
            return b"".join(parts)
        await anyio.lowlevel.checkpoint()  # a `receive` that never waits must not hold the loop


async def _reply(send: Send, reply: Reply, *, head: bool = False) -> None:
    headers = {**reply.headers, "content-length": str(len(reply.body))}
    await send({"type": "http.response.start", "status": reply.status, "headers": _raw(headers)})
    await send({"type": "http.response.body", "body": b"" if head else reply.body})


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


def _raw(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


def _path(scope: Scope) -> str:
    """The path below where the application is mounted."""
    path, root = str(scope["path"]), str(scope.get("root_path", "")).rstrip("/")
    if root and (path == root or path.startswith(root + "/")):
        path = path[len(root) :]
    return path or "/"


def create_app(
    clients: Clients,
    *,
    models: Mapping[str, Sequence[str]] | None = None,
    schemas: Mapping[str, Any] | None = None,
    authorize: Authorize | None = None,
    limits: Limits | None = None,
    heartbeat: float | None = HEARTBEAT,
    page: bool = True,
    allow_hosts: Collection[str] | None = None,
) -> ChatApp:
    """An ASGI application over `clients`, which stay the caller's to close.

    Args:
        clients: one client, a pool, clients by provider, or a function of provider and model.
        models: the models that may be asked for, by provider; without it only a client's own model, and of a pool
            those that its configuration lists.
        schemas: types that an answer may be asked for in, by name, as in `chat(schema=...)`; the browser then names
            one, and gets the value so far with every chunk. Without it the browser may bring a JSON Schema of its own.
        authorize: an async function of the headers and the scope; see `Authorize` for what it may return and raise.
        limits: how much a browser may ask for.
        heartbeat: seconds of the model's silence after which a sign of life is sent, `None` for never.
        page: serve the page at `/`; like the JavaScript module it holds nothing secret.
        allow_hosts: the names that this service is reached by, without ports; a request to another `Host`, or from a
            page of another `Origin`, is a 403. `None` for any: then a server in front must see to it.

    Raises:
        ConfigurationError: `models` names a provider of which there is no client, or a pool lists no models.
    """
    service = ChatService(
        clients,
        models=models,
        schemas=schemas,
        authorize=authorize,
        limits=limits,
        heartbeat=heartbeat,
        allow_hosts=allow_hosts,
    )
    return ChatApp(service, page=page)
