"""The pages for people who work on the house are true: its rooms, its files, and what each word of a table does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from miiflow_llm import tables
from miiflow_llm.core import messages
from miiflow_llm.tables import event_words, request_words
from miiflow_llm.wire.decode.tolerant import walk

from ..test_architecture import ROOMS

ROOT = Path(__file__).parent.parent.parent
INSIDE = ROOT / "docs" / "inside"
PAGES = [*sorted(INSIDE.glob("*.md")), *sorted((ROOT / ".github").rglob("*.md"))]
NAMES = {**vars(messages), **vars(tables)}
ROW = re.compile(r"^\| `([\w(.,= )]+)` \| `(.+?)` \| (.+) \|$", re.MULTILINE)
WORDS = ROW.findall((INSIDE / "tables.md").read_text())


def evaluated(code: str) -> Any:
    """A line of a table: a value, or rows of a dict."""
    try:
        return eval(code, dict(NAMES))
    except SyntaxError:
        return eval(f"{{{code}}}", dict(NAMES))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_are_there(page: Path) -> None:
    """Every file and folder that a page names exists."""
    named = re.findall(r"[`(]((?:src|tests|scripts|docs|fixtures|\.ci|\.github)/[\w./-]+)", page.read_text())
    assert [path for path in named if not (ROOT / path).exists()] == []
    linked = re.findall(r"\]\(([\w./-]+\.md)\)", page.read_text())
    assert [path for path in linked if not (page.parent / path).exists()] == []


def test_the_house_has_all_its_rooms() -> None:
    """The table of the house names each room, in the order of the contract."""
    listed = re.findall(r"^\| `(\w+)` \|", (INSIDE / "house.md").read_text(), re.MULTILINE)
    assert set(listed) == set(ROOMS)


def test_every_word_has_a_line() -> None:
    """The words of requests and events that are public stand in the tables, and no others."""
    public = {
        name
        for module in (request_words, event_words)
        for name, word in vars(module).items()
        if name in tables.__all__ and callable(word) and name[0].islower()
    }
    assert {word.partition("(")[0] for word, _, _ in WORDS} == public | {"count"}


@pytest.mark.parametrize(("word", "code", "wire"), WORDS, ids=[word for word, _, _ in WORDS])
def test_a_word_does_what_stands_beside_it(word: str, code: str, wire: str) -> None:
    """Each line is legal, and a rule reads something from the JSON beside it."""
    value = evaluated(code)
    payload = next((part for part in re.findall(r"`([^`]+)`", wire) if part.startswith("{")), None)
    if isinstance(value, (event_words.Rule, event_words.Each)) and payload is not None:
        assert walk((value,), json.loads(payload)), word


def test_the_rooms_are_told_as_they_may_import() -> None:
    """What a room is said to stand on, it may import."""
    page = (INSIDE / "house.md").read_text()
    for room, stands in re.findall(r"^\| `(\w+)` \|.*\| ([\w, ]+) \|$", page, re.MULTILINE):
        named = set(stands.split(", ")) - {"nothing", "all of them"}
        assert named <= set(ROOMS[room][1].split()), room
