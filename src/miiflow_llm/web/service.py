"""The chat service without a web framework: headers and a body become an answer, or a stream of frames.

It chooses the client, and says every failure safely. It does not know how a request is read or an answer sent.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias, cast

import msgspec

from ..calls.parameters import Parameters
from ..client.chat import Chat
from ..client.pool import ClientPool
from ..core.exceptions import ConfigurationError, UnsupportedParameterError
from ..core.messages import Message
from ..core.response import ChatResponse
from .body import ChatOrder, Limits, read_body, wrong
from .framing import NDJSON, SSE, encode, shown
from .relay import HEARTBEAT, Relay, to_ndjson, to_sse
from .safe_errors import Rejected, SafeError, error_body, safe_error

Clients: TypeAlias = Chat | ClientPool | Mapping[str, Chat] | Callable[[str | None, str | None], Chat]
"""One client (or a router, a cache, a trial: anything with its face), a pool, clients by provider, or a function of
provider and model."""


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, as `authorize` knows it: all of it goes to the model's provider, none of it comes from the browser.

    `user` and `metadata` are parameters of the call, where the provider takes them; `system` stands before all
    messages.
    """

    user: str | None = None
    metadata: Mapping[str, str] | None = None
    system: str | None = None


Authorize: TypeAlias = Callable[[Mapping[str, str], Any], Awaitable[bool | Caller | None]]
"""Called with the request's headers, names in lower case, and the framework's own request (in the ASGI app the scope).

`None`, `True` and a `Caller` let the request pass. `False`, and raising `Rejected`, turn it away. Anything else, and
any other exception, is a 500, never a pass.
"""


NOBODY = Caller()


class Reply(msgspec.Struct):
    """A whole HTTP answer."""

    status: int
    body: bytes
    headers: dict[str, str] = {}


class ChatService:
    """What the routes share.

    `models` says which models of which provider may be asked for; without it a client answers only for its own
    model, a pool for those that its configuration lists, and a function decides itself (what it refuses with
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
        allow_hosts: Collection[str] | None = None,
    ) -> None:
        self.allow_hosts = None if allow_hosts is None else {host.lower() for host in allow_hosts}
        self.schemas = schemas
        self.limits = limits or Limits()
        self.heartbeat = heartbeat
        if isinstance(clients, ClientPool):
            models = _listed(clients) if models is None else models
            clients = clients.get
        self._clients = _by_name(clients)
        self._authorize = authorize
        self.models = _allowed(self._clients, models)

    async def authorize(self, headers: Mapping[str, str], request: Any) -> Caller:
        """See that the request is for this service, and ask the hook who this is.

        Raises:
            Rejected: it is for another host, or the hook turns the caller away.
            TypeError: it returned something that says neither yes nor no.
        """
        self.check_host(headers)
        found = None if self._authorize is None else await self._authorize(headers, request)
        if found is False:
            raise Rejected
        if found is None or found is True:
            return Caller()
        if not isinstance(found, Caller):
            raise TypeError(f"authorize returned {type(found).__name__}: return None, True, False or a Caller")
        return found

    def check_host(self, headers: Mapping[str, str]) -> None:
        """See that the request is for this service, and not from a page of another one (DNS rebinding).

        Raises:
            Rejected: 403 for a `Host` or an `Origin` that was not allowed.
        """
        if self.allow_hosts is None:
            return
        origin = headers.get("origin")
        asked = [headers.get("host", ""), *([] if origin is None else [origin.partition("://")[2]])]
        if not all(_host(name) in self.allow_hosts for name in asked):
            raise Rejected(403, "foreign_host", "This service is not reached by that name; see --allow-host.")

    def order(self, headers: Mapping[str, str], body: bytes, caller: Caller = NOBODY) -> tuple[Chat, ChatOrder]:
        """The client to ask, and what.

        Raises:
            Rejected: 413; 415 if it is not sent as JSON, so that no foreign page's form can send it; 422.
        """
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise Rejected(415, "not_json", "The body must be sent as application/json.")
        order = read_body(body, self.limits)
        if self.limits.max_tokens is not None:
            order.parameters.setdefault("max_tokens", self.limits.max_tokens)
        if "schema" in order.parameters:
            order.parameters["schema"] = self._schema(order.parameters["schema"])
        client = self._client(order)
        _add_caller(client, order, caller)
        return client, order

    def _schema(self, asked: dict[str, Any] | str) -> Any:
        """The type of that name, or the browser's own JSON Schema if it may bring one."""
        if self.schemas is None and isinstance(asked, dict):
            return asked
        if isinstance(asked, dict) or asked not in (self.schemas or {}):
            raise wrong(f"The schema is not one of {', '.join(self.schemas or ()) or 'those known here'}.", "$.schema")
        return (self.schemas or {})[asked]

    def _client(self, order: ChatOrder) -> Chat:
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
            raise wrong(f"The provider is not one of {', '.join(models)}.", "$.provider")
        allowed = models[order.provider]
        order.model = order.model or next(iter(allowed), None)
        if order.model not in allowed and (order.model is not None or allowed):
            raise wrong(f"The model is not one of {', '.join(allowed)}.", "$.model")

    async def chat(self, headers: Mapping[str, str], body: bytes, caller: Caller = NOBODY) -> Reply:
        """The whole answer as JSON; failures as errors."""
        try:
            client, order = self.order(headers, body, caller)
            with _sayable():
                response = await client.chat(order.messages, model=order.model, **order.parameters)
            return Reply(200, encode(_answer(response)), {"content-type": "application/json"})
        except Exception as error:
            return failed(error)

    def stream(self, headers: Mapping[str, str], body: bytes, caller: Caller = NOBODY) -> Relay:
        """The answer's frames, of the kind that `Accept` asks for; SSE if it does not say.

        Raises:
            Exception: the request cannot be said; see `failed`.
        """
        client, order = self.order(headers, body, caller)
        with _sayable():
            stream = client.stream_chat(order.messages, model=order.model, **order.parameters)
        make = to_ndjson if wants_ndjson(headers) else to_sse
        return make(stream, heartbeat=self.heartbeat, write_seconds=self.limits.write_seconds)

    def catalogue(self) -> Reply:
        """Which providers and models may be asked for, for a page's menus."""
        names = [{"name": name, "models": list(models)} for name, models in (self.models or {}).items()]
        return Reply(200, encode({"providers": names}), {"content-type": "application/json"})


def _add_caller(client: Chat, order: ChatOrder, caller: Caller) -> None:
    """Say whose request it is, in the service's words, as far as the model takes them."""
    said: Parameters = {"user": caller.user, "metadata": caller.metadata}
    for name, value in said.items():
        if value is not None and _takes(client, order.model, name, value):
            order.parameters[name] = value
    if caller.system is not None:
        order.messages.insert(0, Message.system(caller.system))


def _takes(client: Chat, model: str | None, name: str, value: Any) -> bool:
    try:
        client.plan("Whose is it?", **{"model": model, name: value})
    except UnsupportedParameterError:
        return False
    return True


def _host(name: str) -> str:
    """A host's name without its port."""
    name = name.strip().lower()
    if name.startswith("["):
        return name.partition("]")[0][1:]
    return name.partition(":")[0].rstrip(".")


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


def _by_name(clients: Chat | Mapping[str, Chat] | Callable[..., Chat]) -> Mapping[str, Chat] | Callable[..., Chat]:
    """One client under its own name; others as they are."""
    if isinstance(clients, Mapping) or not hasattr(clients, "stream_chat"):
        return clients
    chat = cast("Chat", clients)
    return {chat.provider: chat}


def _allowed(
    clients: Mapping[str, Chat] | Callable[..., Chat], models: Mapping[str, Sequence[str]] | None
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
    told = ("finish_reason", "usage", "provider", "model", "served_by", "cache", "cost", "citations", "logprobs")
    timings = ("latency_ms", "time_to_first_token_ms")
    values = {name: getattr(response, name) for name in (*told, "structured_output", *timings)}
    return {
        "message": shown(response.message),
        "content": response.content,
        "tool_calls": response.tool_calls,
        **{name: value for name, value in values.items() if value is not None},
    }
