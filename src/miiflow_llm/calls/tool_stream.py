"""A conversation with tools as it comes: the chunks of each answer, and the calls and results between them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, Protocol, Self

from ..core.exceptions import ConfigurationError
from ..core.messages import Message
from ..core.response import ChatResponse, StreamChunk
from .crews import Crew, LoopCrew, ThreadCrew
from .misuse import NotInLoops, NotPlainStream
from .players import played
from .tool_calls import Approve
from .tool_loop import Answering, Conversation, Ended, ToolEvent, ToolRun, ToolSteps, check_bounds


class _Stream(Protocol):
    def __aiter__(self) -> Self: ...

    async def __anext__(self) -> StreamChunk: ...

    async def aclose(self) -> None: ...

    @property
    def response(self) -> ChatResponse: ...


class _SyncStream(Protocol):
    def __iter__(self) -> Self: ...

    def __next__(self) -> StreamChunk: ...

    def close(self) -> None: ...

    @property
    def response(self) -> ChatResponse: ...


class _Answer:
    """A streamed answer, asynchronous."""

    def __init__(self, stream: _Stream) -> None:
        self._stream = stream

    async def next(self) -> StreamChunk | None:
        return await anext(self._stream, None)

    @property
    def response(self) -> ChatResponse:
        return self._stream.response

    async def close(self) -> None:
        await self._stream.aclose()


class _SyncAnswer:
    """A streamed answer, synchronous."""

    def __init__(self, stream: _SyncStream) -> None:
        self._stream = stream

    async def next(self) -> StreamChunk | None:
        return next(self._stream, None)

    @property
    def response(self) -> ChatResponse:
        return self._stream.response

    async def close(self) -> None:
        self._stream.close()


class _Events:
    """What both faces have in common."""

    _USER = ""

    def __init__(
        self,
        open_: Callable[[list[Message], bool], Answering],
        messages: list[Message],
        tools: Sequence[Any],
        crew: Crew[Ended],
        *,
        max_rounds: int,
        approve: Approve | None,
    ) -> None:
        self._steps = ToolSteps(Conversation(messages, max_rounds=max_rounds), tools, open_, crew, approve)
        self._busy = False
        self.on_end: Callable[[ToolRun | BaseException | None], None] | None = None
        """Told once how it ended: the run, what was raised, or `None` if the caller left."""

    @property
    def run(self) -> ToolRun:
        """How it went until now: the last answer, the conversation with it, the usage of all answers.

        Raises:
            ConfigurationError: no answer is whole yet.
        """
        return self._steps.conversation.run()

    @property
    def response(self) -> ChatResponse:
        """The answer that comes, or the last one.

        Raises:
            ConfigurationError: nothing has come yet.
        """
        found = self._steps.response
        if found is None:
            raise ConfigurationError("the stream has not begun: iterate it first")
        return found

    async def _next(self) -> ToolEvent | None:
        if self._busy:
            raise ConfigurationError(f"two {self._USER}s read one stream; give each its own stream_tools()")
        self._busy = True
        try:
            event = await self._steps.next()
        except BaseException as reason:
            self._steps.stop()
            self._tell_end(reason)
            raise
        finally:
            self._busy = False
        if event is None:
            self._tell_end(self.run if self._steps.conversation.response is not None else None)
        return event

    def _tell_end(self, how: ToolRun | BaseException | None) -> None:
        told, self.on_end = self.on_end, None
        if told is not None:
            told(how)

    def __del__(self) -> None:
        steps = getattr(self, "_steps", None)
        if steps is not None:
            steps.stop()


class ToolStream(_Events, NotPlainStream, AsyncIterator[ToolEvent]):
    """The chunks of every answer as they come, and a `ToolStarted` and `ToolFinished` for each call between them.

    The last chunk of each answer has its `finish_reason`; `run` is the whole transcript at the end. Iterate it, better
    inside `async with`: leaving closes the connection and cancels the calls that run.
    """

    _USER = "task"
    _call, _instead = "stream_tools()", "SyncLLMClient"

    def __init__(
        self,
        open_: Callable[[list[Message], bool], _Stream],
        messages: list[Message],
        tools: Sequence[Any],
        *,
        max_rounds: int,
        max_concurrency: int,
        approve: Approve | None,
    ) -> None:
        check_bounds(max_rounds, max_concurrency)
        crew = LoopCrew[Ended](max_concurrency, apart=True)
        super().__init__(
            lambda said, first: _Answer(open_(said, first)),
            messages,
            tools,
            crew,
            max_rounds=max_rounds,
            approve=approve,
        )

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ToolEvent:
        event = await self._next()
        if event is None:
            raise StopAsyncIteration
        return event

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Leave: close the connection, cancel the calls that run. Harmless when done twice."""
        await self._steps.close()
        self._tell_end(None)


class SyncToolStream(_Events, NotInLoops, Iterator[ToolEvent]):
    """As `ToolStream`, in plain synchronous code: the calls run in threads. Leaving does not end those that run."""

    _USER = "thread"
    _instead = "LLMClient"

    def __init__(
        self,
        open_: Callable[[list[Message], bool], _SyncStream],
        messages: list[Message],
        tools: Sequence[Any],
        *,
        max_rounds: int,
        max_concurrency: int,
        approve: Approve | None,
    ) -> None:
        check_bounds(max_rounds, max_concurrency)
        crew = ThreadCrew[Ended](max_concurrency)
        super().__init__(
            lambda said, first: _SyncAnswer(open_(said, first)),
            messages,
            tools,
            crew,
            max_rounds=max_rounds,
            approve=approve,
        )

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> ToolEvent:
        event = played(self._next())
        if event is None:
            raise StopIteration
        return event

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave: close the connection, start no further call. Harmless when done twice."""
        played(self._steps.close())
        self._tell_end(None)
