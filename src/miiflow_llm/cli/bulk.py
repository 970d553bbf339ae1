"""The command `bulk`: ask every prompt of a file, with a journal that survives what breaks it off."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import anyio
import msgspec

from ..bulk import Bulk, BulkProgress, BulkResult, draw
from ..bulk import report as report_of
from .asking import Ask
from .ending import FAILED, say
from .output import write, write_json, write_lines


class Job(msgspec.Struct, kw_only=True):
    """The options of the command."""

    prompts: Path
    answers: Path
    journal: Path | None = None
    concurrency: str = "auto"
    retry_failed: bool = False
    via: Literal["calls", "batch"] = "calls"
    poll: float = 10.0


def bulk(ask: Ask, job: Job) -> int:
    """Ask every prompt that is not done, and write all answers in the order of the prompts.

    Raises:
        ConfigurationError: nothing can be asked, or the journal is that of other prompts.
    """
    concurrency: int | str = int(job.concurrency) if job.concurrency.isdecimal() else job.concurrency
    settings = {name: value for name, value in ask.settings().items() if name != "timeout"}
    journal = job.journal or job.answers.with_suffix(".sqlite")
    failed = anyio.run(_run, ask, job, journal, concurrency, settings)
    say(f"{job.answers}: written; the journal is {journal}")
    return FAILED if failed else 0


async def _run(ask: Ask, job: Job, journal: Path, concurrency: int | str, settings: Mapping[str, Any]) -> int:
    bar = _Bar()
    made = Bulk(
        ask.loop_client(),
        journal=journal,
        concurrency=concurrency,
        on_progress=bar.show,
        parameters=settings,
        via=job.via,
        poll=job.poll,
    )
    async with made.client, made, made.run(job.prompts, retry_failed=job.retry_failed) as results:
        async for _ in results:
            pass
        bar.end()
        return _write(made, job.answers)


def _write(made: Bulk, path: Path) -> int:
    """Write every result, a line each. How many failed."""
    failed = 0

    def lines() -> Iterator[dict[str, Any]]:
        nonlocal failed
        for result in made.results():
            failed += result.error is not None
            yield _line(result)

    write_lines(path, lines())
    return failed


def _line(result: BulkResult) -> dict[str, Any]:
    answer = result.response
    line: dict[str, Any] = {"number": result.number, "key": result.key}
    if answer is not None:
        line |= {
            "text": answer.content,
            "tool_calls": answer.tool_calls or None,
            "finish_reason": answer.finish_reason,
            "model": answer.model,
            "usage": answer.usage,
        }
    line |= {"error": result.error, "maybe_billed_twice": result.maybe_billed_twice or None}
    return {name: value for name, value in line.items() if value is not None}


class _Bar:
    """One line on a terminal that says how far it is; nothing elsewhere."""

    def __init__(self) -> None:
        self._shows = sys.stderr.isatty()
        self._shown = False

    def show(self, progress: BulkProgress) -> None:
        """Draw the line again."""
        if not self._shows:
            return
        rate = progress.tokens / progress.seconds if progress.seconds else 0.0
        words = (
            f"{progress.done:,} done, {progress.failed:,} failed, {progress.in_flight} of {progress.limit} on their "
            f"way, {rate:,.0f} tokens/s"
        )
        if progress.cost is not None:
            words += f", {progress.cost:,.2f} USD"
        sys.stderr.write(f"\r\x1b[K{words}")
        sys.stderr.flush()
        self._shown = True

    def end(self) -> None:
        """Leave the line."""
        if self._shown:
            sys.stderr.write("\n")


def report(path: Path, *, as_json: bool, plot: Path | None = None) -> None:
    """How far a job is, from its journal; `plot` is where its picture goes, as SVG.

    Raises:
        ConfigurationError: there is no such journal, or the picture cannot be written.
    """
    found = report_of(path)
    if plot is not None:
        draw(found, plot)
        say(f"{plot}: written")
    counts = found.counts
    rows = {
        "done": counts.done,
        "failed": counts.failed,
        "on_their_way": counts.sent,
        "tokens": counts.tokens,
        "cost_usd": None if counts.cost is None else round(counts.cost, 6),
        "seconds": round(found.seconds, 1),
        "a_second": round(found.a_second, 2) if found.a_second else None,
        "p50_ms": found.p50_ms,
        "p95_ms": found.p95_ms,
    }
    if as_json:
        write_json(rows)
    else:
        lines = (f"{name.replace('_', ' '):14} {'-' if value is None else value}\n" for name, value in rows.items())
        write("".join(lines))
