"""What follows from `chat` and `stream_chat`, written once for clients, routers, caches and trials."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, Unpack

from ..calls.parameters import CommonParameters, Messages, Parameters, ToolParameters
from ..core.messages import Message, as_messages
from ..core.response import ChatResponse
from ..core.timeout import Timeout
from .chat import AnswerStream, SyncAnswerStream

if TYPE_CHECKING:
    from ..calls.tool_calls import Approve
    from ..calls.tool_loop import ToolRun
    from ..calls.tool_stream import SyncToolStream, ToolStream

Streamed = TypeVar("Streamed", bound=AnswerStream)
SyncStreamed = TypeVar("SyncStreamed", bound=SyncAnswerStream)


class FromChat(Generic[Streamed]):
    """The rest of the face `Chat`, for who has `chat`, `stream_chat` and `aclose`."""

    @abstractmethod
    async def chat(
        self, messages: Messages, *, timeout: Timeout | float | None = None, **parameters: Unpack[Parameters]
    ) -> ChatResponse:
        """The whole answer to `messages`."""

    @abstractmethod
    def stream_chat(
        self,
        messages: Messages,
        *,
        raw: bool = False,
        timeout: Timeout | float | None = None,
        **parameters: Unpack[Parameters],
    ) -> Streamed:
        """The answer to `messages` as it comes."""

    @abstractmethod
    async def aclose(self) -> None:
        """Close the connections."""

    def stream_with_schema(
        self,
        messages: Messages,
        schema: Any,
        *,
        timeout: Timeout | float | None = None,
        **parameters: Unpack[ToolParameters],
    ) -> Streamed:
        """The answer as it comes, as a value of the type `schema`.

        `schema` is a dataclass, msgspec Struct, TypedDict, pydantic model, a generic of these (`list[T]`, unions), or a
        JSON Schema as a dict. Each chunk's `partial_parse` is the value so far, in plain dicts and lists; the last
        chunk's `structured_output` is the whole value, of the type itself.

        Raises:
            ParsingError: by the iteration, in place of the last chunk, if the answer does not follow the type.
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
        approve: Approve | None = None,
        schema: Any = None,
        timeout: Timeout | float | None = None,
        **parameters: Unpack[CommonParameters],
    ) -> ToolRun:
        """Ask, run the calls that the model makes, and go on until it makes none.

        `tools` are typed functions, sync or async, or `Tool`s with one. The calls of one answer run side by side, at
        most `max_concurrency` at once; what a tool raises is told to the model. At most `max_rounds` answers are asked
        for, each within `timeout`; if the model asked for more calls, `finished` is false. `approve` is asked before
        each call, one at a time: `True` lets it run; `False`, or words for the model, refuse it. A `tool_choice` that
        forces a call holds for the first answer. Cancelling it cancels the tools.

        Raises:
            ConfigurationError: a tool has no function to run.
            MiiflowLLMError: as for `chat`; `messages` and `usage` of the error are what was said until then.
        """
        from ..calls.tool_loop import choice_of, run_tools

        async def ask(conversation: list[Message], first: bool) -> ChatResponse:
            given = parameters.copy()
            given["tool_choice"] = choice_of(first, parameters.get("tool_choice"))
            return await self.chat(conversation, timeout=timeout, tools=tools, schema=schema, **given)

        return await run_tools(
            ask,
            as_messages(messages),
            tools,
            max_rounds=max_rounds,
            max_concurrency=max_concurrency,
            approve=approve,
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
        """As `run_tools`, but as it comes: the chunks of every answer, and each call and its result between them.

        What is iterated are `StreamChunk`, `ToolStarted` and `ToolFinished`; `run` of the stream is the transcript.
        Calls that take long hold no other's result back.

        Raises:
            ConfigurationError: a tool has no function to run.
            MiiflowLLMError: by the iteration, as for `run_tools`.
        """
        from ..calls.tool_loop import choice_of
        from ..calls.tool_stream import ToolStream

        def ask(conversation: list[Message], first: bool) -> Streamed:
            given = parameters.copy()
            given["tool_choice"] = choice_of(first, parameters.get("tool_choice"))
            return self.stream_chat(conversation, timeout=timeout, tools=tools, schema=schema, **given)

        return ToolStream(
            ask,
            as_messages(messages),
            tools,
            max_rounds=max_rounds,
            max_concurrency=max_concurrency,
            approve=approve,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


class FromSyncChat(Generic[SyncStreamed]):
    """The rest of the face `SyncChat`, for who has `chat`, `stream_chat` and `close`."""

    @abstractmethod
    def chat(
        self, messages: Messages, *, timeout: Timeout | float | None = None, **parameters: Unpack[Parameters]
    ) -> ChatResponse:
        """The whole answer to `messages`."""

    @abstractmethod
    def stream_chat(
        self,
        messages: Messages,
        *,
        raw: bool = False,
        timeout: Timeout | float | None = None,
        **parameters: Unpack[Parameters],
    ) -> SyncStreamed:
        """The answer to `messages` as it comes."""

    @abstractmethod
    def close(self) -> None:
        """Close the connections."""

    def stream_with_schema(
        self,
        messages: Messages,
        schema: Any,
        *,
        timeout: Timeout | float | None = None,
        **parameters: Unpack[ToolParameters],
    ) -> SyncStreamed:
        """The answer as it comes, as a value of the type `schema`; as `LLMClient.stream_with_schema`."""
        return self.stream_chat(messages, timeout=timeout, schema=schema, **parameters)

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
        """Ask, run the calls that the model makes, and go on until it makes none; as `LLMClient.run_tools`.

        The calls of one answer run side by side in threads, asynchronous functions each in an event loop of its own.

        Raises:
            ConfigurationError: a tool has no function to run.
            MiiflowLLMError: as for `chat`; `messages` and `usage` of the error are what was said until then.
        """
        from ..calls.tool_loop import choice_of, run_tools_sync

        def ask(conversation: list[Message], first: bool) -> ChatResponse:
            given = parameters.copy()
            given["tool_choice"] = choice_of(first, parameters.get("tool_choice"))
            return self.chat(conversation, timeout=timeout, tools=tools, schema=schema, **given)

        return run_tools_sync(
            ask,
            as_messages(messages),
            tools,
            max_rounds=max_rounds,
            max_concurrency=max_concurrency,
            approve=approve,
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
        """As `run_tools`, but as it comes; as `LLMClient.stream_tools`."""
        from ..calls.tool_loop import choice_of
        from ..calls.tool_stream import SyncToolStream

        def ask(conversation: list[Message], first: bool) -> SyncStreamed:
            given = parameters.copy()
            given["tool_choice"] = choice_of(first, parameters.get("tool_choice"))
            return self.stream_chat(conversation, timeout=timeout, tools=tools, schema=schema, **given)

        return SyncToolStream(
            ask,
            as_messages(messages),
            tools,
            max_rounds=max_rounds,
            max_concurrency=max_concurrency,
            approve=approve,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
