"""The calls beside the chat as the client makes them: models, embeddings, counts of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .calls import planned
from .core.exceptions import ConfigurationError, MiiflowLLMError
from .core.request import ChatRequest
from .core.response import Embeddings, ModelInfo
from .exchange import Exchange, Plan, Setup
from .wire import side
from .wire.table import Side


async def models(setup: Setup) -> list[ModelInfo]:
    """The models that the provider lists for this key."""
    row = setup.target.route("").engine.dialect.model_list
    return side.read_models(row, await _ask(setup, row, "", {}))


async def embed(setup: Setup, texts: Sequence[str], model: str, dimensions: int | None) -> Embeddings:
    """One vector for each text."""
    if not texts or not all(texts):
        raise ConfigurationError("embed: give one text or more, none of them empty")
    row = setup.target.route(model).engine.dialect.embeddings
    body = await _ask(setup, row, model, {"texts": list(texts), "dimensions": dimensions})
    return side.read_embeddings(row, body, model, texts)


async def count_tokens(setup: Setup, request: ChatRequest) -> int:
    """How many tokens the provider counts in the request."""
    route = setup.target.route(request.model)
    row = route.engine.dialect.token_count
    chat = planned(setup, route, request).body
    return side.read_tokens(row, await _ask(setup, row, request.model, {"chat": chat}))


async def _ask(setup: Setup, row: Side, model: str, values: dict[str, Any]) -> bytes:
    route = setup.target.route(model)
    dialect = route.engine.dialect
    try:
        path, body = side.write(row, model, values)
    except ConfigurationError as error:
        error.provider, error.model = setup.target.name, model or None
        raise
    headers = setup.target.request_headers(dialect, stream=False, extra=None)
    exchange = Exchange(
        setup, route.engine, model, Plan(row.method, route.base_url + path, headers, body, [], dialect.name), None
    )
    while True:
        answer = await exchange.send()
        try:
            return await exchange.whole_body(answer)
        except MiiflowLLMError as error:
            await exchange.again(error)
