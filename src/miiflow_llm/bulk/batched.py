"""A run through the provider's batches: handed in by the thousand, written down before and after, read as they end."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Any, Self, cast

import anyio.to_thread

from ..calls.parameters import Parameters
from ..calls.prompts import BatchRequest
from ..client.async_client import LLMClient
from ..client.chat import Chat
from ..core.batches import BatchResult
from ..core.exceptions import (
    BatchError,
    ConfigurationError,
    InvalidRequestError,
    MiiflowLLMError,
    ProviderError,
    RateLimitError,
    ServiceUnavailableError,
)
from ..core.response import ChatResponse
from .journal import DONE, FAILED, SENT, Finished, Journal
from .order import Order, Prompts, orders
from .result import BulkError, BulkResult, error_of

PART = 10_000
"""The most prompts that are handed in at once: they are in memory until then."""
GROUP = 200
"""Results that are written down in one go."""
_UNANSWERED = BulkError("BatchError", "the batch ended without an answer to this request; retry_failed=True asks again")


class BatchRun:
    """One run of a job through batches: enter it, and iterate over its results. `part` are handed in at once."""

    def __init__(
        self,
        client: Chat,
        journal: Journal,
        parameters: Mapping[str, Any],
        prompts: Prompts,
        tell: Callable[[], None],
        *,
        retry_failed: bool,
        ordered: bool,
        poll: float,
    ) -> None:
        if not isinstance(client, LLMClient):
            kind = type(client).__name__
            raise ConfigurationError(f"via='batch' needs an LLMClient, whose provider has batches, not a {kind}")
        self._client = client
        self._journal = journal
        self._parameters = cast("Parameters", dict(parameters))
        self._tell = tell
        self._prompts = prompts
        self._ordered = ordered
        self._poll = poll
        self.part = PART
        self._states = (DONE,) if retry_failed else (DONE, FAILED)
        self._fresh = set[int]()
        self._source: AsyncGenerator[BulkResult, None] | None = None

    async def __aenter__(self) -> Self:
        self._source = self._in_order() if self._ordered else self._results()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._source is not None:
            await self._source.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> BulkResult:
        if self._source is None:
            raise ConfigurationError("enter the run: `async with bulk.run(prompts) as results`")
        return await anext(self._source)

    async def _in_order(self) -> AsyncGenerator[BulkResult, None]:
        async with aclosing(self._results()) as results:
            async for _ in results:
                pass
        for result in self._journal.results():
            result.resumed = result.number not in self._fresh
            yield result

    async def _results(self) -> AsyncGenerator[BulkResult, None]:
        waiting = list[tuple[Order, bool]]()
        async with aclosing(orders(self._prompts, self._parameters)) as source:
            async for order in source:
                known = self._known(order)
                if isinstance(known, BulkResult):
                    yield known
                elif known is not None:
                    waiting.append((order, known))
                if len(waiting) >= self.part:
                    async with aclosing(self._hand_in(waiting)) as early:
                        async for result in early:
                            yield result
                    waiting = []
        async with aclosing(self._hand_in(waiting)) as early:
            async for result in early:
                yield result
        async with aclosing(self._read_all()) as rest:
            async for result in rest:
                yield result

    def _known(self, order: Order) -> BulkResult | bool | None:
        """The result of an order that is done; `None` if it is in a batch; else whether it may have been sent."""
        row = self._journal.known(order.number, 1).get(order.number)
        if row is None:
            return False
        if row.digest != order.digest:
            raise self._journal.another(order)
        if row.state in self._states:
            return self._journal.result(order.number)
        if row.state == SENT and self._journal.in_batch(order.number):
            return None
        return row.state == SENT or row.twice

    async def _hand_in(self, waiting: Sequence[tuple[Order, bool]]) -> AsyncGenerator[BulkResult, None]:
        """Make a batch; if there is no room for another, read those that run first, and give their results."""
        if not waiting:
            return
        requests = [
            BatchRequest(messages=order.messages, key=str(order.number), parameters=order.parameters)
            for order, _ in waiting
        ]
        while True:
            number = await anyio.to_thread.run_sync(self._journal.batch_begun, waiting)
            try:
                job = await self._client.batch(requests)
            except MiiflowLLMError as error:
                self._note(number, error)
                if not isinstance(error, RateLimitError) or not self._journal.open_batches():
                    raise
            else:
                self._journal.batch_made(number, job.id)
                return
            async with aclosing(self._read_all()) as rest:
                async for result in rest:
                    yield result

    def _note(self, number: int, error: MiiflowLLMError) -> None:
        """A batch was not made, or only in part, or it is not known: then its requests may be billed twice."""
        created = error.__dict__.get("created")
        if created:
            self._journal.batch_made(number, created)
        elif isinstance(error, (ConfigurationError, ProviderError)) and not isinstance(error, ServiceUnavailableError):
            self._journal.batch_refused(number)

    async def _read_all(self) -> AsyncGenerator[BulkResult, None]:
        for number, id_ in self._journal.open_batches():
            async with aclosing(self._read(number, id_)) as results:
                async for result in results:
                    yield result

    async def _read(self, number: int, id_: str) -> AsyncGenerator[BulkResult, None]:
        """Every result of a batch; then what it left without one, as failed."""
        left = self._journal.members(number)
        reason = _UNANSWERED
        group = list[Finished]()
        job = self._client.batch_job(id_, **self._parameters)
        try:
            async with aclosing(job.results(poll=self._poll)) as results:
                async for found in results:
                    one = self._finished(found, left)
                    if one is not None:
                        group.append(one)
                    if len(group) >= GROUP:
                        for result in await self._written(group):
                            yield result
                        group = []
        except (BatchError, InvalidRequestError) as error:
            reason = error_of(error)
        for result in await self._written(group):
            yield result
        rest = [Finished(order, reason, 1, twice) for order, twice in left.values()]
        for result in await self._written(rest):
            yield result
        self._journal.batch_read(number)

    def _finished(self, found: BatchResult, left: dict[int, tuple[Order, bool]]) -> Finished | None:
        known = left.pop(int(found.key), None) if found.key.isdecimal() else None
        if known is None:
            return None
        outcome: Any = found.response if found.error is None else error_of(found.error)
        return Finished(known[0], outcome, 1, known[1])

    async def _written(self, group: list[Finished]) -> list[BulkResult]:
        if not group:
            return []
        await anyio.to_thread.run_sync(self._journal.finished, group)
        self._fresh.update(one.order.number for one in group)
        self._tell()
        return [
            BulkResult(
                one.order.number,
                one.order.key,
                one.outcome if isinstance(one.outcome, ChatResponse) else None,
                one.outcome if isinstance(one.outcome, BulkError) else None,
                1,
                one.twice,
            )
            for one in group
        ]
