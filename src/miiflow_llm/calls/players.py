"""Who waits for a call: one coroutine is played by an event loop, or by a thread that blocks.

The code of a call is written once, as coroutines, and names its few waits through a `Player`. `LoopPlayer` suspends in
asyncio or trio. `ThreadPlayer` has coroutines that block and never suspend, so that `played` runs one to its end with a
single step.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol, TypedDict, TypeVar

import anyio
import anyio.lowlevel
import anyio.to_thread

from ..core.timeout import Timeout
from ..http.answer_body import LoopBody, ThreadBody
from ..http.transport import Answer, Credential, Transport
from ..http.transport_sync import SyncTransport
from . import thread_scope

if TYPE_CHECKING:
    from ..prices.budget import Budget, Reservation

T = TypeVar("T")


class Sending(TypedDict):
    """What `Transport.send` takes."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None
    credential: Credential | None
    timeout: Timeout
    total: float | None
    fresh: bool


class Scope(Protocol):
    """Waits that can be ended from outside; `cancelled_caught` says that they were."""

    @property
    def cancelled_caught(self) -> bool: ...

    def cancel(self) -> None:
        """End the waits inside."""


class Player(Protocol):
    """The waits of a call."""

    user: str
    """Who must not share a stream with another: `task` or `thread`."""
    leave: str
    """How a stream is left in good order."""

    async def send(self, request: Sending) -> Answer:
        """Send a request and wait for the head of its answer; as `Transport.send`."""

    async def warm(self, url: str, timeout: Timeout) -> None:
        """Do ahead what the first request would wait for; as `Transport.warm`."""

    async def sleep(self, seconds: float) -> None:
        """Wait between two attempts."""

    async def in_thread(self, function: Callable[[], None]) -> None:
        """Call a function that blocks."""

    async def reserve(self, budget: Budget, amount: float) -> Reservation:
        """Hold an amount of a budget."""

    async def checkpoint(self) -> None:
        """Give others their turn."""

    def scope(self) -> AbstractContextManager[Scope]:
        """Around waits that closing the stream ends."""

    def at_most(self, seconds: float) -> AbstractContextManager[Scope]:
        """Around closing: not cancelled from outside, but over after `seconds`."""

    async def aclose(self) -> None:
        """Close the connections."""


class LoopPlayer:
    """The waits of an event loop, asyncio's or trio's."""

    user = "task"
    leave = "`async with`"

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    async def send(self, request: Sending) -> Answer:
        answer = await self.transport.send(**request)
        return Answer(answer.status, answer.headers, LoopBody(answer.body))

    async def warm(self, url: str, timeout: Timeout) -> None:
        await self.transport.warm(url, timeout)

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(seconds)

    async def in_thread(self, function: Callable[[], None]) -> None:
        await anyio.to_thread.run_sync(function)

    async def reserve(self, budget: Budget, amount: float) -> Reservation:
        return await budget.reserve(amount)

    async def checkpoint(self) -> None:
        await anyio.lowlevel.checkpoint()

    def scope(self) -> AbstractContextManager[Scope]:
        return anyio.CancelScope()

    def at_most(self, seconds: float) -> AbstractContextManager[Scope]:
        return anyio.move_on_after(seconds, shield=True)

    async def aclose(self) -> None:
        await self.transport.aclose()


class ThreadPlayer:
    """The waits of a thread: each blocks until it is over. None of its coroutines suspends."""

    user = "thread"
    leave = "`with`"

    def __init__(self, transport: SyncTransport) -> None:
        self.transport = transport

    async def send(self, request: Sending) -> Answer:
        answer = self.transport.send(**request)
        return Answer(answer.status, answer.headers, ThreadBody(answer.body))

    async def warm(self, url: str, timeout: Timeout) -> None:
        self.transport.warm(url, timeout)

    async def sleep(self, seconds: float) -> None:
        thread_scope.sleep(seconds)

    async def in_thread(self, function: Callable[[], None]) -> None:
        function()

    async def reserve(self, budget: Budget, amount: float) -> Reservation:
        return budget.reserve_sync(amount)

    async def checkpoint(self) -> None:
        """Threads take their turns by themselves."""

    def scope(self) -> AbstractContextManager[Scope]:
        return thread_scope.ThreadScope()

    def at_most(self, seconds: float) -> AbstractContextManager[Scope]:
        return nullcontext(thread_scope.ThreadScope())

    async def aclose(self) -> None:
        self.transport.close()


def played(coroutine: Coroutine[Any, Any, T]) -> T:
    """What the coroutine returns, run by this thread to its end: every wait in it must be a `ThreadPlayer`'s."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    coroutine.close()
    raise RuntimeError("a coroutine of the synchronous client waited for an event loop")
