"""A routed call: targets are asked until one shows output, then its chunks are handed through.

Before output is handed out anything may be replaced unseen. After it, `after_output` says what follows a failure. The
call is one coroutine; `Waits` says whether an event loop or a thread plays it.
"""

from __future__ import annotations

from collections import deque
from typing import Literal

from ..core import clock
from ..core.exceptions import ConfigurationError, MiiflowLLMError, ParsingError
from ..core.response import Attempt, ChatResponse, StreamChunk
from ..http.transport import timed_out
from .asking import Asked
from .attempted import Attempted
from .continuing import Begun
from .failing import Refused
from .ledger import Ledger
from .shared import Shared
from .waits import Run, Waits

AfterOutput = Literal["raise", "restart", "continue"]
_NOTHING: deque[StreamChunk] = deque(maxlen=0)


class Routed:
    """A call under way at one of several targets. `given` says that output was handed out, `over` that none follows."""

    def __init__(self, router: Shared, waits: Waits, asked: Asked, after_output: AfterOutput) -> None:
        self.ledger = Ledger(router, asked)
        self.given = False
        self.over = False
        self._accept = router.accept
        self._moves_on_refusal = router.table.settings.on_refusal == "move"
        self._waits = waits
        self._after_output: AfterOutput = after_output
        self._response: ChatResponse | None = None
        self._busy = False

    @property
    def chunks(self) -> deque[StreamChunk]:
        """Those that have come and are not taken yet."""
        winner = self.ledger.winner
        return _NOTHING if winner is None else winner.source.chunks

    @property
    def response(self) -> ChatResponse:
        """The answer so far; whole once it has ended.

        Raises:
            ConfigurationError: nothing has come yet.
        """
        if self._response is not None:
            return self._response
        winner = self.ledger.winner
        if winner is None:
            raise ConfigurationError("the stream has not begun: iterate it first")
        return winner.source.response

    @property
    def attempts(self) -> list[Attempt]:
        """The requests made so far, in order."""
        return self.ledger.attempts

    async def more(self) -> bool:
        """Wait until there are chunks; false if the answer has ended, or was left.

        Raises:
            MiiflowLLMError: no target gave an answer, or one broke after output.
        """
        if self._busy:
            raise ConfigurationError("two tasks read one stream; give each its own stream_chat()")
        self._busy = True
        try:
            while not self.over:
                winner = self.ledger.winner
                if winner is None:
                    await self._open()
                elif await self._read(winner):
                    return True
        except MiiflowLLMError as error:
            self.over = True
            raise self.ledger.settled(error) from None
        except BaseException:
            with self._waits.shielded():
                await self.leave()
            raise
        finally:
            self._busy = False
        return False

    async def leave(self) -> None:
        """The caller leaves: close whatever is under way. Harmless when done twice."""
        unended = [one for one in self.ledger.attempted if one.outcome is None]
        self.over = True
        self.ledger.abandoned()
        self._waits.wake(self)
        for one in unended:
            await one.source.leave()

    async def _open(self) -> None:
        """Make moves until a target shows output, or the one that was asked failed.

        Raises:
            MiiflowLLMError: there is no move left.
        """
        ledger = self.ledger
        move = ledger.next_move()
        first: Attempted | None = None
        while first is None:
            if move.kind == "stop":
                raise ledger.nothing(move.back)
            if move.seconds:
                await self._waits.sleep(move.seconds, self)
                if self.over:
                    return
            if move.kind == "wait":
                move = ledger.resume()
                continue
            first = ledger.begin(move)
            if first is None:
                move = ledger.next_move()
        await self._waits.both(_Race(self, first))

    async def run(self, attempted: Attempted) -> None:
        """Read an attempt until its first output, and decide for it if no other was faster; or note its failure."""
        try:
            shown = await attempted.shown()
        except MiiflowLLMError as error:
            self.ledger.failed(attempted, error)
        else:
            for loser in self.ledger.won(attempted, given=self.given) if shown else ():
                await loser.source.leave()

    async def _read(self, winner: Attempted) -> bool:
        """Read on in the answer; whether there are chunks."""
        source = winner.source
        if self.given and isinstance(source, Routed):
            source.given = True  # what was handed out here is of its answer
        try:
            if await source.more():
                return True
            wrong = None if self.over else self._wrong(source.response)
        except MiiflowLLMError as error:
            wrong = error
        if wrong is not None:
            await self._broke(winner, wrong)
        elif not self.over:
            self.over = True
            self._response = self.ledger.served(winner, source.response)
        return False

    def _wrong(self, response: ChatResponse) -> MiiflowLLMError | None:
        """Why the whole answer is not taken, if the caller has said what to take."""
        if self._moves_on_refusal and response.finish_reason == "content_filter":
            return Refused(response)
        if self._accept is not None and not self._accept(response):
            error = ParsingError("accept= refused the answer", text=response.content, reason="not accepted")
            error.partial = response
            return error
        return None

    async def _broke(self, winner: Attempted, error: MiiflowLLMError) -> None:
        """The answer broke after its first output: another follows, or `error` is raised.

        Raises:
            MiiflowLLMError: `error`, if output was handed out and the caller did not say what then.
        """
        ledger = self.ledger
        ledger.winner = None
        if error.partial is None:
            error.partial = winner.source.response
        await winner.source.leave()
        if not self.given or self._after_output == "restart":
            return ledger.broke(winner, error, "restart")
        begun = Begun.of(ledger.asked, error) if self._after_output == "continue" else None
        if begun is None:
            ledger.failed(winner, error, last=True)
            raise error
        return ledger.broke(winner, error, "continue", begun)

    @property
    def late(self) -> bool:
        """Whether the whole call took longer than `Timeout.total`, the consumer's own time included."""
        until = self.ledger.asked.until
        return until is not None and not self.over and clock.monotonic() >= until

    async def stop_late(self) -> None:
        """End a call that is late.

        Raises:
            TimeoutError: always.
        """
        asked, winner = self.ledger.asked, self.ledger.winner
        self.over = True
        error = timed_out("total", asked.timeout.total if asked.timeout is not None else None)
        if winner is not None:
            error.partial = winner.source.response
            self.ledger.failed(winner, error, last=True)
            await winner.source.leave()
        raise self.ledger.settled(error)


class _Race:
    """The first attempt of a move, and perhaps a second beside it."""

    __slots__ = ("_call", "_first", "hedge_at")

    def __init__(self, call: Routed, first: Attempted) -> None:
        self._call = call
        self._first = first
        self.hedge_at = first.made.hedge_at

    @property
    def decided(self) -> bool:
        return self._call.ledger.winner is not None or self._call.over

    async def first(self) -> None:
        await self._call.run(self._first)

    def second(self) -> Run | None:
        call = self._call
        second = None if self.decided else call.ledger.hedge(self._first)
        return None if second is None else lambda: call.run(second)

    async def stop(self) -> None:
        await self._call.leave()
