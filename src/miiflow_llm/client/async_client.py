"""The client: what people hold. It owns policy (timeouts, retries, metrics) and never looks into a payload."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, Unpack

import httpx

from ..calls.chatting import chat
from ..calls.parameters import CommonParameters, Messages, Parameters, ToolParameters
from ..calls.players import LoopPlayer, Player
from ..calls.streams import ChatStream
from ..core.messages import Message, as_messages
from ..core.response import ChatResponse, Embeddings, ModelInfo
from ..core.timeout import Timeout
from ..http.transport import Transport, TransportName
from .base import BaseClient

if TYPE_CHECKING:
    from ..calls.tool_loop import ToolRun


class LLMClient(BaseClient[httpx.AsyncClient]):
    """One provider and, unless a call says otherwise, one model.

    Make it with `create`, use it from as many tasks as you like, close it with `aclose` or `async with`. It opens at
    most 1 000 connections in an event loop; a call that needs another waits for it, at most `Timeout.pool` seconds.
    """

    @classmethod
    def _connections(cls, http_client: httpx.AsyncClient | None, kind: TransportName) -> Player:
        return LoopPlayer(Transport(http_client, kind))

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

    def stream_with_schema(
        self,
        messages: Messages,
        schema: Any,
        *,
        timeout: Timeout | float | None = None,
        **parameters: Unpack[ToolParameters],
    ) -> ChatStream:
        """The answer as it comes, as a value of the type `schema`.

        `schema` is a dataclass, msgspec Struct, TypedDict, pydantic model, a generic of these (`list[T]`, unions), or a
        JSON Schema as a dict. Each chunk's `partial_parse` is the value so far, in plain dicts and lists; the last
        chunk's `structured_output` is the whole value, of the type itself.

        Raises:
            ParsingError: by the iteration, in place of the last chunk, where the answer does not follow the type.
            MiiflowLLMError: as for `stream_chat`.
        """
        return self.stream_chat(messages, timeout=timeout, schema=schema, **parameters)

    async def run_tools(
        self,
        messages: Messages,
        tools: Sequence[Any],
        *,
        max_rounds: int = 10,
        max_concurrency: int = 8,
        schema: Any = None,
        **parameters: Unpack[CommonParameters],
    ) -> ToolRun:
        """Ask, run the calls that the model makes, and go on until it makes none.

        `tools` are typed functions, sync or async, or `Tool`s with one. The calls of one answer run side by side, at
        most `max_concurrency` at once; what a tool raises is told to the model. At most `max_rounds` answers are asked
        for. A `tool_choice` that forces a call holds for the first. Cancelling it cancels the tools.

        Raises:
            ConfigurationError: a tool has no function to run.
            MiiflowLLMError: as for `chat`.
        """
        from ..calls.tool_loop import choice_of, run_tools

        async def ask(conversation: list[Message], first: bool) -> ChatResponse:
            given = parameters.copy()
            given["tool_choice"] = choice_of(first, parameters.get("tool_choice"))
            return await self.chat(conversation, tools=tools, schema=schema, **given)

        return await run_tools(
            ask, as_messages(messages), tools, max_rounds=max_rounds, max_concurrency=max_concurrency
        )

    async def models(self) -> list[ModelInfo]:
        """The models that the provider lists for this key.

        Raises:
            ConfigurationError: this provider lists none.
            MiiflowLLMError: no attempt gave an answer.
        """
        from ..calls import endpoints

        return await endpoints.models(self._player, self._setup)

    async def embed(
        self, texts: str | Sequence[str], *, model: str | None = None, dimensions: int | None = None
    ) -> Embeddings:
        """One vector for each text, in order. `dimensions` shortens them where the model can.

        Raises:
            ConfigurationError: this provider embeds nothing, no model was named, or a text is empty.
            MiiflowLLMError: no attempt gave an answer.
        """
        from ..calls import endpoints

        return await endpoints.embed(self._player, self._setup, texts, self._embedding_model(model), dimensions)

    async def count_tokens(self, messages: Messages, **parameters: Unpack[Parameters]) -> int:
        """How many prompt tokens the provider counts in what `chat` would send.

        Raises:
            ConfigurationError: this provider counts none ahead.
            MiiflowLLMError: no attempt gave an answer.
        """
        from ..calls import endpoints

        call = self._call(messages, None, stream=False, parameters=parameters)
        return await endpoints.count_tokens(self._player, self._setup, call.request)

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

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
