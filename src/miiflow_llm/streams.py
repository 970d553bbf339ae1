"""A streamed answer as the caller holds it: an async iterator of chunks, and a context manager around it."""

from __future__ import annotations

import time
import warnings
from collections import deque
from collections.abc import AsyncIterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import anyio.lowlevel
import httpx

from .calls import Call
from .core.exceptions import ConfigurationError, MiiflowLLMError, ParsingError
from .core.response import ChatResponse, StreamChunk
from .exchange import let_go
from .wire.engine import StreamReader
from .wire.transport import Answer, timed_out

if TYPE_CHECKING:
    from .structured import ShapeReader

DRAIN_SECONDS = 0.1
DRAIN_BYTES = 64 * 1024
"""After the answer's end the rest of the body is read within these bounds, so that the connection is used again."""

CHECKPOINT_EVERY = 128
"""Chunks given from one read before other tasks get their turn."""


class ChatStream(AsyncIterator[StreamChunk]):
    """The chunks of one answer. The request is sent when the first chunk is asked for, or on entering.

    `response` is the answer as far as it has come; once the iteration has ended it is what `chat()` would have given.
    Leaving by `async with`, `aclose()`, an error or cancellation closes the connection; a stream that is dropped
    without any of these closes it too, with a ResourceWarning.
    """

    def __init__(self, call: Call, *, raw: bool = False) -> None:
        self._call = call
        self._raw = raw
        self._ready: deque[StreamChunk] = deque()
        self._reader: StreamReader | None = None
        self._answer: Answer | None = None
        self._response: ChatResponse | None = None
        self._phase = "first_output"
        self._handed = False
        self._busy = False
        self._over = False
        self._burst = 0
        self._given = False
        self._broke = ""
        self._shape: ShapeReader | None = None
        self._mismatch: ParsingError | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> StreamChunk:
        ready = self._ready
        if ready and self._burst < CHECKPOINT_EVERY:
            self._burst += 1
            return ready.popleft()
        return await self._next()

    async def __aenter__(self) -> Self:
        if self._answer is None and not self._over:
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
        if self._response is not None:
            return self._response
        if self._reader is None:
            raise ConfigurationError("the stream has not begun: iterate it first")
        return self._reader.response(finished=False)

    async def aclose(self) -> None:
        """Leave: close the connection, or give it back where the answer was whole. Harmless when done twice."""
        answer, self._answer = self._answer, None
        if not self._over:
            self._over = True
            self._call.abandoned()
        self._ready.clear()
        if answer is not None:
            await let_go(answer.body)

    async def _next(self) -> StreamChunk:
        """A chunk that is not ready yet, after other tasks had their turn where this one gave many at once."""
        if self._ready:
            self._burst = 0
            await anyio.lowlevel.checkpoint()
        while not self._ready:
            if self._mismatch is not None:
                mismatch, self._mismatch = self._mismatch, None
                raise mismatch
            if self._over:
                raise StopAsyncIteration
            await self._guarded(self._advance)
        self._burst += 1
        self._handed = self._given = True
        self._check_total()
        return self._ready.popleft()

    async def _guarded(self, step: Any) -> None:
        """Take one step alone; whatever breaks it off lets the connection go."""
        if self._busy:
            raise ConfigurationError("two tasks read one stream; give each its own stream_chat()")
        self._busy = True
        try:
            await step()
        except MiiflowLLMError:
            self._over = True
            await self._leave()
            raise
        except BaseException:
            self._over = True
            self._call.abandoned()
            self._abort()
            raise
        finally:
            self._busy = False

    async def _open(self) -> None:
        self._answer = await self._call.send()
        call = self._call
        self._reader = call.reader(self._answer.content_type, raw=self._raw)
        self._shape = call.shape_reader()
        self._phase = "first_output"
        self._answer.body.deadline = call.deadline(call.timeout.first_output, call.began)

    async def _advance(self) -> None:
        """Read once and keep the chunks it brings; raise what the reader found once those are handed out."""
        if self._reader is not None and self._reader.error is not None:
            await self._failed(self._reader.error)
            return
        if self._answer is None or self._reader is None:
            await self._open()
            return
        reader, before = self._reader, self._reader.output
        try:
            data = await self._read(self._answer, reader)
        except MiiflowLLMError as error:
            await self._failed(error)
            return
        chunks = reader.feed(data) if data else reader.finish(self._broke)
        if self._shape is not None:
            for chunk in chunks:
                self._shape.read(chunk)
        self._ready.extend(chunks)
        if reader.output != before:
            self._progressed(before == 0)
        if reader.ended:
            await self._end(reader)

    async def _read(self, answer: Answer, reader: StreamReader) -> bytes:
        body, call = answer.body, self._call
        if self._handed and self._phase == "idle":
            # the consumer's own time is not the provider's silence
            body.deadline = call.deadline(call.timeout.idle, time.monotonic())
            self._handed = False
        elif body.deadline is not None and time.monotonic() >= body.deadline:
            raise self._with_partial(call.read_error(httpx.ReadTimeout(""), self._phase), reader)
        try:
            return await body.read()
        except httpx.TimeoutException as reason:
            raise self._with_partial(call.read_error(reason, self._phase), reader) from None
        except (httpx.HTTPError, httpx.StreamError, OSError) as reason:
            self._broke = call.read_error(reason, self._phase).message
            return b""

    def _with_partial(self, error: MiiflowLLMError, reader: StreamReader) -> MiiflowLLMError:
        error.partial = reader.response(finished=False)
        return error

    def _progressed(self, first: bool) -> None:
        if first:
            self._call.note_first_output()
        self._phase = "idle"
        if self._answer is not None:
            self._answer.body.deadline = self._call.deadline(self._call.timeout.idle, time.monotonic())

    async def _failed(self, error: MiiflowLLMError) -> None:
        """Try again where nothing was handed out, else raise."""
        await self._leave()
        if self._given:
            self._call.note_failure(error)
            raise self._call.settled(error)
        self._reader = None
        await self._call.again(error)

    async def _end(self, reader: StreamReader) -> None:
        """The answer is whole: drain what little may follow, let the connection go, settle the response."""
        self._over = True
        answer, self._answer = self._answer, None
        response = reader.response()
        headers = answer.headers if answer is not None else {}
        self._response = self._call.finished(response, headers)
        if answer is not None:
            await _drain(answer)
        if self._shape is not None:
            self._give_shape(self._shape, self._response)

    def _give_shape(self, reader: ShapeReader, response: ChatResponse) -> None:
        """Put the value of the caller's type on the last chunk; where there is none, raise in its stead."""
        try:
            value = reader.finish(response)
        except ParsingError as error:
            error.attempts = self._call.attempts
            self._ready.pop()
            self._mismatch = error
        else:
            self._ready[-1].structured_output = value

    def _check_total(self) -> None:
        left = self._call.left()
        if left is not None and left <= 0 and not self._over:
            self._over = True
            self._abort()
            error = timed_out("total", self._call.timeout.total)
            if self._reader is not None:
                self._with_partial(error, self._reader)
            self._call.note_failure(error)
            raise self._call.settled(error)

    async def _leave(self) -> None:
        answer, self._answer = self._answer, None
        if answer is not None:
            await let_go(answer.body)

    def _abort(self) -> None:
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.body.abort()

    def __del__(self) -> None:
        if getattr(self, "_answer", None) is not None:
            warnings.warn(
                "a stream was dropped before its end without being closed; use `async with`",
                ResourceWarning,
                source=self,
                stacklevel=1,
            )
            self._over = True
            self._call.abandoned()
            self._abort()


async def _drain(answer: Answer) -> None:
    body, size = answer.body, 0
    body.deadline = time.monotonic() + DRAIN_SECONDS
    try:
        while size < DRAIN_BYTES and (data := await body.read()):
            size += len(data)
    except (httpx.HTTPError, httpx.StreamError, OSError):
        pass  # the answer is whole; only the connection is lost
    except BaseException:
        body.abort()
        raise
    await let_go(body)
