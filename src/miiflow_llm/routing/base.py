"""What the asynchronous and the synchronous router share: their targets, the table that decides, what is counted."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

from ..calls.hiding import seal
from ..calls.hooks import Hook, Hooks, as_hooks
from ..calls.metrics import Metrics
from ..calls.parameters import Messages, Parameters
from ..choosing.order import order
from ..choosing.settings import Settings
from ..choosing.table import Ask, Policy, Table
from ..core import clock
from ..core.events import EVENTS, ROUTE_EVENTS
from ..core.exceptions import ConfigurationError, UnsupportedParameterError
from ..core.messages import as_messages
from ..core.request import Plan
from ..core.response import ModelInfo
from ..core.timeout import Timeout
from .asking import Affinity, Asked, affinity_key, left_out, may_run_twice
from .costing import Costing
from .explaining import explained, health_of
from .failing import raised
from .report import Explanation, RouteHealth
from .routed import AfterOutput
from .shared import Accept, Shared
from .state import RedisState, SharedState, as_state
from .target import Tiers, aims, named, tiered

if TYPE_CHECKING:
    from ..prices.book import PricesLike
    from ..prices.budget import BudgetLike

POLICIES = ("order", "fastest", "cheapest", "spread")


class BaseRouter:
    """Several targets, and the table by which one is chosen for each call."""

    def __init__(
        self,
        targets: Tiers,
        chat_of: Callable[[str, str | None], Any],
        *,
        policy: Policy,
        hedge: bool,
        after_output: AfterOutput,
        timeout: Timeout | float | None,
        name: str,
        settings: Settings | None,
        accept: Accept | None,
        event_hooks: Mapping[str, Sequence[Hook]] | None,
        draw: Callable[[], float] | None,
        state: RedisState | str | None,
        prices: PricesLike,
        budget: BudgetLike,
    ) -> None:
        if not callable(policy) and policy not in POLICIES:
            raise ConfigurationError(f"policy={policy!r}: {', '.join(POLICIES)}, or a function")
        if after_output not in ("raise", "restart", "continue"):
            raise ConfigurationError(f"after_output={after_output!r}: 'raise', 'restart' or 'continue'")
        listed = tiered(targets)
        chats = [chat_of(*named(target.chat)) if isinstance(target.chat, str) else target.chat for _, target in listed]
        costing = Costing(prices, budget)
        found = aims([target for _, target in listed], chats, costing)
        entries = [aim.entry(tier) for aim, (tier, _) in zip(found, listed, strict=True)]
        hooks = as_hooks(event_hooks, (*EVENTS, *ROUTE_EVENTS))
        table = Table(entries, policy, settings)
        shared = None if state is None else as_state(state)
        between = None if shared is None else SharedState(shared, name, found)
        self._own_state = shared if isinstance(state, str) else None
        self.shared = Shared(name, found, table, hooks, draw or random.random, accept, between, costing)
        self.after_output: AfterOutput = after_output
        self.timeout = None if timeout is None else Timeout.of(timeout)
        self._hedge = hedge

    @property
    def provider(self) -> str:
        """The router's name."""
        return self.shared.name

    @property
    def model(self) -> str | None:
        """A call that names no model goes to whichever target is chosen; one that names a target goes there."""
        return None

    @property
    def event_hooks(self) -> Hooks:
        """The hooks by event, every event present: append to its lists, or set a mapping."""
        return self.shared.hooks

    @event_hooks.setter
    def event_hooks(self, given: Mapping[str, Sequence[Hook]]) -> None:
        self.shared.hooks = as_hooks(given, (*EVENTS, *ROUTE_EVENTS))

    @property
    def identity(self) -> str:
        """Whose answers these are, in place of a tenant: a digest of all targets' identities."""
        said = "\0".join(str(getattr(aim.chat, "identity", aim.label)) for aim in self.shared.aims)
        return hashlib.blake2b(said.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

    def cache_scope(self, parameters: Mapping[str, Any]) -> str:
        """What a cache above the router keeps answers under, whichever target served: its name."""
        return f"route:{self.shared.name}"

    def get_metrics(self) -> Metrics:
        """What the router has done so far, each call under the target that served it, or that it went to first."""
        return self.shared.metrics.summary()

    def health(self) -> RouteHealth:
        """How the targets are, as this router's calls have shown: `print(router.health())` is a table."""
        return health_of(self.shared)

    def explain(
        self,
        messages: Messages,
        *,
        tags: Collection[str] = (),
        affinity: Affinity = None,
        **parameters: Unpack[Parameters],
    ) -> Explanation:
        """Where a call would go now, and why; `print(router.explain("Hello"))` is a table. Nothing is sent.

        Raises:
            ConfigurationError: no messages, or no target is wanted.
        """
        return explained(self.shared, self.asked(messages, None, parameters, tags=tags, affinity=affinity))

    def plan(
        self,
        messages: Messages,
        *,
        stream: bool = False,
        timeout: Timeout | float | None = None,
        tags: Collection[str] = (),
        affinity: Affinity = None,
        **parameters: Unpack[Parameters],
    ) -> Plan:
        """The exact request that would be sent to the target that would be asked now; the key is hidden.

        Raises:
            MiiflowLLMError: no target can be asked this.
        """
        shared, errors = self.shared, list[ConfigurationError]()
        asked = self.asked(messages, timeout, parameters, tags=tags, affinity=affinity)
        for choice in order(shared.table, asked.ask, clock.monotonic(), 0.5):
            aim = shared.aims[choice.target]
            try:
                plan: Plan = aim.chat.plan(asked.messages, stream=stream, **shared.parameters_of(aim, asked))
            except UnsupportedParameterError as error:
                errors.append(error)
            else:
                return plan
        raise raised([], errors, shared.ranking(asked.ask)[1], None)

    def asked(
        self,
        messages: Messages,
        timeout: Timeout | float | None,
        parameters: Mapping[str, Any],
        *,
        tags: Collection[str] = (),
        affinity: Affinity = None,
        raw: bool = False,
        streamed: bool = True,
    ) -> Asked:
        """The call, and what of it matters when a target is chosen.

        Raises:
            ConfigurationError: no messages, or no target is wanted.
        """
        seal(parameters)
        given = {name: value for name, value in parameters.items() if value is not None}
        said, wanted = as_messages(messages), given.pop("model", None)
        limits = self.timeout if timeout is None else Timeout.of(timeout)
        started = clock.monotonic()
        ask = Ask(
            None if self.shared.table.policy == "order" else affinity_key(affinity, said),
            None,
            left_out(self.shared.aims, tags, None if wanted == self.shared.name else wanted),
            self.shared.costs(said, given) if self.shared.table.policy == "cheapest" else (),
            self._hedge and may_run_twice(given),
        )
        until = None if limits is None or limits.total is None else started + limits.total
        return Asked(said, given, limits, started, until, ask, raw, streamed)

    def asked_to_embed(self, model: str | None, timeout: Timeout | float | None) -> Asked:
        """A call for vectors, which only the targets of one model are asked for: the first that may be asked now."""
        asked = self.asked("embed", timeout, {})
        asked.operation = "embeddings"
        first = next(iter(order(self.shared.table, asked.ask, clock.monotonic(), 0.5)), None)
        wanted = model or self.shared.aims[first.target if first is not None else 0].model
        for aim in self.shared.aims:
            if model is None and aim.model != wanted:
                asked.ask.unsayable[aim.place] = f"its vectors are not those of {wanted}"
        return asked

    def targets_as_models(self) -> list[ModelInfo]:
        """Each target as a model that can be asked for."""
        return [
            ModelInfo(aim.label, {"provider": aim.provider, "model": aim.model, "tags": sorted(aim.target.tags)})
            for aim in self.shared.aims
        ]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({[aim.label for aim in self.shared.aims]}, policy={self.shared.table.policy!r})"
