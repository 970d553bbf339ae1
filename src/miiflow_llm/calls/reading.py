"""An answer that comes piece by piece: read on a loop or in a thread, left at any moment, tried again before output.

What its bytes mean, an `Incoming` says: chunks of a chat (`StreamState`), events as they are (`EventState`).
"""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Mapping
from typing import Generic, Protocol, TypeVar

from ..core.exceptions import ConfigurationError, MiiflowLLMError
from ..http.answer_body import READ_ERRORS, ReadError
from ..http.transport import Answer
from .exchange import Exchange
from .players import Player, Scope
from .sending import again, drain, let_go, send

Item = TypeVar("Item")


class Incoming(Protocol[Item]):
    """What an answer does between two reads, without I/O. The attributes are as `StreamState` has them."""

    ready: deque[Item]
    over: bool
    given: bool
    ended: bool
    error: MiiflowLLMError | None

    @property
    def call(self) -> Exchange:
        """The exchange behind it."""

    @property
    def behind(self) -> bytes | memoryview:
        """Bytes that have come and are still to be read by `catch_up`."""

    def opened(self, answer: Answer) -> None:
        """An answer has begun."""

    def dropped(self) -> None:
        """It failed and another attempt follows."""

    def deadline(self) -> float | None:
        """The time until which the next read may wait."""

    def broke(self, reason: ReadError) -> None:
        """A read failed."""

    def took(self, data: bytes) -> None:
        """What a read brought; `b""` is the end of the bytes."""

    def catch_up(self) -> None:
        """Read on in what has come."""

    def settle(self, headers: Mapping[str, str]) -> None:
        """The answer is whole."""

    def exhausted(self) -> bool:
        """Whether the iteration is over."""

    def check_total(self) -> None:
        """See that `Timeout.total` has not passed."""

    def abandoned(self) -> None:
        """The caller leaves."""


class Reading(Generic[Item]):
    """An answer that comes piece by piece, read by whichever player; `state` says what its bytes mean."""

    _BEGUN_BY = "stream_chat"

    def __init__(self, player: Player, state: Incoming[Item]) -> None:
        self._state = state
        self._ready = state.ready
        self._player = player
        self._answer: Answer | None = None
        self._waiting: Scope | None = None
        self._busy = False
        self._timed = state.call.timeout.total is not None  # then the whole call's limit is looked at for every chunk

    @property
    def ready(self) -> int:
        """Chunks that have come and are not taken yet: so many steps need not wait for the network."""
        return len(self._ready)

    async def more(self) -> bool:
        """Wait until there are chunks, played as the stream's player waits; false if the answer has ended.

        Raises:
            MiiflowLLMError: as by the iteration.
        """
        if not self._ready:
            await self._fill()
        return bool(self._ready)

    async def leave(self) -> None:
        """What closing it does, played as the stream's player waits."""
        await self._close()

    def drop(self) -> None:
        """Break the connection off without waiting, for whoever is dropped with this stream in hand."""
        self._state.abandoned()
        self._abort()

    async def _enter(self) -> None:
        """Send the request, unless that was done."""
        if self._answer is None and not self._state.over:
            self._alone()
            try:
                await self._open()
            except BaseException as reason:
                await self._broken_off(reason)
                raise
            finally:
                self._busy = False

    async def _close(self) -> None:
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
                        state.took(await answer.body.read())  # no variable holds it, for a traceback to show
                except MiiflowLLMError as reason:  # of a transport of the caller's
                    await self._failed(reason)
                except READ_ERRORS as reason:
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
            raise ConfigurationError(f"two {self._player.user}s read one stream; give each its own {self._BEGUN_BY}()")
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

    async def _open(self) -> None:
        with self._player.scope() as self._waiting:
            try:
                self._answer = await send(self._player, self._state.call)
                self._state.opened(self._answer)
            finally:
                self._waiting = None
        if self._state.over:  # closed by another task at the moment when the head came
            await self._leave()

    async def _advance(self) -> None:
        """Raise what the reader found, now that all chunks before it are handed out, or make an attempt."""
        error = self._state.error
        if error is not None:
            await self._failed(error)
        else:
            await self._open()

    async def _broke(self, reason: ReadError) -> None:
        """A read failed."""
        try:
            self._state.broke(reason)
        except MiiflowLLMError as error:
            await self._failed(error)

    async def _failed(self, error: MiiflowLLMError) -> None:
        """Try again if nothing was handed out, otherwise raise."""
        await self._leave()
        call = self._state.call
        if self._state.given:
            call.note_failure(error)
            raise call.settled(error)
        with self._player.scope() as self._waiting:
            try:
                await again(self._player, call, error)
            finally:
                self._waiting = None
        self._state.dropped()

    async def _end(self, answer: Answer) -> None:
        """The answer is whole: settle it, and keep the connection for the next one."""
        self._answer = None
        self._state.settle(answer.headers)
        await drain(self._player, answer.body)

    async def _leave(self) -> None:
        answer, self._answer = self._answer, None
        if answer is not None:
            await let_go(self._player, answer.body)

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
            f"a stream was dropped before its end without being closed; use {self._player.leave}",
            ResourceWarning,
            source=self,
            stacklevel=1,
        )
