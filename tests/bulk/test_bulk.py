"""Many prompts: each answered once, whatever fails, breaks off or is killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import msgspec
import pytest

from miiflow_llm import LLMClient
from miiflow_llm.bulk import Bulk, BulkProgress, BulkRequest, BulkResult, read_journal
from miiflow_llm.bulk.pace import Pace
from miiflow_llm.bulk.result import BulkError, dumped, error_of, loaded
from miiflow_llm.core import exceptions
from miiflow_llm.core.exceptions import (
    ConfigurationError,
    InvalidRequestError,
    MiiflowLLMError,
    NetworkError,
    RateLimitError,
)
from miiflow_llm.core.messages import Message
from miiflow_llm.core.response import ChatResponse
from miiflow_llm.core.usage import TokenCount
from miiflow_llm.replay.fake import fake_pair
from miiflow_llm.replay.server import ReplayServer

from ..captured import ROOT, own, read

pytestmark = pytest.mark.anyio


class Echo:
    """A client without a network: answers with what it was asked, as `fails` allows."""

    provider, model = "echo", "m"

    def __init__(self, fails: Any = None) -> None:
        self.asked: list[str] = []
        self.fails = fails or (lambda text, times: None)
        self.now = self.most = 0

    async def chat(self, messages: list[Message], **parameters: Any) -> ChatResponse:
        """An answer, or an error."""
        text = messages[-1].text
        self.asked.append(text)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await anyio.lowlevel.checkpoint()
            error = self.fails(text, self.asked.count(text))
            if error is not None:
                raise error
        finally:
            self.now -= 1
        usage = TokenCount(prompt_tokens=1, completion_tokens=1, total_tokens=2)
        return ChatResponse(message=Message("assistant", f"re: {text}"), finish_reason="stop", usage=usage)


async def ran(bulk: Bulk, prompts: Any, **said: Any) -> list[BulkResult]:
    """All results of a run."""
    async with bulk.run(prompts, **said) as results:
        return [result async for result in results]


def prompts(count: int) -> list[str]:
    """So many prompts."""
    return [f"prompt {number}" for number in range(count)]


async def test_every_prompt_is_answered_once(tmp_path: Path) -> None:
    """Each prompt has one result, as it is done or in order; running it again asks nobody."""
    echo = Echo()
    async with Bulk(echo, journal=tmp_path / "job.sqlite") as bulk:  # type: ignore[arg-type]
        found = await ran(bulk, prompts(500))
        assert sorted(result.number for result in found) == list(range(500))
        assert all(result.text == f"re: prompt {result.number}" for result in found)
        again = await ran(bulk, prompts(500), ordered=True)
        assert [result.number for result in again] == list(range(500))
        assert all(result.resumed for result in again)
        assert len(echo.asked) == 500
        assert [result.text for result in bulk.results()] == [f"re: {prompt}" for prompt in prompts(500)]
        assert (bulk.counts().done, bulk.counts().tokens) == (500, 1000)


async def test_failures_are_results(tmp_path: Path) -> None:
    """A poisoned prompt is one failed result; it can be asked again, and the others are not."""
    poisoned = {"on": True}

    def fails(text: str, times: int) -> MiiflowLLMError | None:
        bad = InvalidRequestError("no", status_code=400, code="bad")
        return bad if text == "prompt 7" and poisoned["on"] else None

    echo = Echo(fails)
    async with Bulk(echo, journal=tmp_path / "job.sqlite") as bulk:  # type: ignore[arg-type]
        found = {result.number: result for result in await ran(bulk, prompts(20))}
        error = found[7].error
        assert error == BulkError("InvalidRequestError", "no", 400, "bad")
        assert isinstance(error.raised(), InvalidRequestError)
        assert str(error.raised())
        assert sum(result.error is not None for result in found.values()) == 1
        assert (await ran(bulk, prompts(20)))[7].error is not None
        poisoned["on"] = False
        again = {result.number: result for result in await ran(bulk, prompts(20), retry_failed=True)}
        assert again[7].text == "re: prompt 7"
        assert not again[7].resumed
        assert echo.asked.count("prompt 7") == 2
        assert len(echo.asked) == 21


async def test_rate_limits_and_cuts_pass(tmp_path: Path) -> None:
    """What has no room, or breaks off, is asked again; how often stands in the result."""

    def fails(text: str, times: int) -> MiiflowLLMError | None:
        if text == "prompt 3" and times < 3:
            return RateLimitError("full", retry_after=0.01)
        return NetworkError("cut") if text == "prompt 5" and times < 2 else None

    async with Bulk(Echo(fails), journal=tmp_path / "job.sqlite") as bulk:  # type: ignore[arg-type]
        found = {result.number: result for result in await ran(bulk, prompts(10))}
    assert all(result.error is None for result in found.values())
    assert (found[3].tries, found[5].tries, found[0].tries) == (3, 2, 1)


async def test_changed_prompts_are_refused(tmp_path: Path) -> None:
    """Another prompt, order or parameter under the same journal is an error that names the first difference."""
    async with Bulk(Echo(), journal=tmp_path / "job.sqlite") as bulk:  # type: ignore[arg-type]
        await ran(bulk, prompts(10))
        changed = prompts(10)
        changed[4] = "another"
        with pytest.raises(ConfigurationError, match=r"prompt 4 is another"):
            await ran(bulk, changed)
    hotter = Bulk(Echo(), journal=tmp_path / "job.sqlite", parameters={"temperature": 1})  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match=r"prompt 0 is another"):
        await ran(hotter, prompts(10))
    hotter.close()
    async with Bulk(Echo(), journal=tmp_path / "job.sqlite") as bulk:  # type: ignore[arg-type]
        assert len(await ran(bulk, prompts(15))) == 15


async def test_input_is_pulled(tmp_path: Path) -> None:
    """Prompts are pulled as there is room for them, from an async source too; leaving a run leaves the source."""
    pulled = 0

    async def source() -> AsyncIterator[str]:
        nonlocal pulled
        for number in range(100_000):
            pulled += 1
            yield f"prompt {number}"

    echo = Echo()
    async with Bulk(echo, journal=tmp_path / "job.sqlite", concurrency=4) as bulk:  # type: ignore[arg-type]
        async with bulk.run(source()) as results:
            for _ in range(10):
                await results.__anext__()
        with pytest.raises(ConfigurationError, match="enter the run"):
            await bulk.run([]).__anext__()
    assert pulled < 5000
    assert echo.most <= 4


async def test_files(tmp_path: Path) -> None:
    """JSON lines, CSV and plain text are read line by line; keys and parameters of a line are its own."""
    lines = tmp_path / "in.jsonl"
    lines.write_text(
        '{"prompt": "a", "id": 7, "temperature": 0.5}\n\n{"messages": [{"role": "user", "content": "b"}]}\n'
    )
    table = tmp_path / "in.csv"
    table.write_text("id,prompt\nx,c\ny,d\n")
    text = tmp_path / "in.txt"
    text.write_text("e\n\nf\n")
    for path, expected in ((lines, [("7", "re: a"), (None, "re: b")]), (table, [("x", "re: c"), ("y", "re: d")]),
                           (text, [(None, "re: e"), (None, "re: f")])):  # fmt: skip
        async with Bulk(Echo(), journal=tmp_path / f"{path.name}.sqlite") as bulk:  # type: ignore[arg-type]
            assert [(result.key, result.text) for result in await ran(bulk, path, ordered=True)] == expected


@pytest.mark.parametrize(
    ("given", "words"),
    [([5], "prompt 0"), (["a", {"nothing": 1}], "prompt 1: it has none of"),
     ([BulkRequest(messages="a", parameters={"temprature": 1})], "prompt 0: 'temprature'"),
     ("missing.jsonl", "cannot be read")],
    ids=str,
)  # fmt: skip
async def test_prompts_that_are_none(given: Any, words: str, tmp_path: Path) -> None:
    """What is not a prompt is an error that says which one it is."""
    async with Bulk(Echo(), journal=tmp_path / "job.sqlite") as bulk:  # type: ignore[arg-type]
        with pytest.raises(ConfigurationError, match=words):
            await ran(bulk, given)


async def test_the_pace_finds_its_level(tmp_path: Path) -> None:
    """Concurrency grows while all goes well, and falls where there is no room."""
    told: list[BulkProgress] = []
    echo = Echo()
    async with Bulk(echo, journal=tmp_path / "job.sqlite", on_progress=told.append) as bulk:  # type: ignore[arg-type]
        await ran(bulk, prompts(1500))
    assert echo.most > 8
    assert told[-1].done == 1500
    pace = Pace()
    before = pace.limit
    assert pace.failed(RateLimitError("full", retry_after=3), 100.0)
    assert (pace.limit, pace.closed_until) == (int(before * 0.7), 103.0)
    assert pace.failed(RateLimitError("full"), 101.0)
    assert pace.limit == int(before * 0.7)
    assert not pace.failed(InvalidRequestError("no"), 110.0)
    for wrong in (0, "many", -1):
        with pytest.raises(ConfigurationError):
            Pace(wrong)


async def test_a_real_socket(tmp_path: Path) -> None:
    """Through a client and a socket, with a type asked for, the answers are those that `chat` gives."""
    async with ReplayServer(fake_pair("openai_chat", text='{"n": 5}'), match=("streaming",)) as server:
        url = server.url_for("openai")
        async with (
            LLMClient.create("openai", "gpt-4o-mini", "k" * 12, base_url=url, dialect="openai_chat") as client,
            Bulk(client, journal=tmp_path / "job.sqlite", parameters={"schema": {"type": "object"}}) as bulk,
        ):
            found = await ran(bulk, prompts(50))
    assert {result.text for result in found} == {'{"n": 5}'}
    assert len(server.requests) == 50


def test_answers_survive_the_journal() -> None:
    """Every answer of the captures comes back equal, and every error as its type."""
    for capture in own():
        response = read(capture).response
        if response is not None:
            back = loaded(dumped(response), failed=False)
            assert msgspec.json.encode(back) == msgspec.json.encode(
                msgspec.structs.replace(response, raw=None, attempts=[], rate_limit=None)
            ), capture.key
    for name in exceptions.__all__:
        kind = getattr(exceptions, name)
        if isinstance(kind, type) and issubclass(kind, MiiflowLLMError):
            error = BulkError(name, "words").raised()
            assert type(error) is kind
            assert error_of(error) == BulkError(name, "words")


JOB = """
import sys, anyio
from pathlib import Path
from tests.bulk.test_bulk import Echo, prompts
from miiflow_llm.bulk import Bulk

class Slow(Echo):
    async def chat(self, messages, **parameters):
        await anyio.sleep(0.004)
        return await super().chat(messages, **parameters)

async def main():
    async with Bulk(Slow(), journal=sys.argv[1], concurrency=16) as bulk:
        async with bulk.run(prompts(4000)) as results:
            async for result in results:
                pass

anyio.run(main)
"""


@pytest.mark.slow
def test_kill_at_any_moment(tmp_path: Path) -> None:
    """A run that is killed goes on: in the end each result is there once, with what may be billed twice."""
    journal, chance, kills = tmp_path / "job.sqlite", random.Random(5), 0
    while True:
        job = subprocess.Popen([sys.executable, "-c", JOB, str(journal)], cwd=ROOT)
        until = time.monotonic() + (0.6 + 0.5 * chance.random() if kills < 4 else 120)
        while job.poll() is None and time.monotonic() < until:
            time.sleep(0.01)
        if job.poll() is not None:
            assert job.returncode == 0
            break
        os.kill(job.pid, signal.SIGKILL)
        job.wait()
        kills += 1
    found = read_journal(journal)
    assert [result.number for result in found] == list(range(4000))
    assert kills
    assert all(result.text == f"re: prompt {result.number}" for result in found)
    assert sum(result.maybe_billed_twice for result in found) <= kills * 300
