"""A streamed answer in plain synchronous code: an iterator of chunks, and a context manager around it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from ..core.exceptions import ConfigurationError, MiiflowLLMError
from ..core.response import ChatResponse, StreamChunk
from ..http.transport_sync import SyncAnswer, SyncTransport
from .call import Call
from .stream_state import READ_ERRORS, StreamState
from .sync_io import again, drain, let_go, send


class SyncChatStream(Iterator[StreamChunk]):
    """The chunks of one answer. The request is sent when the first chunk is asked for, or on entering.

    `response` is the answer as far as it has come; once the iteration has ended it is what `chat()` would have given.
    Leaving by `with`, `close()` or an error closes the connection; a stream that is dropped without any of these closes
    it too, with a ResourceWarning.
    """

    def __init__(self, transport: SyncTransport, call: Call, *, raw: bool = False) -> None:
        self._state = StreamState(call, raw=raw)
        self._ready = self._state.ready
        self._transport = transport
        self._answer: SyncAnswer | None = None
        self._busy = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> StreamChunk:
        while not self._ready:
            if self._state.exhausted():
                raise StopIteration
            self._guarded(self._advance)
        self._state.given = True
        try:
            self._state.check_total()
        except MiiflowLLMError:
            self._leave()
            raise
        return self._ready.popleft()

    def __enter__(self) -> Self:
        if self._answer is None and not self._state.over:
            self._guarded(self._open)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def response(self) -> ChatResponse:
        """The answer so far; whole once the iteration has ended.

        Raises:
            ConfigurationError: nothing has come yet.
        """
        return self._state.response

    def close(self) -> None:
        """Leave: close the connection, or give it back where the answer was whole. Harmless when done twice."""
        self._state.abandoned()
        self._ready.clear()
        self._leave()

    def _guarded(self, step: Callable[[], None]) -> None:
        """Take one step alone; whatever breaks it off lets the connection go."""
        if self._busy:
            raise ConfigurationError("two threads read one stream; give each its own stream_chat()")
        self._busy = True
        try:
            step()
        except MiiflowLLMError:
            self._state.over = True
            self._leave()
            raise
        except BaseException:
            self._state.abandoned()
            self._leave()
            raise
        finally:
            self._busy = False

    def _open(self) -> None:
        self._answer = send(self._transport, self._state.call)
        self._state.opened()

    def _advance(self) -> None:
        """Read a little and keep the chunks it brings; raise what the reader found once those are handed out."""
        state, answer = self._state, self._answer
        if state.error is not None:
            self._failed(state.error)
        elif answer is None:
            self._open()
        else:
            try:
                if state.behind:
                    state.catch_up()
                else:
                    answer.body.deadline = state.deadline()
                    state.took(answer.body.read())
            except (MiiflowLLMError, *READ_ERRORS) as reason:
                self._broke(reason)
            if state.ended:
                self._end(answer)

    def _broke(self, reason: BaseException) -> None:
        """Reading on raised `reason`."""
        try:
            self._state.broke(reason)
        except MiiflowLLMError as error:
            self._failed(error)

    def _failed(self, error: MiiflowLLMError) -> None:
        """Try again where nothing was handed out, else raise."""
        self._leave()
        call = self._state.call
        if self._state.given:
            call.note_failure(error)
            raise call.settled(error)
        again(call, error)
        self._state.dropped()

    def _end(self, answer: SyncAnswer) -> None:
        """The answer is whole: settle it, and keep the connection for the next one."""
        self._answer = None
        self._state.settle(answer.headers)
        drain(answer.body)

    def _leave(self) -> None:
        answer, self._answer = self._answer, None
        if answer is not None:
            let_go(answer.body)

    def __del__(self) -> None:
        answer = getattr(self, "_answer", None)
        if answer is None:
            return
        answer.body.abort()  # first: a warning may be an error
        self._state.abandoned()
        warnings.warn(
            "a stream was dropped before its end without being closed; use `with`",
            ResourceWarning,
            source=self,
            stacklevel=1,
        )
