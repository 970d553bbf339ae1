"""The router: several targets behind the face of one client. What goes wrong at one is made good by another."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, Unpack

import httpx

from ..calls.hooks import Hook
from ..calls.parameters import CommonParameters, Messages, Parameters
from ..choosing.settings import Settings
from ..choosing.table import Policy
from ..client.from_chat import FromChat
from ..client.pool import ClientPool
from ..core.messages import as_messages
from ..core.response import ChatResponse, Embeddings, ModelInfo
from ..core.timeout import Timeout
from .asking import Affinity, affinity_key
from .base import BaseRouter
from .beside import asked_beside
from .failing import Refused
from .from_config import arguments
from .routed import AfterOutput, Routed
from .shared import Accept
from .state import RedisState
from .streams import RoutedStream
from .target import Tiers
from .waits import LoopWaits

if TYPE_CHECKING:
    from ..calls.tool_calls import Approve
    from ..calls.tool_loop import ToolRun
    from ..calls.tool_stream import ToolStream
    from ..prices.book import PricesLike
    from ..prices.budget import BudgetLike


class Router(BaseRouter, FromChat[RoutedStream]):
    """Many targets with the face of `LLMClient`.

    Targets are `"provider:model"`, clients, `Target`s, routers, caches: anything to chat with. A list within the list
    is a tier, which comes before all that follows. Use one router from as many tasks as you like: what it learns of its
    targets is shared by all calls. Closing it closes the connections that it made, not those of clients given to it.

    Args:
        targets: what is asked.
        policy: how healthy targets of a tier are ordered: `order` (as listed), `fastest`, `cheapest`, `spread` (by
            weight), or a function of the choices, the request and the table.
        hedge: whether a second target is asked beside a first that is slow to begin, for a share of the calls.
        after_output: what follows if an answer breaks after some of it was handed out: `raise`; `restart` at another
            target (the chunk that begins it has `restarted` set); `continue` what was begun, at a target that can.
            `chat()` hands nothing out before the end: it always restarts, unseen.
        timeout: the limits of calls that name none; `total` is over all attempts. `None` for the targets' own.
        name: its name in hooks, spans and logs.
        settings: other constants than those that `Settings` explains.
        accept: a function of a whole answer that says whether it is taken; if not, another target is asked.
        config: what targets named by text are made from, as `ClientPool` takes it.
        http_client: an httpx client of your own for these.
        pool: a pool of your own that makes these; it is not closed with the router.
        event_hooks: functions by event: those of a client, of the call as a whole, and those of `RouteEvent`.
        draw: what draws numbers from 0 to 1, for calls that can be repeated.
        state: what other processes know of the targets, and what they are told: a `RedisState`, or the address of a
            Redis server. No call waits for it.
        prices: what tokens cost, as `LLMClient.create` takes it, for all targets; a target's own `price` stands above
            it. `cheapest` chooses by it.
        budget: what all calls of the router may cost together, as `LLMClient.create` takes it; it replaces the budgets
            of its clients.

    Raises:
        ConfigurationError: no targets, two of one label, or a setting that is not known.
    """

    def __init__(
        self,
        targets: Tiers,
        *,
        policy: Policy = "order",
        hedge: bool = True,
        after_output: AfterOutput = "raise",
        timeout: Timeout | float | None = None,
        name: str = "router",
        settings: Settings | None = None,
        accept: Accept | None = None,
        config: Mapping[str, Any] | str | Path | None = None,
        http_client: httpx.AsyncClient | None = None,
        pool: ClientPool | None = None,
        event_hooks: Mapping[str, Sequence[Hook]] | None = None,
        draw: Callable[[], float] | None = None,
        state: RedisState | str | None = None,
        prices: PricesLike = None,
        budget: BudgetLike = None,
    ) -> None:
        self._own = ClientPool(config, http_client=http_client) if pool is None else None
        super().__init__(
            targets,
            (pool or self._own).get,  # type: ignore[union-attr]  # there is one of the two
            policy=policy,
            hedge=hedge,
            after_output=after_output,
            timeout=timeout,
            name=name,
            settings=settings,
            accept=accept,
            event_hooks=event_hooks,
            draw=draw,
            state=state,
            prices=prices,
            budget=budget,
        )
        self._waits = LoopWaits()

    @classmethod
    def from_config(
        cls,
        config: Mapping[str, Any] | str | Path | None = None,
        name: str = "default",
        *,
        http_client: httpx.AsyncClient | None = None,
        pool: ClientPool | None = None,
        event_hooks: Mapping[str, Sequence[Hook]] | None = None,
    ) -> Self:
        """The router that a configuration describes under `[routes.NAME]`; see `RouteConfig`.

        Raises:
            ConfigurationError: there is no such route, or it holds what cannot be.
        """
        targets, rest = arguments(config, name)
        return cls(targets, http_client=http_client, pool=pool, event_hooks=event_hooks, **rest)

    async def chat(
        self,
        messages: Messages,
        *,
        timeout: Timeout | float | None = None,
        tags: Collection[str] = (),
        affinity: Affinity = None,
        **parameters: Unpack[Parameters],
    ) -> ChatResponse:
        """The whole answer to `messages`, by the first target that gives one.

        It is streamed inside, so that an answer that is silent, stalls or is cut off is replaced by another's.

        Args:
            messages: as for `LLMClient.chat`.
            timeout: the limits of this call; `total` is over all attempts.
            tags: only targets with all of these are asked.
            affinity: what the conversation is known by, so that it stays at one target, which has its beginning cached;
                told from its first turns if `None`, not at all if `False`. The policy `order` has no need of it.
            parameters: as for `LLMClient.chat`; `model` asks only the targets of that model or label; the
                router's own name stands for all of them.

        Raises:
            MiiflowLLMError: the first target's error, with all attempts, if none gave an answer.
        """
        asked = self.asked(messages, timeout, parameters, tags=tags, affinity=affinity, streamed=False)
        return await whole(Routed(self.shared, self._waits, asked, "restart"))

    def stream_chat(
        self,
        messages: Messages,
        *,
        raw: bool = False,
        timeout: Timeout | float | None = None,
        tags: Collection[str] = (),
        affinity: Affinity = None,
        after_output: AfterOutput | None = None,
        **parameters: Unpack[Parameters],
    ) -> RoutedStream:
        """The answer to `messages` as it comes; `after_output` replaces the router's, the rest is as for `chat`.

        Raises:
            MiiflowLLMError: the call is set up wrongly; what goes wrong later is raised by the iteration.
        """
        asked = self.asked(messages, timeout, parameters, tags=tags, affinity=affinity, raw=raw)
        return RoutedStream(self.shared, self._waits, asked, after_output or self.after_output)

    async def run_tools(
        self,
        messages: Messages,
        tools: Sequence[Any],
        *,
        max_rounds: int = 10,
        max_concurrency: int = 8,
        approve: Approve | None = None,
        schema: Any = None,
        timeout: Timeout | float | None = None,
        **parameters: Unpack[CommonParameters],
    ) -> ToolRun:
        """Ask, run the calls that the model makes, and go on until it makes none; as `LLMClient.run_tools`.

        The whole run is one conversation, which stays at one target while that is well.
        """
        begun = as_messages(messages)
        pinned = _Pinned(self, affinity_key(None, begun, begun=True))
        return await pinned.run_tools(
            begun,
            tools,
            max_rounds=max_rounds,
            max_concurrency=max_concurrency,
            approve=approve,
            schema=schema,
            timeout=timeout,
            **parameters,
        )

    def stream_tools(
        self,
        messages: Messages,
        tools: Sequence[Any],
        *,
        max_rounds: int = 10,
        max_concurrency: int = 8,
        approve: Approve | None = None,
        schema: Any = None,
        timeout: Timeout | float | None = None,
        **parameters: Unpack[CommonParameters],
    ) -> ToolStream:
        """As `run_tools`, but as it comes; as `LLMClient.stream_tools`."""
        begun = as_messages(messages)
        pinned = _Pinned(self, affinity_key(None, begun, begun=True))
        return pinned.stream_tools(
            begun,
            tools,
            max_rounds=max_rounds,
            max_concurrency=max_concurrency,
            approve=approve,
            schema=schema,
            timeout=timeout,
            **parameters,
        )

    async def embed(
        self,
        texts: str | Sequence[str],
        *,
        model: str | None = None,
        dimensions: int | None = None,
        timeout: Timeout | float | None = None,
    ) -> Embeddings:
        """One vector for each text, by the first target that can.

        Vectors of different models cannot be compared: after a failure only targets of the same model are asked.

        Raises:
            ConfigurationError: no target embeds.
            MiiflowLLMError: the first target's error, with all attempts.
        """
        asked = self.asked_to_embed(model, timeout)
        return await asked_beside(
            self.shared,
            self._waits,
            asked,
            lambda aim: aim.chat.embed(
                texts, model=model, dimensions=dimensions, timeout=self.shared.limits_of(aim, asked)
            ),
        )

    async def count_tokens(
        self, messages: Messages, *, timeout: Timeout | float | None = None, **parameters: Unpack[Parameters]
    ) -> int:
        """How many prompt tokens the provider of the first target that can counts in what `chat` would send.

        Raises:
            ConfigurationError: no target counts.
            MiiflowLLMError: the first target's error, with all attempts.
        """
        asked = self.asked(messages, timeout, parameters)
        asked.operation = "count_tokens"
        return await asked_beside(
            self.shared,
            self._waits,
            asked,
            lambda aim: aim.chat.count_tokens(
                asked.messages, timeout=self.shared.limits_of(aim, asked), **self.shared.parameters_of(aim, asked)
            ),
        )

    async def models(self, *, timeout: Timeout | float | None = None) -> list[ModelInfo]:
        """The router's targets: what `model=` may name. Nobody is asked."""
        return self.targets_as_models()

    async def aclose(self) -> None:
        """Close the connections that the router made. Harmless when done twice."""
        if self._own is not None:
            await self._own.aclose()
        if self._own_state is not None:
            await self._own_state.server.aclose()


class _Pinned(FromChat[RoutedStream]):
    """A router for one conversation."""

    def __init__(self, router: Router, affinity: int | None) -> None:
        self._router = router
        self._affinity = affinity

    async def chat(
        self, messages: Messages, *, timeout: Timeout | float | None = None, **parameters: Unpack[Parameters]
    ) -> ChatResponse:
        return await self._router.chat(messages, timeout=timeout, affinity=self._affinity, **parameters)

    def stream_chat(
        self,
        messages: Messages,
        *,
        raw: bool = False,
        timeout: Timeout | float | None = None,
        **parameters: Unpack[Parameters],
    ) -> RoutedStream:
        return self._router.stream_chat(messages, raw=raw, timeout=timeout, affinity=self._affinity, **parameters)

    async def aclose(self) -> None:
        """The router stays open."""


async def whole(call: Routed) -> ChatResponse:
    """The whole answer of a call.

    Raises:
        MiiflowLLMError: none could be had.
    """
    try:
        while await call.more():
            call.chunks.clear()
    except Refused as refused:
        response = refused.partial
        assert response is not None  # noqa: S101  it was whole
        response.attempts = refused.attempts
        return response
    return call.response
