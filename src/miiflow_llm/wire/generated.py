"""Run generated source, with the values that it names.

The source is registered in `linecache`, so that tracebacks and profilers show it.
"""

from __future__ import annotations

import linecache
from collections.abc import Mapping
from typing import Any


def run(name: str, source: str, constants: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that the source defines; it shows in tracebacks as `<table name>`."""
    filename = f"<table {name}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    scope = dict(constants)
    exec(compile(source, filename, "exec"), scope)  # noqa: S102  written from tables, which are code themselves
    return scope
