"""A streamed answer as the caller holds it: an async iterator of chunks, and a context manager around it."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Self

import anyio
import anyio.lowlevel

from .async_io import again, drain, let_go, send
from .calls import Call
from .core.exceptions import ConfigurationError, MiiflowLLMError
from .core.response import ChatResponse, StreamChunk
from .stream_state import READ_ERRORS, StreamState
from .wire.transport import Answer, Transport

CHECKPOINT_EVERY = 128
"""Chunks given from one read before other tasks get their turn."""


class ChatStream(AsyncIterator[StreamChunk]):
    """The chunks of one answer. The request is sent when the first chunk is asked for, or on entering.

    `response` is the answer as far as it has come; once the iteration has ended it is what `chat()` would have given.
    Leaving by `async with`, `aclose()`, an error or cancellation closes the connection; a stream that is dropped
    without any of these closes it too, with a ResourceWarning.
    """

    def __init__(self, transport: Transport, call: Call, *, raw: bool = False) -> None:
        self._state = StreamState(call, raw=raw)
        self._ready = self._state.ready
        self._transport = transport
        self._answer: Answer | None = None
        self._waiting: anyio.CancelScope | None = None
        self._busy = False
        self._burst = 0
        self._most = CHECKPOINT_EVERY if call.timeout.total is None else 0  # the total is looked at for every chunk

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> StreamChunk:
        ready = self._ready
        if ready and self._burst < self._most:
            self._burst += 1
            return ready.popleft()
        return await self._next()

    async def __aenter__(self) -> Self:
        if self._answer is None and not self._state.over:
            await self._guarded(self._open)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    @property
    def response(self) -> ChatResponse:
        """The answer so far; whole once the iteration has ended.

        Raises:
            ConfigurationError: nothing has come yet.
        """
        return self._state.response

    @property
    def ready(self) -> int:
        """Chunks that have come and are not taken yet: so many steps need not wait for the network."""
        return len(self._ready)

    async def aclose(self) -> None:
        """Leave: close the connection, or give it back where the answer was whole. Harmless when done twice."""
        self._state.abandoned()
        self._ready.clear()
        if self._waiting is not None:
            self._waiting.cancel()
        await self._leave()

    async def _next(self) -> StreamChunk:
        """A chunk that is not ready yet, or one after other tasks had their turn."""
        if self._ready and self._burst >= CHECKPOINT_EVERY:
            await anyio.lowlevel.checkpoint()
            self._burst = 0
        if not self._ready:
            await self._guarded(self._fill)
            if not self._ready:
                raise StopAsyncIteration
        self._burst += 1
        try:
            self._state.handing()
        except MiiflowLLMError:
            self._abort()
            raise
        return self._ready.popleft()

    async def _guarded(self, step: Callable[[], Awaitable[None]]) -> None:
        """Take one step alone; whatever breaks it off lets the connection go."""
        if self._busy:
            raise ConfigurationError("two tasks read one stream; give each its own stream_chat()")
        self._busy = True
        try:
            await step()
        except MiiflowLLMError:
            self._state.over = True
            await self._leave()
            raise
        except BaseException:
            self._state.abandoned()
            self._abort()
            raise
        finally:
            self._busy = False

    def _closable(self) -> anyio.CancelScope:
        """Around the wait for a head or for the next attempt, which another task's `aclose` ends."""
        self._waiting = anyio.CancelScope()
        return self._waiting

    async def _open(self) -> None:
        with self._closable():
            self._answer = await send(self._transport, self._state.call)
            self._state.opened()

    async def _fill(self) -> None:
        """Read until there is a chunk to hand out, or nothing more to read."""
        while not self._ready and not self._state.exhausted():
            await self._advance()

    async def _advance(self) -> None:
        """Read a little and keep the chunks it brings; raise what the reader found once those are handed out."""
        state, answer = self._state, self._answer
        if state.error is not None:
            await self._failed(state.error)
        elif answer is None:
            await self._open()
        else:
            try:
                if state.behind:
                    state.catch_up()
                else:
                    try:
                        answer.body.deadline = state.deadline()
                        data = await answer.body.read()
                    except READ_ERRORS as reason:
                        data = state.broke(reason)
                    if state.over:  # closed by another task meanwhile
                        return
                    state.took(data)
            except MiiflowLLMError as error:
                await self._failed(error)
                return
            if state.ended:
                await self._end(answer)

    async def _failed(self, error: MiiflowLLMError) -> None:
        """Try again where nothing was handed out, else raise."""
        await self._leave()
        call = self._state.call
        if self._state.given:
            call.note_failure(error)
            raise call.settled(error)
        with self._closable():
            await again(call, error)
        self._state.dropped()

    async def _end(self, answer: Answer) -> None:
        """The answer is whole: settle it, and keep the connection for the next one."""
        self._answer = None
        self._state.settle(answer.headers)
        await drain(answer.body)

    async def _leave(self) -> None:
        answer, self._answer = self._answer, None
        if answer is not None:
            await let_go(answer.body)

    def _abort(self) -> None:
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.body.abort()

    def __del__(self) -> None:
        if getattr(self, "_answer", None) is None:
            return
        self._state.abandoned()
        self._abort()  # first: a warning may be an error
        warnings.warn(
            "a stream was dropped before its end without being closed; use `async with`",
            ResourceWarning,
            source=self,
            stacklevel=1,
        )
