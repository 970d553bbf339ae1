"""Set environment variables from the `NAME=value` lines of a `.env` file, only when asked."""

from __future__ import annotations

import os
import re
from pathlib import Path

_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*")


def load_env(path: str | Path = ".env", *, override: bool = False) -> list[str]:
    """Set the variables of the file that are not set yet (all of them with `override`); the names that were set.

    A file that does not exist sets nothing. Values may stand in quotes; `#` begins a comment outside of them; an empty
    value sets nothing.
    """
    file = Path(path)
    if not file.is_file():
        return []
    done = []
    for line in file.read_text(encoding="utf-8").splitlines():
        match = None if line.lstrip().startswith("#") else _LINE.fullmatch(line)
        if match is None:
            continue
        name, value = match.group(1), _unquoted(match.group(2))
        if value and (override or not os.environ.get(name)):
            os.environ[name] = value
            done.append(name)
    return done


def _unquoted(value: str) -> str:
    for quote in ("'", '"'):
        if value.startswith(quote):
            return value[1:].partition(quote)[0]
    return re.split(r"\s+#", value, maxsplit=1)[0]
