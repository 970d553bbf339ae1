"""`SyncCache`: answers asked once, in threads."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from ..calls.parameters import Messages
from ..calls.players import played
from ..client.chat import SyncAnswerStream, SyncChat
from ..client.from_chat import FromSyncChat
from ..core.response import ChatResponse, Embeddings, ModelInfo
from ..core.timeout import Timeout
from .base import BaseCache
from .cache import shaped
from .guarded import SyncGuarded
from .stores import AsyncStore, Store
from .streams import SyncCachedStream
from .waits import ThreadWaits, Waits


class SyncCache(BaseCache[SyncChat], FromSyncChat[SyncAnswerStream]):
    __doc__ = BaseCache.__doc__

    _threads: ThreadWaits

    def _waiting(self, store: Store | AsyncStore) -> Waits:
        self._threads = ThreadWaits(SyncGuarded(store))
        return self._threads

    def chat(self, messages: Messages, *, timeout: Timeout | float | None = None, **parameters: Any) -> ChatResponse:
        """The whole answer; as `Cache.chat`."""
        response = played(self._caller.chat(self._caller.asked(messages, timeout, parameters)))
        return shaped(response, parameters.get("schema"))

    def stream_chat(
        self, messages: Messages, *, raw: bool = False, timeout: Timeout | float | None = None, **parameters: Any
    ) -> SyncAnswerStream:
        """The answer as it comes, or as it came; as `Cache.stream_chat`."""
        if raw:
            return self.client.stream_chat(messages, raw=True, timeout=timeout, **parameters)
        return SyncCachedStream(self._caller, self._caller.asked(messages, timeout, parameters))

    def embed(
        self,
        texts: str | Sequence[str],
        *,
        model: str | None = None,
        dimensions: int | None = None,
        timeout: Timeout | float | None = None,
    ) -> Embeddings:
        """One vector for each text, kept as answers are."""
        return played(self._caller.embed([texts] if isinstance(texts, str) else [*texts], model, dimensions, timeout))

    def count_tokens(self, messages: Messages, *, timeout: Timeout | float | None = None, **parameters: Any) -> int:
        """As the client counts."""
        counted: int = self.client.count_tokens(messages, timeout=timeout, **parameters)
        return counted

    def models(self, *, timeout: Timeout | float | None = None) -> list[ModelInfo]:
        """As the client lists them."""
        listed: list[ModelInfo] = self.client.models(timeout=timeout)
        return listed

    def invalidate(self, messages: Messages, **parameters: Any) -> None:
        """Forget the answers to one call."""
        played(self._caller.forget(self._caller.asked(messages, None, parameters)))

    def clear(self) -> None:
        """Forget every answer in the store, of every tenant."""
        played(self._caller.waits.ask("clear"))

    def close(self) -> None:
        """Close the store and the client. Harmless when done twice."""
        self._threads.leave()
        played(self._threads.shut())
        self.client.close()

    def __enter__(self) -> Self:
        self._threads.enter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
