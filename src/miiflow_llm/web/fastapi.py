"""The chat service as a FastAPI router, made of what `create_app` takes."""

from __future__ import annotations

from typing import Any

try:
    from fastapi import APIRouter, Response
except ImportError:
    raise ImportError("miiflow_llm.web.fastapi needs FastAPI: pip install 'miiflow-llm[web]'") from None

from . import openapi
from .asgi import ChatApp, Handler, Receive, Scope, Send, create_app
from .assets import FOR_PAGES
from .service import Clients, ServiceSettings


class _Handled(Response):
    """A response that the ASGI core writes itself, so that it sees the browser go away."""

    def __init__(self, handler: Handler) -> None:
        super().__init__()
        self._handler = handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._handler(scope, receive, send)


def router(
    clients: Clients,
    *,
    page: bool = False,
    **settings: Any,
) -> APIRouter:
    """A router with the paths of `ChatApp`; `page` adds the page at `<prefix>/`.

    `settings` are those of `ServiceSettings`, and those of `APIRouter`, such as `prefix`, `tags` and `dependencies`,
    which are asked before anything else. What is asked and answered stands in the application's OpenAPI document.

    Raises:
        ConfigurationError: as by `create_app`.
    """
    ours = {name: settings.pop(name) for name in ServiceSettings.__annotations__ if name in settings}
    app = create_app(clients, page=page, **ours)
    routes = APIRouter(**settings)
    for path, handler, described in (
        ("/chat", app.chat, openapi.chat()),
        ("/chat/stream", app.chat_stream, openapi.stream()),
        ("/chat/ui", app.chat_ui, openapi.ui_stream()),
        ("/preferences", app.preferences, openapi.preferences()),
        ("/scores", app.scores, openapi.scores()),
    ):
        _add(routes, path, handler, "POST", **described)
    _add(routes, "/models", app.models, "GET", **openapi.models())
    for path in (*(["/"] if page else []), *FOR_PAGES):
        _add(routes, path, _served(path, app), "GET", include_in_schema=False)
    return routes


def _add(routes: APIRouter, path: str, handler: Handler, method: str, **options: Any) -> None:
    async def endpoint() -> Response:
        return _Handled(handler)

    options = {"status_code": 200, **options}
    routes.add_api_route(path, endpoint, methods=[method], response_class=_Handled, name=path[1:], **options)


def _served(path: str, app: ChatApp) -> Handler:
    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "path": path, "root_path": ""}, receive, send)

    return handler
