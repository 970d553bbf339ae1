"""What every feature of a request is on every wire: the exact bodies, one file a wire, to be read beside its sheet."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .features import WIRES, bodies, body


def shown(wire: str) -> str:
    """Each feature with what its body has beyond that of a plain text, or with the error in its place."""
    found = bodies(wire)
    greeting = body(wire, "text")
    lines = ["# {}: {}, {}".format(wire, *WIRES[wire][1:])]
    for feature, one in found.items():
        if feature == "text":
            lines.append("\ntext\n" + fields(greeting))
        elif isinstance(one, dict):
            rest = {key: value for key, value in one.items() if value != greeting.get(key) and not is_hello(value)}
            lines.append(f"\n{feature}\n" + fields(rest))
        else:
            lines.append(f"\n{feature}\n  ! {type(one).__name__}: {one.message}")
    return "\n".join(lines) + "\n"


def fields(body: dict[str, Any]) -> str:
    """A line for each key."""
    return "\n".join(f"  {key}: {json.dumps(value, ensure_ascii=False)}" for key, value in body.items())


def is_hello(value: Any) -> bool:
    """Whether the value is the one message that a feature has which is about none."""
    text = json.dumps(value)
    return isinstance(value, list) and len(value) == 1 and '"Hi"' in text and "cache" not in text


@pytest.mark.parametrize("wire", WIRES)
def test_bodies(wire: str, one_file: Any) -> None:
    """The bodies of all features are those on file."""
    assert shown(wire) == one_file
