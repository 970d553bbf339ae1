"""The chat service without a web framework: headers and body in; an answer, or a stream of frames, out.

It chooses the client, and says every failure safely. It does not know how a request is read or an answer sent.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import msgspec

from ..client.async_client import LLMClient
from ..client.pool import ClientPool
from ..core.exceptions import ConfigurationError, UnsupportedParameterError
from ..core.response import ChatResponse
from .body import ChatOrder, Limits, read_body, wrong
from .framing import NDJSON, SSE, encode, shown
from .relay import HEARTBEAT, Relay, to_ndjson, to_sse
from .safe_errors import Rejected, SafeError, error_body, safe_error

Clients: TypeAlias = LLMClient | ClientPool | Mapping[str, LLMClient] | Callable[[str | None, str | None], LLMClient]
"""One client, a pool, clients by provider, or a function of provider and model."""
Authorize: TypeAlias = Callable[[Mapping[str, str], Any], Awaitable[None]]
"""Called with the request's headers, names in lower case, and the framework's own request (in the ASGI app the scope).

It returns where the caller may ask, and raises `Rejected` where not; any other exception is a 500, never a pass.
"""


class Reply(msgspec.Struct):
    """A whole HTTP answer."""

    status: int
    body: bytes
    headers: dict[str, str] = {}


class ChatService:
    """What the routes share.

    `models` says which models of which provider may be asked for; without it a client answers for its own model
    alone, a pool for those that its configuration lists, and a function decides itself (what it refuses with
    `ConfigurationError` is a 422). `schemas` are the types
    that an answer may be asked for in, by name; with them a browser's own JSON Schema is refused.
    `heartbeat` is in seconds.
    """

    def __init__(
        self,
        clients: Clients,
        *,
        models: Mapping[str, Sequence[str]] | None = None,
        schemas: Mapping[str, Any] | None = None,
        authorize: Authorize | None = None,
        limits: Limits | None = None,
        heartbeat: float | None = HEARTBEAT,
    ) -> None:
        self.schemas = schemas
        self.limits = limits or Limits()
        self.heartbeat = heartbeat
        if isinstance(clients, ClientPool):
            models = _listed(clients) if models is None else models
            clients = clients.get
        self._clients = {clients.provider: clients} if isinstance(clients, LLMClient) else clients
        self._authorize = authorize
        self.models = _allowed(self._clients, models)

    async def authorize(self, headers: Mapping[str, str], request: Any) -> None:
        """Ask the caller's hook.

        Raises:
            Rejected: the hook turns the caller away.
        """
        if self._authorize is not None:
            await self._authorize(headers, request)

    def order(self, headers: Mapping[str, str], body: bytes) -> tuple[LLMClient, ChatOrder]:
        """The client to ask, and what.

        Raises:
            Rejected: 413; 415 for what is not sent as JSON, so that no foreign page's form can send it; 422.
        """
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise Rejected(415, "not_json", "The body must be sent as application/json.")
        order = read_body(body, self.limits)
        if self.limits.max_tokens is not None:
            order.parameters.setdefault("max_tokens", self.limits.max_tokens)
        if "schema" in order.parameters:
            order.parameters["schema"] = self._schema(order.parameters["schema"])
        return self._client(order), order

    def _schema(self, asked: dict[str, Any] | str) -> Any:
        """The type of that name, or the browser's own JSON Schema where it may bring one."""
        if self.schemas is None and isinstance(asked, dict):
            return asked
        if isinstance(asked, dict) or asked not in (self.schemas or {}):
            raise wrong(f"The schema is none of {', '.join(self.schemas or ()) or 'those known here'}.", "$.schema")
        return (self.schemas or {})[asked]

    def _client(self, order: ChatOrder) -> LLMClient:
        if self.models is not None:
            self._choose(order, self.models)
        if isinstance(self._clients, Mapping):
            return self._clients[order.provider or ""]
        try:
            return self._clients(order.provider, order.model)
        except ConfigurationError:
            if self.models is not None:  # what was asked for is offered, so the fault is ours
                raise
            raise wrong("There is no such provider or model here.", "$.model") from None

    def _choose(self, order: ChatOrder, models: Mapping[str, Sequence[str]]) -> None:
        order.provider = order.provider or next(iter(models), None)
        if order.provider is None or order.provider not in models:
            raise wrong(f"The provider is none of {', '.join(models)}.", "$.provider")
        allowed = models[order.provider]
        order.model = order.model or next(iter(allowed), None)
        if order.model not in allowed:
            raise wrong(f"The model is none of {', '.join(allowed)}.", "$.model")

    async def chat(self, headers: Mapping[str, str], body: bytes) -> Reply:
        """The whole answer as JSON; failures as errors."""
        try:
            client, order = self.order(headers, body)
            with _sayable():
                response = await client.chat(order.messages, model=order.model, **order.parameters)
            return Reply(200, encode(_answer(response)), {"content-type": "application/json"})
        except Exception as error:
            return failed(error)

    def stream(self, headers: Mapping[str, str], body: bytes) -> Relay:
        """The answer's frames, of the kind that `Accept` asks for; SSE where it does not say.

        Raises:
            Exception: the request cannot be said; see `failed`.
        """
        client, order = self.order(headers, body)
        with _sayable():
            stream = client.stream_chat(order.messages, model=order.model, **order.parameters)
        make = to_ndjson if wants_ndjson(headers) else to_sse
        return make(stream, heartbeat=self.heartbeat)

    def catalogue(self) -> Reply:
        """Which providers and models may be asked for, for a page's menus."""
        names = [{"name": name, "models": list(models)} for name, models in (self.models or {}).items()]
        return Reply(200, encode({"providers": names}), {"content-type": "application/json"})


@contextmanager
def _sayable() -> Iterator[None]:
    """A checked request that still cannot be said is the browser's fault: the words are ours, about its own request."""
    try:
        yield
    except UnsupportedParameterError:
        raise
    except ConfigurationError as reason:
        raise wrong(f"{reason.message}.", "$") from None


def _listed(pool: ClientPool) -> dict[str, list[str]]:
    if not pool.models or not all(pool.models.values()):
        raise ConfigurationError(
            "the pool's configuration lists no models of some provider: list them, or pass models="
        )
    return pool.models


def _allowed(
    clients: Mapping[str, LLMClient] | Callable[..., LLMClient], models: Mapping[str, Sequence[str]] | None
) -> Mapping[str, Sequence[str]] | None:
    if not isinstance(clients, Mapping):
        return models
    if models is None:
        return {name: [client.model] if client.model else [] for name, client in clients.items()}
    unknown = set(models) - set(clients)
    if unknown:
        raise ConfigurationError(f"models names {', '.join(sorted(unknown))}, of which there is no client")
    return models


def wants_ndjson(headers: Mapping[str, str]) -> bool:
    """Whether `Accept` asks for lines of JSON rather than server-sent events."""
    accept = headers.get("accept", "")
    return "ndjson" in accept and SSE.kind not in accept.partition("ndjson")[0]


def stream_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of a stream: its type, and what keeps caches and proxies from holding it back."""
    return {
        "content-type": NDJSON.kind if wants_ndjson(headers) else f"{SSE.kind}; charset=utf-8",
        "cache-control": "no-cache, no-transform",
        "x-accel-buffering": "no",
    }


def failed(error: BaseException) -> Reply:
    """The answer to a request that failed."""
    return failure(*safe_error(error))


def failure(status: int, error: SafeError) -> Reply:
    """An error as a whole answer; `Retry-After` where the provider gave it."""
    headers = {"content-type": "application/json"}
    if error.retry_after is not None:
        headers["retry-after"] = str(max(1, -int(-error.retry_after // 1)))
    return Reply(status, encode(error_body(error)), headers)


def _answer(response: ChatResponse) -> dict[str, Any]:
    """What a browser sees of an answer: nothing of the account, and no block of a provider's own."""
    told = ("finish_reason", "usage", "provider", "model", "citations", "logprobs", "structured_output")
    timings = ("latency_ms", "time_to_first_token_ms")
    values = {name: getattr(response, name) for name in (*told, *timings)}
    return {
        "message": shown(response.message),
        "content": response.content,
        "tool_calls": response.tool_calls,
        **{name: value for name, value in values.items() if value is not None},
    }
