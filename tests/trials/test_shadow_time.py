"""A shadow in virtual time: whatever its candidate does, each of the primary's calls takes as long as without it."""

from __future__ import annotations

import random
from contextvars import ContextVar
from typing import Any

import anyio
import pytest

from miiflow_llm.core.exceptions import ServiceUnavailableError
from miiflow_llm.replay import run_virtual
from miiflow_llm.trials import Shadow

from ..caching.ours import TEXT, Upstream

CALLS = 400
_PAUSES: ContextVar[random.Random] = ContextVar("pauses")
CANDIDATES = ("answers", "hangs", "fails", "raises", "floods")


class Candidate(Upstream):
    """One that behaves so; `floods` answers at once, with what takes long to hand on."""

    def __init__(self, how: str) -> None:
        super().__init__(lambda: anyio.sleep(0.0 if how == "floods" else 3.0), lambda place: None)
        self.how = how

    async def chat(self, messages: Any, **parameters: Any) -> Any:
        """The answer, or what comes in its place."""
        if self.how == "hangs":
            await anyio.sleep_forever()
        if self.how == "fails":
            raise ServiceUnavailableError("down")
        if self.how == "raises":
            raise ZeroDivisionError
        return await super().chat(messages, **parameters)


def measured(backend: str, how: str | None, calls: int = CALLS) -> list[tuple[float, str]]:
    """Seconds and answer of each call, some whole and some streamed, of callers that come at random."""
    found: list[tuple[float, str]] = [(0.0, "")] * calls

    async def one(chat: Any, number: int, streams: bool) -> None:
        _PAUSES.set(random.Random(number))
        began = anyio.current_time()
        if streams:
            content = "".join([chunk.delta async for chunk in chat.stream_chat("Hi")])
        else:
            content = (await chat.chat("Hi")).content
        found[number] = (round(anyio.current_time() - began, 6), content)

    async def main() -> None:
        chance = random.Random(7)
        # each call has pauses of its own: trio lets tasks that are ready take turns in any order
        primary = Upstream(lambda: anyio.sleep(_PAUSES.get().expovariate(20)), lambda place: None)
        pairs = list[Any]()
        shadow = Shadow(primary, Candidate(how or ""), share=0.5, on_pair=pairs.append, max_concurrency=8, seconds=30)
        entered: Any = primary if how is None else shadow
        async with shadow, anyio.create_task_group() as tasks:
            for number in range(calls):
                tasks.start_soon(one, entered, number, number % 2 == 0)
                await anyio.sleep(chance.expovariate(100))
        assert len(pairs) <= calls

    run_virtual(main, backend=backend)
    return found


@pytest.mark.parametrize("how", CANDIDATES)
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_no_call_takes_longer(backend: str, how: str) -> None:
    """Latencies and answers are those of the primary by itself, call by call."""
    found = measured(backend, how)
    assert {content for _, content in found} == {TEXT}
    assert found == measured(backend, None)
