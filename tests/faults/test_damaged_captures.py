"""Captures cut short, corrupted and cut in two over sockets: what comes is what the same bytes give without one."""

from __future__ import annotations

import random
from typing import NamedTuple

import anyio
import msgspec
import pytest

from miiflow_llm import LLMClient
from miiflow_llm.core.exceptions import MiiflowLLMError
from miiflow_llm.replay.capture import Capture

from ..captured import Outcome, line, own, read, sample
from ..client.test_anywhere import corrupted
from .helpers import KEY, LONG
from .server import CLOSE, LAST_CHUNK, FaultServer, Request, Steps, chunk, head

STREAMS = sample([capture for capture in own() if capture.streaming and capture.status < 400], 40)
KIND = "text/event-stream"
"""Content types are not relied on; lines of JSON come under it too."""


class Damaged(NamedTuple):
    """A capture whose body was damaged, and how it is sent."""

    capture: Capture
    steps: Steps


def damaged() -> list[Damaged]:
    """Each capture broken off twice, corrupted twice, and whole but cut in two."""
    found: list[Damaged] = []
    for capture in STREAMS:
        dice, body = random.Random(capture.key), capture.body
        first = head(200, KIND)
        chunked = head(200, KIND, "transfer-encoding: chunked")
        bodies = [body[: dice.randrange(len(body))] for _ in range(2)] + [corrupted(body, dice) for _ in range(2)]
        for made in bodies:
            found.append(Damaged(msgspec.structs.replace(capture, body=made), [first, made, CLOSE]))
        place = dice.randrange(len(body))
        found.append(Damaged(capture, [chunked, chunk(body[:place]), chunk(body[place:]) + LAST_CHUNK]))
    return found


CELLS = damaged()


async def _outcome(capture: Capture, url: str, transport: str) -> Outcome:
    chunks, failure = [], None
    client = LLMClient.create(
        capture.provider,
        capture.model or "m",
        KEY,
        base_url=url,
        dialect=capture.dialect,
        timeout=LONG,
        max_retries=0,
        transport=transport,  # type: ignore[arg-type]
    )
    async with client, client.stream_chat("Hello") as stream:
        try:
            async for made in stream:
                chunks.append(made)
        except MiiflowLLMError as raised:
            failure = raised
    return Outcome(chunks, None, failure)


def _said(outcome: Outcome) -> tuple[list[str], str, str]:
    partial = outcome.error.partial if outcome.error is not None else None
    return [*map(line, outcome.chunks)], type(outcome.error).__name__, partial.content if partial else ""


@pytest.mark.slow
@pytest.mark.anyio
async def test_damage_has_the_same_outcome_over_a_socket(transport: str) -> None:
    """Chunks, error and partial answer do not depend on the socket, the event loop or the transport."""

    def script(request: Request) -> Steps:
        return CELLS[int(request.line.split(b"/")[1])].steps

    limiter, wrong = anyio.CapacityLimiter(16), list[str]()
    with FaultServer(script) as server:

        async def one(place: int) -> None:
            async with limiter:
                capture = CELLS[place].capture
                found = await _outcome(capture, f"{server.url}/{place}", transport)
                if _said(found) != _said(read(capture)):
                    wrong.append(f"{capture.key} {place % 5}: {found.error!r}")

        async with anyio.create_task_group() as group:
            for place in range(len(CELLS)):
                group.start_soon(one, place)
        assert server.settled(10)
    assert not wrong, "\n".join(wrong)


def test_the_sample_holds_every_ending() -> None:
    """Finished, interrupted and refused answers are among what is sent."""
    kinds = {type(read(cell.capture).error).__name__ for cell in CELLS}
    assert {"NoneType", "StreamInterruptedError", "StreamProtocolError"} <= kinds
