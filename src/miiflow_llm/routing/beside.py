"""The calls beside the chat, at the first target that can: embeddings and counts of tokens."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import msgspec

from ..core.exceptions import ConfigurationError, MiiflowLLMError
from ..core.response import Attempt, ChatResponse, Embeddings, StreamChunk
from .asking import Asked
from .ledger import Ledger
from .shared import Shared
from .target import Aim
from .waits import Waits

Found = TypeVar("Found")


class _Whole:
    """An answer that comes whole: no chunks of it are read. `attempts` are the requests that were made for it."""

    def __init__(self) -> None:
        self.attempts: Sequence[Attempt] = ()
        self.chunks: deque[StreamChunk] = deque()

    @property
    def response(self) -> ChatResponse:
        raise ConfigurationError("it is not a chat")

    async def more(self) -> bool:
        return False

    async def leave(self) -> None:
        """There is nothing to close."""


async def asked_beside(router: Shared, waits: Waits, asked: Asked, ask: Callable[[Aim], Awaitable[Found]]) -> Found:
    """What the first target gives that can.

    Raises:
        ConfigurationError: none can.
        MiiflowLLMError: the first target's error, with all attempts.
    """
    source = _Whole()
    alone = msgspec.structs.replace(asked, ask=msgspec.structs.replace(asked.ask, hedge=False))
    ledger = Ledger(router, alone, lambda *_: source)
    try:
        return await _found(ledger, waits, source, ask)
    except MiiflowLLMError as error:
        raise ledger.settled(error) from None
    except BaseException:
        ledger.abandoned()
        raise


async def _found(ledger: Ledger, waits: Waits, source: _Whole, ask: Callable[[Aim], Awaitable[Found]]) -> Found:
    move = ledger.next_move()
    while True:
        if move.kind == "stop":
            raise ledger.nothing(move.back)
        if move.seconds:
            await waits.sleep(move.seconds, ledger)
        if move.kind == "wait":
            move = ledger.resume()
            continue
        source.attempts = ()
        attempted = ledger.begin(move)
        assert attempted is not None  # noqa: S101  nothing is planned here
        try:
            found = await ask(attempted.aim)
        except ConfigurationError as error:
            ledger.undone(attempted)
            ledger.cannot(move, error)
        except MiiflowLLMError as error:
            source.attempts = error.attempts
            ledger.failed(attempted, error)
        else:
            ledger.answered(attempted, found if isinstance(found, Embeddings) else None)
            return found
        move = ledger.next_move()
