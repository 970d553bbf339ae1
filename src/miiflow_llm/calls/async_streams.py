"""A streamed answer as the caller holds it: an async iterator of chunks, and a context manager around it."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Self

import anyio
import anyio.lowlevel

from ..core.exceptions import ConfigurationError, MiiflowLLMError
from ..core.response import ChatResponse, StreamChunk
from ..http.transport import Answer, Transport
from .async_io import again, drain, let_go, send
from .call import Call
from .stream_state import READ_ERRORS, StreamState

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
        if ready and self._burst >= CHECKPOINT_EVERY:
            await anyio.lowlevel.checkpoint()
            self._burst = 0
        if not ready:
            await self._fill()
            if not ready:
                raise StopAsyncIteration
        self._burst += 1
        self._state.given = True
        if not self._most:
            self._check_total()
        return ready.popleft()

    async def __aenter__(self) -> Self:
        if self._answer is None and not self._state.over:
            self._alone()
            try:
                await self._open()
            except BaseException as reason:
                await self._broken_off(reason)
                raise
            finally:
                self._busy = False
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

    async def _fill(self) -> None:
        """Read until there is a chunk to hand out, or nothing more to read: one coroutine, since each costs its time.

        Whatever breaks it off lets the connection go.
        """
        self._alone()
        state = self._state
        try:
            while not (self._ready or (state.over and state.exhausted())):
                answer = self._answer
                if answer is None or state.error is not None:
                    await self._advance()
                    continue
                try:
                    if state.behind:
                        state.catch_up()
                    else:
                        answer.body.deadline = state.deadline()
                        data = await answer.body.read()
                        if not state.over:  # closed by another task meanwhile
                            state.took(data)
                except (MiiflowLLMError, *READ_ERRORS) as reason:
                    await self._broke(reason)
                if state.ended:
                    await self._end(answer)
        except BaseException as reason:
            await self._broken_off(reason)
            raise
        finally:
            self._busy = False

    def _alone(self) -> None:
        if self._busy:
            raise ConfigurationError("two tasks read one stream; give each its own stream_chat()")
        self._busy = True

    async def _broken_off(self, reason: BaseException) -> None:
        if isinstance(reason, MiiflowLLMError):
            self._state.over = True
            await self._leave()
        else:
            self._state.abandoned()
            self._abort()

    def _check_total(self) -> None:
        try:
            self._state.check_total()
        except MiiflowLLMError:
            self._abort()
            raise

    @contextlib.contextmanager
    def _closable(self) -> Iterator[None]:
        """Around the wait for a head or for the next attempt, which another task's `aclose` ends."""
        with anyio.CancelScope() as self._waiting:
            try:
                yield
            finally:
                self._waiting = None

    async def _open(self) -> None:
        with self._closable():
            self._answer = await send(self._transport, self._state.call)
            self._state.opened()
        if self._state.over:  # closed by another task at the moment when the head came
            await self._leave()

    async def _advance(self) -> None:
        """Raise what the reader found, now that all chunks before it are handed out, or make an attempt."""
        error = self._state.error
        if error is not None:
            await self._failed(error)
        else:
            await self._open()

    async def _broke(self, reason: BaseException) -> None:
        """Reading on raised `reason`."""
        try:
            self._state.broke(reason)
        except MiiflowLLMError as error:
            await self._failed(error)

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
