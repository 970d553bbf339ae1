"""The pages of the reference: each public name of each public module, described by its docstring."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterator
from typing import Any

MODULES = {
    "miiflow_llm": "Clients",
    "miiflow_llm.core": "What is said",
    "miiflow_llm.core.exceptions": "Errors",
    "miiflow_llm.routing": "Routing",
    "miiflow_llm.prices": "Prices",
    "miiflow_llm.caching": "Caching",
    "miiflow_llm.bulk": "Bulk",
    "miiflow_llm.trials": "Trials",
    "miiflow_llm.web": "To the browser",
    "miiflow_llm.web.fastapi": "FastAPI",
    "miiflow_llm.web.django": "Django",
    "miiflow_llm.otel": "Telemetry",
    "miiflow_llm.replay": "Replay",
    "miiflow_llm.client.chat": "The face of a client",
    "miiflow_llm.client.config": "Configuration",
    "miiflow_llm.schema.tools": "Functions as tools",
    "miiflow_llm.tables": "Tables",
    "miiflow_llm.dialects": "Dialects",
}
"""The public modules, in the order of the page, with their titles."""
ORDER = ("index.md", *(f"{name}.md" for name in MODULES))
NOT_OURS = (
    "Struct, Exception, BaseException, object, dict, TypedDict, Protocol, Generic, AsyncIterator, Iterator, Response"
)


def pages() -> dict[str, str]:
    """The pages by file name, and the list of them as `index.md`."""
    made, seen = {}, set[int]()
    for name in MODULES:
        made[f"{name}.md"] = page(name, seen)
    rows = "\n".join(f"| [{title}]({name}.md) | `{name}` |" for name, title in MODULES.items())
    made["index.md"] = f"# Reference\n\nMade from the docstrings.\n\n| | module |\n|---|---|\n{rows}\n"
    return made


def page(name: str, seen: set[int]) -> str:
    """One module's page; a name that stands on another page is left to it."""
    module = importlib.import_module(name)
    lines = [f"# {MODULES[name]}", "", "```{eval-rst}", f".. automodule:: {name}", "   :no-members:", ""]
    for member, value in _members(module):
        if id(value) in seen and not isinstance(value, (str, int, float, tuple)):
            continue
        seen.add(id(value))
        home = name if inspect.isclass(value) or inspect.isroutine(value) else _home(module, member)
        lines += _described(f"{home}.{member}", value)
    return "\n".join([*lines, "```", ""])


def _members(module: Any) -> Iterator[tuple[str, Any]]:
    names = getattr(module, "__all__", None)
    if names is None:
        names = [
            name
            for name, value in vars(module).items()
            if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
        ]
    for name in names:
        if not name.startswith("__"):
            yield name, getattr(module, name)


def _home(module: Any, member: str) -> str:
    """The module that a name is imported from: there stands what is said of it."""
    tree = ast.parse(inspect.getsource(module))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and any(alias.name == member for alias in node.names):
            package = module.__spec__.parent if node.level == 1 else module.__spec__.parent.rpartition(".")[0]
            home = f"{package}.{node.module}" if node.level else str(node.module)
            return _home(importlib.import_module(home), member)
    return str(module.__name__)


def _described(name: str, value: Any) -> list[str]:
    if inspect.isclass(value):
        return [f".. autoclass:: {name}", "   :members:", f"   :inherited-members: {NOT_OURS}", ""]
    if inspect.isroutine(value):
        return [f".. autofunction:: {name}", ""]
    return [f".. autodata:: {name}", "   :no-value:", ""]
