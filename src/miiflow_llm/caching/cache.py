"""`Cache`: answers asked once, on event loops."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from ..calls.parameters import Messages
from ..client.chat import AnswerStream, Chat
from ..client.from_chat import FromChat
from ..core.response import ChatResponse, Embeddings, ModelInfo
from ..core.timeout import Timeout
from .base import BaseCache
from .guarded import Guarded
from .stores import AsyncStore, Store
from .streams import CachedStream
from .waits import LoopWaits, Waits


class Cache(BaseCache[Chat], FromChat[AnswerStream]):
    __doc__ = BaseCache.__doc__

    _loop: LoopWaits

    def _waiting(self, store: Store | AsyncStore) -> Waits:
        self._loop = LoopWaits(Guarded(store))
        return self._loop

    async def chat(
        self, messages: Messages, *, timeout: Timeout | float | None = None, **parameters: Any
    ) -> ChatResponse:
        """The whole answer: one that was kept, one that is on its way, or a new one. `response.cache` says which."""
        response = await self._caller.chat(self._caller.asked(messages, timeout, parameters))
        return shaped(response, parameters.get("schema"))

    def stream_chat(
        self, messages: Messages, *, raw: bool = False, timeout: Timeout | float | None = None, **parameters: Any
    ) -> AnswerStream:
        """The answer as it comes, or as it came. `raw=True` asks for a provider's own frames, which are always live."""
        if raw:
            return self.client.stream_chat(messages, raw=True, timeout=timeout, **parameters)
        return CachedStream(self._caller, self._caller.asked(messages, timeout, parameters))

    async def embed(
        self,
        texts: str | Sequence[str],
        *,
        model: str | None = None,
        dimensions: int | None = None,
        timeout: Timeout | float | None = None,
    ) -> Embeddings:
        """One vector for each text, kept as answers are."""
        return await self._caller.embed([texts] if isinstance(texts, str) else [*texts], model, dimensions, timeout)

    async def count_tokens(
        self, messages: Messages, *, timeout: Timeout | float | None = None, **parameters: Any
    ) -> int:
        """As the client counts."""
        counted: int = await self.client.count_tokens(messages, timeout=timeout, **parameters)
        return counted

    async def models(self, *, timeout: Timeout | float | None = None) -> list[ModelInfo]:
        """As the client lists them."""
        listed: list[ModelInfo] = await self.client.models(timeout=timeout)
        return listed

    async def invalidate(self, messages: Messages, **parameters: Any) -> None:
        """Forget the answers to one call."""
        await self._caller.forget(self._caller.asked(messages, None, parameters))

    async def clear(self) -> None:
        """Forget every answer in the store, of every tenant."""
        await self._caller.waits.ask("clear")

    async def aclose(self) -> None:
        """Close the store and the client. Harmless when done twice."""
        await self._loop.leave()
        await self._loop.shut()
        await self.client.aclose()

    async def __aenter__(self) -> Self:
        await self._loop.enter()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


def shaped(response: ChatResponse, schema: Any) -> ChatResponse:
    """An answer that was kept or shared, with the value of the type that this caller asked for.

    Raises:
        ParsingError: it is not of the type.
    """
    if schema is None or (response.cache is None and response.structured_output is not None):
        return response
    from ..calls.structured import Shape, ShapeReader

    ShapeReader(Shape.of(schema)).finish(response)
    return response
