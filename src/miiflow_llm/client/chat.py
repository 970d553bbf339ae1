"""The face that everything one can chat with has: a client, a router, a cache, a trial.

What takes "anything to chat with" (a router's target, the web service, telemetry, the command line) is typed with these
protocols, so that all of them nest. `FromChat` and `FromSyncChat` are for who makes such a thing: they give what
follows from `chat` and `stream_chat`.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, Unpack

from ..calls.hooks import Hooks
from ..calls.metrics import Metrics
from ..calls.parameters import CommonParameters, Messages, Parameters, ToolParameters
from ..core.request import Plan
from ..core.response import ChatResponse, Embeddings, ModelInfo, StreamChunk
from ..core.timeout import Timeout

if TYPE_CHECKING:
    from ..calls.tool_calls import Approve
    from ..calls.tool_loop import ToolRun
    from ..calls.tool_stream import SyncToolStream, ToolStream


class AnswerStream(Protocol):
    """A streamed answer: iterate it, better inside `async with`; see `ChatStream`."""

    @property
    def response(self) -> ChatResponse:
        """The answer so far; whole once the iteration has ended."""

    @property
    def ready(self) -> int:
        """Chunks that have come and are not taken yet."""

    def __aiter__(self) -> Self: ...

    async def __anext__(self) -> StreamChunk: ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def aclose(self) -> None:
        """Leave, and close the connection."""


class SyncAnswerStream(Protocol):
    """A streamed answer: iterate it, better inside `with`; see `SyncChatStream`."""

    @property
    def response(self) -> ChatResponse:
        """The answer so far; whole once the iteration has ended."""

    @property
    def ready(self) -> int:
        """Chunks that have come and are not taken yet."""

    def __iter__(self) -> Self: ...

    def __next__(self) -> StreamChunk: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def close(self) -> None:
        """Leave, and close the connection."""


class Described(Protocol):
    """What both faces tell without a call."""

    @property
    def provider(self) -> str:
        """Whose answers these are: a provider's name, or that of what chooses among several."""

    @property
    def model(self) -> str | None:
        """The model of a call that names none."""

    @property
    def event_hooks(self) -> Hooks:
        """The hooks by event, every event present: append to its lists."""

    def plan(
        self,
        messages: Messages,
        *,
        stream: bool = False,
        timeout: Timeout | float | None = None,
        **parameters: Unpack[Parameters],
    ) -> Plan:
        """The exact request that `chat` (or `stream_chat`) would send, without sending it; the key is hidden."""

    def get_metrics(self) -> Metrics:
        """What was done so far."""


class Chat(Described, Protocol):
    """Something to chat with from an event loop: every method as `LLMClient` documents it."""

    async def chat(
        self, messages: Messages, *, timeout: Timeout | float | None = None, **parameters: Unpack[Parameters]
    ) -> ChatResponse:
        """The whole answer."""

    def stream_chat(
        self,
        messages: Messages,
        *,
        raw: bool = False,
        timeout: Timeout | float | None = None,
        **parameters: Unpack[Parameters],
    ) -> AnswerStream:
        """The answer as it comes."""

    def stream_with_schema(
        self,
        messages: Messages,
        schema: Any,
        *,
        timeout: Timeout | float | None = None,
        **parameters: Unpack[ToolParameters],
    ) -> AnswerStream:
        """The answer as it comes, as a value of a type."""

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
        """Ask, run the calls that the model makes, and go on until it makes none."""

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
        """As `run_tools`, but as it comes."""

    async def embed(
        self,
        texts: str | Sequence[str],
        *,
        model: str | None = None,
        dimensions: int | None = None,
        timeout: Timeout | float | None = None,
    ) -> Embeddings:
        """One vector for each text."""

    async def count_tokens(
        self, messages: Messages, *, timeout: Timeout | float | None = None, **parameters: Unpack[Parameters]
    ) -> int:
        """How many prompt tokens the provider counts in what `chat` would send."""

    async def models(self, *, timeout: Timeout | float | None = None) -> list[ModelInfo]:
        """The models that can be asked."""

    async def aclose(self) -> None:
        """Close the connections."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class SyncChat(Described, Protocol):
    """Something to chat with by blocking calls: every method as `SyncLLMClient` documents it."""

    def chat(
        self, messages: Messages, *, timeout: Timeout | float | None = None, **parameters: Unpack[Parameters]
    ) -> ChatResponse:
        """The whole answer."""

    def stream_chat(
        self,
        messages: Messages,
        *,
        raw: bool = False,
        timeout: Timeout | float | None = None,
        **parameters: Unpack[Parameters],
    ) -> SyncAnswerStream:
        """The answer as it comes."""

    def stream_with_schema(
        self,
        messages: Messages,
        schema: Any,
        *,
        timeout: Timeout | float | None = None,
        **parameters: Unpack[ToolParameters],
    ) -> SyncAnswerStream:
        """The answer as it comes, as a value of a type."""

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
        """Ask, run the calls that the model makes, and go on until it makes none."""

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
        """As `run_tools`, but as it comes."""

    def embed(
        self,
        texts: str | Sequence[str],
        *,
        model: str | None = None,
        dimensions: int | None = None,
        timeout: Timeout | float | None = None,
    ) -> Embeddings:
        """One vector for each text."""

    def count_tokens(
        self, messages: Messages, *, timeout: Timeout | float | None = None, **parameters: Unpack[Parameters]
    ) -> int:
        """How many prompt tokens the provider counts in what `chat` would send."""

    def models(self, *, timeout: Timeout | float | None = None) -> list[ModelInfo]:
        """The models that can be asked."""

    def close(self) -> None:
        """Close the connections."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
