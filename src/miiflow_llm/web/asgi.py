"""The chat service as an ASGI application, without a framework.

Whoever goes away is noticed by `http.disconnect`, upon which the provider's request is cancelled.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from typing import Any, TypeAlias, Unpack

import anyio
import anyio.lowlevel

from .assets import asset
from .body import Limits, declared_length, too_large
from .relay import Relay
from .safe_errors import Rejected, SafeError, safe_error
from .service import (
    UI_STREAM_HEADERS,
    ChatService,
    Clients,
    Reply,
    ServiceSettings,
    failed,
    failure,
    stream_headers,
    ui_failure,
)
from .turns import Caller

_NOT_GONE = 0.1
"""Seconds after which a `receive` that does not wait is asked again."""

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Handler: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

Refusal: TypeAlias = Callable[[int, SafeError], Reply]


class ClientGone(Exception):
    """The browser went away before its request was whole."""


class ChatApp:
    """The ASGI application; `create_app` makes it.

    `POST /chat`, `POST /chat/stream`, `POST /chat/ui` for the AI SDK's `useChat`, `POST /preferences` and
    `POST /scores` for what people think of answers, `GET /models`, `GET /miiflow-llm.js` with its types beside it, and,
    if `page` is set, `GET /` with the page.
    """

    def __init__(self, service: ChatService, *, page: bool = True) -> None:
        self.service = service
        self._page = page
        self._posts: dict[str, Handler] = {
            "/chat": self.chat,
            "/chat/stream": self.chat_stream,
            "/chat/ui": self.chat_ui,
            "/preferences": self.preferences,
            "/scores": self.scores,
        }

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
                await _relay(relay, stream_headers(headers), send, failure)

        await self._handle(scope, receive, send, answer)

    async def chat_ui(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the AI SDK's `useChat` in its own stream."""
        headers = _headers(scope)

        async def answer(body: bytes, caller: Caller) -> None:
            try:
                relay = self.service.ui_stream(headers, body, caller)
            except Exception as error:
                await _reply(send, ui_failure(*safe_error(error)))
            else:
                await _relay(relay, UI_STREAM_HEADERS, send, ui_failure)

        await self._handle(scope, receive, send, answer, ui_failure)

    async def preferences(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Keep which of two answers a person prefers."""

        async def answer(body: bytes, caller: Caller) -> None:
            await _reply(send, self.service.preference(_headers(scope), body, caller))

        await self._handle(scope, receive, send, answer)

    async def scores(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Keep what a person thinks of one answer."""

        async def answer(body: bytes, caller: Caller) -> None:
            await _reply(send, self.service.mark(_headers(scope), body))

        await self._handle(scope, receive, send, answer)

    async def _handle(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        answer: Callable[[bytes, Caller], Awaitable[None]],
        refusal: Refusal = failure,
    ) -> None:
        try:
            caller = await self.service.authorize(_headers(scope), scope)
            body = await _body(receive, _headers(scope), self.service.limits)
        except ClientGone:
            return
        except Exception as error:
            await _reply(send, refusal(*safe_error(error)))
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


async def _relay(relay: Relay, headers: Mapping[str, str], send: Send, refusal: Refusal) -> None:
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
        await _reply(send, refusal(*relay.failure))


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
    length = {} if reply.status == 204 else {"content-length": str(len(reply.body))}
    headers = {**reply.headers, **length}
    await send({"type": "http.response.start", "status": reply.status, "headers": _raw(headers)})
    await send({"type": "http.response.body", "body": b"" if head else reply.body})


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def _headers(scope: Scope) -> dict[str, str]:
    """The headers by lower-case name; those that come twice are a list, so that a second `Host` hides no first."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found


def _raw(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


def _path(scope: Scope) -> str:
    """The path below where the application is mounted."""
    path, root = str(scope["path"]), str(scope.get("root_path", "")).rstrip("/")
    if root and (path == root or path.startswith(root + "/")):
        path = path[len(root) :]
    return path or "/"


def create_app(clients: Clients, *, page: bool = True, **settings: Unpack[ServiceSettings]) -> ChatApp:
    """An ASGI application over `clients`, which stay the caller's to close.

    Args:
        clients: one client, a pool, clients by provider, or a function of provider and model.
        page: serve the page at `/`; like the JavaScript module it holds nothing secret.
        settings: see `ServiceSettings`.

    Raises:
        ConfigurationError: `models` names a provider of which there is no client, or a pool lists no models.
    """
    return ChatApp(ChatService(clients, **settings), page=page)
