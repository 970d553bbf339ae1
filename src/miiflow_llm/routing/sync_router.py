"""The router for plain synchronous code: the same table, the same call, played by threads."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack

import httpx

from ..calls.hooks import Hook
from ..calls.parameters import CommonParameters, Messages, Parameters
from ..calls.players import played
from ..choosing.settings import Settings
from ..choosing.table import Policy
from ..client.from_chat import FromSyncChat
from ..client.pool import SyncClientPool
from ..core.messages import as_messages
from ..core.response import ChatResponse, Embeddings, ModelInfo
from ..core.timeout import Timeout
from .asking import Affinity, affinity_key
from .base import BaseRouter
from .beside import asked_beside
from .from_config import arguments
from .routed import AfterOutput, Routed
from .router import whole
from .shared import Accept
from .state import RedisState
from .streams import SyncRoutedStream
from .target import Aim, Tiers
from .waits import ThreadWaits

if TYPE_CHECKING:
    from ..calls.tool_calls import Approve
    from ..calls.tool_loop import ToolRun
    from ..calls.tool_stream import SyncToolStream
    from ..prices.book import PricesLike
    from ..prices.budget import BudgetLike

T = TypeVar("T")


class SyncRouter(BaseRouter, FromSyncChat[SyncRoutedStream]):
    """Many targets with the face of `SyncLLMClient`; as `Router`, with blocking calls, from as many threads as you
    like.

    `hedge=True` reads each first answer in a thread, so that a second may begin beside it; it is off unless said. The
    other arguments are those of `Router`.
    """

    def __init__(
        self,
        targets: Tiers,
        *,
        policy: Policy = "order",
        hedge: bool = False,
        after_output: AfterOutput = "raise",
        timeout: Timeout | float | None = None,
        name: str = "router",
        settings: Settings | None = None,
        accept: Accept | None = None,
        config: Mapping[str, Any] | str | Path | None = None,
        http_client: httpx.Client | None = None,
        pool: SyncClientPool | None = None,
        event_hooks: Mapping[str, Sequence[Hook]] | None = None,
        draw: Callable[[], float] | None = None,
        state: RedisState | str | None = None,
        prices: PricesLike = None,
        budget: BudgetLike = None,
    ) -> None:
        self._own = SyncClientPool(config, http_client=http_client) if pool is None else None
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
        self._waits = ThreadWaits()

    @classmethod
    def from_config(
        cls,
        config: Mapping[str, Any] | str | Path | None = None,
        name: str = "default",
        *,
        http_client: httpx.Client | None = None,
        pool: SyncClientPool | None = None,
        event_hooks: Mapping[str, Sequence[Hook]] | None = None,
    ) -> Self:
        """The router that a configuration describes under `[routes.NAME]`; see `RouteConfig`.

        Raises:
            ConfigurationError: there is no such route, or it holds what cannot be.
        """
        targets, rest = arguments(config, name)
        return cls(targets, http_client=http_client, pool=pool, event_hooks=event_hooks, **rest)

    def chat(
        self,
        messages: Messages,
        *,
        timeout: Timeout | float | None = None,
        tags: Collection[str] = (),
        affinity: Affinity = None,
        **parameters: Unpack[Parameters],
    ) -> ChatResponse:
        """The whole answer to `messages`, by the first target that gives one; as `Router.chat`.

        Raises:
            MiiflowLLMError: the first target's error, with all attempts, if none gave an answer.
        """
        asked = self.asked(messages, timeout, parameters, tags=tags, affinity=affinity, streamed=False)
        return played(whole(Routed(self.shared, self._waits, asked, "restart")))

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
    ) -> SyncRoutedStream:
        """The answer to `messages` as it comes; as `Router.stream_chat`.

        Raises:
            MiiflowLLMError: the call is set up wrongly; what goes wrong later is raised by the iteration.
        """
        asked = self.asked(messages, timeout, parameters, tags=tags, affinity=affinity, raw=raw)
        return SyncRoutedStream(self.shared, self._waits, asked, after_output or self.after_output)

    def run_tools(
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
        """Ask, run the calls that the model makes, and go on until it makes none; as `Router.run_tools`."""
        begun = as_messages(messages)
        pinned = _Pinned(self, affinity_key(None, begun, begun=True))
        return pinned.run_tools(
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
    ) -> SyncToolStream:
        """As `run_tools`, but as it comes; as `SyncLLMClient.stream_tools`."""
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

    def embed(
        self,
        texts: str | Sequence[str],
        *,
        model: str | None = None,
        dimensions: int | None = None,
        timeout: Timeout | float | None = None,
    ) -> Embeddings:
        """One vector for each text, by the first target that can; as `Router.embed`.

        Raises:
            ConfigurationError: no target embeds.
            MiiflowLLMError: the first target's error, with all attempts.
        """
        asked = self.asked_to_embed(model, timeout)
        ask = _blocking(
            lambda aim: aim.chat.embed(
                texts, model=model, dimensions=dimensions, timeout=self.shared.limits_of(aim, asked)
            )
        )
        found: Embeddings = played(asked_beside(self.shared, self._waits, asked, ask))
        return found

    def count_tokens(
        self, messages: Messages, *, timeout: Timeout | float | None = None, **parameters: Unpack[Parameters]
    ) -> int:
        """How many prompt tokens a provider counts in what `chat` would send; as `Router.count_tokens`.

        Raises:
            ConfigurationError: no target counts.
            MiiflowLLMError: the first target's error, with all attempts.
        """
        asked = self.asked(messages, timeout, parameters)
        asked.operation = "count_tokens"
        ask = _blocking(
            lambda aim: aim.chat.count_tokens(
                asked.messages, timeout=self.shared.limits_of(aim, asked), **self.shared.parameters_of(aim, asked)
            )
        )
        found: int = played(asked_beside(self.shared, self._waits, asked, ask))
        return found

    def models(self, *, timeout: Timeout | float | None = None) -> list[ModelInfo]:
        """The router's targets: what `model=` may name. Nobody is asked."""
        return self.targets_as_models()

    def close(self) -> None:
        """Close the connections that the router made. Harmless when done twice."""
        if self._own is not None:
            self._own.close()
        if self._own_state is not None:
            self._own_state.server.close()


def _blocking(ask: Callable[[Aim], Any]) -> Callable[[Aim], Awaitable[Any]]:
    """A call that blocks, under the name of one that is awaited."""

    async def blocking(aim: Aim) -> Any:
        return ask(aim)

    return blocking


class _Pinned(FromSyncChat[SyncRoutedStream]):
    """A router for one conversation."""

    def __init__(self, router: SyncRouter, affinity: int | None) -> None:
        self._router = router
        self._affinity = affinity

    def chat(
        self, messages: Messages, *, timeout: Timeout | float | None = None, **parameters: Unpack[Parameters]
    ) -> ChatResponse:
        return self._router.chat(messages, timeout=timeout, affinity=self._affinity, **parameters)

    def stream_chat(
        self,
        messages: Messages,
        *,
        raw: bool = False,
        timeout: Timeout | float | None = None,
        **parameters: Unpack[Parameters],
    ) -> SyncRoutedStream:
        return self._router.stream_chat(messages, raw=raw, timeout=timeout, affinity=self._affinity, **parameters)

    def close(self) -> None:
        """The router stays open."""
