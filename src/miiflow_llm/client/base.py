"""What the asynchronous and the synchronous client share: how they are made, what they plan and what they count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Self, TypeAlias, TypedDict, TypeVar, Unpack, cast

import msgspec

from ..calls.call import Call
from ..calls.exchange import Setup, log
from ..calls.hiding import seal, sealed, shown
from ..calls.hooks import Hook, Hooks, as_hooks
from ..calls.metrics import Metrics, MetricsRecorder, NoMetrics
from ..calls.parameters import Messages, Parameters, build_request
from ..calls.players import Player
from ..calls.pricing import NO_PRICES, Estimate, Pricing, kind_of
from ..calls.retry import Bucket, RetryBudget
from ..calls.target import Route, Target
from ..core.access_key import AccessKey
from ..core.exceptions import ConfigurationError, UnsupportedParameterError
from ..core.price import Price
from ..core.request import Plan
from ..core.secrets import Secret
from ..core.timeout import Timeout
from ..http.transport import TransportName
from ..tables import Continuation, Provider
from ..wire.decode.frames import MAX_FRAME
from ..wire.encode.request import Unsupported
from .arguments import check_defaults, check_policy, check_target, explained

if TYPE_CHECKING:
    from ..calls.batch_calls import BatchApi
    from ..calls.batch_making import Requests, Writer
    from ..calls.batch_reading import Reads
    from ..calls.raw_request import RawExchange, RawParts
    from ..calls.structured import Shape
    from ..prices.book import Prices, PricesLike
    from ..prices.budget import Budget, BudgetLike

DEFAULT_TIMEOUT = Timeout()
"""The limits of a client that names none: see `Timeout`."""

JobParts: TypeAlias = "tuple[BatchApi, str, list[str], Reads, dict[str, Reads]]"
"""What a job is made of."""

HttpClient = TypeVar("HttpClient")


class Shared(msgspec.Struct):
    """What several clients may have in common: the connections, the counts, the hooks."""

    player: Player
    metrics: MetricsRecorder
    hooks: Hooks


class Settings(TypedDict, total=False):
    """What `create` takes beside the provider, the model, the key and the connections."""

    base_url: str | None
    region: str | None
    dialect: str | None
    timeout: Timeout | float | None
    max_retries: int
    retry_budget: RetryBudget | None
    headers: Mapping[str, str] | None
    unsupported: Unsupported
    allow_http: bool
    max_frame_bytes: int
    prices: PricesLike
    price: Price | None
    budget: BudgetLike


class BaseClient(Generic[HttpClient]):
    """One provider and, unless a call says otherwise, one model; `create` makes it."""

    def __init__(
        self,
        setup: Setup | None = None,
        player: Player | None = None,
        model: str | None = None,
        defaults: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> None:
        if not isinstance(setup, Setup) or player is None:
            raise ConfigurationError(f"make a client with {type(self).__name__}.create('openai', model='gpt-5')")
        check_defaults(defaults)
        self._setup = setup
        self._player = player
        self._defaults = dict(defaults or {})
        self._told: set[tuple[str, str]] = set()
        self.model = model

    @classmethod
    @explained
    def create(
        cls,
        provider: str | Provider,
        model: str | None = None,
        api_key: str | AccessKey | None = None,
        *,
        base_url: str | None = None,
        region: str | None = None,
        dialect: str | None = None,
        timeout: Timeout | float | None = DEFAULT_TIMEOUT,
        max_retries: int = 2,
        retry_budget: RetryBudget | None = RetryBudget(),  # noqa: B008  it is frozen
        headers: Mapping[str, str] | None = None,
        unsupported: Unsupported = "raise",
        http_client: HttpClient | None = None,
        transport: TransportName = "auto",
        allow_http: bool = False,
        max_frame_bytes: int = MAX_FRAME,
        defaults: Mapping[str, Any] | None = None,
        event_hooks: Mapping[str, Sequence[Hook]] | None = None,
        prices: PricesLike = None,
        budget: BudgetLike = None,
    ) -> Self:
        """A client of `provider`; nothing is sent yet.

        Args:
            provider: a name (`openai`, `anthropic`, ...), or a `Provider` of your own.
            model: the model's name as the provider spells it; a call may name another.
            api_key: the key, or an `AccessKey` where requests are signed; where `None`, the provider's environment
                variables are looked at.
            base_url: replaces the provider's address; the dialect's path is joined to it as it stands.
            region: where the provider has an address in each; where `None`, its environment variables are looked at.
            dialect: another wire format that the provider speaks, such as `openai_responses`.
            timeout: a `Timeout`, a number of seconds for each single wait, or `None` for no limit.
            max_retries: further attempts after the first, while nothing was handed out.
            retry_budget: how many retries all calls together may add: a `RetryBudget` (20 at hand, one more for every
                five calls), or `None` for no limit.
            headers: sent with every request.
            unsupported: what becomes of a parameter that the provider does not take: `raise`, or `drop` with a warning.
            http_client: an httpx client of your own; it is not closed with this client. Its certificates, proxies and
                limits hold. On asyncio give it no `max_connections`: a task cancelled while it waits in its pool may
                take its place with it for ever (encode/httpcore#1093). In a client made here nobody waits there.
            transport: `lean`, `httpx`, or `auto` for the lean one wherever it can serve. Hosts that the environment
                (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY) has a proxy for are reached by httpx's transport; `lean`
                knows no proxies. A server on this machine is reached without one.
            allow_http: send the key over plain http to hosts other than this machine.
            max_frame_bytes: the largest single event of a stream that is taken.
            defaults: parameters for every call that does not say otherwise; one that a model does not take is left
                out, with a note in `plan()` and a warning.
            event_hooks: functions by event (`request`, `attempt`, `first_output`, `finished`, `failed`, `abandoned`),
                each called with a `CallEvent`, never per chunk. What one raises is logged and never breaks a call.
            prices: what tokens cost: `"genai-prices"` (an extra, `[cost]`, loaded before the first request), a mapping
                or a TOML file of your own, several of them in a list, or `Prices`. Without it `cost` is known only if
                the provider says it itself.
            budget: what calls may cost together: a `Budget`, an amount in USD for a day, or a mapping of the arguments
                of `Budget`. A call that does not fit raises `BudgetExceededError`, and nothing is sent.

        Raises:
            ConfigurationError: unknown provider or dialect, no key or region, an unusable address or header.
        """
        api_key = Secret(api_key) if isinstance(api_key, str) else api_key
        headers, defaults = sealed(headers), sealed(defaults)
        shared = Shared(cls._connections(http_client, transport), MetricsRecorder(), as_hooks(event_hooks))
        return cls.sharing(
            shared,
            provider,
            model,
            api_key,
            defaults=defaults,
            base_url=base_url,
            region=region,
            dialect=dialect,
            timeout=timeout,
            max_retries=max_retries,
            retry_budget=retry_budget,
            headers=headers,
            unsupported=unsupported,
            allow_http=allow_http,
            max_frame_bytes=max_frame_bytes,
            prices=prices,
            budget=budget,
        )

    @classmethod
    def sharing(
        cls,
        shared: Shared,
        provider: str | Provider,
        model: str | None = None,
        api_key: str | AccessKey | None = None,
        *,
        defaults: Mapping[str, Any] | None = None,
        **settings: Unpack[Settings],
    ) -> Self:
        """A client over connections, counts and hooks that others have too; `settings` are as for `create`.

        Raises:
            ConfigurationError: as for `create`.
        """
        api_key = Secret(api_key) if isinstance(api_key, str) else api_key
        defaults = sealed(defaults)
        seal(settings)
        return cls(_setup(shared, provider, api_key, settings), shared.player, model, defaults)

    @classmethod
    def from_config(
        cls,
        config: Mapping[str, Any] | str | Path | None = None,
        provider: str | None = None,
        model: str | None = None,
        *,
        http_client: HttpClient | None = None,
        event_hooks: Mapping[str, Sequence[Hook]] | None = None,
    ) -> Self:
        """A client from a configuration: a dict, a TOML or JSON file, or the variable `MIIFLOW_LLM_CONFIG`.

        Raises:
            ConfigurationError: the configuration is wrong, or lacks this provider or model.
        """
        from .config import load

        found = load(config)
        name, chosen = found.choose(provider, model)
        metrics = MetricsRecorder() if found.enable_metrics else NoMetrics()
        shared = Shared(cls._connections(http_client, "auto"), metrics, as_hooks(event_hooks))
        return cls.sharing(shared, **found.arguments(name), model=chosen)

    @property
    def provider(self) -> str:
        """The provider's name."""
        return self._setup.target.name

    @property
    def identity(self) -> str:
        """Whose answers these are, in place of a tenant: a digest of the provider and the key, which shows neither."""
        return self._setup.target.identity

    @property
    def timeout(self) -> Timeout:
        """The limits of a call that names none."""
        return self._setup.timeout

    def continuation(self, model: str | None = None) -> Continuation:
        """Whether and how a model, the client's own if `None`, goes on with an answer that another began."""
        chosen = model or self.model or ""
        return self._setup.target.route(chosen).continuation(chosen)

    @property
    def pricing(self) -> Pricing:
        """How the client knows what its calls cost."""
        return self._setup.pricing

    def once(self, pricing: Pricing | None = None) -> Self:
        """This client without retries of its own, for whoever retries in its stead; all else is shared with it.

        `pricing` is how costs are known, if not as the client knows them.
        """
        setup = msgspec.structs.replace(self._setup, max_retries=0, pricing=pricing or self._setup.pricing)
        return type(self)(setup, self._player, self.model, self._defaults)

    @property
    def event_hooks(self) -> Hooks:
        """The hooks by event, every event present: append to its lists, or set a mapping as `create` takes it.

        Raises:
            ConfigurationError: when set, as by `create`.
        """
        return self._setup.hooks

    @event_hooks.setter
    def event_hooks(self, given: Mapping[str, Sequence[Hook]]) -> None:
        self._setup.hooks = as_hooks(given)

    @classmethod
    def _connections(cls, http_client: HttpClient | None, kind: TransportName) -> Player:
        raise NotImplementedError

    def plan(
        self,
        messages: Messages,
        *,
        stream: bool = False,
        timeout: Timeout | float | None = None,
        **parameters: Unpack[Parameters],
    ) -> Plan:
        """The exact request that `chat` (or `stream_chat`) would send, without sending it; credentials are hidden.

        Raises:
            MiiflowLLMError: the request cannot be said.
        """
        plan = self._call(messages, timeout, stream=stream, parameters=parameters).plan
        return shown(plan, self._setup.target)

    def estimate(self, messages: Messages, **parameters: Unpack[Parameters]) -> Estimate:
        """What `chat` would use and cost, told from the answers that this client has had. Nothing is sent.

        Prices that are still to be loaded are loaded, which blocks for a third of a second, once.

        Raises:
            MiiflowLLMError: the request cannot be said.
        """
        self.pricing.load()
        call = self._call(messages, None, stream=False, parameters=parameters)
        usage = self.pricing.expected_usage(
            self.provider, call.model, kind_of(call.request), call.size, call.request.max_tokens
        )
        return Estimate(usage, call.expected())

    def get_metrics(self) -> Metrics:
        """What this client has done so far."""
        return self._setup.metrics.summary()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(provider={self.provider!r}, model={self.model!r})"

    def _call(
        self, messages: Messages, timeout: Timeout | float | None, *, stream: bool, parameters: Parameters
    ) -> Call:
        seal(parameters)  # which the callers' frames hold too
        said = {name: value for name, value in parameters.items() if value is not None}
        given, limits, left_out = {**self._defaults, **said}, limits_of(timeout), dict[str, str]()
        while True:
            request = build_request(messages, given, model=self.model, stream=stream, provider=self.provider)
            tries = given.get("retries_on_parse", 0)
            try:
                call = Call(self._setup, request, limits, _shape(given.get("schema")), tries)
            except UnsupportedParameterError as refused:
                if refused.parameter not in given or refused.parameter in said:
                    raise
                left_out[refused.parameter] = refused.message
                del given[refused.parameter]
            else:
                self._note(call, left_out)
                return call

    def _note(self, call: Call, left_out: Mapping[str, str]) -> None:
        """Say which defaults this model does not take: in the plan, and once in the log."""
        for name, reason in left_out.items():
            note = f"left out: the default {name}: {reason}"
            call.plan.notes.append(note)
            if (call.model, name) not in self._told:
                self._told.add((call.model, name))
                log.warning("%s: %s", call.name, note)

    def _raw(self, method: str, path: str, timeout: Timeout | float | None, parts: RawParts) -> RawExchange:
        from ..calls.raw_request import RawExchange

        seal(parts)
        return RawExchange(self._setup, self.model, method, path, parts, limits_of(timeout))

    async def _warm_up(self) -> None:
        self._call("warm up", None, stream=True, parameters={"model": self.model or "m"})
        await self._player.warm(self._setup.target.route(self.model or "").base_url, self._setup.timeout)

    async def _batch(self, requests: Requests, limits: Timeout | None, parameters: Parameters) -> JobParts:
        from ..calls.batch_making import ChatWriter

        seal(parameters)
        return await self._made(ChatWriter(self._setup, self._line_call, parameters), requests, limits)

    async def _batch_texts(
        self, texts: Requests, model: str, dimensions: int | None, limits: Timeout | None
    ) -> JobParts:
        from ..calls.batch_making import TextWriter

        return await self._made(TextWriter(self._setup, model, dimensions), texts, limits)

    async def _made(self, writer: Writer, requests: Requests, limits: Timeout | None) -> JobParts:
        from ..calls.batch_making import make

        made = await make(lambda route: self._batch_api(route, limits), writer, requests)
        return self._batch_api(made.route, limits), writer.kind, made.ids, made.reads, made.others

    def _opened_batch(self, id_: str, limits: Timeout | None, parameters: Parameters) -> JobParts:
        from ..calls.batch_making import ChatWriter, opened
        from ..calls.batch_reading import ReadsEmbeddings

        kind, ids = opened(id_)
        given = {**parameters, "model": parameters.get("model") or self.model or "unknown"}
        call = self._line_call("read", given)
        reads: Reads = ChatWriter(self._setup, self._line_call, {}).reads(call)
        if kind == "embeddings":
            reads = ReadsEmbeddings(self._setup, call.engine, call.model)
        api = self._batch_api(self._setup.target.route(call.model), limits)
        _ = api.row
        return api, kind, ids, reads, {}

    def _batch_api(self, route: Route, limits: Timeout | None) -> BatchApi:
        from ..calls.batch_calls import BatchApi

        return BatchApi(self._player, self._setup, route, limits)

    def _line_call(self, messages: Messages, parameters: Mapping[str, Any]) -> Call:
        return self._call(messages, None, stream=False, parameters=cast("Parameters", parameters))

    def _embedding_model(self, model: str | None) -> str:
        chosen = model or self.model
        if not chosen:
            raise ConfigurationError("no model: pass model=... to create() or to embed()", provider=self.provider)
        return chosen


def limits_of(timeout: Timeout | float | None) -> Timeout | None:
    """The limits of one call; `None` if it has the client's."""
    return None if timeout is None else Timeout.of(timeout)


def _setup(shared: Shared, provider: str | Provider, key: str | AccessKey | None, settings: Settings) -> Setup:
    max_retries, unsupported = settings.get("max_retries", 2), settings.get("unsupported", "raise")
    budget, max_frame = settings.get("retry_budget", RetryBudget()), settings.get("max_frame_bytes", MAX_FRAME)
    check_policy(max_retries, budget, unsupported, max_frame)
    check_target(provider, key, settings.get("base_url"), settings.get("headers"))
    target = Target.of(
        provider,
        api_key=key,
        base_url=settings.get("base_url"),
        region=settings.get("region"),
        dialect=settings.get("dialect"),
        headers=settings.get("headers"),
        allow_http=settings.get("allow_http", False),
    )
    return Setup(
        target,
        Timeout.of(settings.get("timeout", DEFAULT_TIMEOUT)),
        max_retries,
        unsupported,
        Bucket(budget),
        shared.metrics,
        max_frame,
        shared.hooks,
        pricing_of(settings.get("price"), settings.get("prices"), settings.get("budget")),
    )


def pricing_of(price: Price | None, prices: PricesLike, budget: BudgetLike = None) -> Pricing:
    """How costs are known by a price, a table or both, and what may be spent.

    Raises:
        ConfigurationError: the prices are not prices, or the budget is not one.
    """
    if price is None and prices is None and budget is None:
        return NO_PRICES
    from ..prices.estimate import Estimates

    table = shared_prices(prices)
    estimates = Estimates() if table is None else table.estimates
    return Pricing(price, table, estimates, shared_budget(budget))


def shared_budget(given: BudgetLike) -> Budget | None:
    """The budget that was given, as one object for several clients.

    Raises:
        ConfigurationError: it is not one.
    """
    if given is None:
        return None
    from ..prices.budget import Budget

    return Budget.of(given)


def shared_prices(given: PricesLike) -> Prices | None:
    """The prices that were given, as one object for several clients.

    Raises:
        ConfigurationError: they are not prices.
    """
    if given is None:
        return None
    from ..prices.book import Prices

    return Prices.of(given)


def _shape(schema: Any) -> Shape | None:
    if schema is None:
        return None
    from ..calls.structured import Shape

    return Shape.of(schema)
