"""The chat service without a web framework: headers and a body become an answer, or a stream of frames.

It chooses the client, and says every failure safely. It does not know how a request is read or an answer sent.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias, TypedDict, cast

import msgspec

from ..calls.parameters import Parameters
from ..calls.tool_loop import ToolEvent, ToolRun
from ..client.chat import Chat
from ..client.pool import ClientPool
from ..core.exceptions import ConfigurationError, UnsupportedParameterError
from ..core.messages import Message
from ..core.response import ChatResponse
from ..trials.logs import Log
from .body import ChatOrder, Limits, read_body, too_large, wrong
from .framing import NDJSON, OF_THE_ANSWER, SSE, encode, of_run, shown
from .hosts import allowed_hosts, host_of, host_of_origin
from .preferences import Preferences, mark_answer, read_mark, read_preference
from .relay import HEARTBEAT, Relay, to_ndjson, to_sse, to_ui_stream
from .safe_errors import Rejected, SafeError, error_body, safe_error
from .turns import Caller, OnTurn, Teller, Turn, TurnStream
from .ui_frames import UI_HEADERS
from .ui_messages import body_of_ui

Clients: TypeAlias = Chat | ClientPool | Mapping[str, Chat] | Callable[[str | None, str | None], Chat]
"""One client (or a router, a cache, a trial: anything with its face), a pool, clients by provider, or a function of
provider and model."""


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


ServiceTools: TypeAlias = Sequence[Any] | Callable[[Caller], Sequence[Any]]
"""Tools that the service runs, as for `run_tools`; or a function that gives those of a caller."""


class ServiceSettings(TypedDict, total=False):
    """What a service is told beside its clients, all optional."""

    models: Mapping[str, Sequence[str]] | None
    """The models that may be asked for, by provider; without it only a client's own model, of a pool those that its
    configuration lists, and a function decides itself (what it refuses with `ConfigurationError` is a 422)."""
    schemas: Mapping[str, Any] | None
    """Types that an answer may be asked for in, by name, as in `chat(schema=...)`; the browser then names one, and gets
    the value so far with every chunk. Without it the browser may bring a JSON Schema of its own."""
    authorize: Authorize | None
    """An async function of the headers and the framework's request; see `Authorize`."""
    limits: Limits | None
    """How much a browser may ask for."""
    heartbeat: float | None
    """Seconds of the model's silence after which a sign of life is sent, `None` for never."""
    allow_hosts: Collection[str] | None
    """The names that this service is reached by, without ports; a request to another `Host`, or from a page of another
    `Origin`, is a 403. `None` for any: then a server in front must see to it."""
    tools: ServiceTools | None
    """Tools that the service runs, or a function that gives those of a caller. With them a browser brings none."""
    max_rounds: int
    """How many answers one question may have if tools are run; 10 if it is not set."""
    on_turn: OnTurn | None
    """Told of each turn once it is over, to store it; see `Turn`."""
    trial_log: Log | str | Path | None
    """A file (`.jsonl` or `.sqlite`) or a `Log` that keeps which of two answers a person prefers."""


class ChatService:
    """What the routes share; `ServiceSettings` says what each setting means.

    Raises:
        ConfigurationError: `models` names a provider of which there is no client, a pool lists no models, or the log
            cannot be opened.
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
        tools: ServiceTools | None = None,
        max_rounds: int = 10,
        on_turn: OnTurn | None = None,
        trial_log: Log | str | Path | None = None,
    ) -> None:
        self.allow_hosts = None if allow_hosts is None else allowed_hosts(allow_hosts)
        self.schemas = schemas
        self.limits = limits or Limits()
        self.heartbeat = heartbeat
        if isinstance(clients, ClientPool):
            models = _listed(clients) if models is None else models
            clients = clients.get
        self._clients = _by_name(clients)
        self._authorize = authorize
        self.models = _allowed(self._clients, models)
        self._tools = tools
        self._max_rounds = max_rounds
        self._on_turn = on_turn
        self._preferences = None if trial_log is None else Preferences(trial_log)

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
        asked = [host_of(headers.get("host", "")), *([] if origin is None else [host_of_origin(origin)])]
        if not all(host in self.allow_hosts for host in asked):
            raise Rejected(403, "foreign_host", "This service is not reached by that name; see --allow-host.")

    def order(self, headers: Mapping[str, str], body: bytes, caller: Caller = NOBODY) -> tuple[Chat, ChatOrder]:
        """The client to ask, and what.

        Raises:
            Rejected: 413; 415 if it is not sent as JSON, so that no foreign page's form can send it; 422.
        """
        _check_json(headers)
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

    def _tools_of(self, order: ChatOrder, caller: Caller) -> Sequence[Any]:
        """The service's tools for the caller, none if it runs none."""
        found = self._tools(caller) if callable(self._tools) else self._tools
        if found and "tools" in order.parameters:
            raise wrong("This service brings its own tools.", "$.tools")
        return found or ()

    def _teller(self, order: ChatOrder, caller: Caller) -> Teller | None:
        if self._on_turn is None:
            return None
        turn = Turn(
            caller=caller,
            outcome="abandoned",
            provider=order.provider,
            model=order.model,
            asked=list(order.messages),
            parameters=order.parameters,
            conversation=order.conversation,
        )
        return Teller(self._on_turn, turn)

    async def chat(self, headers: Mapping[str, str], body: bytes, caller: Caller = NOBODY) -> Reply:
        """The whole answer as JSON; failures as errors."""
        teller = answer = None
        try:
            client, order = self.order(headers, body, caller)
            teller = self._teller(order, caller)
            answer = await self._answer(client, order, self._tools_of(order, caller))
        except Exception as error:
            if teller is not None:
                await teller.failed(error)
            return failed(error)
        finally:
            if teller is not None and answer is None:  # nothing happens if the failure was told
                await teller.abandoned(None)
        if teller is not None:
            await teller.finished(answer)
        return Reply(200, encode(answer_body(answer)), {"content-type": "application/json"})

    async def _answer(self, client: Chat, order: ChatOrder, tools: Sequence[Any]) -> ChatResponse | ToolRun:
        with _sayable():
            if tools:
                client.plan(order.messages, model=order.model, tools=tools, **order.parameters)
                rounds = self._max_rounds
                return await client.run_tools(
                    order.messages, tools, max_rounds=rounds, model=order.model, **order.parameters
                )
            return await client.chat(order.messages, model=order.model, **order.parameters)

    def stream(self, headers: Mapping[str, str], body: bytes, caller: Caller = NOBODY) -> Relay:
        """The answer's frames, of the kind that `Accept` asks for; SSE if it does not say.

        Raises:
            Exception: the request cannot be said; see `failed`.
        """
        make = to_ndjson if wants_ndjson(headers) else to_sse
        return make(
            self._begin(headers, body, caller), heartbeat=self.heartbeat, write_seconds=self.limits.write_seconds
        )

    def ui_stream(self, headers: Mapping[str, str], body: bytes, caller: Caller = NOBODY) -> Relay:
        """The answer to what the AI SDK's `useChat` sends, as it reads it.

        Raises:
            Exception: the request cannot be said; see `ui_failure`.
        """
        if len(body) > self.limits.max_body:
            raise too_large(self.limits)
        stream = self._begin(headers, body_of_ui(body), caller)
        return to_ui_stream(stream, heartbeat=self.heartbeat, write_seconds=self.limits.write_seconds)

    def _begin(self, headers: Mapping[str, str], body: bytes, caller: Caller) -> AsyncIterator[ToolEvent]:
        client, order = self.order(headers, body, caller)
        teller = self._teller(order, caller)
        stream = self._opened(client, order, self._tools_of(order, caller))
        return stream if teller is None else TurnStream(stream, teller)

    def _opened(self, client: Chat, order: ChatOrder, tools: Sequence[Any]) -> AsyncIterator[ToolEvent]:
        with _sayable():
            if not tools:
                return client.stream_chat(order.messages, model=order.model, **order.parameters)
            client.plan(order.messages, stream=True, model=order.model, tools=tools, **order.parameters)
            rounds = self._max_rounds
            return client.stream_tools(order.messages, tools, max_rounds=rounds, model=order.model, **order.parameters)

    def preference(self, headers: Mapping[str, str], body: bytes, caller: Caller = NOBODY) -> Reply:
        """Keep which of two answers a person prefers: 204; 404 if the service has no trial log."""
        try:
            _check_json(headers)
            if self._preferences is None:
                raise Rejected(404, "not_found", "This service keeps no preferences.")
            found = read_preference(body)
            for side in found.answers:
                self._client(ChatOrder(side.provider, side.model, [], {}))
            self._preferences.write(found, caller.user)
        except Exception as error:
            return failed(error)
        return Reply(204, b"")

    def mark(self, headers: Mapping[str, str], body: bytes) -> Reply:
        """Keep what a person thinks of one answer of a trial: 204; 404 if that client is not one."""
        try:
            _check_json(headers)
            mark = read_mark(body)
            client = self._client(ChatOrder(mark.provider, mark.model, [], {}))
            if not mark_answer(client, mark):
                raise Rejected(404, "not_found", "This answer is not of a trial.")
        except Exception as error:
            return failed(error)
        return Reply(204, b"")

    def catalogue(self) -> Reply:
        """Which providers and models may be asked for, for a page's menus; whether preferences are kept."""
        names = [{"name": name, "models": list(models)} for name, models in (self.models or {}).items()]
        told = {"providers": names, "preferences": self._preferences is not None}
        return Reply(200, encode(told), {"content-type": "application/json"})


def _check_json(headers: Mapping[str, str]) -> None:
    """See that the body is sent as JSON, so that no foreign page's form can have sent it.

    Raises:
        Rejected: 415 if it is not.
    """
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Rejected(415, "not_json", "The body must be sent as application/json.")


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


_UNHELD = {"cache-control": "no-cache, no-transform", "x-accel-buffering": "no"}
"""What keeps caches and proxies from holding a stream back."""
UI_STREAM_HEADERS = {**UI_HEADERS, **_UNHELD}


def stream_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of a stream: its type, and what keeps caches and proxies from holding it back."""
    return {"content-type": NDJSON.kind if wants_ndjson(headers) else f"{SSE.kind}; charset=utf-8", **_UNHELD}


def failed(error: BaseException) -> Reply:
    """The answer to a request that failed."""
    return failure(*safe_error(error))


def failure(status: int, error: SafeError) -> Reply:
    """An error as a whole answer; `Retry-After` where the provider gave it."""
    headers = {"content-type": "application/json"}
    if error.retry_after is not None:
        headers["retry-after"] = str(max(1, -int(-error.retry_after // 1)))
    return Reply(status, encode(error_body(error)), headers)


def ui_failure(status: int, error: SafeError) -> Reply:
    """An error as `useChat` shows it: the body is its sentence."""
    reply = failure(status, error)
    headers = {**reply.headers, "content-type": "text/plain; charset=utf-8"}
    return Reply(status, error.message.encode(), headers)


def answer_body(answer: ChatResponse | ToolRun) -> dict[str, Any]:
    """What a browser sees of an answer: nothing of the account, and no block of a provider's own."""
    response = answer.response if isinstance(answer, ToolRun) else answer
    told = ("finish_reason", "usage", *OF_THE_ANSWER, "citations", "logprobs")
    timings = ("latency_ms", "time_to_first_token_ms")
    values = {name: getattr(response, name) for name in (*told, "structured_output", *timings)}
    return {
        "message": shown(response.message),
        "content": response.content,
        "tool_calls": response.tool_calls,
        **{name: value for name, value in values.items() if value is not None},
        **(of_run(answer) if isinstance(answer, ToolRun) else {}),
    }
