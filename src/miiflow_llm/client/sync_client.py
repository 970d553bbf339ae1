"""The client for plain synchronous code: notebooks, scripts, Django views. The same engine, no event loop anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar, Unpack, overload

import httpx

from ..calls.chatting import chat
from ..calls.misuse import NotInLoops
from ..calls.parameters import Messages, Parameters, ToolParameters
from ..calls.players import Player, ThreadPlayer, played
from ..calls.sync_streams import SyncChatStream
from ..core.response import ChatResponse, Embeddings, ModelInfo, RawResponse
from ..core.timeout import Timeout
from ..http.transport import TransportName
from ..http.transport_sync import SyncTransport
from .arguments import checked_client
from .base import BaseClient, limits_of
from .from_chat import FromSyncChat

if TYPE_CHECKING:
    from ..calls.batch_job import SyncBatchJob
    from ..calls.batch_making import Requests
    from ..calls.event_streams import SyncEventStream
    from ..calls.raw_request import RawParts


T = TypeVar("T")


class SyncLLMClient(BaseClient[httpx.Client], FromSyncChat[SyncChatStream], NotInLoops):
    """One provider and, unless a call says otherwise, one model, used with blocking calls.

    Make it with `create`, use it from as many threads as you like, close it with `close` or `with`. It has at most
    1 000 connections at once.
    """

    _instead = "LLMClient"

    @classmethod
    def _connections(cls, http_client: httpx.Client | None, kind: TransportName) -> Player:
        checked = checked_client(http_client, httpx.Client, httpx.AsyncClient, "SyncLLMClient")
        return ThreadPlayer(SyncTransport(checked, kind))

    @overload
    def chat(
        self,
        messages: Messages,
        *,
        schema: None = None,
        timeout: Timeout | float | None = None,
        **parameters: Unpack[ToolParameters],
    ) -> ChatResponse[None]: ...

    @overload
    def chat(
        self,
        messages: Messages,
        *,
        schema: type[T],
        timeout: Timeout | float | None = None,
        **parameters: Unpack[ToolParameters],
    ) -> ChatResponse[T]: ...

    @overload
    def chat(
        self,
        messages: Messages,
        *,
        schema: Any,
        timeout: Timeout | float | None = None,
        **parameters: Unpack[ToolParameters],
    ) -> ChatResponse[Any]: ...

    def chat(
        self, messages: Messages, *, timeout: Timeout | float | None = None, **parameters: Unpack[Parameters]
    ) -> ChatResponse:
        """The whole answer to `messages`; as `LLMClient.chat`.

        Raises:
            MiiflowLLMError: the request cannot be said, or no attempt gave an answer.
        """
        return played(chat(self._player, self._call(messages, timeout, stream=False, parameters=parameters)))

    def stream_chat(
        self,
        messages: Messages,
        *,
        raw: bool = False,
        timeout: Timeout | float | None = None,
        **parameters: Unpack[Parameters],
    ) -> SyncChatStream:
        """The answer to `messages` as it comes: iterate it, better inside `with`; as `LLMClient.stream_chat`.

        Raises:
            MiiflowLLMError: the request cannot be said; what goes wrong later is raised by the iteration.
        """
        call = self._call(messages, timeout, stream=True, parameters=parameters)
        return SyncChatStream(self._player, call, raw=raw)

    def models(self, *, timeout: Timeout | float | None = None) -> list[ModelInfo]:
        """The models that the provider lists for this key; as `LLMClient.models`.

        Raises:
            ConfigurationError: this provider lists none.
            MiiflowLLMError: no attempt gave an answer.
        """
        from ..calls import endpoints

        return played(endpoints.models(self._player, self._setup, limits_of(timeout)))

    def embed(
        self,
        texts: str | Sequence[str],
        *,
        model: str | None = None,
        dimensions: int | None = None,
        timeout: Timeout | float | None = None,
    ) -> Embeddings:
        """One vector for each text, in order; as `LLMClient.embed`.

        Raises:
            ConfigurationError: this provider embeds nothing, no model was named, or a text is empty.
            MiiflowLLMError: no attempt gave an answer.
        """
        from ..calls import endpoints

        chosen = self._embedding_model(model)
        return played(endpoints.embed(self._player, self._setup, texts, chosen, dimensions, limits_of(timeout)))

    def count_tokens(
        self, messages: Messages, *, timeout: Timeout | float | None = None, **parameters: Unpack[Parameters]
    ) -> int:
        """How many prompt tokens the provider counts in what `chat` would send; as `LLMClient.count_tokens`.

        Raises:
            ConfigurationError: this provider counts none ahead.
            MiiflowLLMError: no attempt gave an answer.
        """
        from ..calls import endpoints

        call = self._call(messages, timeout, stream=False, parameters=parameters)
        return played(endpoints.count_tokens(self._player, call))

    def batch(
        self, requests: Requests, *, timeout: Timeout | float | None = None, **parameters: Unpack[Parameters]
    ) -> SyncBatchJob:
        """Hand in many requests at once; as `LLMClient.batch`, of an iterable that is not asynchronous.

        Raises:
            ConfigurationError: this provider has no batches, or a request has no place in one.
            MiiflowLLMError: a batch was not made.
        """
        from ..calls.batch_job import SyncBatchJob

        return SyncBatchJob(*played(self._batch(requests, limits_of(timeout), parameters)))

    def batch_embed(
        self,
        texts: Requests,
        *,
        model: str | None = None,
        dimensions: int | None = None,
        timeout: Timeout | float | None = None,
    ) -> SyncBatchJob:
        """Hand in many texts to embed; as `LLMClient.batch_embed`.

        Raises:
            ConfigurationError: this provider's batches embed nothing, or a text is empty.
            MiiflowLLMError: as by `batch`.
        """
        from ..calls.batch_job import SyncBatchJob

        chosen = self._embedding_model(model)
        return SyncBatchJob(*played(self._batch_texts(texts, chosen, dimensions, limits_of(timeout))))

    def batch_job(
        self, id_: str, *, timeout: Timeout | float | None = None, **parameters: Unpack[Parameters]
    ) -> SyncBatchJob:
        """A job that was handed in before; as `LLMClient.batch_job`.

        Raises:
            ConfigurationError: it is not an id, or this provider has no batches.
        """
        from ..calls.batch_job import SyncBatchJob

        return SyncBatchJob(*self._opened_batch(id_, limits_of(timeout), parameters))

    def request(
        self, method: str, path: str, *, timeout: Timeout | float | None = None, **parts: Unpack[RawParts]
    ) -> RawResponse:
        """Ask for what no table speaks, with this client's key, deadlines, retries and hooks; as `LLMClient.request`.

        Raises:
            ConfigurationError: the method, path or body cannot be sent.
            MiiflowLLMError: no attempt was answered with a status of 2xx; a `ProviderError` has the status and body.
        """
        from ..calls.raw_request import request

        return played(request(self._player, self._raw(method, path, timeout, parts)))

    def stream_events(
        self, method: str, path: str, *, timeout: Timeout | float | None = None, **parts: Unpack[RawParts]
    ) -> SyncEventStream:
        """The server-sent events of what no table speaks, as they come; as `LLMClient.stream_events`."""
        from ..calls.event_streams import SyncEventStream

        return SyncEventStream(self._player, self._raw(method, path, timeout, parts))

    def warm_up(self) -> None:
        """Do ahead what the first call would wait for; as `LLMClient.warm_up`.

        Raises:
            TimeoutError: connecting took too long.
            NetworkError: the provider cannot be reached.
        """
        played(self._warm_up())

    def close(self) -> None:
        """Close the connections. Harmless when done twice."""
        played(self._player.aclose())
