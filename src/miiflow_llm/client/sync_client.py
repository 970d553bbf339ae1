"""The client for plain synchronous code: notebooks, scripts, Django views. The same engine, no event loop anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, Unpack

import httpx

from ..calls.call import Call
from ..calls.parameters import CommonParameters, Messages, Parameters, ToolParameters
from ..calls.sync_io import again, whole
from ..calls.sync_streams import SyncChatStream
from ..core.exceptions import MiiflowLLMError
from ..core.messages import Message, as_messages
from ..core.response import ChatResponse
from ..core.timeout import Timeout
from ..http.transport import TransportName
from ..http.transport_sync import SyncTransport
from .base import BaseClient

if TYPE_CHECKING:
    from ..calls.tool_loop import ToolRun


class SyncLLMClient(BaseClient[httpx.Client, SyncTransport]):
    """One provider and, unless a call says otherwise, one model, used with blocking calls.

    Make it with `create`, use it from as many threads as you like, close it with `close` or `with`. httpx's transport
    serves it (`transport=` is for the asynchronous client), with at most 1 000 connections.
    """

    @classmethod
    def _connections(cls, http_client: httpx.Client | None, kind: TransportName) -> SyncTransport:
        return SyncTransport(http_client)

    def chat(
        self, messages: Messages, *, timeout: Timeout | float | None = None, **parameters: Unpack[Parameters]
    ) -> ChatResponse:
        """The whole answer to `messages`; as `LLMClient.chat`.

        Raises:
            MiiflowLLMError: the request cannot be said, or no attempt gave an answer.
        """
        call = self._call(messages, timeout, stream=False, parameters=parameters)
        try:
            response = self._whole(call)
        except MiiflowLLMError:
            raise
        except BaseException:
            call.abandoned()
            raise
        reader = call.shape_reader()
        if reader is not None:
            reader.finish(response)
        return response

    def _whole(self, call: Call) -> ChatResponse:
        while True:
            answer, body = whole(self._transport, call)
            try:
                response = call.read_whole(body)
            except MiiflowLLMError as error:
                again(call, error)
            else:
                return call.finished(response, answer.headers)

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
        return SyncChatStream(self._transport, call, raw=raw)

    def stream_with_schema(
        self,
        messages: Messages,
        schema: Any,
        *,
        timeout: Timeout | float | None = None,
        **parameters: Unpack[ToolParameters],
    ) -> SyncChatStream:
        """The answer as it comes, as a value of the type `schema`; as `LLMClient.stream_with_schema`."""
        return self.stream_chat(messages, timeout=timeout, schema=schema, **parameters)

    def run_tools(
        self,
        messages: Messages,
        tools: Sequence[Any],
        *,
        max_rounds: int = 10,
        max_concurrency: int = 8,
        schema: Any = None,
        **parameters: Unpack[CommonParameters],
    ) -> ToolRun:
        """Ask, run the calls that the model makes, and go on until it makes none; as `LLMClient.run_tools`.

        The calls of one answer run side by side in threads, asynchronous functions each in an event loop of its own.

        Raises:
            ConfigurationError: a tool has no function to run.
            MiiflowLLMError: as for `chat`.
        """
        from ..calls.tool_loop import choice_of, run_tools_sync

        def ask(conversation: list[Message], first: bool) -> ChatResponse:
            given = parameters.copy()
            given["tool_choice"] = choice_of(first, parameters.get("tool_choice"))
            return self.chat(conversation, tools=tools, schema=schema, **given)

        return run_tools_sync(ask, as_messages(messages), tools, max_rounds=max_rounds, max_concurrency=max_concurrency)

    def close(self) -> None:
        """Close the connections. Harmless when done twice."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
