"""The chat service as Django views, for Django under ASGI, made of what `create_app` takes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Unpack

from django.core.exceptions import RequestDataTooBig  # type: ignore[import-untyped]
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse  # type: ignore[import-untyped]
from django.urls import URLPattern, path  # type: ignore[import-untyped]
from django.views.decorators.csrf import csrf_exempt  # type: ignore[import-untyped]

from .assets import FOR_PAGES, asset
from .body import too_large
from .relay import Relay
from .safe_errors import Rejected, safe_error
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


class ChatViews:
    """The views, to be put into a URL configuration by hand; `urls` does so.

    They are exempt from Django's CSRF check: only `application/json` is taken, which no foreign page can send. Django
    refuses bodies above its own `DATA_UPLOAD_MAX_MEMORY_SIZE`, 2.5 MB unless set higher.
    """

    def __init__(self, service: ChatService) -> None:
        self.service = service

    async def chat(self, request: HttpRequest) -> HttpResponseBase:
        """`POST`: the whole answer."""
        try:
            body, caller = await self._body(request)
        except Exception as error:
            return _response(failed(error))
        return _response(await self.service.chat(_headers(request), body, caller))

    async def chat_stream(self, request: HttpRequest) -> HttpResponseBase:
        """`POST`: the answer's frames."""
        headers = _headers(request)
        try:
            relay = self.service.stream(headers, *await self._body(request))
        except Exception as error:
            return _response(failed(error))
        first = await relay.__anext__()
        if relay.failure is not None and not relay.begun:
            return _response(failure(*relay.failure))
        return StreamingHttpResponse(_frames(first, relay), headers=stream_headers(headers))

    async def chat_ui(self, request: HttpRequest) -> HttpResponseBase:
        """`POST`: the answer to the AI SDK's `useChat`, in its own stream."""
        try:
            relay = self.service.ui_stream(_headers(request), *await self._body(request))
        except Exception as error:
            return _response(ui_failure(*safe_error(error)))
        first = await relay.__anext__()
        if relay.failure is not None and not relay.begun:
            return _response(ui_failure(*relay.failure))
        return StreamingHttpResponse(_frames(first, relay), headers=UI_STREAM_HEADERS)

    async def preferences(self, request: HttpRequest) -> HttpResponseBase:
        """`POST`: which of two answers a person prefers."""
        try:
            body, caller = await self._body(request)
        except Exception as error:
            return _response(failed(error))
        return _response(self.service.preference(_headers(request), body, caller))

    async def scores(self, request: HttpRequest) -> HttpResponseBase:
        """`POST`: what a person thinks of one answer."""
        try:
            body, _ = await self._body(request)
        except Exception as error:
            return _response(failed(error))
        return _response(self.service.mark(_headers(request), body))

    async def models(self, request: HttpRequest) -> HttpResponseBase:
        """`GET`: which providers and models may be asked for."""
        try:
            await self.service.authorize(_headers(request), request)
        except Exception as error:
            return _response(failed(error))
        return _response(self.service.catalogue())

    async def _body(self, request: HttpRequest) -> tuple[bytes, Caller]:
        if request.method != "POST":
            raise Rejected(405, "wrong_method", "Use POST here.")
        caller = await self.service.authorize(_headers(request), request)
        try:
            body: bytes = request.body
        except RequestDataTooBig:
            raise too_large(self.service.limits) from None
        return body, caller


async def page(request: HttpRequest) -> HttpResponseBase:
    """`GET`: the page, or the file whose name the path ends in."""
    named = (path for path in FOR_PAGES if request.path.endswith(path))
    found = asset(next(named, "/"))
    return _response(found or failed(Rejected(404, "not_found", "There is nothing here.")))


async def _frames(first: bytes, relay: Relay) -> AsyncIterator[bytes]:
    try:
        yield first
        async for frames in relay:
            yield frames
    finally:
        await relay.aclose()


def _headers(request: HttpRequest) -> dict[str, str]:
    return {name.lower(): value for name, value in request.headers.items()}


def _response(reply: Reply) -> HttpResponse:
    return HttpResponse(reply.body, status=reply.status, headers=reply.headers)


def urls(clients: Clients, *, with_page: bool = False, **settings: Unpack[ServiceSettings]) -> list[URLPattern]:
    """URL patterns for `include`: the paths of `ChatApp`; `with_page` adds the page.

    `settings` are those of `ServiceSettings`; `authorize` gets Django's own request.

    Raises:
        ConfigurationError: as by `create_app`.
    """
    views = ChatViews(ChatService(clients, **settings))
    patterns = [
        path("chat", csrf_exempt(views.chat)),
        path("chat/stream", csrf_exempt(views.chat_stream)),
        path("chat/ui", csrf_exempt(views.chat_ui)),
        path("preferences", csrf_exempt(views.preferences)),
        path("scores", csrf_exempt(views.scores)),
        path("models", views.models),
        *(path(name[1:], page) for name in FOR_PAGES),
    ]
    return [*patterns, path("", page)] if with_page else patterns
