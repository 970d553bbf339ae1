"""What every feature of a request is on every wire: the exact bodies, one file a wire, to be read beside its sheet."""

from __future__ import annotations

import json
from typing import Any

import pytest

from miiflow_llm.core.request import PARAMETERS
from miiflow_llm.providers import builtin_names, get

from .features import WIRES, bodies, body, features


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
def test_every_parameter_is_asked(wire: str) -> None:
    """Each parameter of a call is asked for on each wire, so that a new one is decided everywhere."""
    assert {name for _, asked in features(wire).values() for name in asked} == set(PARAMETERS)


def test_every_dialect_is_a_wire() -> None:
    """Each dialect of each built-in provider is asked."""
    spoken = {(name, option.dialect.name) for name in builtin_names() for option in get(name).options}
    assert spoken == {(provider, dialect) for provider, dialect, _ in WIRES.values()}


@pytest.mark.parametrize("wire", WIRES)
def test_bodies(wire: str, one_file: Any) -> None:
    """The bodies of all features are those on file."""
    assert shown(wire) == one_file
