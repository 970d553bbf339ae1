"""The calls beside the chat as the client makes them: models, embeddings, counts of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .async_io import whole
from .calls import planned
from .core.exceptions import ConfigurationError
from .core.request import ChatRequest
from .core.response import Embeddings, ModelInfo
from .exchange import Exchange, Plan, Setup
from .wire import side
from .wire.table import Side
from .wire.transport import Transport


async def models(transport: Transport, setup: Setup) -> list[ModelInfo]:
    """The models that the provider lists for this key."""
    row = setup.target.route("").engine.dialect.model_list
    return side.read_models(row, await _ask(transport, setup, row, "", {}))


async def embed(
    transport: Transport, setup: Setup, texts: Sequence[str], model: str, dimensions: int | None
) -> Embeddings:
    """One vector for each text."""
    if not texts or not all(texts):
        raise ConfigurationError("embed: give one text or more, none of them empty")
    row = setup.target.route(model).engine.dialect.embeddings
    body = await _ask(transport, setup, row, model, {"texts": list(texts), "dimensions": dimensions})
    return side.read_embeddings(row, body, model, texts)


async def count_tokens(transport: Transport, setup: Setup, request: ChatRequest) -> int:
    """How many tokens the provider counts in the request."""
    route = setup.target.route(request.model)
    row = route.engine.dialect.token_count
    chat = planned(setup, route, request).body
    return side.read_tokens(row, await _ask(transport, setup, row, request.model, {"chat": chat}))


async def _ask(transport: Transport, setup: Setup, row: Side, model: str, values: dict[str, Any]) -> bytes:
    route = setup.target.route(model)
    dialect = route.engine.dialect
    try:
        path, body = side.write(row, model, values)
    except ConfigurationError as error:
        error.provider, error.model = setup.target.name, model or None
        raise
    headers = setup.target.request_headers(dialect, stream=False, extra=None)
    plan = Plan(row.method, route.base_url + path, headers, body, [], dialect.name)
    _, answer = await whole(transport, Exchange(setup, route.engine, model, plan, None))
    return answer
