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
FIRST = next(iter(MODULES))
ORDER = ("index.md", *(f"{name}.md" for name in MODULES))
NOT_OURS = (
    "Struct, Exception, BaseException, object, dict, TypedDict, Protocol, Generic, AsyncIterator, Iterator, Response"
)


def pages() -> dict[str, str]:
    """The pages by file name, and the list of them as `index.md`."""
    homes: dict[int, str] = {}
    made = {f"{name}.md": page(name, homes) for name in [*list(MODULES)[1:], FIRST]}
    rows = "\n".join(f"| [{title}]({name}.md) | `{name}` |" for name, title in MODULES.items())
    made["index.md"] = f"# Reference\n\nMade from the docstrings.\n\n| | module |\n|---|---|\n{rows}\n"
    return made


def page(name: str, homes: dict[int, str]) -> str:
    """One module's page. A name that stands on another page (`homes`, by the object's id) is left to it."""
    module = importlib.import_module(name)
    described: list[str] = []
    for member, value in _members(module):
        if id(value) in homes and not isinstance(value, (str, int, float, tuple)):
            continue
        if not _is_another_name(member, value):
            homes[id(value)] = name
        home = name if inspect.isclass(value) or inspect.isroutine(value) else _home(module, member)
        described += _described(f"{home}.{member}", value)
    opening = [f"# {MODULES[name]}", "", "```{eval-rst}", f".. automodule:: {name}", "   :no-members:", "", "```", ""]
    names = _index(module, homes) if name == FIRST else []
    return "\n".join([*opening, *names, "```{eval-rst}", *described, "```", ""])


def _index(module: Any, homes: dict[int, str]) -> list[str]:
    """Every name that can be imported from the package itself, and where it is described."""
    rows = []
    for member, value in _members(module):
        place = homes.get(id(value), FIRST)
        words = f", another name of `{value.__name__}`" if _is_another_name(member, value) else ""
        rows.append(f"| `{member}`{words} | " + ("below |" if place == FIRST else f"[{MODULES[place]}]({place}.md) |"))
    return ["All these can be imported from `miiflow_llm`:", "", "| name | described |", "|---|---|", *rows, ""]


def _is_another_name(member: str, value: Any) -> bool:
    return inspect.isclass(value) and value.__name__ != member


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
