"""The commands `batch ...`: hand a file of prompts over to a provider, and fetch its answers later."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..bulk.order import from_file
from ..calls.batch_job import SyncBatchJob
from ..client.sync_client import SyncLLMClient
from ..core.batches import BatchResult
from ..core.exceptions import ConfigurationError
from .asking import Ask
from .ending import FAILED, say
from .output import write, write_json, write_lines


def create(ask: Ask, prompts: Path) -> None:
    """Hand the prompts over, and print the id of their batch."""
    with _client(ask) as client:
        job = client.batch(from_file(prompts), **_settings(ask))
    write(f"{job.id}\n")
    say("Answers come within a day or so: miiflow-llm batch status, then batch results, with this id")


def status(ask: Ask, id_: str, *, wait: bool, as_json: bool) -> int:
    """Print how far a batch is; with `wait` once it is over."""
    with _client(ask) as client:
        job = client.batch_job(id_, **_read(ask))
        found = job.wait() if wait else job.refresh()
        if as_json:
            write_json({"id": job.id, "status": found, "counts": job.counts, "reason": _reason(job) or None})
        else:
            write(f"{_line(job)}\n")
    return FAILED if found == "failed" else 0


def results(ask: Ask, id_: str, answers: Path) -> int:
    """Write the answers of a batch, a line each."""
    failed = 0
    with _client(ask) as client:
        job = client.batch_job(id_, **_read(ask))
        job.refresh()
        if not job.done:
            raise ConfigurationError(
                f"batch {job.id} is {job.status}: wait for it with miiflow-llm batch status --wait"
            )

        def lines() -> Iterator[dict[str, Any]]:
            nonlocal failed
            for result in job.results():
                failed += result.error is not None
                yield _written(result)

        write_lines(answers, lines())
    say(f"{answers}: written" + (f"; {failed} failed" if failed else ""))
    return FAILED if failed else 0


def cancel(ask: Ask, id_: str) -> None:
    """End a batch."""
    with _client(ask) as client:
        job = client.batch_job(id_, **_read(ask))
        job.cancel()
        write(f"{_line(job)}\n")


def _client(ask: Ask) -> SyncLLMClient:
    if ask.route is not None:
        raise ConfigurationError("batch: -r NAME is a route of several targets; a batch goes to one: -m PROVIDER:MODEL")
    return ask.direct(SyncLLMClient)


def _settings(ask: Ask) -> dict[str, Any]:
    return {name: value for name, value in ask.settings().items() if name != "timeout"}


def _read(ask: Ask) -> dict[str, Any]:
    """What answers are read by."""
    return {name: value for name, value in _settings(ask).items() if name in ("schema", "tools")}


def _line(job: SyncBatchJob) -> str:
    counts = job.counts
    done = [number for number in (counts.succeeded, counts.failed) if number is not None]
    told = f", {sum(done):,} of {counts.total:,} done" if counts.total is not None and done else ""
    failed = f", {counts.failed:,} failed" if counts.failed else ""
    reason = _reason(job)
    return f"{job.id}: {job.status}{told}{failed}" + (f": {reason}" if reason else "")


def _reason(job: SyncBatchJob) -> str:
    return "; ".join(part.reason for part in job.parts.values() if part.reason)


def _written(result: BatchResult) -> dict[str, Any]:
    line: dict[str, Any] = {"key": result.key}
    if result.error is not None:
        return {**line, "error": {"type": type(result.error).__name__, "message": str(result.error)}}
    answer = result.response
    assert answer is not None  # noqa: S101  these are chats
    line |= {
        "text": answer.content,
        "value": answer.structured_output,
        "tool_calls": answer.tool_calls or None,
        "finish_reason": answer.finish_reason,
        "model": answer.model,
        "usage": answer.usage,
        "cost": answer.cost,
    }
    return {name: value for name, value in line.items() if value is not None}
