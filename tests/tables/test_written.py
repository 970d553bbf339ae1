"""Tables are printed as people write them: what is printed, read by Python again, is the same table."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from functools import partial
from typing import Any

import pytest

from miiflow_llm import dialects, providers, tables
from miiflow_llm.core import exceptions, messages
from miiflow_llm.replay.explain import main
from miiflow_llm.tables import Dialect, apart, as_spoken, by_role, drop, effort, emit, inside, joined, take, when
from miiflow_llm.tables.written import written

FIELDS = [
    name
    for name in Dialect.__struct_fields__
    if name not in ("name", "docs", "path", "stream_path", "framing", "done", "event", "system", "output_subset")
]
SPOKEN = [(name, option.dialect.name) for name in providers.builtin_names() for option in providers.get(name).options]


def names() -> dict[str, Any]:
    """Everything that tables are written with: the language, blocks, errors, functions of dialects and providers."""
    found: dict[str, Any] = {"partial": partial, **vars(messages), **vars(exceptions), **vars(tables)}
    for package in (tables, dialects, providers):
        for module in pkgutil.iter_modules(package.__path__):
            inside_it = importlib.import_module(f"{package.__name__}.{module.name}")
            found.update((key, one) for key, one in vars(inside_it).items() if inspect.isfunction(one))
    return found


@pytest.mark.parametrize(("provider", "dialect"), SPOKEN, ids=lambda one: one)
def test_it_is_the_same_table(provider: str, dialect: str) -> None:
    """Each field of each table, printed and read again by Python, prints the same."""
    found = providers.get(provider)
    table = as_spoken(found, next(option for option in found.options if option.dialect.name == dialect))
    for field in FIELDS:
        text = written(getattr(table, field))
        again = eval(text, names())
        assert written(again) == text, field


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (take("model"), 'take("model")'),
        (take("reasoning", through=effort("low", "high", off="none")), None),
        (take("strict", default=False), 'take("strict", default=False)'),
        (when("stream", True), 'when("stream", True)'),
        (by_role(user=inside({"text": take("text")})), 'by_role(user=inside({"text": take("text")}))'),
        (joined("thinking", take("text"), own="model"), 'joined("thinking", take("text"), own="model")'),
        (apart([take("id")]), 'apart([take("id")])'),
        (emit("text", "delta.content"), 'emit("text", "delta.content")'),
        (emit("text", "text", where=("type", "text"), row="parts"), None),
        (drop("seed", reason="no", models=r"o\d"), r'drop("seed", reason="no", models=r"o\d")'),
    ],
)
def test_as_written(value: Any, text: str | None) -> None:
    """A word prints as the call that makes it."""
    if text is None:
        text = {
            "Take": 'take("reasoning", through=effort("low", "high", off="none"))',
            "Rule": 'emit("text", "text", where=("type", "text"), row="parts")',
        }[type(value).__name__]
    assert written(value) == text
    assert eval(text, names()) is not None


def test_it_is_broken_where_it_is_long() -> None:
    """What does not fit stands on lines of its own, each with a comma, indented by four."""
    lines = ["{", '    "a": when(', '        "seed",', "        1,", "    ),", '    "b": [2],', "}"]
    assert written({"a": when("seed", 1), "b": [2]}, width=20).split("\n") == lines


def test_explain(capsys: pytest.CaptureFixture[str]) -> None:
    """`scripts/explain` prints requests as the table has them, down to how a converter was asked for."""
    assert main(["openai_chat", "--provider", "openai"]) == 0
    shown = capsys.readouterr().out
    assert '"model": take("model"),' in shown
    assert 'through=effort("minimal", "low", "medium", "high")' in shown
    assert "ToolResult: apart(" in shown
    assert "Take(" not in shown
    assert "<function" not in shown
