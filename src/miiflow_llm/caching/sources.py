"""Where the chunks of a stream come from: an answer that was kept, a call that others read too, or a call alone."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import msgspec

from ..core import clock
from ..core.exceptions import MiiflowLLMError, StreamInterruptedError, TimeoutError, TimeoutPhase
from ..core.response import ChatResponse, StreamChunk
from ..core.timeout import Timeout
from ..core.transcript import Transcript
from .answer import Kept, Step, chunks_of, message_of, response_of, step_of
from .flight import FellOffError, Flight, copied
from .waits import Waits

Pace = float | str | None
"""How an answer that was kept is played: at once (`None`), `"original"`, or at so many chunks a second."""


class Source(Protocol):
    """Chunks, one after the other."""

    async def next(self) -> StreamChunk | None:
        """The next chunk; `None` at the end."""

    def response(self) -> ChatResponse:
        """The answer so far, or the whole one after the end."""

    async def close(self) -> None:
        """Leave. Harmless when done twice."""


class Played:
    """An answer that was kept, chunk by chunk."""

    def __init__(self, answer: Kept, pace: Pace, waits: Waits, whole: Callable[[ChatResponse], ChatResponse]) -> None:
        self._chunks: Iterator[tuple[float, StreamChunk]] = chunks_of(answer)
        self._pace = pace
        self._waits = waits
        self._began: float | None = None
        self._given = 0
        self._last: StreamChunk | None = None
        self._answer = answer
        self._whole = whole

    async def next(self) -> StreamChunk | None:
        """The next chunk, at its time."""
        found = next(self._chunks, None)
        if found is None:
            return None
        at_ms, self._last = found
        if self._pace is not None:
            await self._wait_for(at_ms)
        self._given += 1
        return self._last

    async def _wait_for(self, at_ms: float) -> None:
        now = clock.monotonic()
        if self._began is None:
            self._began = now
        due = self._began + (at_ms / 1000 if self._pace == "original" else self._given / float(self._pace or 1))
        if due > now:
            await self._waits.sleep(due - now)

    def response(self) -> ChatResponse:
        """The whole answer, or what was played of it."""
        if self._last is None or self._last.finish_reason is not None:
            return self._whole(response_of(self._answer))
        return _so_far(self._last, self._answer.provider, self._answer.model)

    async def close(self) -> None:
        """Nothing is open."""


class Following:
    """A call that others read too, and that this reader has joined. `leads` says that this reader began it."""

    def __init__(self, flight: Flight, waits: Waits, limits: Timeout | None, *, leads: bool) -> None:
        self.flight = flight
        self.leads = leads
        self._waits = waits
        self._limits = _Limits(limits)
        self._place = 0
        self._last: StreamChunk | None = None
        self._open = True

    async def next(self) -> StreamChunk | None:
        """The next chunk, as soon as it comes.

        Raises:
            MiiflowLLMError: what the call itself raised, or a limit of this reader's.
        """
        flight = self.flight
        while (chunk := self._at_hand()) is None:
            if flight.over:
                if flight.error is not None:
                    raise self._with_partial(copied(flight.error))
                return None
            await self.wait()
        self._place += 1
        self._last = chunk
        self._limits.showed()
        return chunk

    def _at_hand(self) -> StreamChunk | None:
        try:
            return self.flight.at(self._place)
        except FellOffError as error:
            raise self._with_partial(error) from None

    async def wait(self) -> None:
        """Wait until something changes.

        Raises:
            TimeoutError: a limit of this reader's passed.
        """
        phase, seconds = self._limits.left()
        try:
            await self._waits.wait(self.flight, self._place, seconds)
        except builtins.TimeoutError:
            limit = self._limits.limit(phase)
            raise self._with_partial(
                TimeoutError(f"no answer within {limit:g} s ({phase})", phase=phase, seconds=limit)
            ) from None

    def _with_partial(self, error: MiiflowLLMError) -> MiiflowLLMError:
        if error.partial is None and self._last is not None:
            error.partial = _so_far(self._last, "", "")
        return error

    @property
    def has_begun(self) -> bool:
        """Whether this reader has had a chunk."""
        return self._place > 0

    def response(self) -> ChatResponse:
        """The whole answer, or what this reader has had of it."""
        found = self.flight.response
        if isinstance(found, ChatResponse) and (self._last is None or self._last.finish_reason is not None):
            return msgspec.structs.replace(found)
        if self._last is None:
            raise StreamInterruptedError("nothing has come yet")
        return _so_far(self._last, "", "")

    async def close(self) -> None:
        """Leave the others to it."""
        if self._open:
            self._open = False
            self.flight.leave()


class Alone:
    """A call that nobody else reads; `settle` gets the answer and its chunks once it is whole."""

    def __init__(self, stream: Any, waits: Waits, settle: Callable[[ChatResponse, Recording], Any]) -> None:
        self._stream = stream
        self._waits = waits
        self._settle = settle
        self._recording = Recording()

    async def next(self) -> StreamChunk | None:
        """The next chunk."""
        chunk = await self._waits.next(self._stream)
        if chunk is not None:
            self._recording.add(chunk)
            if chunk.finish_reason is None:
                return chunk
        if chunk is not None and self._recording.is_whole:
            await self._settle(self._stream.response, self._recording)
        return chunk

    def response(self) -> ChatResponse:
        """As the client's own stream has it."""
        found: ChatResponse = self._stream.response
        return found

    async def close(self) -> None:
        """Leave the client's stream."""
        await self._waits.close(self._stream)


class Recording:
    """The steps of a stream that is read."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self._began: float | None = None
        self.last: StreamChunk | None = None

    def add(self, chunk: StreamChunk) -> None:
        """One more chunk. An answer that began again at another target is recorded from there."""
        now = clock.monotonic()
        if self._began is None or chunk.restarted:
            self._began = now
            self.steps.clear()
        self.steps.append(step_of(chunk, (now - self._began) * 1000))
        self.last = chunk

    @property
    def log(self) -> Transcript | None:
        """All that was said."""
        return self.last._log if self.last is not None else None

    @property
    def is_whole(self) -> bool:
        """Whether the end has come."""
        return self.last is not None and self.last.finish_reason is not None


class _Limits:
    """The limits of one reader: of a shared call each reader has its own."""

    def __init__(self, limits: Timeout | None) -> None:
        self._limits = limits
        self._began = self._since = clock.monotonic()
        self._shown = False

    def showed(self) -> None:
        self._shown = True
        self._since = clock.monotonic()

    def limit(self, phase: TimeoutPhase) -> float:
        return float(getattr(self._limits, phase) or 0.0)

    def left(self) -> tuple[TimeoutPhase, float | None]:
        """The limit that passes first, and how long that takes; `None` if there is none."""
        if self._limits is None:
            return "total", None
        silence: TimeoutPhase = "idle" if self._shown else "first_output"
        found: list[tuple[float, TimeoutPhase]] = []
        now = clock.monotonic()
        if (limit := getattr(self._limits, silence)) is not None:
            found.append((self._since + limit - now, silence))
        if self._limits.total is not None:
            found.append((self._began + self._limits.total - now, "total"))
        if not found:
            return "total", None
        seconds, phase = min(found)
        return phase, max(0.0, seconds)


def _so_far(last: StreamChunk, provider: str, model: str) -> ChatResponse:
    """What had come by a chunk."""
    log = last._log
    parts = log.parts(last._seen) if log is not None else []
    return ChatResponse(message=message_of(parts, None), provider=provider, model=model)
