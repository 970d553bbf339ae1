"""`Bulk`: many prompts through one client, with a journal that survives whatever breaks off the run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import aclosing
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import anyio
import anyio.abc
import anyio.to_thread
import msgspec

from ..client.chat import Chat
from ..core import clock
from ..core.exceptions import ConfigurationError, MiiflowLLMError, NetworkError, TimeoutError
from ..core.response import ChatResponse
from .batched import BatchRun
from .journal import DONE, FAILED, Counts, Finished, Journal, Row
from .order import Order, Prompts, orders
from .pace import MOST, Pace
from .result import BulkError, BulkResult, error_of

AHEAD = 64
"""Requests that are written down as sent in one go, before the first of them goes out."""
EVERY = (200, 0.5)
"""Outcomes, or seconds, after which what came is written down; results are given once they are."""
TRIES = 8
"""How often one request is asked when there is no room; other failures that may pass are asked `NETWORK_TRIES` times.
"""
NETWORK_TRIES = 3


class BulkProgress(msgspec.Struct, frozen=True):
    """How far a run has come.

    `done` and `failed` are those of the whole job, `resumed` of them by earlier runs. `in_flight` are on their way,
    `limit` may be; `tokens` and `cost` are those of this run (`cost` is `None` if nothing is known of
    it), `seconds` its time.
    """

    done: int = 0
    failed: int = 0
    resumed: int = 0
    in_flight: int = 0
    limit: int = 0
    tokens: int = 0
    seconds: float = 0.0
    cost: float | None = None


class Bulk:
    """Many prompts through a client, a router or a cache.

    Input is pulled, one prompt at a time, and results are given as they are done, so that memory does not grow with
    either. The journal is the job: run it again with the same prompts and it goes on where it was.

    Args:
        client: what is asked; its own retries count as one try of the bulk's.
        journal: the job's SQLite file.
        concurrency: how many requests are on their way at once; `auto` finds it.
        max_concurrency: what `auto` does not go beyond.
        on_progress: told after each group of results.
        parameters: the parameters of every call that does not say otherwise.
        via: `calls` asks prompt by prompt; `batch` hands them in to the provider's batch API (an `LLMClient`'s), at
            about half the price and within a day or so. Killed between handing in and the provider's answer, a batch is
            handed in again by the next run, its results marked `maybe_billed_twice`.
        poll: with `batch`, seconds between two looks at first; each wait is half as long again, up to 300 seconds.

    Raises:
        ConfigurationError: a value that cannot be, or a journal that cannot be used.
    """

    def __init__(
        self,
        client: Chat,
        *,
        journal: str | Path,
        concurrency: int | str = "auto",
        max_concurrency: int = MOST,
        on_progress: Callable[[BulkProgress], Any] | None = None,
        parameters: Mapping[str, Any] | None = None,
        via: Literal["calls", "batch"] = "calls",
        poll: float = 10.0,
    ) -> None:
        if via not in ("calls", "batch"):
            raise ConfigurationError(f"bulk: via={via!r}: 'calls' or 'batch'")
        self.client = client
        self.journal = Journal(journal)
        self._concurrency = concurrency
        self._most = max_concurrency
        self._via = via
        self._poll = poll
        self._on_progress = on_progress
        self._parameters = dict(parameters or {})
        Pace(concurrency, max_concurrency)

    def run(self, prompts: Prompts, *, retry_failed: bool = False, ordered: bool = False) -> BulkRun | BatchRun:
        """Ask everything that is not done, and give every result: those of earlier runs too, marked `resumed`.

        Enter it and iterate: `async with bulk.run(prompts) as results: async for result in results: ...`. Leaving
        breaks it off; what is on its way then is asked again by the next run. Results come as they are done; `ordered`
        gives them in the order of the input, of which at most as many wait as may be on their way. `retry_failed` asks
        again what failed before. A failure is a result, not an exception.

        Raises:
            ConfigurationError: by the iteration: a prompt is not one, or is another than in the journal; the first such
                is named.
        """
        if self._via == "batch":
            return BatchRun(
                self.client,
                self.journal,
                self.parameters,
                prompts,
                self.tell_counts,
                retry_failed=retry_failed,
                ordered=ordered,
                poll=self._poll,
            )
        pace = Pace(self._concurrency, self._most)
        return BulkRun(self, prompts, pace, retry_failed=retry_failed, ordered=ordered)

    def results(self) -> Iterator[BulkResult]:
        """Every result in the journal, in the order of the input."""
        return self.journal.results()

    def counts(self) -> Counts:
        """How far the job has come."""
        return self.journal.counts()

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters of every call."""
        return self._parameters

    def tell(self, progress: BulkProgress) -> None:
        """Tell whoever wants to know."""
        if self._on_progress is not None:
            self._on_progress(progress)

    def tell_counts(self) -> None:
        """Tell how far the journal says that it is."""
        if self._on_progress is not None:
            counts = self.counts()
            self.tell(BulkProgress(counts.done, counts.failed, tokens=counts.tokens, cost=counts.cost))

    def close(self) -> None:
        """Close the journal; the client stays open. Harmless when done twice."""
        self.journal.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class BulkRun:
    """One run of a job: enter it, and iterate over its results."""

    def __init__(self, bulk: Bulk, prompts: Prompts, pace: Pace, *, retry_failed: bool, ordered: bool) -> None:
        self.bulk = bulk
        self.pace = pace
        self.began = clock.monotonic()
        self.in_flight = 0
        self.tokens = 0
        self.cost: float | None = None
        self.resumed = 0
        self._prompts = prompts
        self._ordered = ordered
        self._early: dict[int, BulkResult] = {}
        self._next = 0
        self._states = (DONE,) if retry_failed else (DONE, FAILED)
        self._room = anyio.Event()
        self._finished: list[Finished] = []
        self._counts = bulk.counts()
        self._group: anyio.abc.TaskGroup | None = None
        self._error: Exception | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> BulkResult:
        if self._group is None:
            raise ConfigurationError("enter the run: `async with bulk.run(prompts) as results`")
        while not self._ordered or self._next not in self._early:
            try:
                result = await self._take.receive()
            except anyio.EndOfStream:
                if self._error is not None:
                    raise self._error from None
                if not self._early:
                    raise StopAsyncIteration from None
                self._next = min(self._early)
                break
            if not self._ordered:
                return result
            self._early[result.number] = result
        self._next += 1
        return self._early.pop(self._next - 1)

    async def __aenter__(self) -> Self:
        self._give, self._take = anyio.create_memory_object_stream[BulkResult](EVERY[0])
        self._group = anyio.create_task_group()
        await self._group.__aenter__()
        self._group.start_soon(self._work, self._prompts)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        group, self._group = self._group, None
        if group is not None:
            group.cancel_scope.cancel()
            await group.__aexit__(None, None, None)
        self._take.close()

    async def _work(self, prompts: Prompts) -> None:
        """Pull, ask and write down, until there is no more; then close what results come through."""
        async with self._give:
            try:
                async with anyio.create_task_group() as writing:
                    writing.start_soon(self._write_now_and_then)
                    async with anyio.create_task_group() as asking:
                        await self._pull(prompts, asking)
                    writing.cancel_scope.cancel()
            except (MiiflowLLMError, BaseExceptionGroup) as reason:
                self._error = _first(reason)
            await self._write()

    async def _pull(self, prompts: Prompts, asking: anyio.abc.TaskGroup) -> None:
        batch: list[Order] = []
        async with aclosing(orders(prompts, self.bulk.parameters)) as source:
            async for order in source:
                batch.append(order)
                if len(batch) >= AHEAD:
                    await self._send(batch, asking)
                    batch = []
        await self._send(batch, asking)

    async def _send(self, batch: list[Order], asking: anyio.abc.TaskGroup) -> None:
        """Give what is done, write down the rest as sent, and let it out as there is room."""
        if not batch:
            return
        known = self.bulk.journal.known(batch[0].number, len(batch))
        wanted = [(order, twice) for order in batch if (twice := await self._wants(order, known)) is not None]
        await anyio.to_thread.run_sync(self.bulk.journal.sent, wanted)
        for order, twice in wanted:
            await self._wait_for_room()
            self.in_flight += 1
            asking.start_soon(self._ask, order, twice)

    async def _wants(self, order: Order, known: dict[int, Row]) -> bool | None:
        """Whether an order may have been sent before; `None` if it is done."""
        row = known.get(order.number)
        if row is None:
            return False
        if row.digest != order.digest:
            raise self.bulk.journal.another(order)
        if row.state not in self._states:
            return row.state != FAILED or row.twice
        result = self.bulk.journal.result(order.number)
        if result is not None:
            self.resumed += 1
            await self._give.send(result)
        return None

    async def _wait_for_room(self) -> None:
        while self.in_flight >= self.pace.limit:
            self._room = anyio.Event()
            await self._room.wait()
        await self._wait_for_turn()

    async def _wait_for_turn(self) -> None:
        wait = self.pace.wait(clock.monotonic())
        while wait > 0:
            await anyio.sleep(wait)
            wait = self.pace.closed_until - clock.monotonic()  # it may have been put off meanwhile

    async def _ask(self, order: Order, twice: bool) -> None:
        """Ask until an answer or an error stands; the place is kept until it is written down, so that nothing piles up
        if whoever reads the results is slow.
        """
        tries = 0
        try:
            while True:
                tries += 1
                outcome, again = await self._try(order, tries)
                if not again:
                    break
                await self._wait_for_turn()
            self._count(outcome)
            self._finished.append(Finished(order, outcome, tries, twice))
            if len(self._finished) >= EVERY[0]:
                await self._write()
        finally:
            self.in_flight -= 1
            self._room.set()

    def _count(self, outcome: ChatResponse | BulkError) -> None:
        if isinstance(outcome, ChatResponse):
            self.tokens += outcome.usage.total_tokens or 0
            if outcome.cost is not None:
                self.cost = (self.cost or 0.0) + outcome.cost.amount

    async def _try(self, order: Order, tries: int) -> tuple[ChatResponse | BulkError, bool]:
        """One request: what came, and whether to ask again."""
        try:
            response = await self.bulk.client.chat(order.messages, **order.parameters)
        except MiiflowLLMError as error:
            full = self.pace.failed(error, clock.monotonic())
            passing = isinstance(error, (NetworkError, TimeoutError))
            return error_of(error), (full and tries < TRIES) or (passing and tries < NETWORK_TRIES)
        self.pace.succeeded(self.in_flight, clock.monotonic())
        return response, False

    async def _write_now_and_then(self) -> None:
        while True:
            await anyio.sleep(EVERY[1])
            await self._write()

    async def _write(self) -> None:
        """Write down what came, then give it."""
        finished, self._finished = self._finished, []
        if not finished:
            return
        await anyio.to_thread.run_sync(self.bulk.journal.finished, finished)
        failed = sum(isinstance(one.outcome, BulkError) for one in finished)
        self._counts = msgspec.structs.replace(
            self._counts, done=self._counts.done + len(finished) - failed, failed=self._counts.failed + failed
        )
        self.bulk.tell(self._progress())
        for one in finished:
            answer = one.outcome if isinstance(one.outcome, ChatResponse) else None
            error = one.outcome if isinstance(one.outcome, BulkError) else None
            order = one.order
            await self._give.send(BulkResult(order.number, order.key, answer, error, one.tries, one.twice))

    def _progress(self) -> BulkProgress:
        return BulkProgress(
            self._counts.done,
            self._counts.failed,
            self.resumed,
            self.in_flight,
            self.pace.limit,
            self.tokens,
            clock.monotonic() - self.began,
            self.cost,
        )


def _first(reason: BaseException) -> Exception:
    """The one error behind a group of them."""
    while isinstance(reason, BaseExceptionGroup):
        reason = reason.exceptions[0]
    return reason if isinstance(reason, Exception) else RuntimeError(str(reason))
