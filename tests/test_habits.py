"""The habits of the house that a linter does not know."""

from __future__ import annotations

import ast
import re
import statistics
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from .plain_english import found, prose

ROOT = Path(__file__).parent.parent
SOURCE = sorted((ROOT / "src").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
Function = ast.FunctionDef | ast.AsyncFunctionDef


def named(path: Path) -> str:
    """A file's name in a test's name."""
    return str(path.relative_to(ROOT))


@cache
def tree(path: Path) -> ast.Module:
    """A file's syntax."""
    return ast.parse(path.read_text())


def functions(path: Path) -> Iterator[Function]:
    """Every function of a file."""
    return (node for node in ast.walk(tree(path)) if isinstance(node, Function))


@pytest.mark.parametrize("path", [path for path in (*SOURCE, *TESTS) if path.stat().st_size], ids=named)
def test_modules_open_with_a_sentence(path: Path) -> None:
    """Every module says in its first sentence what it is about."""
    assert (ast.get_docstring(tree(path)) or "").rstrip().endswith((".", ":", "?"))


@pytest.mark.parametrize("path", [path for path in TESTS if path.name.startswith("test_")], ids=named)
def test_tests_state_their_law(path: Path) -> None:
    """Every test has a line that states the law it proves."""
    silent = [one.name for one in functions(path) if one.name.startswith("test_") and not ast.get_docstring(one)]
    assert silent == []


def test_functions_are_short() -> None:
    """Half of all functions have at most 8 lines, nine of ten at most 25, none more than 50; docstrings not counted."""
    lengths = {f"{named(path)}:{one.name}": length(one) for path in SOURCE for one in functions(path)}
    assert {name for name, lines in lengths.items() if lines > 50} == set()
    assert statistics.median(lengths.values()) <= 8
    assert statistics.quantiles(lengths.values(), n=10)[-1] <= 25


def length(function: Function) -> int:
    """The lines of a function without its docstring."""
    lines = (function.end_lineno or 0) - function.lineno + 1
    if ast.get_docstring(function):
        lines -= (function.body[0].end_lineno or 0) - function.body[0].lineno + 1
    return lines


@pytest.mark.parametrize("path", [*SOURCE, *TESTS], ids=named)
def test_exceptions_say_why(path: Path) -> None:
    """What is excused from a linter has a reason, what is excused from the type checker a code; nothing waits."""
    text = path.read_text() if path != Path(__file__) else ""
    assert re.findall(r"# noqa(?!: [A-Z]+\d+(?:, [A-Z]+\d+)* +\S).*", text) == []
    assert re.findall(r"# type: ignore(?!\[[\w, -]+\]).*", text) == []
    assert re.findall(r"\b(?:TODO|FIXME|XXX)\b", text) == []


ENGLISH = {
    "bulk": 0,
    "caching": 4,
    "calls": 4,
    "choosing": 1,
    "cli": 0,
    "client": 1,
    "core": 0,
    "dialects": 1,
    "docs": 7,
    "http": 0,
    "otel": 0,
    "prices": 0,
    "providers": 0,
    "replay": 1,
    "routing": 0,
    "schema": 0,
    "tables": 0,
    "trials": 2,
    "web": 1,
    "wire": 41,
}
"""The most tells of riddling English (docs/inside/style.md) in a room: mend a sentence, and lower its number."""


def rooms() -> dict[str, list[Path]]:
    """The files of each room of the package, and the pages."""
    folders = [path for path in (ROOT / "src" / "miiflow_llm").iterdir() if path.is_dir() and path.name[0] != "_"]
    pages = [*(ROOT / "docs").rglob("*.md"), *(ROOT / ".github").rglob("*.md"), ROOT / "README.md"]
    files = {folder.name: sorted(folder.rglob("*.py")) for folder in folders}
    return {**files, "docs": [page for page in pages if page.name != "style.md"]}


@pytest.mark.parametrize("room", sorted(rooms()))
def test_plain_english_grows(room: str) -> None:
    """No room gets more riddles than it had; one that has got fewer may not get them back."""
    tells = sum((found(text) for path in rooms()[room] for text in prose(path)), Counter[str]())
    assert tells.total() <= ENGLISH.get(room, 0), f"see docs/inside/style.md: {dict(tells)}"


def test_a_tell_is_found() -> None:
    """The count notices the sentences that it is for, across a line's end too, and passes over plain ones."""
    riddles = ["the request is no JSON", "`None` for what is none", "Bytes in, chunks\n    out.", "`0` where it is no"]
    assert [found(text).total() > 0 for text in riddles] == [True] * 4
    assert found("There is no such provider; it is no longer here. See where the table says so.") == Counter()
