"""Records in files: whole after crashes, from several processes, and never in the way of a call."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest

from miiflow_llm.core.exceptions import ConfigurationError
from miiflow_llm.trials.logs import JsonlLog, Log, open_log
from miiflow_llm.trials.records import Design, Exposure, Record, Result, Score, digest

ENDINGS = [".jsonl", ".sqlite"]
RECORDS: list[Record] = [
    Design("t", "d1", {"a": 0.5, "b": 0.5}, at=1.0),
    Exposure("t", digest("ann"), "a", "d1", at=2.0),
    Result("t", digest("ann"), "a", "c1", True, finish_reason="stop", latency_ms=12.5, cost=0.25, at=3.0),
    Score("t", "c1", 1.0, at=4.0),
]


@pytest.fixture(params=ENDINGS)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A log's file, of each kind."""
    return tmp_path / f"log{request.param}"


def write(log: Log, records: list[Record]) -> None:
    """Keep every record."""
    for record in records:
        log.append(record)


def test_what_is_kept_is_read(path: Path) -> None:
    """Records come back equal and in order, at once and after the log was closed and opened again."""
    log = open_log(path)
    write(log, [*RECORDS, Score("other", "c1", 0.0)])
    assert list(log.read("t")) == RECORDS
    log.close()
    log.close()
    again = open_log(path)
    assert list(again.read()) == [*RECORDS, Score("other", "c1", 0.0)]
    again.close()
    assert again.lost == log.lost == 0


def _write_many(path: Path, name: str) -> None:
    log = open_log(path)
    write(log, [Result("t", name, "a", f"{name}-{number}", True) for number in range(200)])
    log.close()


@pytest.mark.slow
def test_processes_write_side_by_side(path: Path) -> None:
    """Four processes keep two hundred records each in one file: none is lost, none is mixed with another."""
    open_log(path).close()
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write_many, args=(path, f"p{number}")) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    log = open_log(path)
    found = [record.call_id for record in log.read() if isinstance(record, Result)]
    log.close()
    assert sorted(found) == sorted(f"p{number}-{at}" for number in range(4) for at in range(200))


def test_a_line_cut_short_costs_only_itself(tmp_path: Path) -> None:
    """A crash within a line leaves the lines before it and those that a later process writes."""
    path = tmp_path / "log.jsonl"
    log = open_log(path)
    write(log, RECORDS[:2])
    log.close()
    with path.open("ab") as file:
        file.write(b'{"type":"score","trial":"t","call')
    later = open_log(path)
    write(later, RECORDS[2:])
    assert list(later.read("t")) == RECORDS
    later.close()


def test_a_full_disk_raises_nothing() -> None:
    """What cannot be written is counted as lost; the call goes on."""
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    log = JsonlLog.__new__(JsonlLog)
    log.lost, log._path, log._file = 0, Path("/dev/full"), os.open("/dev/full", os.O_WRONLY)
    write(log, RECORDS)
    log.close()
    write(log, RECORDS[:1])
    assert log.lost == len(RECORDS) + 1


@pytest.mark.parametrize("name", ["log.txt", "log", "no/such/folder/log.jsonl", "no/such/folder/log.db"])
def test_a_log_that_cannot_be_is_refused(name: str, tmp_path: Path) -> None:
    """Another ending, or a folder that is not there, is an error that names the file."""
    with pytest.raises(ConfigurationError, match=r"log '.*log"):
        open_log(tmp_path / name)


def test_no_name_of_a_unit_is_kept(path: Path) -> None:
    """A log holds digests of units: whoever reads it meets no user's name."""
    assert digest("ann@example.org") != digest("bob@example.org")
    assert "ann" not in digest("ann@example.org")
    assert len(digest("ann@example.org")) == 16
