"""A job through the provider's batches: every prompt once in the journal, whatever breaks off; and its report."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from miiflow_llm import LLMClient
from miiflow_llm.bulk import Bulk, BulkRequest, BulkResult, draw, report
from miiflow_llm.bulk.batched import BatchRun
from miiflow_llm.core.exceptions import ConfigurationError, MiiflowLLMError
from miiflow_llm.replay.batch_desk import BatchPlan
from miiflow_llm.replay.fake import FakeError, fake_body
from miiflow_llm.replay.faults import StatusFirst
from miiflow_llm.replay.server import ReplayServer

pytestmark = pytest.mark.anyio


def served() -> ReplayServer:
    """A server with answers for two models, one of which fails."""
    good = fake_body("anthropic_messages", name="good", text="Twice.", streaming=False)
    bad = fake_body("anthropic_messages", name="bad", error=FakeError("closed", status=400), streaming=False)
    good.model, bad.model = "good", "bad"
    return ReplayServer([good, bad])


def client(server: ReplayServer) -> LLMClient:
    """A client of it."""
    url = server.url_for("anthropic")
    return LLMClient.create("anthropic", "good", "k" * 12, base_url=url, max_retries=0)


def bulk(one: LLMClient, path: Path, **more: Any) -> Bulk:
    """The job."""
    return Bulk(one, journal=path, via="batch", poll=0.001, parameters={"max_tokens": 9}, **more)


async def ran(job: Bulk, prompts: Any, *, part: int = 10_000, **said: Any) -> list[BulkResult]:
    """All results of a run."""
    run = job.run(prompts, **said)
    assert isinstance(run, BatchRun)
    run.part = part
    async with run as results:
        return [result async for result in results]


def prompts(count: int) -> Iterator[str]:
    """So many prompts."""
    return (f"prompt {number}" for number in range(count))


async def test_every_prompt_is_answered_once(tmp_path: Path) -> None:
    """Each prompt has one result, in several batches; a second run hands in nothing."""
    told = []
    async with served() as server, client(server) as one:
        async with bulk(one, tmp_path / "job.sqlite", on_progress=told.append) as job:
            found = await ran(job, prompts(25), part=10)
            assert sorted(result.number for result in found) == list(range(25))
            assert {result.text for result in found} == {"Twice."}
            assert not any(result.maybe_billed_twice or result.resumed for result in found)
            assert len(server.batches.jobs) == 3
            again = await ran(job, prompts(25), ordered=True)
            assert [result.number for result in again] == list(range(25))
            assert all(result.resumed for result in again)
            assert len(server.batches.jobs) == 3
            assert (job.counts().done, job.counts().sent) == (25, 0)
            assert told[-1].done == 25
            changed = [*prompts(4), "another"]
            with pytest.raises(ConfigurationError, match="prompt 4 is another"):
                await ran(job, changed)


async def test_a_broken_off_run_goes_on_with_its_batches(tmp_path: Path) -> None:
    """Left after handing in, the next run reads the same batch, and nothing is billed twice."""
    async with served() as server, client(server) as one:
        server.batches.plan = BatchPlan(looks=10**9)
        async with bulk(one, tmp_path / "job.sqlite") as job:
            run = job.run(prompts(5))
            server.batches.plan = BatchPlan(looks=0)
            async with run as results:
                await results.__anext__()
        assert len(server.batches.jobs) == 1
        async with bulk(one, tmp_path / "job.sqlite") as job:
            found = await ran(job, prompts(5))
        assert sorted(result.number for result in found) == list(range(5))
        assert not any(result.maybe_billed_twice for result in found)
        assert len(server.batches.jobs) == 1


async def test_what_is_not_known_is_marked(tmp_path: Path) -> None:
    """If nothing is known of what became of handing in, the next run says that it may be billed twice."""
    for status, twice in ((500, True), (400, False)):
        async with served() as server, client(server) as one:
            server.fault = StatusFirst(status)
            async with bulk(one, tmp_path / f"{status}.sqlite") as job:
                with pytest.raises(MiiflowLLMError):
                    await ran(job, prompts(3))
            async with bulk(one, tmp_path / f"{status}.sqlite") as job:
                found = await ran(job, prompts(3))
            assert [result.maybe_billed_twice for result in found] == [twice] * 3


async def test_failures_are_results_and_are_asked_again(tmp_path: Path) -> None:
    """Errors of single requests, and what a batch left without an answer, fail; `retry_failed` hands those in again."""
    asked = [BulkRequest(messages="a", parameters={"model": "bad"}), "b", "c"]
    async with served() as server, client(server) as one:
        async with bulk(one, tmp_path / "job.sqlite") as job:
            server.batches.plan = BatchPlan(looks=0, status="expired", answered=2)
            found = {result.number: result for result in await ran(job, asked)}
            assert isinstance(found[0].error and found[0].error.raised(), MiiflowLLMError)
            assert found[1].text == "Twice."
            assert found[2].error is not None
            assert found[2].error.type == "BatchExpiredError"
            server.batches.plan = BatchPlan(looks=0)
            again = {result.number: result for result in await ran(job, asked, retry_failed=True)}
            assert again[2].text == "Twice."
            assert [len(one.lines) for one in server.batches.jobs.values()] == [3, 2]


async def test_what_has_no_batches(tmp_path: Path) -> None:
    """A router, and a word that is not a way, are refused."""
    async with served() as server, client(server) as one:
        with pytest.raises(ConfigurationError, match="'calls' or 'batch'"):
            Bulk(one, journal=tmp_path / "a.sqlite", via="post")  # type: ignore[arg-type]
        with pytest.raises(ConfigurationError, match="LLMClient"):
            Bulk(object(), journal=tmp_path / "b.sqlite", via="batch").run([])  # type: ignore[arg-type]


async def test_a_report_and_its_picture(tmp_path: Path) -> None:
    """The report counts what the journal holds, and the picture is an SVG with four panels."""
    path = tmp_path / "job.sqlite"
    with pytest.raises(ConfigurationError, match="no such journal"):
        report(path)
    async with served() as server, client(server) as one:
        async with bulk(one, path) as job:
            await ran(job, prompts(7))
    found = report(path)
    assert (found.counts.done, found.counts.failed, sum(one.done for one in found.slices)) == (7, 0, 7)
    draw(found, tmp_path / "out.svg")
    tree = ET.fromstring((tmp_path / "out.svg").read_text())
    titles = [text.text for text in tree.iter("{http://www.w3.org/2000/svg}text") if text.get("class") == "title"]
    assert len(titles) == 4
    with pytest.raises(ConfigurationError, match="cannot be written"):
        draw(found, tmp_path / "missing" / "out.svg")
