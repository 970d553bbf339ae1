"""A stream of plain events as the caller holds it: an iterator of httpx-sse's events, and a context manager."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ..core.exceptions import ConfigurationError
from ..core.response import RawResponse
from .event_state import EventState
from .misuse import NotInLoops, NotPlainStream
from .players import Player, played
from .raw_request import RawExchange
from .reading import Reading

if TYPE_CHECKING:
    from httpx_sse import ServerSentEvent
else:
    ServerSentEvent = Any


class _Events(Reading[ServerSentEvent]):
    _BEGUN_BY = "stream_events"
    _state: EventState

    def __init__(self, player: Player, exchange: RawExchange) -> None:
        super().__init__(player, EventState(exchange))

    @property
    def head(self) -> RawResponse:
        """Status and headers of the answer; it has no body.

        Raises:
            ConfigurationError: no answer has begun.
        """
        if self._state.head is None:
            raise ConfigurationError("the stream has not begun: iterate or enter it first")
        return self._state.head

    def _taken(self) -> ServerSentEvent:
        self._state.given = True
        if self._timed:
            self._check_total()
        return self._ready.popleft()


class EventStream(_Events, NotPlainStream, AsyncIterator[ServerSentEvent]):
    """The events of one answer as they come, of the type `httpx_sse.ServerSentEvent`.

    The request is sent when the first one is asked for, or on entering. Leaving by `async with`, `aclose()`, an error
    or cancellation closes the connection.
    """

    _call, _instead = "stream_events()", "SyncLLMClient"

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ServerSentEvent:
        if not await self.more():
            raise StopAsyncIteration
        return self._taken()

    async def __aenter__(self) -> Self:
        await self._enter()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def aclose(self) -> None:
        """Leave, and close the connection. Harmless when done twice."""
        await self._close()


class SyncEventStream(_Events, NotInLoops, Iterator[ServerSentEvent]):
    """As `EventStream`, in plain synchronous code."""

    _instead = "LLMClient"

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> ServerSentEvent:
        if not played(self.more()):
            raise StopIteration
        return self._taken()

    def __enter__(self) -> Self:
        played(self._enter())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave, and close the connection. Harmless when done twice."""
        played(self._close())
