"""The one door by which commands of this room print: what captures and servers say does not steer the terminal."""

from __future__ import annotations

import sys
from typing import TextIO

from ..core.text import printable


def put(text: object = "", end: str = "\n", file: TextIO | None = None) -> None:
    """Print a line at once: as it is into a pipe or a file, without control characters on a terminal."""
    out = file or sys.stdout
    words = str(text)
    print(printable(words) if out.isatty() else words, end=end, file=out, flush=True)
