"""A stream through a cache, with the face and the laws of a live one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Self

import msgspec

from ..calls.players import played
from ..calls.structured import Shape, ShapeReader
from ..core import clock
from ..core.exceptions import ConfigurationError, MiiflowLLMError, ParsingError
from ..core.response import ChatResponse, StreamChunk
from .asked import Asked
from .caller import Caller
from .flight import is_shared
from .sources import Alone, Following, Source

_JOINS = 3


class _Stream:
    """What happens, whoever waits."""

    def __init__(self, caller: Caller, asked: Asked) -> None:
        self._caller = caller
        self._asked = asked
        self._source: Source | None = None
        self._reader: ShapeReader | None = None
        self._began = clock.monotonic()
        self._joins = 0
        self._given = False
        self._over = False
        self._whole: ChatResponse | None = None

    @property
    def response(self) -> ChatResponse:
        """The answer so far; whole once the iteration has ended.

        Raises:
            ConfigurationError: nothing has come yet.
        """
        if self._whole is not None:
            return self._whole
        if self._source is None:
            raise ConfigurationError("the stream has not begun: iterate it first")
        return self._source.response()

    @property
    def ready(self) -> int:
        """Chunks that have come and are not taken yet; a cache does not look ahead."""
        return 0

    async def _open(self) -> None:
        if self._source is None and not self._over:
            self._source = await self._caller.open(self._asked)
            schema = self._asked.parameters.get("schema")
            if schema is not None and not isinstance(self._source, Alone):
                self._reader = ShapeReader(Shape.of(schema))

    async def _next(self) -> StreamChunk | None:
        """The next chunk; an error before the first one is met again only if nothing else is to be had."""
        while not self._over:
            await self._open()
            assert self._source is not None  # noqa: S101  it was opened just now
            try:
                chunk = await self._source.next()
            except MiiflowLLMError as error:
                if not await self._goes_on(error):
                    self._over = True
                    await self._leave()
                    raise
                continue
            except BaseException:
                self._over = True
                await self._leave()
                raise
            if chunk is None:
                self._over = True
                await self._leave()
                return None
            self._given = True
            return await self._shown(chunk)
        return None

    async def _goes_on(self, error: MiiflowLLMError) -> bool:
        """Whether something else takes the place of a source that failed before it showed anything."""
        source = self._source
        if self._given or source is None:
            return False
        joined = isinstance(source, Following) and not source.leads
        await source.close()
        self._source = None
        if joined and not is_shared(error) and self._joins < _JOINS:
            self._joins += 1
            return True
        self._source = await self._caller.instead(self._asked, error)
        return self._source is not None

    async def _shown(self, chunk: StreamChunk) -> StreamChunk:
        """A chunk as this reader gets it: with its own value of the type that it asked for."""
        if chunk.finish_reason is None:
            return self._shaped(chunk)
        self._whole = self._settled()
        if (
            chunk.cost is not None and chunk.cost != self._whole.cost
        ):  # what was kept or joined costs this reader nothing
            chunk = msgspec.structs.replace(chunk, cost=self._whole.cost)
        chunk = self._shaped(chunk)
        if self._reader is not None:
            try:
                chunk.structured_output = self._reader.finish(self._whole)
            except ParsingError:
                self._over = True
                await self._leave()
                raise
        return chunk

    def _shaped(self, chunk: StreamChunk) -> StreamChunk:
        if self._reader is None:
            return chunk
        own = msgspec.structs.replace(chunk, partial_parse=None, structured_output=None)
        self._reader.read(own)
        return own

    def _settled(self) -> ChatResponse:
        source = self._source
        assert source is not None  # noqa: S101  its last chunk has just come
        response = source.response()
        if isinstance(source, Following) and not source.leads:
            return self._caller.joined(self._asked, response, self._began, stream=True)
        return response

    async def _leave(self) -> None:
        if self._source is not None:
            await self._source.close()

    async def _close(self) -> None:
        self._over = True
        await self._leave()


class CachedStream(_Stream, AsyncIterator[StreamChunk]):
    """The chunks of one answer, from the cache or live; as `ChatStream`."""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> StreamChunk:
        chunk = await self._next()
        if chunk is None:
            raise StopAsyncIteration
        return chunk

    async def __aenter__(self) -> Self:
        await self._open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def aclose(self) -> None:
        """Leave. Harmless when done twice."""
        await self._close()


class SyncCachedStream(_Stream, Iterator[StreamChunk]):
    """The chunks of one answer, from the cache or live; as `SyncChatStream`."""

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> StreamChunk:
        chunk = played(self._next())
        if chunk is None:
            raise StopIteration
        return chunk

    def __enter__(self) -> Self:
        played(self._open())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave. Harmless when done twice."""
        played(self._close())
