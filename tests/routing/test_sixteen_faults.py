"""The sixteen faults of FailoverBench (methodology 0.1), as tests of our own: one primary, one fallback, 30 s limits.

`pass` is the whole answer and every check of the provider's and the caller's view. All pass by `chat`; a stream passes
with `restart`, and by default never gives a short answer for a whole one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from miiflow_llm.core import clock
from miiflow_llm.core.exceptions import ContentFilterError, MiiflowLLMError, StreamInterruptedError, TimeoutError
from miiflow_llm.core.response import ChatResponse
from miiflow_llm.routing import Router, Target

from .wall import ANSWER, Fault, Seen, Step, Wall, error, head, healthy, once, refuses_prefill, tokens, wall

pytestmark = pytest.mark.anyio
MESSAGES = "Explain in exactly sixty words why a gateway earns trust only when the provider behind it misbehaves."


def silent(seen: Seen) -> list[Step]:
    """Takes the request and never answers."""
    return [120.0]


def slow_first_token(seen: Seen) -> list[Step]:
    """The head at once, the first token after twenty seconds."""
    return [head(), 20.0, *healthy(seen)[1:]]


def cut(seen: Seen) -> list[Step]:
    """Dies after forty of sixty tokens."""
    return [head(), *tokens(seen, 40)]


def stalls(seen: Seen) -> list[Step]:
    """Twenty tokens, half a minute of silence, the end."""
    return [head(), *tokens(seen, 20), 30.0]


def malformed(seen: Seen) -> list[Step]:
    """The tenth event is no JSON, the rest is right."""
    steps = healthy(seen)
    return [*steps[:10], b'data: {"id": "c1", "choices": [{"ind\n\n', *steps[10:]]


def without_done(seen: Seen) -> list[Step]:
    """Whole, but without the word that ends it."""
    return healthy(seen)[:-1]


FAULTS: dict[str, Fault] = {
    "s01": once(error(429, retry_after="2")),
    "s02": error(429),
    "s03": once(error(500)),
    "s04": error(503, "overloaded"),
    "s05": once(lambda seen: ["reset"]),
    "s06": silent,
    "s07": slow_first_token,
    "s08": cut,
    "s09": stalls,
    "s10": malformed,
    "s11": without_done,
    "s12": error(400, "the context is too long", "context_length_exceeded"),
    "s13": error(400, "the request was flagged", "content_policy_violation"),
    "s14": cut,
    "s16": error(503, "overloaded"),
}


class Run:
    """One fault: what the caller got, and what the provider saw."""

    def __init__(self, seen: Wall, router: Router, how: str) -> None:
        self.wall = seen
        self.router = router
        self.how = how
        self.response: ChatResponse | None = None
        self.error: MiiflowLLMError | None = None
        self.seconds = 0.0
        self.text = ""

    async def call(self) -> None:
        """Make the call as it is made here."""
        began = clock.monotonic()
        try:
            if self.how == "chat":
                self.response = await self.router.chat(MESSAGES)
                self.text = self.response.content
            else:
                await self._stream()
        except MiiflowLLMError as reason:
            self.error = reason
        self.seconds = clock.monotonic() - began

    async def _stream(self) -> None:
        after = "restart" if self.how == "restart" else "raise"
        async with self.router.stream_chat(MESSAGES, after_output=after) as stream:
            async for chunk in stream:
                self.text = chunk.delta if chunk.restarted else self.text + chunk.delta
        self.response = stream.response

    @property
    def rescued(self) -> bool:
        """Whether the caller has the whole answer."""
        return self.response is not None and self.text == ANSWER and self.response.content == ANSWER

    @property
    def primary(self) -> list[float]:
        """When the primary was asked."""
        return self.wall.times(self.wall.seen[0].model)

    @property
    def fallback(self) -> list[float]:
        """When the fallback was asked."""
        return self.wall.times("ok")

    async def alive(self) -> bool:
        """Whether a healthy call works afterwards."""
        async with self.wall.client("healthy") as client:
            with anyio.fail_after(10):
                return (await Router([client]).chat(MESSAGES)).content == ANSWER


@asynccontextmanager
async def fault(name: str, how: str, **rows: Any) -> AsyncIterator[Run]:
    """The fault's run, over."""
    async with wall({**FAULTS, "ok": refuses_prefill if name == "s14" else healthy}) as seen:
        async with seen.client(name, max_retries=2) as primary, seen.client("ok", max_retries=2) as fallback:
            router = Router([Target(primary, context=8_000), Target(fallback, context=200_000)], **rows)
            run = Run(seen, router, how)
            await run.call()
            yield run


every_way = pytest.mark.parametrize("how", ["chat", "restart", "raise"])


@every_way
async def test_s01_rate_limit_with_a_hint(how: str) -> None:
    """The hint of two seconds is waited for at the primary, which is not hammered."""
    async with fault("s01", how) as run:
        assert run.rescued
        assert len(run.primary) == 2
        assert run.primary[1] - run.primary[0] >= 1.8
        assert len(run.fallback) == 0


@every_way
async def test_s02_rate_limit_without_a_hint(how: str) -> None:
    """The fallback answers; the primary has few requests."""
    async with fault("s02", how) as run:
        assert run.rescued
        assert len([at for at in run.primary if at - run.primary[0] < 3]) <= 4
        assert len(run.primary) <= 6


@every_way
async def test_s03_an_error_once(how: str) -> None:
    """The primary answers when asked again."""
    async with fault("s03", how) as run:
        assert run.rescued
        assert len(run.primary) == 2
        assert len(run.fallback) == 0


@every_way
async def test_s04_overloaded(how: str) -> None:
    """The fallback answers after few requests to the primary."""
    async with fault("s04", how) as run:
        assert run.rescued
        assert len(run.primary) <= 6
        assert run.seconds < 5


@every_way
async def test_s05_a_reset(how: str) -> None:
    """A connection that is reset before the head costs nothing but another request."""
    async with fault("s05", how) as run:
        assert run.rescued
        assert run.seconds < 5


@every_way
async def test_s06_silence(how: str) -> None:
    """A silent primary is asked once; the fallback answers long before any limit of the caller's."""
    async with fault("s06", how) as run:
        assert run.rescued
        assert len(run.primary) == 1
        assert run.seconds <= 15


@every_way
@pytest.mark.parametrize("hedge", [True, False])
async def test_s07_a_slow_first_token(how: str, hedge: bool) -> None:
    """A head without output is silence: with or without a second request beside it, the fallback answers in time."""
    async with fault("s07", how, hedge=hedge) as run:
        assert run.rescued
        assert run.seconds <= 15


async def _cut(name: str, how: str, seconds: float, kind: type[MiiflowLLMError]) -> None:
    async with fault(name, how) as run:
        assert run.seconds <= seconds
        assert await run.alive()
        if how == "raise":
            assert isinstance(run.error, kind)
            assert run.error.partial is not None
            assert 0 < len(run.error.partial.content) < len(ANSWER)
            assert run.error.partial.content == run.text
            assert run.error.attempts[-1].reason == kind.__name__
        else:
            assert run.rescued
            assert run.response is not None
            assert [one.outcome for one in run.response.attempts] == ["failed", "served"]
            assert run.response.attempts[1].why == "restart"


@every_way
async def test_s08_a_cut_stream(how: str) -> None:
    """A short answer is never a whole one: it is begun anew, or the error holds what came."""
    await _cut("s08", how, 10, StreamInterruptedError)


@every_way
async def test_s09_a_stalled_stream(how: str) -> None:
    """A stream that falls silent is given up within its limit, and a healthy call works afterwards."""
    async with fault("s09", how) as run:
        assert run.seconds <= 45
        assert await run.alive()
        assert run.rescued is (how != "raise")
        assert run.rescued or isinstance(run.error, (StreamInterruptedError, TimeoutError))


@every_way
async def test_s10_a_malformed_event(how: str) -> None:
    """An event that is no JSON spoils no answer: it is begun anew, or the error holds what came."""
    async with fault("s10", how) as run:
        assert await run.alive()
        assert run.rescued is (how != "raise")
        assert run.rescued or run.error is not None


@every_way
async def test_s11_no_done(how: str) -> None:
    """A whole answer ends at once without the last word, and reports its usage."""
    async with fault("s11", how) as run:
        assert run.rescued
        assert run.seconds <= 8
        assert run.response is not None
        assert run.response.usage.total_tokens == 80
        assert len(run.wall.seen) == 1


@every_way
async def test_s12_context_length(how: str) -> None:
    """What is too long is not sent again to the same model, and is sent to a larger one."""
    async with fault("s12", how) as run:
        assert run.rescued
        assert len(run.primary) == 1


@every_way
async def test_s13_content_filter(how: str) -> None:
    """A refusal reaches the caller with its reason; nobody goes round it."""
    async with fault("s13", how) as run:
        assert isinstance(run.error, ContentFilterError)
        assert "flagged" in run.error.message
        assert len(run.primary) == 1
        assert len(run.fallback) == 0


@every_way
async def test_s14_a_fallback_that_refuses_prefill(how: str) -> None:
    """A cut answer is never sent to a model that would refuse it as a beginning, and no 400 hides the cut."""
    await _cut("s14", how, 10, StreamInterruptedError)
    async with fault("s14", how) as run:
        assert all(one.messages[-1]["role"] == "user" for one in run.wall.seen)


async def test_s15_down_and_up_again() -> None:
    """Down for a minute: all twenty calls are served, the primary is hardly asked meanwhile and soon used again."""
    async with wall() as seen:
        began = clock.monotonic()
        seen.faults["s15"] = lambda one: error(503)(one) if clock.monotonic() - began < 60 else healthy(one)
        async with seen.client("s15") as primary, seen.client("ok") as fallback:
            router = Router([primary, fallback])
            served = []
            for number in range(20):
                await anyio.sleep(max(0.0, began + 4 * number - clock.monotonic()))
                response = await router.chat(MESSAGES)
                assert response.content == ANSWER
                served.append(response.served_by)
        back = [at for at in seen.times("s15") if at >= 60]
        assert back[0] - 60 <= 30
        assert served[-1] == "openai/s15"
        assert len(seen.times("s15")) - len(back) <= 15


@every_way
async def test_s16_who_answered(how: str) -> None:
    """The answer names the fallback's model and has its usage, and the failed attempts are told apart."""
    async with fault("s16", how) as run:
        assert run.rescued
        assert run.response is not None
        assert run.response.model == "ok"
        assert run.response.served_by == "openai/ok"
        assert run.response.usage.completion_tokens == 60
        assert {one.target for one in run.response.attempts if one.outcome == "failed"} == {"openai/s16"}
