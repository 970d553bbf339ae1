"""A batch that was handed in: watch it, wait for it, read what comes, cancel it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import aclosing
from typing import Any

from ..core import clock
from ..core.batches import BatchCounts, BatchResult, BatchState, BatchStatus
from ..core.exceptions import BatchError, ConfigurationError, MiiflowLLMError
from ..http.errors import timed_out
from ..wire import batches
from .batch_calls import BatchApi
from .batch_making import stored
from .batch_reading import Reads, read_result
from .players import played
from .retry import worth_retrying

FIRST_POLL, MOST_POLL = 10.0, 300.0
"""Seconds between two looks at a batch: at first, and at most."""
_FAILED_LOOKS = 10


class _Job:
    """What both jobs share; every wait is the player's."""

    def __init__(self, api: BatchApi, kind: str, ids: list[str], reads: Reads, others: dict[str, Reads]) -> None:
        self._api = api
        self._kind = kind
        self._reads = reads
        self._others = others
        self._answers: dict[str, Any] = {}
        self.parts: dict[str, BatchState] = {one: BatchState(one, "queued") for one in ids}

    @property
    def id(self) -> str:
        """What the job is opened by again: the provider's own id, or those of several batches in one."""
        return stored(self._kind, list(self.parts))

    @property
    def status(self) -> BatchStatus:
        """How far it is, as of the last look. If only some batches are final, `running`; `ended` if one ended."""
        words = [part.status for part in self.parts.values()]
        if not all(part.final for part in self.parts.values()):
            return "queued" if set(words) == {"queued"} else "running"
        return "ended" if "ended" in words else words[0]

    @property
    def counts(self) -> BatchCounts:
        """How many requests there are and what became of them, as of the last look."""
        first, *rest = (part.counts for part in self.parts.values())
        return sum(rest, start=first)

    @property
    def done(self) -> bool:
        """Whether nothing more comes, as of the last look."""
        return all(part.final for part in self.parts.values())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id!r}, status={self.status!r})"

    async def _look(self, *, again: bool = False) -> BatchStatus:
        for one, part in self.parts.items():
            if again or not part.final or one not in self._answers:
                self.parts[one], self._answers[one] = await self._api.state(one)
        return self.status

    async def _watched(self, poll: float, timeout: float | None, until: Any) -> None:
        """Look until `until()`, less and less often; a look that fails is made again."""
        if not poll > 0:
            raise ConfigurationError(f"poll={poll!r}: give seconds above 0")
        ends = None if timeout is None else clock.monotonic() + timeout
        failed = 0
        while True:
            try:
                await self._look()
                failed = 0
            except MiiflowLLMError as error:
                failed += 1
                if failed >= _FAILED_LOOKS or not worth_retrying(error):
                    raise
            if until():
                return
            left = None if ends is None else ends - clock.monotonic()
            if left is not None and left <= 0:
                raise timed_out("total", timeout)
            await self._api.player.sleep(poll if left is None else min(poll, left))
            poll = max(poll, min(poll * 1.5, MOST_POLL))

    async def _wait(self, poll: float, timeout: float | None) -> BatchStatus:
        await self._watched(poll, timeout, lambda: self.done)
        return self.status

    async def _cancel(self) -> None:
        await self._look()
        for one, part in self.parts.items():
            if not part.final:
                await self._api.cancel(one)
        await self._look()

    async def _results(self, *, wait: bool, poll: float) -> AsyncGenerator[BatchResult, None]:
        """The results of each batch as it becomes final; of those that are not, without `wait`, what there is."""
        left, refused = list(self.parts), list[BatchState]()
        await self._look()
        while left:
            ready = [one for one in left if self.parts[one].final or not wait]
            for one in ready:
                left.remove(one)
                async with aclosing(self._of(one)) as results:
                    async for result in results:
                        yield result
                if self.parts[one].status == "failed":
                    refused.append(self.parts[one])
            if left:
                open_ = tuple(left)
                await self._watched(poll, None, lambda open_=open_: any(self.parts[one].final for one in open_))
        if refused:
            raise self._refused(refused[0])

    async def _of(self, id_: str) -> AsyncGenerator[BatchResult, None]:
        row, engine = self._api.row, self._api.route.engine
        place = 0
        async with aclosing(self._api.results(id_, self._answers[id_])) as lines:
            async for found in lines:
                line = batches.read_line(row, found, place)
                place += 1
                yield read_result(row, engine, self._others.get(line.key, self._reads), line)

    def _refused(self, state: BatchState) -> BatchError:
        words = state.reason or "it does not say why"
        name = self._api.setup.target.name
        return BatchError(
            f"batch {state.id} failed as a whole: {words}", provider=name, model=self._reads.model or None
        )


class BatchJob(_Job):
    """A batch that was handed in. `parts` are the provider's batches by id, as of the last look."""

    async def refresh(self) -> BatchStatus:
        """Look at it once.

        Raises:
            MiiflowLLMError: the provider did not say.
        """
        return await self._look(again=True)

    async def wait(self, *, poll: float = FIRST_POLL, timeout: float | None = None) -> BatchStatus:
        """Wait until nothing more comes; its final status.

        Args:
            poll: seconds until the second look; each wait is half as long again, up to 300 seconds.
            timeout: seconds after which to stop waiting, `None` for no limit. The batch goes on.

        Raises:
            TimeoutError: it is not done after `timeout`.
            MiiflowLLMError: the provider does not say how far it is.
        """
        return await self._wait(poll, timeout)

    def results(self, *, wait: bool = True, poll: float = FIRST_POLL) -> AsyncGenerator[BatchResult, None]:
        """The results, in any order, those of each batch when it is done; one that ended early gives what it has.

        Args:
            wait: wait for batches that run; `False` gives what there is now.
            poll: as for `wait`.

        Raises:
            BatchError: by the iteration, at its end: a batch was refused as a whole.
            MiiflowLLMError: by the iteration: the provider does not give the results.
        """
        return self._results(wait=wait, poll=poll)

    def __aiter__(self) -> AsyncIterator[BatchResult]:
        return self.results()

    async def cancel(self) -> None:
        """Ask for an end. What is done by then is in `results`, and is billed.

        Raises:
            MiiflowLLMError: the provider did not take it.
        """
        await self._cancel()


class SyncBatchJob(_Job):
    """A batch that was handed in, for plain code; as `BatchJob`."""

    def refresh(self) -> BatchStatus:
        """Look at it once; as `BatchJob.refresh`."""
        return played(self._look(again=True))

    def wait(self, *, poll: float = FIRST_POLL, timeout: float | None = None) -> BatchStatus:
        """Wait until nothing more comes; as `BatchJob.wait`."""
        return played(self._wait(poll, timeout))

    def results(self, *, wait: bool = True, poll: float = FIRST_POLL) -> Generator[BatchResult, None, None]:
        """What came of the requests; as `BatchJob.results`."""
        source = self._results(wait=wait, poll=poll)
        try:
            while True:
                try:
                    yield played(_next(source))
                except StopAsyncIteration:
                    return
        finally:
            played(source.aclose())

    def __iter__(self) -> Iterator[BatchResult]:
        return self.results()

    def cancel(self) -> None:
        """Ask for an end; as `BatchJob.cancel`."""
        played(self._cancel())


async def _next(source: AsyncGenerator[BatchResult, None]) -> BatchResult:
    return await anext(source)
