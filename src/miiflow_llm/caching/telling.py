"""What a cache tells its hooks; if nobody listens, nothing is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..calls.hooks import Hooks, call_hooks
from ..core import clock
from ..core.events import CacheEvent, CacheEventName
from ..core.exceptions import MiiflowLLMError
from ..core.request import Plan
from ..core.response import Cached, ChatResponse, Embeddings
from .asked import Asked

_NO_PLAN = Plan("", "", {}, None, [], "")


class Telling:
    """`client` is what the cache stands before, `hooks` the cache's own, by event."""

    def __init__(self, client: Any, hooks: Hooks) -> None:
        self.client = client
        self.hooks = hooks

    def answered(
        self, event: CacheEventName, asked: Asked, make: Callable[[], ChatResponse], began: float, *, stream: bool
    ) -> None:
        """A chat's answer was given, or is kept; `make` makes it."""
        if not self.hooks[event]:
            return
        response = make()
        told = CacheEvent(
            event=event,
            provider=response.provider or self.client.provider,
            model=asked.parameters.get("model") or self.client.model or response.model,
            operation="chat",
            stream=stream,
            plan=self._planned(asked, stream=stream),
            elapsed_ms=_ms(began),
            response=response,
            key=asked.key or "",
            cached=response.cache,
            saved=response.saved,
        )
        call_hooks(self.hooks[event], told)

    def embedded(self, event: CacheEventName, key: str, found: Embeddings, how: Cached | None, began: float) -> None:
        """Vectors were given, or are kept."""
        if not self.hooks[event]:
            return
        told = CacheEvent(
            event=event,
            provider=self.client.provider,
            model=found.model,
            operation="embeddings",
            stream=False,
            plan=_NO_PLAN,
            elapsed_ms=_ms(began),
            embeddings=found,
            key=key,
            cached=how,
        )
        call_hooks(self.hooks[event], told)

    def _planned(self, asked: Asked, *, stream: bool) -> Plan:
        """The request that was not sent."""
        try:
            planned: Plan = self.client.plan(asked.messages, stream=stream, **asked.parameters)
        except MiiflowLLMError:  # a router that could ask nobody now
            return _NO_PLAN
        return planned


def _ms(began: float) -> float:
    return (clock.monotonic() - began) * 1000
