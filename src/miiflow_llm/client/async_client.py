"""The client: what people hold. It owns policy (timeouts, retries, metrics) and never looks into a payload."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Unpack

import httpx

from ..calls.chatting import chat
from ..calls.misuse import NotPlain
from ..calls.parameters import Messages, Parameters
from ..calls.players import LoopPlayer, Player
from ..calls.streams import ChatStream
from ..core.response import ChatResponse, Embeddings, ModelInfo, RawResponse
from ..core.timeout import Timeout
from ..http.transport import Transport, TransportName
from .arguments import checked_client
from .base import BaseClient, limits_of
from .from_chat import FromChat

if TYPE_CHECKING:
    from ..calls.event_streams import EventStream
    from ..calls.raw_request import RawParts


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
