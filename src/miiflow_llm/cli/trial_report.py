"""The command `trial report`: show a trial's log as a table, as JSON or as a picture."""

from __future__ import annotations

from pathlib import Path

from ..core.exceptions import ConfigurationError
from ..trials import Report, open_log, report_of, svg, text
from ..trials.records import Design
from .ending import say
from .output import write, write_json


def report(log: Path, name: str | None, plot: Path | None, alpha: float, *, as_json: bool) -> None:
    """Show the report.

    Raises:
        ConfigurationError: there is no such log or trial, or the picture cannot be written.
    """
    found = read(log, name, alpha)
    if as_json:
        write_json(found)
    else:
        write(f"{text(found)}\n")
    if plot is not None:
        try:
            plot.write_text(svg(found), encoding="utf-8")
        except OSError as reason:
            raise ConfigurationError(f"--plot {plot}: {reason.strerror}") from None
        say(f"written: {plot}")


def read(log: Path, name: str | None, alpha: float) -> Report:
    """The report of the trial of that name, or of the only one.

    Raises:
        ConfigurationError: there is no such log or trial, or there are several.
    """
    if not log.is_file():
        raise ConfigurationError(f"{log}: there is no such file")
    opened = open_log(log)
    try:
        names = list(dict.fromkeys(record.trial for record in opened.read() if isinstance(record, Design)))
        chosen = name or (names[0] if len(names) == 1 else None)
        if chosen is None or chosen not in names:
            have = ", ".join(names) or "no trial"
            raise ConfigurationError(f"{log} holds {have}: name one with --trial")
        return report_of(chosen, opened.read(chosen), alpha=alpha)
    finally:
        opened.close()
