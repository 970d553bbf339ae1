"""What has grown in a value, made again in a copy, gives the value, however its text was cut."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some

from miiflow_llm.schema.partial_json import NOTHING, PartialJSON
from miiflow_llm.web.growth import Growth

VALUES = some.recursive(
    some.none() | some.booleans() | some.integers(-1000, 1000) | some.text(),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)


def told(growth: Growth, value: Any) -> list[dict[str, Any]]:
    """The changes, as they arrive."""
    found: list[dict[str, Any]] = msgspec.json.decode(msgspec.json.encode(growth.changes(value)))
    return found


def made(copy: Any, change: dict[str, Any]) -> Any:
    """The copy with the change made."""
    if not change["at"]:
        return change["set"] if "set" in change else copy + change["add"]
    key, *rest = change["at"]
    if isinstance(copy, list) and key == len(copy):
        copy.append(None)
    inner = copy[key] if isinstance(copy, list) else copy.get(key)
    copy[key] = made(inner, {**change, "at": rest})
    return copy


@pytest.mark.slow
@given(VALUES, some.lists(some.integers(1, 9)), some.booleans())
def test_changes_make_the_value(value: Any, cuts: list[int], ascii_only: bool) -> None:
    """After each look the copy is the value so far, and at the end it is the value."""
    text = json.dumps(value, ensure_ascii=ascii_only)
    reader, growth, copy = PartialJSON(), Growth(), None
    at = 0
    for cut in [*cuts, len(text)]:
        reader.feed(text[at : at + cut])
        at += cut
        if reader.value is not NOTHING:
            for change in told(growth, reader.value):
                copy = made(copy, change)
            assert copy == reader.value
    reader.finish()  # a number alone ends with the text
    for change in told(growth, reader.value):
        copy = made(copy, change)
    assert copy == value


def test_a_change_is_as_small_as_what_is_new() -> None:
    """Of a long value only what came is told: the text that went on, the member that began."""
    value: dict[str, Any] = {"rows": [{"name": "x" * 1000}] * 50 + [{"name": "ab"}]}
    growth = Growth()
    assert told(growth, value) == [{"at": [], "set": value}]
    value["rows"][-1] = {"name": "abcd", "tags": ["t"]}
    assert told(growth, value) == [
        {"at": ["rows", 50, "tags"], "set": ["t"]},
        {"at": ["rows", 50, "name"], "add": "cd"},
    ]
    assert told(growth, value) == []


@pytest.mark.parametrize("new", [[], {}, "text", 3])
def test_another_value_begins_anew(new: Any) -> None:
    """A value that is not the one seen before is told whole."""
    growth = Growth()
    told(growth, {"a": 1})
    assert told(growth, new) == [{"at": [], "set": new}]
