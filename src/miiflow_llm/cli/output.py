"""Write a command's rows and answers as text: to a terminal, a pipe or as JSON lines."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..core.exceptions import ConfigurationError, MiiflowLLMError
from ..core.text import printable


def console() -> Console:
    """The terminal, or what stands in its place; `NO_COLOR` and `TERM=dumb` are obeyed."""
    return Console(highlight=False, soft_wrap=not sys.stdout.isatty())


def is_terminal(screen: Console) -> bool:
    """Whether text may be drawn over."""
    return screen.is_terminal and not screen.is_dumb_terminal


def write(text: str) -> None:
    """Plain text, at once: as it is into a pipe or a file, without what would steer a terminal on one."""
    sys.stdout.write(printable(text) if sys.stdout.isatty() else text)
    sys.stdout.flush()


def write_json(value: Any, *, indent: int = 0) -> None:
    """A value as a line of JSON, or indented."""
    encoded = msgspec.json.encode(value)
    write((msgspec.json.format(encoded, indent=indent) if indent else encoded).decode() + "\n")


def write_lines(path: Path, values: Iterable[Any]) -> None:
    """Write each value as a line of JSON, all in one go: a reader never meets half a file.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    half = path.with_name(f".{path.name}.part")
    try:
        with half.open("wb") as file:
            for value in values:
                file.write(msgspec.json.encode(value) + b"\n")
        half.replace(path)
    except MiiflowLLMError:  # of the values; a TimeoutError among them is an OSError too
        raise
    except OSError as reason:
        raise ConfigurationError(f"{path} cannot be written: {reason.strerror}") from None
    finally:
        half.unlink(missing_ok=True)


def write_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Rows: drawn on a terminal, tab-separated lines elsewhere."""
    screen = console()
    if not is_terminal(screen):
        write("".join("\t".join(row) + "\n" for row in rows))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    screen.print(table)
