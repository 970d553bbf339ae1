"""The client: what people hold. It owns policy (timeouts, retries, metrics) and never looks into a payload."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar, Unpack, overload

import httpx

from ..calls.chatting import chat
from ..calls.misuse import NotPlain
from ..calls.parameters import Messages, Parameters, ToolParameters
from ..calls.players import LoopPlayer, Player
from ..calls.streams import ChatStream
from ..core.response import ChatResponse, Embeddings, ModelInfo, RawResponse
from ..core.timeout import Timeout
from ..http.transport import Transport, TransportName
from .arguments import checked_client
from .base import BaseClient, limits_of
from .from_chat import FromChat

if TYPE_CHECKING:
    from ..calls.batch_job import BatchJob
    from ..calls.batch_making import Requests
    from ..calls.event_streams import EventStream
    from ..calls.raw_request import RawParts


T = TypeVar("T")


class LLMClient(BaseClient[httpx.AsyncClient], FromChat[ChatStream], NotPlain):
    """One provider and, unless a call says otherwise, one model.

    Make it with `create`, use it from as many tasks as you like, close it with `aclose` or `async with`. It opens at
    most 1 000 connections in an event loop; a call that needs another waits for it, at most `Timeout.pool` seconds.
    """

    _instead = "SyncLLMClient"

    @classmethod
    def _connections(cls, http_client: httpx.AsyncClient | None, kind: TransportName) -> Player:
        checked = checked_client(http_client, httpx.AsyncClient, httpx.Client, "LLMClient")
        return LoopPlayer(Transport(checked, kind))

    @overload
    async def chat(
        self,
        messages: Messages,
        *,
        schema: None = None,
        timeout: Timeout | float | None = None,
        **parameters: Unpack[ToolParameters],
    ) -> ChatResponse[None]: ...

    @overload
    async def chat(
        self,
        messages: Messages,
        *,
        schema: type[T],
        timeout: Timeout | float | None = None,
        **parameters: Unpack[ToolParameters],
    ) -> ChatResponse[T]: ...

    @overload
    async def chat(
        self,
        messages: Messages,
        *,
        schema: Any,
        timeout: Timeout | float | None = None,
        **parameters: Unpack[ToolParameters],
    ) -> ChatResponse[Any]: ...

    async def chat(
        self, messages: Messages, *, timeout: Timeout | float | None = None, **parameters: Unpack[Parameters]
    ) -> ChatResponse:
        """The whole answer to `messages`.

        `parameters` are those of `ChatRequest`: temperature, max_tokens, tools, ...

        Raises:
            MiiflowLLMError: the request cannot be said, or no attempt gave an answer.
        """
        return await chat(self._player, self._call(messages, timeout, stream=False, parameters=parameters))

    def stream_chat(
        self,
        messages: Messages,
        *,
        raw: bool = False,
        timeout: Timeout | float | None = None,
        **parameters: Unpack[Parameters],
    ) -> ChatStream:
        """The answer to `messages` as it comes: iterate it, better inside `async with`.

        `raw=True` also gives chunks for frames in which nothing is unified. `parameters` are as for `chat`.

        Raises:
            MiiflowLLMError: the request cannot be said; what goes wrong later is raised by the iteration.
        """
        return ChatStream(self._player, self._call(messages, timeout, stream=True, parameters=parameters), raw=raw)

    async def models(self, *, timeout: Timeout | float | None = None) -> list[ModelInfo]:
        """The models that the provider lists for this key.

        Raises:
            ConfigurationError: this provider lists none.
            MiiflowLLMError: no attempt gave an answer.
        """
        from ..calls import endpoints

        return await endpoints.models(self._player, self._setup, limits_of(timeout))

    async def embed(
        self,
        texts: str | Sequence[str],
        *,
        model: str | None = None,
        dimensions: int | None = None,
        timeout: Timeout | float | None = None,
    ) -> Embeddings:
        """One vector for each text, in order. `dimensions` shortens them where the model can.

        Raises:
            ConfigurationError: this provider embeds nothing, no model was named, or a text is empty.
            MiiflowLLMError: no attempt gave an answer.
        """
        from ..calls import endpoints

        chosen = self._embedding_model(model)
        return await endpoints.embed(self._player, self._setup, texts, chosen, dimensions, limits_of(timeout))

    async def count_tokens(
        self, messages: Messages, *, timeout: Timeout | float | None = None, **parameters: Unpack[Parameters]
    ) -> int:
        """How many prompt tokens the provider counts in what `chat` would send.

        Raises:
            ConfigurationError: this provider counts none ahead.
            MiiflowLLMError: no attempt gave an answer.
        """
        from ..calls import endpoints

        call = self._call(messages, timeout, stream=False, parameters=parameters)
        return await endpoints.count_tokens(self._player, call)

    async def batch(
        self, requests: Requests, *, timeout: Timeout | float | None = None, **parameters: Unpack[Parameters]
    ) -> BatchJob:
        """Hand in many requests at once, to be answered within a day or so at about half the price.

        Args:
            requests: prompts, each a text, messages, a `BatchRequest` or a mapping with `prompt` or `messages`; an
                iterable or an async one, pulled as it is sent. Each has a `key` of its own, by which its result is
                known: its place, counted from 0, if it names none.
            timeout: the limits of each request of this call.
            parameters: those of all requests; a `BatchRequest` may have others.

        The requests are cut into as many batches as the provider's limits need. The job's `id` can be stored, and
        opened again by `batch_job`. A batch is never made twice: if nothing is known of what became of the request
        that makes it, the error is raised, and looking at the provider's list is up to the caller.

        Raises:
            ConfigurationError: this provider has no batches, or a request has no place in one.
            MiiflowLLMError: a batch was not made. `created`, if it is set, is the id of those that were made before.
        """
        from ..calls.batch_job import BatchJob

        return BatchJob(*await self._batch(requests, limits_of(timeout), parameters))

    async def batch_embed(
        self,
        texts: Requests,
        *,
        model: str | None = None,
        dimensions: int | None = None,
        timeout: Timeout | float | None = None,
    ) -> BatchJob:
        """Hand in many texts to embed, each a result of its own; all else as for `batch`.

        Raises:
            ConfigurationError: this provider's batches embed nothing, or a text is empty.
            MiiflowLLMError: as by `batch`.
        """
        from ..calls.batch_job import BatchJob

        chosen = self._embedding_model(model)
        return BatchJob(*await self._batch_texts(texts, chosen, dimensions, limits_of(timeout)))

    def batch_job(
        self, id_: str, *, timeout: Timeout | float | None = None, **parameters: Unpack[Parameters]
    ) -> BatchJob:
        """A job that was handed in before, by its `id`, or by an id of the provider's; nothing is asked yet.

        Pass `schema` and `tools` as to `batch`, so that the answers are read as they were asked for.

        Raises:
            ConfigurationError: it is not an id, or this provider has no batches.
        """
        from ..calls.batch_job import BatchJob

        return BatchJob(*self._opened_batch(id_, limits_of(timeout), parameters))

    async def request(
        self, method: str, path: str, *, timeout: Timeout | float | None = None, **parts: Unpack[RawParts]
    ) -> RawResponse:
        """Ask for what no table speaks, with this client's key, deadlines, retries and hooks.

        Args:
            method: `GET`, `POST`, `PUT`, `PATCH`, `DELETE` or `HEAD`.
            path: joined to the base URL as it stands (`/audio/speech`), or a whole URL of the same server: the key goes
                to no other.
            timeout: the limits of this call; `first_output` bounds the whole body.
            parts: `json` (any value) or `content` (bytes), `params` for the query, `headers`.

        Raises:
            ConfigurationError: the method, path or body cannot be sent.
            MiiflowLLMError: no attempt was answered with a status of 2xx; a `ProviderError` has the status and body.
        """
        from ..calls.raw_request import request

        return await request(self._player, self._raw(method, path, timeout, parts))

    def stream_events(
        self, method: str, path: str, *, timeout: Timeout | float | None = None, **parts: Unpack[RawParts]
    ) -> EventStream:
        """The server-sent events of what no table speaks, as they come; `method` and the rest are as for `request`.

        What is iterated are `httpx_sse.ServerSentEvent`s; `head` of the stream has the status and headers. An attempt
        that fails before its first event is made again. `Timeout.first_output` and `idle` bound the silence between
        events.

        Raises:
            ConfigurationError: the method, path or body cannot be sent.
            MiiflowLLMError: by the iteration.
        """
        from ..calls.event_streams import EventStream

        return EventStream(self._player, self._raw(method, path, timeout, parts))

    async def warm_up(self) -> None:
        """Do ahead what the first call would wait for: compile the tables, make the TLS context, open a connection.

        Raises:
            TimeoutError: connecting took too long.
            NetworkError: the provider cannot be reached.
        """
        await self._warm_up()

    async def aclose(self) -> None:
        """Close the connections. Harmless when done twice."""
        await self._player.aclose()
