"""What `scripts/new-provider` makes: a file that is a provider, and captures that say what is written beside them."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from argparse import Namespace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from miiflow_llm.replay.capture import Capture
from miiflow_llm.replay.fake import DIALECTS
from miiflow_llm.tables import Provider, as_spoken
from miiflow_llm.wire.engine import Engine

from ..captured import HELLO, Outcome, facts, read_stream
from ..wire.test_captures import expected

SCRIPT = Path(__file__).parents[2] / "scripts" / "new_provider.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """The script, as a module."""
    spec = importlib.util.spec_from_file_location("new_provider", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["new_provider"] = module
    spec.loader.exec_module(module)
    return module


def made(script: ModuleType, dialect: str, *more: str) -> Provider:
    """The provider in the file that the script writes."""
    options: Namespace = script.options_of(["skerry", "--like", dialect, "--model", "s-1", *more])
    names: dict[str, Any] = {"__name__": "miiflow_llm.providers.skerry", "__package__": "miiflow_llm.providers"}
    exec(compile(script.source(options), "skerry.py", "exec"), names)
    provider = names["PROVIDER"]
    assert isinstance(provider, Provider)
    return provider


@pytest.mark.parametrize("dialect", DIALECTS)
def test_captures_say_what_is_written(script: ModuleType, dialect: str) -> None:
    """In each format the six captures read as the file beside each says, which no reader of ours wrote."""
    provider = made(script, dialect)
    engine = Engine(as_spoken(provider, provider), provider.name)
    found = list(script.captures(engine.dialect, provider))
    assert [one.name for one in found] == [
        "text",
        "tool_call",
        "whole_text",
        "error_before",
        "error_midstream",
        "cut_short",
    ]
    for capture in found:
        said = facts(read(engine, capture))
        for key, value in expected(capture.expected or {}, said).items():
            assert said.get(key) == value, (capture.name, key)
        assert (capture.request or {}).get("model", "s-1") == "s-1"


def read(engine: Engine, capture: Capture) -> Outcome:
    """What the engine reads in the capture."""
    if capture.status >= 400:
        return Outcome([], None, engine.error(capture.status, {}, capture.body, "s-1"))
    if not capture.streaming:
        return Outcome([], engine.read_whole(capture.body, "s-1", HELLO), None)
    return read_stream(engine, capture, [capture.body])


def test_the_file(script: ModuleType) -> None:
    """What is given on the command line stands in the file; what is not has a sensible value."""
    provider = made(script, "openai_chat", "--base-url", "https://skerry.example/v1", "--takes", "seed,user")
    assert provider.base_url == "https://skerry.example/v1"
    assert (provider.env, provider.takes, provider.example_model) == (("SKERRY_API_KEY",), ("seed", "user"), "s-1")
    lone = made(script, "openai_chat", "--takes", "seed")
    assert lone.takes == ("seed",)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["openai"], "already"),
        (["google"], "already"),
        (["Skerry"], "lower case"),
        (["../skerry"], "cannot be"),
        (["skerry", "--like", "openai"], "invalid choice"),
    ],
)
def test_refused(script: ModuleType, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A name that is taken or cannot name a file, and a format that there is none of, end with a word on it."""
    with pytest.raises(SystemExit):
        script.options_of(arguments)
    assert words in capsys.readouterr().err
