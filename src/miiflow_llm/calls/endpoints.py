"""The calls beside the chat as the client makes them: models, embeddings, counts of tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar, cast

from ..core.events import Operation
from ..core.exceptions import ConfigurationError, MiiflowLLMError, UnsupportedParameterError
from ..core.request import Plan
from ..core.response import Embeddings, ModelInfo
from ..core.timeout import Timeout
from ..tables import Endpoint
from ..wire import endpoints
from .call import Call
from .exchange import Exchange, Setup, log
from .players import Player
from .sending import whole

Found = TypeVar("Found")


async def models(player: Player, setup: Setup, timeout: Timeout | None) -> list[ModelInfo]:
    """The models that the provider lists for this key."""
    row = setup.target.route("").engine.dialect.model_list
    exchange = _exchange(setup, row, "models", "", {}, timeout)
    return await _ask(player, exchange, partial(endpoints.read_models, row))


async def embed(
    player: Player,
    setup: Setup,
    texts: str | Sequence[str],
    model: str,
    dimensions: int | None,
    timeout: Timeout | None,
) -> Embeddings:
    """One vector for each text."""
    try:
        texts = _texts([texts] if isinstance(texts, str) else texts)
    except ConfigurationError as error:
        error.provider, error.model = setup.target.name, model
        raise
    row = setup.target.route(model).engine.dialect.embeddings
    exchange = _exchange(setup, row, "embeddings", model, {"texts": texts, "dimensions": dimensions}, timeout)
    found = await _ask(player, exchange, lambda body: endpoints.read_embeddings(row, body, model, texts))
    return _of_size(setup, found, dimensions)


def _texts(given: object) -> list[str]:
    if not isinstance(given, Sequence) or isinstance(given, (bytes, bytearray)) or not given:
        raise ConfigurationError("embed: give a text, or a list of one text or more")
    for place, text in enumerate(given):
        if not isinstance(text, str) or not text:
            what = "it is empty" if isinstance(text, str) else f"it is a {type(text).__name__}"
            raise ConfigurationError(f"embed: give a text for texts[{place}]: {what}")
    return list(given)


def _of_size(setup: Setup, found: Embeddings, dimensions: int | None) -> Embeddings:
    """The vectors, if they have the dimensions that were asked for; servers ignore that in silence.

    Raises:
        UnsupportedParameterError: they have others, unless `unsupported` is `drop`: then a warning is logged.
    """
    other = next((len(vector) for vector in found.vectors if len(vector) != dimensions), None)
    if dimensions is None or other is None:
        return found
    reason = f"dimensions={dimensions} was ignored, the vectors have {other}: leave it out, or use another model"
    if setup.unsupported == "raise":
        raise UnsupportedParameterError(
            f"{reason} (with unsupported='drop' they are given as they are)",
            parameter="dimensions",
            provider=setup.target.name,
            model=found.model,
        )
    log.warning("%s/%s: %s", setup.target.name, found.model, reason)
    return found


async def count_tokens(player: Player, call: Call) -> int:
    """How many tokens the provider counts in what the call would send."""
    row = call.engine.dialect.token_count
    exchange = _exchange(call.setup, row, "count_tokens", call.model, {"chat": call.plan.body}, call.timeout)
    exchange.request = call.request
    return await _ask(player, exchange, partial(endpoints.read_tokens, row))


def _exchange(
    setup: Setup, row: Endpoint, operation: Operation, model: str, values: dict[str, Any], timeout: Timeout | None
) -> Exchange:
    route = setup.target.route(model)
    dialect = route.engine.dialect
    try:
        path, parts = endpoints.write(row, model, values)
    except ConfigurationError as error:
        error.provider, error.model = setup.target.name, model or None
        raise
    headers = setup.target.request_headers(dialect, stream=False, extra={})
    plan = Plan(row.method, route.base_url + path, headers, parts, [], dialect.name)
    exchange = Exchange(setup, route.engine, model, plan, timeout)
    exchange.operation = operation
    return exchange


async def _ask(player: Player, exchange: Exchange, read: Callable[[bytes], Found]) -> Found:
    """Make the exchange and read its answer; an unreadable one is not asked for again."""
    try:
        _, body = await whole(player, exchange)
    except MiiflowLLMError:
        raise
    except BaseException:
        exchange.abandoned()
        raise
    try:
        found = read(body)
    except MiiflowLLMError as error:
        exchange.note_failure(error)
        raise exchange.settled(error) from None
    if isinstance(found, Embeddings):
        return cast("Found", exchange.answered(found))
    exchange.answered(None)
    return found
