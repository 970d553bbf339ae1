"""The chat service as a FastAPI router, made of what `create_app` takes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
from fastapi import APIRouter, Response

from .asgi import ChatApp, Handler, Receive, Scope, Send, create_app
from .body import ChatBody, Limits
from .relay import HEARTBEAT
from .service import Authorize, Clients


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
    models: Mapping[str, Sequence[str]] | None = None,
    schemas: Mapping[str, Any] | None = None,
    authorize: Authorize | None = None,
    limits: Limits | None = None,
    heartbeat: float | None = HEARTBEAT,
    page: bool = False,
    allow_hosts: Collection[str] | None = None,
    **options: Any,
) -> APIRouter:
    """A router with `POST /chat`, `POST /chat/stream`, `GET /models` and the JavaScript module, with `page` the page.

    The page stands at `<prefix>/`. `options` are those of `APIRouter`, such as `prefix`, `tags` and `dependencies`,
    which are asked before anything else. The rest is as for `create_app`.

    Raises:
        ConfigurationError: as by `create_app`.
    """
    app = create_app(
        clients,
        models=models,
        schemas=schemas,
        authorize=authorize,
        limits=limits,
        heartbeat=heartbeat,
        page=page,
        allow_hosts=allow_hosts,
    )
    routes = APIRouter(**options)
    schema = {"requestBody": {"required": True, "content": {"application/json": {"schema": _body_schema()}}}}
    _add(routes, "/chat", app.chat, "POST", openapi_extra=schema)
    _add(routes, "/chat/stream", app.chat_stream, "POST", openapi_extra=schema)
    _add(routes, "/models", app.models, "GET")
    for path in (*(["/"] if page else []), "/miiflow-llm.js", "/miiflow-llm.d.ts"):
        _add(routes, path, _served(path, app), "GET", include_in_schema=False)
    return routes


def _add(routes: APIRouter, path: str, handler: Handler, method: str, **options: Any) -> None:
    async def endpoint() -> Response:
        return _Handled(handler)

    routes.add_api_route(
        path, endpoint, methods=[method], status_code=200, response_class=_Handled, name=path[1:], **options
    )


def _served(path: str, app: ChatApp) -> Handler:
    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "path": path, "root_path": ""}, receive, send)

    return handler


def _body_schema() -> dict[str, Any]:
    _, parts = msgspec.json.schema_components([ChatBody])
    schema: dict[str, Any] = _inlined(parts["ChatBody"], parts)
    return schema


def _inlined(value: Any, parts: Mapping[str, Any]) -> Any:
    """The schema with what it refers to in place, as it stands inside another document."""
    if isinstance(value, list):
        return [_inlined(item, parts) for item in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        return _inlined(parts[value["$ref"].rpartition("/")[2]], parts)
    return {name: _inlined(item, parts) for name, item in value.items()}
