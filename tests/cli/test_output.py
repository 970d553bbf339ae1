"""Files of answers: whole or not there, and the errors of what is written stay what they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("typer")

from miiflow_llm.cli.output import write_lines
from miiflow_llm.core.exceptions import ConfigurationError, TimeoutError


def breaking() -> Iterator[dict[str, Any]]:
    """An answer, and then a limit that has passed."""
    yield {"text": "one"}
    raise TimeoutError("late", phase="total", seconds=1.0)


def test_a_file_is_whole_or_as_it_was(tmp_path: Path) -> None:
    """What breaks off while lines are written leaves the file of before, and nothing beside it."""
    path = tmp_path / "out.jsonl"
    write_lines(path, [{"text": "é"}, {"text": "\n"}])
    before = path.read_bytes()
    assert before == '{"text":"é"}\n{"text":"\\n"}\n'.encode()
    with pytest.raises(TimeoutError, match="late"):
        write_lines(path, breaking())
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    """It is said which, and why."""
    with pytest.raises(ConfigurationError, match=r"out\.jsonl cannot be written: No such file"):
        write_lines(tmp_path / "none" / "out.jsonl", [])
